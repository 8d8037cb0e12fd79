//! Which partitions a worker holds: rebalances, and what may only be done while an assignment holds.

use crate::{RuntimeError, processor::starting_positions};
use rdkafka::{
    ClientContext, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer as _, ConsumerContext, Rebalance},
    error::KafkaError,
    types::RDKafkaRespErr,
};
use std::sync::{Mutex, PoisonError, RwLock};

/// Topic, partition, committed offset (`None`: never) and its metadata.
pub(super) type Position = (String, i32, Option<i64>, String);

/// What becomes of partitions.
pub(super) enum Change {
    Assigned(Vec<Position>),
    Revoked,
    Failed(RuntimeError),
}

/// Serves rebalances inside `poll`: begins new partitions paused, at an explicit offset.
#[derive(Default)]
pub(super) struct Assignment {
    changes: Mutex<Vec<Change>>,
    /// Counts assignments; a write belongs to one and commits only under it. Held for reading while a commit is under way, so
    /// that a partition is not given away meanwhile.
    held: RwLock<u64>,
}

impl Assignment {
    /// The changes since this was asked last.
    pub(super) fn take(&self) -> Vec<Change> {
        std::mem::take(&mut self.changes.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Which assignment holds now.
    pub(super) fn held(&self) -> u64 {
        *self.held.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something only while an assignment holds; it is not taken away before that is done. `None` when it was.
    pub(super) fn while_held<T>(&self, assignment: u64, work: impl FnOnce() -> T) -> Option<T> {
        let held = self.held.read().unwrap_or_else(PoisonError::into_inner);
        (*held == assignment).then(work)
    }

    fn note(&self, change: Change) {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner).push(change);
    }

    fn assign(consumer: &BaseConsumer<Self>, assigned: &TopicPartitionList) -> Result<Change, KafkaError> {
        let positions = starting_positions(consumer, assigned)?;
        consumer.assign(&positions)?;
        consumer.pause(&positions)?;
        let start = |element: &rdkafka::topic_partition_list::TopicPartitionListElem<'_>| {
            let offset = match element.offset() {
                Offset::Offset(offset) => Some(offset),
                _ => None,
            };
            (element.topic().to_owned(), element.partition(), offset, element.metadata().to_owned())
        };
        Ok(Change::Assigned(positions.elements().iter().map(start).collect()))
    }
}

impl ClientContext for Assignment {}

impl ConsumerContext for Assignment {
    fn rebalance(&self, consumer: &BaseConsumer<Self>, error: RDKafkaRespErr, list: &mut TopicPartitionList) {
        if error == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS {
            match Self::assign(consumer, list) {
                Ok(change) => self.note(change),
                Err(error) => self.note(Change::Failed(RuntimeError::kafka("taking over partitions", &error))),
            }
            return;
        }
        // A write under way may end in the store but not in the group: its intent stands beside the group's offset, and whoever
        // comes next writes the same batch with the same token.
        *self.held.write().unwrap_or_else(PoisonError::into_inner) += 1;
        self.note(Change::Revoked);
        if let Err(error) = consumer.unassign() {
            self.note(Change::Failed(RuntimeError::kafka("giving partitions away", &error)));
        }
    }

    fn pre_rebalance(&self, _: &BaseConsumer<Self>, _: &Rebalance<'_>) {}
}
