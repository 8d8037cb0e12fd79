//! What stands in the outputs already: by partition and by where it came from.

use crate::{
    RuntimeError, SourcePosition, kafka,
    log::Log,
    reader::{Ends, From, Read, Reader},
};
use millrace_schemas::{Topic, time::HOUR_MS};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

/// How much the clocks of those who write to the log may differ.
const CLOCKS_DIFFER_MS: i64 = HOUR_MS;
/// How long nothing may come of outputs that are read.
const SILENCE_MAX: Duration = Duration::from_secs(30);

/// The last source of each input partition in each output partition. There the records of one input partition stand in its order.
#[derive(Debug, Default)]
pub(super) struct Written(BTreeMap<(i32, Topic, i32), (i64, i32)>);

impl Written {
    /// Reads outputs written since a time (epoch milliseconds), or all of them.
    pub(super) fn read(log: &Log, output: Topic, partitions: i32, since: Option<i64>) -> Result<Self, RuntimeError> {
        let mut written = Self::default();
        let numbers: Vec<i32> = (0..partitions).collect();
        let ends = Ends::new(log.kafka())?;
        numbers.iter().try_for_each(|number| ends.wait_until_readable(output, *number))?;
        let from = since.map_or(From::Beginning, |since| From::Time((since - CLOCKS_DIFFER_MS).max(0)));
        let mut reader = Reader::new(log.kafka(), output, &numbers, from)?;
        let (mut ended, mut last_sign) = (BTreeSet::new(), Instant::now());
        while ended.len() < numbers.len() {
            match reader.next(Duration::from_millis(100))? {
                Read::Record(record) => {
                    SourcePosition::of(&record).into_iter().for_each(|source| written.note(record.partition, &source));
                    last_sign = Instant::now();
                }
                Read::End(partition) => {
                    ended.insert(partition);
                    last_sign = Instant::now();
                }
                Read::Idle if last_sign.elapsed() > SILENCE_MAX + kafka::request_timeout(log.kafka()) => {
                    return Err(RuntimeError::Transient(format!("{output} cannot be read to its end")));
                }
                Read::Idle => {}
            }
        }
        Ok(written)
    }

    fn note(&mut self, partition: i32, source: &SourcePosition) {
        let last = self.0.entry((partition, source.topic, source.partition)).or_default();
        *last = (*last).max((source.offset, source.index + 1));
    }

    /// Whether what is derived from a source stands in an output partition.
    pub(super) fn holds(&self, partition: i32, source: &SourcePosition) -> bool {
        let last = self.0.get(&(partition, source.topic, source.partition));
        last.is_some_and(|last| (source.offset, source.index) < *last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_known_by_partition_and_source() {
        let source = |partition, offset, index| SourcePosition { topic: Topic::Purchases, partition, offset, index };
        let mut written = Written::default();
        assert!(!written.holds(0, &source(0, 0, 0)));
        written.note(0, &source(1, 7, 0));
        assert!(written.holds(0, &source(1, 6, 5)) && written.holds(0, &source(1, 7, 0)));
        assert!(!written.holds(0, &source(1, 7, 1)), "the record's second event is missing");
        assert!(!written.holds(0, &source(1, 8, 0)) && !written.holds(1, &source(1, 7, 0)));
        assert!(!written.holds(0, &source(0, 3, 0)), "each input partition has offsets of its own");
        written.note(0, &source(1, 2, 0));
        assert!(written.holds(0, &source(1, 7, 0)), "a second copy moves nothing back");
    }
}
