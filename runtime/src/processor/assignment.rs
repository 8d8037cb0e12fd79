//! Which partitions a worker has: taken over and given away inside `poll`.

use super::{
    committer::{Committer, GroupMetadata},
    marker::Committed,
};
use crate::RuntimeError;
use rdkafka::{
    ClientContext, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer as _, ConsumerContext, ConsumerGroupMetadata, Rebalance},
    error::KafkaError,
    topic_partition_list::TopicPartitionListElem,
    types::RDKafkaRespErr,
};
use std::{
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Duration,
};

/// What a rebalance changed.
pub(super) enum Change {
    Assigned(Vec<Committed>),
    Revoked,
    Failed(RuntimeError),
}

/// Serves rebalances inside `poll`: begins new partitions paused and at an explicit offset, and gives none away before what was
/// decided of it is committed.
#[derive(Default)]
pub(super) struct Assignment {
    pub(super) committer: OnceLock<Arc<Committer>>,
    pub(super) group: GroupMetadata,
    /// How long what was decided may take to be committed.
    drain: Duration,
    changes: Mutex<Vec<Change>>,
}

impl Assignment {
    pub(super) fn new(drain: Duration) -> Self {
        Self { drain, ..Self::default() }
    }

    /// What changed since the last call.
    pub(super) fn take(&self) -> Vec<Change> {
        std::mem::take(&mut self.changes.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Who the committer commits for from now on.
    fn member(&self, metadata: Option<ConsumerGroupMetadata>) {
        *self.group.lock().unwrap_or_else(PoisonError::into_inner) = metadata.map(Arc::new);
    }

    fn note(&self, change: Change) {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner).push(change);
    }

    fn assign(&self, consumer: &BaseConsumer<Self>, list: &TopicPartitionList) -> Result<Vec<Committed>, KafkaError> {
        let positions = starting_positions(consumer, list)?;
        consumer.assign(&positions)?;
        consumer.pause(&positions)?;
        self.member(consumer.group_metadata());
        Ok(positions.elements().iter().map(Committed::of).collect())
    }
}

/// Committed offsets; the beginning where nothing was ever committed, since a group that has begun never resets.
pub(crate) fn starting_positions<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    list: &TopicPartitionList,
) -> Result<TopicPartitionList, KafkaError> {
    let mut positions = consumer.committed_offsets(list.clone(), Duration::from_secs(10))?;
    positions.elements().iter().try_for_each(TopicPartitionListElem::error)?;
    let unset: Vec<(String, i32)> = positions
        .elements()
        .iter()
        .filter(|element| !matches!(element.offset(), Offset::Offset(_)))
        .map(|element| (element.topic().to_owned(), element.partition()))
        .collect();
    for (topic, partition) in unset {
        positions.set_partition_offset(&topic, partition, Offset::Beginning)?;
    }
    Ok(positions)
}

impl ClientContext for Assignment {}

impl ConsumerContext for Assignment {
    fn rebalance(&self, consumer: &BaseConsumer<Self>, error: RDKafkaRespErr, list: &mut TopicPartitionList) {
        if error == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS {
            match self.assign(consumer, list) {
                Ok(partitions) => self.note(Change::Assigned(partitions)),
                Err(error) => self.note(Change::Failed(RuntimeError::kafka("taking over partitions", &error))),
            }
            return;
        }
        if consumer.assignment_lost() {
            self.note(Change::Failed(RuntimeError::Transient("the partitions were lost to another member".into())));
        } else if let Some(committer) = self.committer.get()
            && let Err(error) = committer.flush(self.drain)
        {
            self.note(Change::Failed(error));
        }
        self.member(None);
        self.note(Change::Revoked);
        if let Err(error) = consumer.unassign() {
            self.note(Change::Failed(RuntimeError::kafka("giving partitions away", &error)));
        }
    }

    fn pre_rebalance(&self, _: &BaseConsumer<Self>, _: &Rebalance<'_>) {}
}
