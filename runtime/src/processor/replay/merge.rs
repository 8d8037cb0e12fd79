//! A journal's partition and what was written for it, side by side.

use super::{
    Difference, FieldDifference, In, Kind, Processor, Verified,
    compare::{Comparison, compare},
    kind,
    written::{Stream, Written},
};
use crate::{
    Record, RuntimeError,
    processor::{
        decide::{Decider, Outcome, Partition},
        input::Inputs,
    },
};
use millrace_schemas::{
    Topic,
    event::{Derived, Journal as _},
    rules::Checked,
};
use std::{
    collections::{BTreeMap, HashMap},
    ops::Range,
};

/// Most outcomes without which a partition is held to have a gap; more is a loss that this cannot mend.
const MISSING_MAX: usize = 20_000;

/// A record without an outcome.
pub(super) struct Missing<Out> {
    pub(super) record: Record,
    /// What it should have become.
    pub(super) outcome: Outcome<Out>,
    /// A later record with its id that took effect instead.
    pub(super) taken_by: Option<i64>,
}

/// The comparison while it goes on.
pub(super) struct Merge<'v, P: Processor> {
    inputs: &'v Inputs,
    decider: &'v Decider<P>,
    streams: Vec<Stream<P::Out>>,
    memory: Partition<P>,
    /// Records without an outcome so far, by offset. A repair may stand further on.
    missing: BTreeMap<i64, Missing<P::Out>>,
    /// Ids of those that should have taken effect, and when.
    waiting: HashMap<u128, (i64, i64)>,
    found: Verified,
}

impl<'v, P: Processor> Merge<'v, P>
where
    In<P>: Checked,
{
    pub(super) fn new(
        inputs: &'v Inputs,
        decider: &'v Decider<P>,
        streams: Vec<Stream<P::Out>>,
        partition: i32,
        offsets: Range<i64>,
    ) -> Self {
        let found = Verified { partition, from: offsets.start, until: offsets.end, ..Verified::default() };
        let (missing, waiting) = (BTreeMap::new(), HashMap::new());
        Self { inputs, decider, streams, memory: decider.partition(), missing, waiting, found }
    }

    pub(super) fn from(&self) -> i64 {
        self.found.from
    }

    /// Decides one record again and compares.
    pub(super) fn judge(&mut self, record: &Record) -> Result<(), RuntimeError> {
        self.strays_before(record.offset)?;
        let mut written = Vec::new();
        for stream in &mut self.streams {
            while let Some(outcome) = stream.before(record.offset + 1)? {
                written.push(outcome);
            }
        }
        // A repair of an earlier record may stand among them.
        let (written, strays): (Vec<_>, Vec<_>) = written.into_iter().partition(|it| it.source == record.offset);
        strays.into_iter().try_for_each(|stray| self.stray(stray))?;
        self.decide_as(written.first());
        let input = self.inputs.read::<In<P>>(record)?;
        let recomputed = self.decider.decide(&mut self.memory, record, input)?.settle();
        let should_be = kind(&recomputed);
        self.found.records += 1;
        let mut written = written.into_iter();
        match written.next() {
            None => self.miss(record, recomputed)?,
            Some(first) => self.compare(record.timestamp, &first, &recomputed)?,
        }
        for another in written {
            self.count(&another);
            self.found.doubled += 1;
            self.tell(record.offset, Kind::Doubled, || {
                vec![FieldDifference::outcome(Some(kind(&another.outcome)), Some(should_be))]
            });
        }
        Ok(())
    }

    /// Looks at what stands behind the last record.
    pub(super) fn rest(&mut self) -> Result<(), RuntimeError> {
        self.strays_before(self.found.until)
    }

    /// The result.
    pub(super) fn finish(self) -> Verified {
        let mut found = self.found;
        found.missing = self.missing.len() as u64;
        found.copies = self.streams.iter().map(|stream| stream.copies).sum();
        if let Some((offset, missing)) = self.missing.first_key_value()
            && found.first.as_ref().is_none_or(|first| first.offset > *offset)
        {
            let fields = vec![FieldDifference::outcome(None, Some(kind(&missing.outcome)))];
            found.first = Some(Difference { offset: *offset, kind: Kind::Missing, fields });
        }
        found
    }

    /// Where each topic was read to.
    pub(super) fn read_to(&self) -> Vec<(Topic, i64)> {
        self.streams.iter().map(|stream| (stream.topic(), stream.next)).collect()
    }

    /// What is missing.
    pub(super) fn into_missing(self) -> impl Iterator<Item = Missing<P::Out>> {
        self.missing.into_values()
    }

    fn strays_before(&mut self, offset: i64) -> Result<(), RuntimeError> {
        for index in 0..self.streams.len() {
            while let Some(stray) = self.streams[index].before(offset)? {
                self.stray(stray)?;
            }
        }
        Ok(())
    }

    /// An outcome whose record does not stand where it should: of what the log has no more, of a record repaired, or of none.
    fn stray(&mut self, written: Written<P::Out>) -> Result<(), RuntimeError> {
        if written.source < self.found.from {
            if let Outcome::Emit(output) = &written.outcome {
                self.decider.restore(&mut self.memory, output, written.is_repair)?;
            }
            return Ok(());
        }
        if let Some(missing) = self.missing.remove(&written.source) {
            self.waiting.retain(|_, (offset, _)| *offset != written.source);
            return self.compare(missing.record.timestamp, &written, &missing.outcome);
        }
        self.count(&written);
        let (wrong, counter) = if written.is_repair {
            (Kind::Doubled, &mut self.found.doubled)
        } else {
            (Kind::MadeUp, &mut self.found.made_up)
        };
        *counter += 1;
        self.tell(written.source, wrong, || vec![FieldDifference::outcome(Some(kind(&written.outcome)), None)]);
        Ok(())
    }

    fn miss(&mut self, record: &Record, outcome: Outcome<P::Out>) -> Result<(), RuntimeError> {
        if self.missing.len() == MISSING_MAX {
            return Err(RuntimeError::Fatal(format!(
                "partition {} has more than {MISSING_MAX} records without an outcome, from offset {} on: this is no gap; \
                 see whether the processor's offsets or the topics it writes were changed by hand",
                self.found.partition,
                self.missing.keys().next().copied().unwrap_or_default()
            )));
        }
        if let Outcome::Emit(output) = &outcome {
            self.waiting.insert(output.journal().identity_hash(), (record.offset, record.timestamp));
        }
        self.missing.insert(record.offset, Missing { record: record.clone(), outcome, taken_by: None });
        Ok(())
    }

    fn compare(
        &mut self,
        at: i64,
        written: &Written<P::Out>,
        recomputed: &Outcome<P::Out>,
    ) -> Result<(), RuntimeError> {
        self.count(written);
        let left_out = match &written.outcome {
            Outcome::Emit(output) => {
                self.take_from_waiting(output, written.source, at);
                let basis_of = |output| self.decider.processor.basis_of(output);
                match recomputed {
                    Outcome::Emit(again) if basis_of(output) != basis_of(again) => P::OF_BASIS,
                    _ => &[],
                }
            }
            _ => &[],
        };
        let Comparison { fields, is_rounded, is_reworded } = compare(&written.outcome, recomputed, left_out)?;
        self.found.other_configuration += u64::from(!left_out.is_empty());
        if fields.is_empty() {
            self.found.rounded += u64::from(is_rounded);
            self.found.reworded += u64::from(is_reworded);
        } else {
            self.found.different += 1;
            self.tell(written.source, Kind::Different, || fields);
        }
        Ok(())
    }

    /// Makes the memory decide by what an output was decided by, where that is known here.
    fn decide_as(&mut self, written: Option<&Written<P::Out>>) {
        if let Some(Written { outcome: Outcome::Emit(output), .. }) = written {
            let basis = self.decider.processor.basis_of(output);
            if self.memory.basis() != Some(&basis) {
                self.decider.take_up(&mut self.memory, &basis);
            }
        }
    }

    /// An id whose first record has no outcome took effect through a later one.
    fn take_from_waiting(&mut self, output: &P::Out, source: i64, at: i64) {
        if self.waiting.is_empty() {
            return;
        }
        if let Some((offset, first_at)) = self.waiting.get(&output.journal().identity_hash())
            && at - first_at < self.decider.horizon_ms
            && source != *offset
            && let Some(missing) = self.missing.get_mut(offset)
        {
            missing.taken_by.get_or_insert(source);
        }
    }

    fn count(&mut self, written: &Written<P::Out>) {
        let counter = match written.outcome {
            Outcome::Emit(_) | Outcome::Done => &mut self.found.outputs,
            Outcome::Duplicate(_) => &mut self.found.duplicates,
            Outcome::DeadLetter(_) => &mut self.found.dead_letters,
        };
        *counter += 1;
        self.found.repairs += u64::from(written.is_repair);
    }

    fn tell(&mut self, offset: i64, kind: Kind, fields: impl FnOnce() -> Vec<FieldDifference>) {
        if self.found.first.as_ref().is_none_or(|first| offset < first.offset) {
            self.found.first = Some(Difference { offset, kind, fields: fields() });
        }
    }
}
