//! Ending what an earlier transaction of this slot left open, with nobody else to end it.
//!
//! A broker that starts again may take a transaction for ended and leave its end out of a partition (Kafka 4.3.1, whose disk had been
//! full: "Couldn't find leader endpoint for partitions ... can be skipped"). What was written there is unreadable then, with all that
//! comes after it, and the group's offsets stay undecided: no member learns where to go on. To the coordinator nothing is open, so
//! that neither its timeout nor `init_transactions` helps. Another transaction of the same name that touches the same partitions does:
//! its end is written to each of them, and ends both.
//!
//! That one is aborted, whatever was meant for the other. Where the other was committed in some partitions and is aborted in the rest,
//! it is torn: the outcomes that are in the log are not decided again, the others are.

use super::basis;
use crate::{
    Headers, RuntimeError,
    log::Log,
    transaction::{Outgoing, Transactions},
};
use millrace_schemas::Topic;

/// What a slot's transactions write to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reach {
    /// The processor, by whose name slots, group and transactions are known.
    pub(super) processor: &'static str,
    pub(super) slot: u32,
    /// The journal whose offsets are committed.
    pub(super) journal: Topic,
    /// Where its outputs go, besides dead letters and duplicates.
    pub(super) outputs: Topic,
    /// Partitions of each of them.
    pub(super) partitions: i32,
}

impl Reach {
    /// Ends whatever is open under the slot's name. Takes the name over, as every start does.
    pub(super) async fn end_leftovers(self, log: &Log) -> Result<(), RuntimeError> {
        let log = log.clone();
        tokio::task::spawn_blocking(move || self.end(&log))
            .await
            .unwrap_or_else(|error| Err(RuntimeError::Fatal(format!("ending open transactions panicked: {error}"))))
    }

    fn end(self, log: &Log) -> Result<(), RuntimeError> {
        let transactions = Transactions::in_slot(log, self.processor, self.slot)?;
        let touch = |topic| (0..self.partitions).map(move |partition| touched(topic, partition));
        let outcomes = [self.outputs, Topic::DeadLetters, Topic::Duplicates].into_iter().flat_map(touch);
        let records: Vec<Outgoing> = outcomes.chain([touched(Topic::ProcessorEpochs, basis::PARTITION)]).collect();
        transactions.abort(|open| {
            open.send(&records)?;
            open.touch_offsets(self.processor, self.journal)
        })
    }
}

fn touched(topic: Topic, partition: i32) -> Outgoing {
    Outgoing { topic, partition: Some(partition), key: None, value: Vec::new(), headers: Headers::new() }
}
