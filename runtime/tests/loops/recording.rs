//! A store that remembers what was written to it, in the order it came.

use millrace_runtime::{
    Record, RuntimeError,
    lifecycle::Shutdown,
    log::Log,
    sink::{self, Batch, Sink, SinkConfig, SinkError},
};
use millrace_schemas::Topic;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::task::JoinHandle;

/// The store; it outlives the workers that write to it.
#[derive(Default)]
pub struct Recording(Mutex<Vec<Record>>);

impl Recording {
    pub fn records(&self) -> Vec<Record> {
        self.stored().clone()
    }

    fn stored(&self) -> MutexGuard<'_, Vec<Record>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sink for Recording {
    const NAME: &'static str = "recording";

    fn topics(&self) -> Vec<Topic> {
        vec![Topic::TransactionScores]
    }

    async fn position(&self, topic: Topic, partition: i32) -> Result<Option<i64>, SinkError> {
        let stored = self.stored();
        let of_partition = stored.iter().filter(|record| (record.topic, record.partition) == (topic, partition));
        Ok(of_partition.map(|record| record.offset).max())
    }

    async fn write(&self, batch: &Batch) -> Result<(), SinkError> {
        self.stored().extend(batch.records.iter().cloned());
        Ok(())
    }
}

/// A projector under way.
pub struct Projector {
    shutdown: Shutdown,
    ended: JoinHandle<Result<(), RuntimeError>>,
}

impl Projector {
    pub fn start(store: &Arc<Recording>, log: &Log) -> Self {
        let shutdown = Shutdown::new();
        let config = SinkConfig { batch_age_max_ms: 20, batch_records_max: 4, ..SinkConfig::default() };
        let run = sink::run(Arc::clone(store), log.clone(), config, shutdown.clone());
        Self { shutdown, ended: tokio::spawn(run) }
    }

    pub async fn stop(self) {
        self.shutdown.cancel();
        self.ended.await.expect("no panic").expect("ends well");
    }
}
