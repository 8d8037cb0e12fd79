//! How far a sink's store is, as the sink's own group says: for whoever answers from the store.

use super::Log;
use crate::{RuntimeError, kafka, sink::Marker};
use millrace_schemas::Topic;
use rdkafka::{
    Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer as _},
    topic_partition_list::TopicPartitionListElem,
};
use std::sync::Arc;

/// A sink's group, as one sees it who is no member.
#[derive(Clone)]
pub struct Progress {
    log: Log,
    group: Arc<BaseConsumer>,
}

/// What a store has of one partition: every record up to there, with all that their writing feeds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stored {
    /// Partition of the derived topic, and of the journal.
    pub partition: i32,
    /// Offset of the last record.
    pub last: i64,
    /// Offset of the last journal record that something up to there is derived from.
    pub source: i64,
}

impl Log {
    /// Follows the group of a sink, by its name such as `clickhouse`. Nothing is asked of the broker yet.
    pub fn progress(&self, group: &str) -> Result<Progress, RuntimeError> {
        let mut config = kafka::reader(&self.kafka, "progress");
        config.set("group.id", kafka::group_id(&self.kafka, group));
        let group = config.create().map_err(|error| RuntimeError::Fatal(format!("kafka configuration: {error}")))?;
        Ok(Progress { log: self.clone(), group: Arc::new(group) })
    }
}

impl Progress {
    /// What the store has of a derived topic, counted in offsets of its journal too; partitions of which it has nothing are left out.
    ///
    /// A position is committed after its batch is written, so what is told here can be read in the store.
    pub async fn stored(&self, derived: Topic, journal: Topic) -> Result<Vec<Stored>, RuntimeError> {
        let partitions = self.log.partitions(derived).await?;
        let (name, group) = (self.log.topic_name(derived), Arc::clone(&self.group));
        self.log
            .blocking(move |_, timeout| {
                let mut list = TopicPartitionList::new();
                list.add_partition_range(&name, 0, partitions - 1);
                let committed = group.committed_offsets(list, timeout);
                let committed = committed.map_err(|error| RuntimeError::kafka("asking for offsets", &error))?;
                let stored = |element: &TopicPartitionListElem<'_>| {
                    let Offset::Offset(committed) = element.offset() else { return None };
                    let marker = Marker::parse(element.metadata(), element.partition(), committed)?;
                    let (source, _) = marker.sources.last(journal)?;
                    Some(Stored { partition: element.partition(), last: marker.stored?, source })
                };
                Ok(committed.elements().iter().filter_map(stored).collect())
            })
            .await
    }
}
