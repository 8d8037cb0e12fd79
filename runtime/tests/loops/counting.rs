//! A processor whose outputs show at once when a record is lost or taken twice.

use millrace_runtime::{
    RuntimeError,
    lifecycle::Shutdown,
    log::Log,
    processor::{self, Context, Memory, Processor, ProcessorConfig},
};
use millrace_schemas::{
    event::{Decision, DecisionSource, FeatureValues, Transaction, TransactionScore, Windows},
    rules::Rules,
};
use std::{collections::BTreeMap, time::Duration};
use tokio::task::JoinHandle;

/// Counts a customer's transactions: memory that shows at once when a record is lost or taken twice.
#[derive(Clone)]
pub struct Counting;

#[derive(Default)]
pub struct Counts(BTreeMap<String, i32>);

impl Processor for Counting {
    const NAME: &'static str = "counting";
    type Out = TransactionScore;
    type Memory = Counts;

    fn memory(&self) -> Counts {
        Counts::default()
    }

    fn memory_version(&self) -> String {
        "1".into()
    }
}

impl Memory<TransactionScore> for Counts {
    fn save(&self) -> Option<Vec<u8>> {
        serde_json::to_vec(&self.0).ok()
    }

    fn load(&mut self, saved: &[u8]) -> bool {
        serde_json::from_slice(saved).map(|counts| self.0 = counts).is_ok()
    }

    fn restore(&mut self, output: &TransactionScore) {
        *self.0.entry(output.transaction.customer_id.clone()).or_default() += 1;
    }

    fn process(&mut self, input: Transaction, context: Context) -> TransactionScore {
        let count = self.0.entry(input.customer_id.clone()).or_default();
        *count += 1;
        TransactionScore {
            event_id: context.event_id,
            occurred_at: input.occurred_at,
            received_at: input.received_at,
            trn_id: context.trn_id,
            source: context.source,
            transaction: input,
            scoring: 0.0,
            decision: Decision::Allow,
            decision_source: DecisionSource::Rules,
            reasons: Vec::new(),
            model: None,
            configuration: "test".into(),
            windows: windows(*count),
            window_exact: true,
            features: FeatureValues::default(),
            raw_scoring: None,
            default_cause: None,
            shadow: None,
        }
    }
}

fn windows(count: i32) -> Windows {
    Windows {
        customer_transaction_count_3h: count,
        customer_avg_amount_3h: 0,
        customer_transaction_count_6h: 0,
        customer_avg_amount_6h: 0,
        customer_transaction_count_12h: 0,
        customer_avg_amount_12h: 0,
        customer_transaction_count_24h: 0,
        customer_avg_amount_24h: 0,
    }
}

/// A worker under way.
pub struct Worker {
    shutdown: Shutdown,
    ended: JoinHandle<Result<(), RuntimeError>>,
}

impl Worker {
    pub fn start(log: &Log) -> Self {
        Self::start_with(log, ProcessorConfig::default())
    }

    pub fn start_with(log: &Log, config: ProcessorConfig) -> Self {
        let shutdown = Shutdown::new();
        let run = processor::run(Counting, log.clone(), Rules::default(), config, shutdown.clone());
        Self { shutdown, ended: tokio::spawn(run) }
    }

    /// What ends the worker by itself.
    pub async fn fails(mut self) -> String {
        let ended = tokio::time::timeout(Duration::from_secs(60), &mut self.ended).await;
        ended.expect("it ends within 60 s").expect("no panic").expect_err("it is refused").to_string()
    }

    pub async fn stop(mut self) {
        self.shutdown.cancel();
        (&mut self.ended).await.expect("no panic").expect("ends well");
    }
}

/// A test that failed ends its worker too, whose thread the runtime would wait for.
impl Drop for Worker {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}
