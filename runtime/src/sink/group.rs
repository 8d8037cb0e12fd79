//! What writing a batch needs of Kafka: saying how far the store is, and telling of records it can never take.

use super::{assignment::Assignment, intent::Marker};
use crate::{
    Record, RuntimeError, config::KafkaConfig, processor::poll_error, producer::EventProducer, reader::topic_name,
};
use millrace_schemas::{Topic, event::DeadLetter};
use rdkafka::{
    Offset, TopicPartitionList,
    consumer::{BaseConsumer, CommitMode, Consumer as _},
    error::{KafkaError, RDKafkaErrorCode},
};
use std::sync::Arc;

/// A consumer group, as its writer sees it.
pub(super) trait Group: Send + Sync + 'static {
    /// Whether the partitions of an assignment are still held.
    fn holds(&self, assignment: u64) -> bool;

    /// Commits an offset with its marker for each of some partitions, durably and together. Fails when the assignment does not hold any
    /// more: then nothing of it may be said.
    fn commit(&self, assignment: u64, topic: Topic, positions: &[Position]) -> Result<(), RuntimeError>;

    /// Appends the dead letter of a record; `Ok` means that it is stored.
    fn dead_letter(
        &self,
        record: &Record,
        letter: &DeadLetter,
    ) -> impl Future<Output = Result<(), RuntimeError>> + Send;
}

/// What is committed of a partition.
#[derive(Debug, Clone)]
pub(super) struct Position {
    pub(super) partition: i32,
    pub(super) offset: i64,
    pub(super) marker: Marker,
}

/// What holds no more.
pub(super) fn taken_away() -> RuntimeError {
    RuntimeError::Transient("the partition was taken away".into())
}

/// A group on a broker.
pub(super) struct KafkaGroup {
    pub(super) consumer: Arc<BaseConsumer<Assignment>>,
    pub(super) dead_letters: EventProducer,
    pub(super) kafka: KafkaConfig,
}

impl Group for KafkaGroup {
    fn holds(&self, assignment: u64) -> bool {
        self.consumer.context().while_held(assignment, || ()).is_some()
    }

    fn commit(&self, assignment: u64, topic: Topic, positions: &[Position]) -> Result<(), RuntimeError> {
        let failed = |error| RuntimeError::kafka("committing a position", &error);
        let mut list = TopicPartitionList::new();
        let name = topic_name(&self.kafka, topic);
        for Position { partition, offset, marker } in positions {
            let mut element = list.add_partition(&name, *partition);
            element.set_offset(Offset::Offset(*offset)).map_err(failed)?;
            element.set_metadata(marker.to_string());
        }
        let commit = || tokio::task::block_in_place(|| self.consumer.commit(&list, CommitMode::Sync));
        self.consumer.context().while_held(assignment, commit).ok_or_else(taken_away)?.map_err(|error| match error {
            KafkaError::ConsumerCommit(RDKafkaErrorCode::FencedInstanceId) => poll_error(&error),
            _ => failed(error),
        })
    }

    async fn dead_letter(&self, record: &Record, letter: &DeadLetter) -> Result<(), RuntimeError> {
        let appended = self.dead_letters.append_to(record.partition, letter, record.derived_headers()).await;
        appended.map(|_| ()).map_err(|error| RuntimeError::Transient(error.to_string()))
    }
}
