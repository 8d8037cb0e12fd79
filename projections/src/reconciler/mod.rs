//! The reconciler: a service that keeps proving that nothing is lost and nothing doubled.
//!
//! For each partition of a journal: every record below the processor's committed offset has exactly one outcome. For each partition
//! of a projected topic: every table holds exactly the rows that the log makes, by offsets and by sums of money for each currency.
//! New offsets are checked as they are committed; what was checked before is compared with the tables again, in turn, a bounded
//! stretch at a time. A difference names its offsets, is logged once as an error, and stays until it is settled.
//!
//! Its state is its last event in the topic `reconciliation`, so a restart goes on where it ended.
//!
//! It reads every new record once more than the pipeline does (and outputs twice), asks the tables two or so small questions for
//! each stretch, and re-reads at most [`ReconcilerConfig::turn_records_max`] earlier records each round.
//!
//! - `rows`: what the log makes of a stretch, and what the tables hold.
//! - `partition`: one partition of a projected topic, step by step.
//! - `state`: what was proven, in the log.

mod metrics;
mod partition;
mod rows;
mod state;

pub use metrics::{CHECKED_TIMESTAMP_SECONDS, DIFFERENCES, PENDING_OFFSETS, ROUNDS_TOTAL};
pub use state::published;

use crate::clickhouse::{ClickHouse, ClickHouseError, tables};
use millrace_runtime::{
    RuntimeError,
    clock::{Clock as _, SystemClock},
    lifecycle::Shutdown,
    log::Log,
    producer::EventProducer,
    reconcile::{Checker, Journal},
};
use millrace_schemas::event::Reconciliation;
use partition::Projected;
use serde::{Deserialize, Serialize};
use state::State;
use std::{sync::Arc, time::Duration};

/// The section `[reconciler]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ReconcilerConfig {
    /// Pause between rounds, in milliseconds.
    pub every_ms: u64,
    /// Most records of a topic's partition that are compared at a time.
    pub stretch_records_max: usize,
    /// Most records of what was checked before that are compared again in one round; each round has one partition's turn.
    pub turn_records_max: usize,
}

impl Default for ReconcilerConfig {
    fn default() -> Self {
        Self { every_ms: 10_000, stretch_records_max: 20_000, turn_records_max: 20_000 }
    }
}

/// Why a round was not finished.
#[derive(Debug, thiserror::Error)]
pub enum ReconcileError {
    /// Of the log.
    #[error(transparent)]
    Log(#[from] RuntimeError),
    /// Of the tables.
    #[error(transparent)]
    Tables(#[from] ClickHouseError),
    /// What was proven cannot be written.
    #[error("writing what was proven: {0}")]
    Publish(#[from] millrace_runtime::producer::AppendError),
}

impl ReconcileError {
    /// Whether another round may do better.
    fn passes(&self) -> bool {
        match self {
            Self::Log(error) => matches!(error, RuntimeError::Transient(_)),
            Self::Tables(error) => error.is_transient(),
            Self::Publish(_) => true,
        }
    }
}

/// Proves until the shutdown.
///
/// # Errors
/// What another round cannot mend.
pub async fn run(
    log: Log,
    clickhouse: ClickHouse,
    journals: Vec<Journal>,
    config: ReconcilerConfig,
    shutdown: Shutdown,
) -> Result<(), ReconcileError> {
    let mut reconciler = Reconciler::start(log, clickhouse, journals, config).await?;
    tracing::info!("reconciler started");
    loop {
        match reconciler.round().await {
            Ok(()) => metrics::round("ok"),
            Err(error) if error.passes() => {
                metrics::round("failed");
                tracing::warn!(error = %error, "a round was not finished; the next one goes on");
            }
            Err(error) => return Err(error),
        }
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(config.every_ms)) => {}
            () = shutdown.cancelled() => return Ok(()),
        }
    }
}

struct Reconciler {
    log: Log,
    clickhouse: ClickHouse,
    checker: Arc<Checker>,
    journals: Vec<Journal>,
    projected: Vec<Projected>,
    state: State,
    config: ReconcilerConfig,
    /// Whose turn it is to be compared again.
    turn: usize,
}

impl Reconciler {
    async fn start(
        log: Log,
        clickhouse: ClickHouse,
        journals: Vec<Journal>,
        config: ReconcilerConfig,
    ) -> Result<Self, ReconcileError> {
        log.check_topics().await?;
        let checker = Arc::new(Checker::new(&log).await?);
        let state = State::load(&log, EventProducer::connect(&log, "reconciler").await?).await?;
        let mut projected = Vec::new();
        for topic in tables::topics() {
            for partition in 0..log.partitions(topic).await? {
                projected.push(Projected::new(topic, partition));
            }
        }
        Ok(Self { log, clickhouse, checker, journals, projected, state, config, turn: 0 })
    }

    async fn round(&mut self) -> Result<(), ReconcileError> {
        for journal in self.journals.clone() {
            self.outcomes(&journal).await?;
        }
        self.rows().await?;
        self.earlier_rows().await
    }

    /// Every journal record that is decided has exactly one outcome.
    async fn outcomes(&mut self, journal: &Journal) -> Result<(), ReconcileError> {
        let lag = self.log.lag(journal.processor, &[journal.topic]).await?;
        for at in &lag.partitions {
            let committed = at.committed.unwrap_or(0);
            let mut more = true;
            while more {
                let (checker, journal) = (Arc::clone(&self.checker), *journal);
                let mut state = self.state.of(journal.topic, at.partition);
                let step = tokio::task::spawn_blocking(move || {
                    let more = checker.outcomes(&journal, committed, &mut state)?;
                    Ok::<_, RuntimeError>((more, state))
                });
                let (left, state) = joined(step.await)?;
                more = left;
                self.proven(state, at.end).await?;
            }
        }
        Ok(())
    }

    /// Tables hold exactly what the log makes, of what the projector has committed since.
    async fn rows(&mut self) -> Result<(), ReconcileError> {
        let topics = tables::topics();
        let lag = self.log.lag(&projector(&self.clickhouse).await?, &topics).await?;
        for index in 0..self.projected.len() {
            let (topic, partition) = self.projected[index].place();
            let name = self.log.topic_name(topic);
            let Some(at) = lag.partitions.iter().find(|at| at.topic == name && at.partition == partition) else {
                continue;
            };
            let mut more = true;
            while more {
                let mut state = self.state.of(topic, partition);
                let (checker, tables) = (&self.checker, &self.clickhouse);
                let max = self.config.stretch_records_max;
                more = self.projected[index].go_on(checker, tables, at.committed.unwrap_or(0), max, &mut state).await?;
                self.proven(state, at.end).await?;
            }
        }
        Ok(())
    }

    /// Compares earlier offsets again, one partition after the other.
    async fn earlier_rows(&mut self) -> Result<(), ReconcileError> {
        let index = self.turn % self.projected.len();
        let (topic, partition) = self.projected[index].place();
        let mut state = self.state.of(topic, partition);
        let max = self.config.turn_records_max;
        let is_complete = self.projected[index].turn(&self.checker, &self.clickhouse, max, &mut state).await?;
        self.turn += usize::from(is_complete);
        let end = state.committed;
        self.proven(state, end).await
    }

    async fn proven(&mut self, mut state: Reconciliation, end: i64) -> Result<(), ReconcileError> {
        state.checked_at = SystemClock.now_ms();
        metrics::proven(&state, end);
        Ok(self.state.publish(state).await?)
    }
}

/// Name of the group that fills what the public names show.
async fn projector(clickhouse: &ClickHouse) -> Result<String, ReconcileError> {
    Ok(clickhouse.switch().await?.live.group())
}

fn joined<T>(step: Result<Result<T, RuntimeError>, tokio::task::JoinError>) -> Result<T, ReconcileError> {
    let step = step.map_err(|error| RuntimeError::Fatal(format!("a check panicked: {error}")))?;
    Ok(step?)
}
