//! Rebuilding a partition's memory from what the log says, and refusing a log that is not the one it was.

use super::{
    Processor,
    decide::{Decider, Partition},
    marker::Committed,
    snapshot::Snapshot,
};
use crate::{
    RuntimeError, SourcePosition,
    sabotage::{self, Sabotage},
};
use millrace_schemas::{Event, Topic, event::Derived, time::HOUR_MS};

/// How much the clocks of those who write to the log may differ.
const CLOCKS_DIFFER_MS: i64 = HOUR_MS;

/// Why a restore ends early.
#[derive(Debug)]
pub(super) enum Stop {
    /// Nobody waits for it any more.
    Unwanted,
    Failed(RuntimeError),
}

impl From<RuntimeError> for Stop {
    fn from(error: RuntimeError) -> Self {
        Self::Failed(error)
    }
}

/// What the journal has at an offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum At {
    /// A record with this broker's time.
    Record(i64),
    /// No record, or none any more.
    Nothing,
    /// The journal ends at this offset or before it.
    Beyond(i64),
}

/// What is committed of one partition, in the journal and in the topics a processor writes.
pub(super) trait Past<Out> {
    /// The snapshot of this partition, if there is one that can be read.
    fn snapshot(&self) -> Option<Snapshot>;

    /// Gives every output from an offset on, or from the beginning, and whether a repair wrote it; in order, to the end.
    fn outputs(
        &self,
        from: Option<i64>,
        each: &mut dyn FnMut(&Out, bool) -> Result<(), RuntimeError>,
    ) -> Result<(), Stop>;

    /// Source offset of the first output from an offset on.
    fn first_source(&self, offset: i64) -> Result<Option<i64>, Stop>;

    /// Gives the sources of a topic's records, those at least that were written since a time in epoch milliseconds.
    fn sources(&self, topic: Topic, since: Option<i64>, each: &mut dyn FnMut(SourcePosition)) -> Result<(), Stop>;

    /// What the journal has at an offset.
    fn journal_at(&self, offset: i64) -> Result<At, Stop>;
}

/// Rebuilds the memory of a partition. Inputs from the committed offset on whose outcome is in the log already, since offsets were
/// reset or a transaction was torn, are noted, so that nothing is written twice. Gives the number of outputs, too.
pub(super) fn restore<P: Processor>(
    decider: &Decider<P>,
    committed: &Committed,
    past: &impl Past<P::Out>,
) -> Result<(Partition<P>, u64), Stop> {
    if sabotage::is_on(Sabotage::Restore) {
        return Ok((decider.partition(), 0));
    }
    let from = committed.offset.unwrap_or(0);
    let (mut partition, outputs) = match from_snapshot(decider, committed, past)? {
        Some(restored) => restored,
        None => take_back(decider, decider.partition(), from, None, past)?,
    };
    check_outputs::<P>(committed, &partition)?;
    check_journal(committed, &partition, past)?;
    // Where nothing is left to read there is no outcome either.
    if !matches!(past.journal_at(from)?, At::Beyond(_)) {
        let since = committed.marker.as_ref().map(|marker| marker.time - CLOCKS_DIFFER_MS);
        let of_journal = |source: &SourcePosition| source.topic == journal::<P>() && source.offset >= from;
        for topic in [Topic::Duplicates, Topic::DeadLetters] {
            past.sources(topic, since, &mut |source| {
                if of_journal(&source) {
                    partition.note(source.offset);
                }
            })?;
        }
    }
    Ok((partition, outputs))
}

/// Takes back the outputs from an offset on, or from the beginning.
fn take_back<P: Processor>(
    decider: &Decider<P>,
    mut partition: Partition<P>,
    from: i64,
    continue_at: Option<i64>,
    past: &impl Past<P::Out>,
) -> Result<(Partition<P>, u64), Stop> {
    let mut outputs = 0;
    past.outputs(continue_at, &mut |output, is_repair| {
        outputs += 1;
        if output.source().offset >= from {
            partition.note(output.source().offset);
        }
        decider.restore(&mut partition, output, is_repair)
    })?;
    Ok((partition, outputs))
}

/// Begins with the snapshot. `None` when there is none, or it is not of the past that the group and the outputs have.
fn from_snapshot<P: Processor>(
    decider: &Decider<P>,
    committed: &Committed,
    past: &impl Past<P::Out>,
) -> Result<Option<(Partition<P>, u64)>, Stop> {
    let Some(snapshot) = past.snapshot() else { return Ok(None) };
    let passed_over = |why| {
        tracing::warn!(processor = P::NAME, partition = committed.partition, why, "a snapshot is passed over");
        Ok(None)
    };
    let Some(from) = committed.offset.filter(|offset| committed.marker.is_some() && *offset > snapshot.through) else {
        return passed_over("the group has not committed what it holds");
    };
    let (continue_at, (last, _)) = (snapshot.continue_at, snapshot.emitted);
    if !begins_with(past, continue_at, last)? {
        return passed_over("the outputs do not go on where it ends");
    }
    match decider.load(snapshot) {
        Some(partition) => take_back(decider, partition, from, Some(continue_at), past).map(Some),
        None => passed_over("the processor cannot read its own memory"),
    }
}

/// Whether the first output from an offset on is of a source up to `last`.
fn begins_with<Out: Derived>(past: &impl Past<Out>, offset: i64, last: i64) -> Result<bool, Stop> {
    Ok(past.first_source(offset)?.is_some_and(|source| source <= last))
}

fn journal<P: Processor>() -> Topic {
    <P::Out as Derived>::From::TOPIC
}

/// The outputs that the group has committed must be there.
fn check_outputs<P: Processor>(committed: &Committed, partition: &Partition<P>) -> Result<(), RuntimeError> {
    let written = committed.marker.as_ref().and_then(|marker| marker.emitted);
    let found = partition.emitted().map(|(offset, _)| offset);
    if found >= written {
        return Ok(());
    }
    let (outputs, journal, number) = (P::Out::TOPIC, journal::<P>(), committed.partition);
    let shown = |offset: Option<i64>| offset.map_or_else(|| "nothing".to_owned(), |offset| format!("offset {offset}"));
    Err(RuntimeError::Fatal(format!(
        "{outputs} partition {number} should hold what became of {journal} up to {} but holds {}: records were deleted or the topic \
         was made anew; bring its records back, or begin again under another kafka.topic_prefix with a copy of the journals",
        shown(written),
        shown(found)
    )))
}

/// The journal must be the one the outputs are of.
fn check_journal<P: Processor>(
    committed: &Committed,
    partition: &Partition<P>,
    past: &impl Past<P::Out>,
) -> Result<(), Stop> {
    let Some((offset, time)) = partition.emitted() else { return Ok(()) };
    let differs = match past.journal_at(offset)? {
        At::Nothing => return Ok(()),
        At::Record(found) if found == time => return Ok(()),
        At::Record(found) => format!("the journal's record at that offset is of time {found}"),
        At::Beyond(end) => format!("the journal ends before offset {end}"),
    };
    let (outputs, journal, number) = (P::Out::TOPIC, journal::<P>(), committed.partition);
    Err(Stop::Failed(RuntimeError::Fatal(format!(
        "{outputs} partition {number} holds what became of {journal} offset {offset} of time {time}, but {differs}: the journal was \
         made anew or has lost records; bring its records back, or begin again under another kafka.topic_prefix"
    ))))
}
