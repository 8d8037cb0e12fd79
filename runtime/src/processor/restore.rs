//! Rebuilding a partition's memory from the processor's own committed outputs, beside the running ones.

use super::{
    Processor,
    decide::{Decider, Partition},
};
use crate::{
    RuntimeError,
    config::KafkaConfig,
    reader::{From, Read, Reader},
};
use millrace_schemas::{Event, event::Derived, rules::Checked};
use std::time::{Duration, Instant};

/// A partition whose outputs are being read back.
pub(super) struct Restore<P: Processor> {
    reader: Reader,
    partition: Partition<P>,
    outputs: u64,
    began: Instant,
}

/// How far a restore is.
pub(super) enum Step<P: Processor> {
    /// More is to be read.
    More(Box<Restore<P>>),
    /// All committed outputs were taken back.
    Finished { partition: Partition<P>, outputs: u64, took: Duration },
}

impl<P: Processor> Restore<P>
where
    <P::Out as Derived>::From: Checked,
{
    pub(super) fn begin(decider: &Decider<P>, config: &KafkaConfig, partition: i32) -> Result<Self, RuntimeError> {
        let reader = Reader::new(config, P::Out::TOPIC, &[partition], From::Beginning)?;
        Ok(Self { reader, partition: decider.partition(), outputs: 0, began: Instant::now() })
    }

    /// Reads for at most `slice`.
    pub(super) fn step(mut self: Box<Self>, decider: &Decider<P>, slice: Duration) -> Result<Step<P>, RuntimeError> {
        let until = Instant::now() + slice;
        while Instant::now() < until {
            match self.reader.next(slice)? {
                Read::Record(record) => {
                    let output = decider.schemas.decode::<P::Out>(&decider.runtime, record.value.as_deref())?;
                    let output = output.map_err(|error| {
                        RuntimeError::Fatal(format!(
                            "own output at {} {}/{}: {error}",
                            record.topic, record.partition, record.offset
                        ))
                    })?;
                    decider.restore(&mut self.partition, &output)?;
                    self.outputs += 1;
                }
                Read::End(_) => {
                    let Self { partition, outputs, began, .. } = *self;
                    return Ok(Step::Finished { partition, outputs, took: began.elapsed() });
                }
                Read::Idle => break,
            }
        }
        Ok(Step::More(self))
    }
}
