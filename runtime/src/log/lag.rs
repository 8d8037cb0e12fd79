//! Consumer lag: how far a group's committed offsets are behind the log.

use super::Log;
use crate::{RuntimeError, kafka, processor::Committed, reader::passes};
use millrace_schemas::Topic;
use rdkafka::{
    Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer as _},
    error::KafkaError,
};
use serde::Serialize;
use std::time::{Duration, Instant};

/// Up to this many offsets are looked at, whether records or only markers of transactions are left.
const MARKERS_MAX: i64 = 64;

/// A group's lag on the topics it reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GroupLag {
    /// Consumer group.
    pub group: String,
    /// Each partition it reads.
    pub partitions: Vec<PartitionLag>,
}

impl GroupLag {
    /// Offsets that are not committed yet, over all partitions.
    pub fn total(&self) -> i64 {
        self.partitions.iter().map(|partition| partition.lag).sum()
    }
}

/// A group's lag on one partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PartitionLag {
    /// Topic with the deployment's prefix.
    pub topic: String,
    /// Partition.
    pub partition: i32,
    /// Next offset to be read; `None` when nothing was ever committed.
    pub committed: Option<i64>,
    /// Offset the next record will get, transactions that are open not counted.
    pub end: i64,
    /// Offsets between; 0 when only markers of transactions are.
    pub lag: i64,
}

impl Log {
    /// Lag of a processor's or projection's group, by its name such as `scoring`, on topics.
    pub async fn lag(&self, group: &str, topics: &[Topic]) -> Result<GroupLag, RuntimeError> {
        let group = kafka::group_id(&self.kafka, group);
        let names: Vec<(Topic, String)> = topics.iter().map(|topic| (*topic, self.topic_name(*topic))).collect();
        let mut config = kafka::reader(&self.kafka, "lag");
        config.set("group.id", &group);
        self.blocking(move |_, timeout| {
            let failed = |error| RuntimeError::kafka("asking for offsets", &error);
            let member: BaseConsumer = config.create().map_err(failed)?;
            let mut list = TopicPartitionList::new();
            for (_, name) in &names {
                let metadata = member.fetch_metadata(Some(name), timeout).map_err(failed)?;
                let count = metadata.topics().first().map_or(0, |topic| topic.partitions().len() as i32);
                (0..count).for_each(|partition| {
                    list.add_partition(name, partition);
                });
            }
            let committed = member.committed_offsets(list, timeout).map_err(failed)?;
            let mut partitions = Vec::new();
            for element in committed.elements() {
                let (topic, partition) = (element.topic().to_owned(), element.partition());
                let (low, end) = member.fetch_watermarks(&topic, partition, timeout).map_err(failed)?;
                let committed = match element.offset() {
                    Offset::Offset(offset) => Some(offset),
                    _ => None,
                };
                let next = committed.unwrap_or(low);
                let lag = (end - next).max(0);
                let only_markers =
                    (1..=MARKERS_MAX).contains(&lag) && !any_record(&member, &topic, partition, next, timeout)?;
                let lag = if only_markers { 0 } else { lag };
                partitions.push(PartitionLag { topic, partition, committed, end, lag });
            }
            Ok(GroupLag { group, partitions })
        })
        .await
    }
}

impl Log {
    /// What a processor's group has committed of its journal, each partition's.
    pub(crate) async fn committed(&self, group: &str, journal: Topic) -> Result<Vec<Committed>, RuntimeError> {
        let (partitions, name) = (self.partitions(journal).await?, self.topic_name(journal));
        let mut config = kafka::reader(&self.kafka, "committed");
        config.set("group.id", kafka::group_id(&self.kafka, group));
        self.blocking(move |_, timeout| {
            let failed = |error| RuntimeError::kafka("asking for offsets", &error);
            let member: BaseConsumer = config.create().map_err(failed)?;
            let mut list = TopicPartitionList::new();
            list.add_partition_range(&name, 0, partitions - 1);
            let committed = member.committed_offsets(list, timeout).map_err(failed)?;
            Ok(committed.elements().iter().map(Committed::of).collect())
        })
        .await
    }
}

/// Whether a committed record stands at an offset or after it: the end of a log may be markers, which nobody can read.
fn any_record(
    member: &BaseConsumer,
    topic: &str,
    partition: i32,
    from: i64,
    deadline: Duration,
) -> Result<bool, RuntimeError> {
    let failed = |error| RuntimeError::kafka("looking for records", &error);
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(topic, partition, Offset::Offset(from)).map_err(failed)?;
    member.assign(&list).map_err(failed)?;
    let until = Instant::now() + deadline;
    let found = loop {
        match member.poll(Duration::from_millis(100)) {
            Some(Ok(_)) => break true,
            Some(Err(KafkaError::PartitionEOF(_))) => break false,
            Some(Err(error)) if !passes(&error) => return Err(failed(error)),
            _ if Instant::now() > until => break true,
            _ => {}
        }
    };
    member.unassign().map_err(failed)?;
    Ok(found)
}
