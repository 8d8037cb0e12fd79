//! Recomputing what a processor wrote: every outcome of a journal again, from the log alone, and beside it what was written.
//!
//! The memory begins as a fresh processor's and decides every record anew, in the log's order, with this build's code. Where the
//! journal's beginning is gone, the memory of it is taken back from the outputs. [`Verifier::verify`] compares,
//! [`Verifier::repair`] writes what is missing.

mod compare;
mod merge;
mod repair;
mod written;

pub use compare::{Difference, FieldDifference, Kind};
pub use repair::Repaired;

use super::{
    Processor,
    decide::{Decider, In, Outcome},
    input::Inputs,
};
use crate::{
    RuntimeError,
    log::Log,
    reader::{Ends, From, Reader},
    scan::{Progress, Scan},
};
use merge::Merge;
use millrace_schemas::{
    Event, Topic,
    rules::{Checked, Rules},
};
use serde::Serialize;
use std::collections::BTreeMap;
use tokio::runtime::Handle;
use written::Stream;

/// What a verification of one partition found.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Verified {
    /// Partition of the journal.
    pub partition: i32,
    /// First offset of the journal that the log still has.
    pub from: i64,
    /// Offset that the processor has committed: outcomes below it were compared.
    pub until: i64,
    /// Journal records between.
    pub records: u64,
    /// Outputs written for them.
    pub outputs: u64,
    /// Duplicates written for them.
    pub duplicates: u64,
    /// Dead letters written for them.
    pub dead_letters: u64,
    /// Of these, how many were written by a repair.
    pub repairs: u64,
    /// Outcomes that are equal but for numbers that differ by no more than a millionth.
    pub rounded: u64,
    /// Outputs of another configuration: compared without what that decides.
    pub other_configuration: u64,
    /// Dead letters that say the same in other words.
    pub reworded: u64,
    /// Second copies that a torn transaction left and readers drop.
    pub copies: u64,
    /// Records without an outcome.
    pub missing: u64,
    /// Records with more than one.
    pub doubled: u64,
    /// Outcomes of no record.
    pub made_up: u64,
    /// Outcomes that are recomputed otherwise.
    pub different: u64,
    /// The difference at the lowest offset.
    pub first: Option<Difference>,
}

impl Verified {
    /// Whether every record has exactly the outcome that it should have.
    pub fn is_equal(&self) -> bool {
        self.missing + self.doubled + self.made_up + self.different == 0
    }
}

/// Recomputes the outcomes of one processor. Its work blocks the thread it is called on.
pub struct Verifier<P: Processor> {
    inputs: Inputs,
    decider: Decider<P>,
    log: Log,
    ends: Ends,
    committed: BTreeMap<i32, i64>,
}

impl<P: Processor> Verifier<P>
where
    In<P>: Checked,
{
    /// Asks how far the processor is. Rules and horizon must be those it ran with.
    pub async fn new(processor: P, log: &Log, rules: Rules, dedup_horizon_ms: i64) -> Result<Self, RuntimeError> {
        log.check_topics().await?;
        let inputs = Inputs {
            schemas: log.codec().await?,
            runtime: Handle::current(),
            rules,
            partitions: log.partitions(In::<P>::TOPIC).await?,
            max_bytes: log.kafka().max_message_bytes,
        };
        let decider = Decider { processor, epoch: log.epoch().await?, horizon_ms: dedup_horizon_ms, repaired: None };
        let lag = log.lag(P::NAME, &[In::<P>::TOPIC]).await?;
        let committed = lag.partitions.iter().map(|it| (it.partition, it.committed.unwrap_or(0))).collect();
        Ok(Self { inputs, decider, log: log.clone(), ends: Ends::new(log.kafka())?, committed })
    }

    /// Partitions of the journal.
    pub fn partitions(&self) -> i32 {
        self.inputs.partitions
    }

    /// Compares one partition up to the processor's committed offset.
    pub fn verify(&self, partition: i32, progress: &mut dyn FnMut(Progress)) -> Result<Verified, RuntimeError> {
        Ok(self.merge(partition, progress)?.finish())
    }

    fn merge(&self, partition: i32, progress: &mut dyn FnMut(Progress)) -> Result<Merge<'_, P>, RuntimeError> {
        if !(0..self.partitions()).contains(&partition) {
            let last = self.partitions() - 1;
            return Err(RuntimeError::Fatal(format!("{} has partitions 0 to {last}", In::<P>::TOPIC)));
        }
        let until = self.committed.get(&partition).copied().unwrap_or(0);
        let mut journal = Scan::new(self.log.kafka(), In::<P>::TOPIC, &[partition], From::Beginning)?;
        let (streams, from) = (self.streams(partition)?, self.from(partition)?);
        let mut merge = Merge::new(&self.inputs, &self.decider, streams, partition, from..until);
        while let Some(record) = journal.next_record()? {
            if record.offset >= until {
                break;
            }
            merge.judge(&record)?;
            progress(Progress { offsets: record.offset - merge.from(), of: until - merge.from() });
        }
        merge.rest()?;
        Ok(merge)
    }

    fn from(&self, partition: i32) -> Result<i64, RuntimeError> {
        let kafka = self.log.kafka();
        Ok(Reader::new(kafka, In::<P>::TOPIC, &[partition], From::End)?.watermarks(partition)?.0)
    }

    /// What was written for a partition. A transaction that the offsets are committed with may not be readable yet.
    fn streams(&self, partition: i32) -> Result<Vec<Stream<P::Out>>, RuntimeError> {
        let journal = In::<P>::TOPIC;
        let topics = [P::Out::TOPIC, Topic::Duplicates, Topic::DeadLetters];
        let stream = |topic: &Topic| {
            self.ends.wait_until_readable(*topic, partition)?;
            let scan = Scan::new(self.log.kafka(), *topic, &[partition], From::Beginning)?;
            Ok(Stream::new(*topic, journal, scan, self.inputs.schemas.clone(), self.inputs.runtime.clone()))
        };
        topics.iter().map(stream).collect()
    }
}

/// What an outcome is, in a word.
fn kind<Out>(outcome: &Outcome<Out>) -> &'static str {
    match outcome {
        Outcome::Emit(_) => "output",
        Outcome::Duplicate(_) => "duplicate",
        Outcome::DeadLetter(_) => "dead letter",
        Outcome::Done => "done",
    }
}
