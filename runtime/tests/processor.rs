//! The processor loop on a real broker: one outcome for each offset, through restarts.

use millrace_runtime::{
    Headers, RuntimeError,
    config::{KafkaConfig, RegistryConfig},
    lifecycle::Shutdown,
    log::Log,
    processor::{self, Context, Memory, Processor, ProcessorConfig},
    producer::EventProducer,
    reader::{From, Reader},
};
use millrace_schemas::{
    Event,
    event::{Decision, DecisionSource, Duplicate, Journal as _, Transaction, TransactionScore, Windows},
    rules::Rules,
    wire::Codec,
};
use std::{collections::BTreeMap, time::Duration};

/// Counts a customer's transactions: memory that shows at once when a record is lost or taken twice.
#[derive(Clone)]
struct Counting;

#[derive(Default)]
struct Counts(BTreeMap<String, i32>);

impl Processor for Counting {
    const NAME: &'static str = "counting";
    type Out = TransactionScore;
    type Memory = Counts;

    fn memory(&self) -> Counts {
        Counts::default()
    }
}

impl Memory<TransactionScore> for Counts {
    fn restore(&mut self, output: &TransactionScore) {
        *self.0.entry(output.transaction.customer_id.clone()).or_default() += 1;
    }

    fn process(&mut self, input: &Transaction, context: &Context) -> TransactionScore {
        let count = self.0.entry(input.customer_id.clone()).or_default();
        *count += 1;
        TransactionScore {
            event_id: context.event_id.clone(),
            occurred_at: input.occurred_at,
            received_at: input.received_at,
            trn_id: context.trn_id.clone(),
            source: context.source.clone(),
            transaction: input.clone(),
            scoring: 0.0,
            decision: Decision::Allow,
            decision_source: DecisionSource::Rules,
            reasons: Vec::new(),
            model: None,
            configuration: "test".into(),
            windows: windows(*count),
            window_exact: true,
            features: BTreeMap::new(),
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

fn service(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| {
        panic!("{name} is not set; run the tests with `make test`, or under `millrace sandbox -- cargo test`")
    })
}

async fn deployment(name: &str) -> Log {
    let prefix = format!("{name}-{}.", uuid::Uuid::new_v4().simple());
    let kafka = KafkaConfig {
        brokers: service("MILLRACE_TEST_KAFKA"),
        topic_prefix: prefix,
        partitions: 3,
        ..KafkaConfig::default()
    };
    let registry = RegistryConfig { url: service("MILLRACE_TEST_REGISTRY"), ..RegistryConfig::default() };
    let log = Log::new(&kafka, &registry).expect("configuration");
    log.create_topics().await.expect("topics");
    log.register_schemas().await.expect("schemas");
    log
}

fn example() -> Transaction {
    let text =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../schemas/avro/transactions/v1.example.json"))
            .expect("example");
    serde_json::from_str::<Vec<Transaction>>(&text).expect("example").remove(0)
}

async fn read<E: Event>(log: &Log) -> Vec<E> {
    let codec = Codec::reader(&log.schemas().await.expect("schemas")).expect("codec");
    let (kafka, count) = (log.kafka().clone(), log.partitions(E::TOPIC).await.expect("topic"));
    let records = tokio::task::spawn_blocking(move || {
        let partitions: Vec<i32> = (0..count).collect();
        let mut reader = Reader::new(&kafka, E::TOPIC, &partitions, From::Beginning).expect("reader");
        reader.read_to_end(partitions.len(), Duration::from_secs(30)).expect("records")
    });
    let records = records.await.expect("reading");
    records.iter().map(|record| codec.decode(record.value.as_deref()).expect("decodes")).collect()
}

async fn until<T, R: Future<Output = Vec<T>>>(mut ask: impl FnMut() -> R, count: usize) -> Vec<T> {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(60);
    loop {
        let found = ask().await;
        if found.len() >= count {
            return found;
        }
        assert!(tokio::time::Instant::now() < deadline, "{} of {count} within 60 s", found.len());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn start(log: &Log) -> (Shutdown, tokio::task::JoinHandle<Result<(), RuntimeError>>) {
    let shutdown = Shutdown::new();
    let run = processor::run(Counting, log.clone(), Rules::default(), ProcessorConfig::default(), shutdown.clone());
    (shutdown, tokio::spawn(run))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_is_rebuilt_so_that_every_transaction_counts_once() {
    let log = deployment("counting").await;
    let producer = EventProducer::connect(&log, "test").await.expect("schemas");
    let (mut sent, customers) = (0, 5);
    for round in 0..3 {
        let (shutdown, worker) = start(&log);
        for index in 0..200 {
            let mut transaction = example();
            transaction.customer_id = format!("customer-{}", index % customers);
            transaction.transaction_id = format!("{round}-{index}");
            producer.append(&transaction, Headers::new()).await.expect("acknowledged");
            sent += 1;
            if index % 50 == 0 {
                producer.append(&transaction, Headers::new()).await.expect("acknowledged");
            }
        }
        // In the last round everything is waited for; before, the shutdown comes while records are under way.
        if round == 2 {
            until(|| read::<TransactionScore>(&log), sent).await;
            until(|| read::<Duplicate>(&log), 12).await;
        }
        shutdown.cancel();
        worker.await.expect("no panic").expect("ends well");
    }
    let scores = read::<TransactionScore>(&log).await;
    assert_eq!((scores.len(), read::<Duplicate>(&log).await.len()), (sent, 12));
    let mut counts: BTreeMap<String, Vec<i32>> = BTreeMap::new();
    for score in &scores {
        counts
            .entry(score.transaction.customer_id.clone())
            .or_default()
            .push(score.windows.customer_transaction_count_3h);
        assert_eq!(score.trn_id, score.transaction.trn_id().to_string());
    }
    let expected: Vec<i32> = (1..=sent as i32 / customers).collect();
    for (customer, mut counts) in counts {
        counts.sort_unstable();
        assert_eq!(counts, expected, "{customer}");
    }
    let lag = log.lag("counting", &[Transaction::TOPIC]).await.expect("lag");
    assert_eq!(lag.total(), 0, "{lag:?}");
}
