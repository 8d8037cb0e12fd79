//! Sinks: from topics to a store, each record with exactly one effect.
//!
//! A batch is a range of offsets of one partition. Before it is written, the range is recorded as an *intent* in the consumer
//! group's offset metadata; after a crash exactly that range is read again and written again with the same token, which the
//! store takes once. `intent` is the record, `partition` what waits, `write` the steps of one batch, `group` what they need of Kafka, `worker` the loop.

mod group;
mod intent;
#[cfg(test)]
mod model;
mod partition;
mod worker;
mod write;

pub(crate) use intent::Marker;
pub use worker::{SinkConfig, run};

use crate::Record;
use millrace_schemas::Topic;

/// A store that a projection fills.
pub trait Sink: Send + Sync + 'static {
    /// Name of its metrics.
    const NAME: &'static str;

    /// Name of its consumer group. A projection that fills several stores has one for each.
    fn group(&self) -> String {
        Self::NAME.to_owned()
    }

    /// Topics it reads.
    fn topics(&self) -> Vec<Topic>;

    /// Highest offset the store has of a partition; `None` when it has nothing.
    fn position(&self, topic: Topic, partition: i32) -> impl Future<Output = Result<Option<i64>, SinkError>> + Send;

    /// First offset of a partition that is not to be written yet; `None` when everything is.
    fn until(&self, _: Topic, _: i32) -> Option<i64> {
        None
    }

    /// Writes one batch; `Ok` means durable. The same batch may come again, with the same token, and must then have no second
    /// effect.
    fn write(&self, batch: &Batch) -> impl Future<Output = Result<(), SinkError>> + Send;
}

/// Consecutive records of one partition that are written as one.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// Topic they are of.
    pub topic: Topic,
    /// Partition they are of.
    pub partition: i32,
    /// Epoch of the log, so that a token never meets one of another log.
    pub epoch: String,
    /// Offset of the first record.
    pub first: i64,
    /// Offset of the last record.
    pub last: i64,
    /// The records between, in order; offsets may have gaps.
    pub records: Vec<Record>,
}

impl Batch {
    /// Names the batch's content: `<epoch>:<topic>:<partition>:<first>-<last>`.
    pub fn token(&self) -> String {
        format!("{}:{}:{}:{}-{}", self.epoch, self.topic.name(), self.partition, self.first, self.last)
    }
}

/// Why a batch was not written, by what is done about it.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// The store may take it later: the same batch is tried again.
    #[error("{0}")]
    Transient(String),
    /// One record can never be written: it goes to the dead letters and the batch is written without it.
    #[error("record at offset {offset}: {reason}")]
    Poison {
        /// Its offset.
        offset: i64,
        /// Stable code of the dead letter.
        code: &'static str,
        /// What is wrong, in words.
        reason: String,
    },
    /// An operator is needed.
    #[error("{0}")]
    Fatal(String),
}
