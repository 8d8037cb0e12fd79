//! Sinks: from topics to a store, each record with exactly one effect.
//!
//! A batch is a range of offsets of each of some partitions of one topic: a store that pays for each write is written to seldom, however
//! many partitions there are. Before it is written, the ranges are recorded as an *intent* in the consumer group's offset metadata, beside
//! each of the partitions; after a crash whoever gets one of them reads exactly those ranges again and writes them again with the same
//! token, which the store takes once. `intent` is the record, `partition` what waits, `cut` what is taken of it, `write` the steps of one
//! batch, `again` what comes before them after a crash, `group` what they need of Kafka, `assignment` which partitions are held, `worker` the
//! loop.

mod again;
mod assignment;
mod cut;
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

/// Records of one topic that are written as one.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// Topic they are of.
    pub topic: Topic,
    /// Epoch of the log, so that a token never meets one of another log.
    pub epoch: String,
    /// The records, by partition; each partition once, and not none.
    pub parts: Vec<Part>,
}

/// Consecutive records of one partition.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// Partition they are of.
    pub partition: i32,
    /// Offset of the first record.
    pub first: i64,
    /// Offset of the last record.
    pub last: i64,
    /// The records between, in order; offsets may have gaps.
    pub records: Vec<Record>,
}

impl Batch {
    /// Names the batch's content: `<epoch>:<topic>:<partition>:<first>-<last>`, and further partitions behind commas.
    pub fn token(&self) -> String {
        let parts: Vec<String> =
            self.parts.iter().map(|it| format!("{}:{}-{}", it.partition, it.first, it.last)).collect();
        format!("{}:{}:{}", self.epoch, self.topic.name(), parts.join(","))
    }

    /// All records, those of a partition in order.
    pub fn records(&self) -> impl Iterator<Item = &Record> {
        self.parts.iter().flat_map(|part| &part.records)
    }
}

/// Why a batch was not written, by what is done about it.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// The store may take it later: the same batch is tried again.
    #[error("{0}")]
    Transient(String),
    /// One record can never be written: it goes to the dead letters and the batch is written without it.
    #[error("record at offset {offset} of partition {partition}: {reason}")]
    Poison {
        /// Its partition.
        partition: i32,
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
