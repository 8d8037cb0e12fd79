//! A store that remembers what was written to it, in the order it came.

use millrace_runtime::{
    Record, RuntimeError,
    lifecycle::Shutdown,
    log::Log,
    sink::{self, Batch, Sink, SinkConfig, SinkError},
};
use millrace_schemas::Topic;
use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
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
        self.stored().extend(batch.records().cloned());
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

    /// What ends the projector by itself.
    pub async fn fails(mut self) -> String {
        let ended = tokio::time::timeout(Duration::from_secs(60), &mut self.ended).await;
        ended.expect("it ends within 60 s").expect("no panic").expect_err("it is refused").to_string()
    }

    pub async fn stop(mut self) {
        self.shutdown.cancel();
        (&mut self.ended).await.expect("no panic").expect("ends well");
    }
}

/// A test that failed ends its projector too, whose thread the runtime would wait for.
impl Drop for Projector {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}
