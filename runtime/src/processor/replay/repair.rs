//! Writing the outcomes that are missing.

use super::{In, Merge, Processor, Stream, Verifier};
use crate::{
    RuntimeError, controls, headers,
    processor::decide::output,
    reader::From,
    scan::{Progress, Scan},
    transaction::{Outgoing, Transactions},
};
use millrace_schemas::{Event as _, Topic, rules::Checked};
use serde::Serialize;
use std::collections::BTreeSet;

/// What a repair of one partition did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Repaired {
    /// Partition of the journal.
    pub partition: i32,
    /// Offsets whose outcomes were written.
    pub written: Vec<i64>,
    /// Offsets that stay without an outcome, and the later offsets through which their ids took effect: another effect would be
    /// a second one.
    pub taken: Vec<(i64, i64)>,
}

impl<P: Processor> Verifier<P>
where
    In<P>: Checked,
{
    /// Writes what is missing below the processor's committed offset, in one transaction for each partition; what is written bears
    /// [`headers::REPAIR`]. Nothing is written for a record that has an outcome, whoever else repairs or decides meanwhile.
    ///
    /// The processor is paused meanwhile, and rebuilds its memory with what was written.
    pub fn repair(
        &self,
        partitions: &[i32],
        progress: &mut dyn FnMut(i32, Progress),
    ) -> Result<Vec<Repaired>, RuntimeError> {
        let runtime = &self.inputs.runtime;
        let was_paused = runtime.block_on(controls::hold(&self.log, P::NAME))?;
        let repaired = self.write_all_missing(partitions, progress);
        runtime.block_on(controls::release(&self.log, P::NAME, was_paused))?;
        repaired
    }

    fn write_all_missing(
        &self,
        partitions: &[i32],
        progress: &mut dyn FnMut(i32, Progress),
    ) -> Result<Vec<Repaired>, RuntimeError> {
        // Taken over before anything is read: what another repair had under way is readable or aborted by then.
        let transactions = Transactions::begin_as(&self.log, &format!("repair-{}", P::NAME))?;
        let mut repaired = Vec::new();
        for partition in partitions {
            let merge = self.merge(*partition, &mut |at| progress(*partition, at))?;
            repaired.push(self.write_missing(*partition, merge, &transactions)?);
        }
        Ok(repaired)
    }

    fn write_missing(
        &self,
        partition: i32,
        merge: Merge<'_, P>,
        transactions: &Transactions,
    ) -> Result<Repaired, RuntimeError> {
        let read_to = merge.read_to();
        let mut repaired = Repaired { partition, ..Repaired::default() };
        let mut outgoing = Vec::new();
        for it in merge.into_missing() {
            let offset = it.record.offset;
            if let Some(by) = it.taken_by {
                repaired.taken.push((offset, by));
                continue;
            }
            let Some(output) = output(self.inputs.schemas.codec(), &it.record, &it.outcome)? else { continue };
            outgoing.push(Outgoing {
                topic: output.topic,
                partition: Some(output.partition),
                key: Some(output.key),
                value: output.value,
                headers: output.headers.with(headers::REPAIR, "1"),
            });
            repaired.written.push(offset);
        }
        if outgoing.is_empty() {
            return Ok(repaired);
        }
        let offsets: BTreeSet<i64> = repaired.written.iter().copied().collect();
        transactions.write(|transaction| {
            self.still_missing(partition, &offsets, &read_to)?;
            transaction.send(&outgoing).map(drop)
        })?;
        Ok(repaired)
    }

    /// Fails when one of the outcomes was written since it was looked for.
    fn still_missing(
        &self,
        partition: i32,
        offsets: &BTreeSet<i64>,
        read_to: &[(Topic, i64)],
    ) -> Result<(), RuntimeError> {
        for (topic, next) in read_to {
            self.ends.wait_until_readable(*topic, partition)?;
            let from = if *next == 0 { From::Beginning } else { From::Offset(*next) };
            let scan = Scan::new(self.log.kafka(), *topic, &[partition], from)?;
            let (schemas, runtime) = (self.inputs.schemas.clone(), self.inputs.runtime.clone());
            let mut stream = Stream::<P::Out>::new(*topic, In::<P>::TOPIC, scan, schemas, runtime);
            while let Some(written) = stream.before(i64::MAX)? {
                if offsets.contains(&written.source) {
                    return Err(RuntimeError::Transient(format!(
                        "the outcome of offset {} was written meanwhile; begin again",
                        written.source
                    )));
                }
            }
        }
        Ok(())
    }
}
