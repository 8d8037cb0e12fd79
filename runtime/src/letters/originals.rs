//! The journal records that letters come from.

use super::{Letter, Shelf};
use crate::{
    Record, RuntimeError,
    reader::{From, Read, Reader},
};
use millrace_schemas::Topic;
use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

/// How many offsets are read over before it is quicker to begin anew further on.
const GAP_MAX: i64 = 2_000;
/// How long the broker may be silent.
const PATIENCE: Duration = Duration::from_secs(20);

type Place = (Topic, i32);

impl Shelf {
    /// The journal records that letters come from, by the letters' event ids; without those that the log holds no more.
    pub fn originals(&self, letters: &[Letter]) -> Result<BTreeMap<String, Record>, RuntimeError> {
        let mut wanted: BTreeMap<Place, BTreeMap<i64, &str>> = BTreeMap::new();
        for Letter { event, .. } in letters {
            let topic = event.source_topic.as_deref().and_then(|topic| topic.parse::<Topic>().ok());
            if let (Some(topic), Some(partition), Some(offset)) = (topic, event.source_partition, event.source_offset) {
                wanted.entry((topic, partition)).or_default().insert(offset, &event.event_id);
            }
        }
        let mut originals = BTreeMap::new();
        for (place, ids) in wanted {
            let mut left: BTreeSet<i64> = ids.keys().copied().collect();
            while !left.is_empty() {
                self.read_on(place, &mut left, &mut |record| {
                    if let Some(id) = ids.get(&record.offset) {
                        originals.insert((*id).to_owned(), record);
                    }
                })?;
            }
        }
        Ok(originals)
    }

    /// Reads wanted offsets from the first one on, until the next is far away or all are met; at least the first is then done with.
    fn read_on(
        &self,
        (topic, partition): Place,
        left: &mut BTreeSet<i64>,
        found: &mut dyn FnMut(Record),
    ) -> Result<(), RuntimeError> {
        let Some(first) = left.pop_first() else { return Ok(()) };
        let mut reader = Reader::new(&self.kafka, topic, &[partition], From::Offset(first))?;
        let mut last_sign = Instant::now();
        loop {
            match reader.next(Duration::from_millis(100)) {
                Ok(Read::Record(record)) => {
                    last_sign = Instant::now();
                    let at = record.offset;
                    found(*record);
                    while left.first().is_some_and(|next| *next <= at) {
                        left.pop_first();
                    }
                    if left.first().is_none_or(|next| *next > at + GAP_MAX) {
                        return Ok(());
                    }
                }
                Ok(Read::End(_)) => {
                    left.clear();
                    return Ok(());
                }
                Ok(Read::Idle) if last_sign.elapsed() > PATIENCE => {
                    return Err(RuntimeError::Transient(format!(
                        "{topic} {partition}/{first} is not answered in time"
                    )));
                }
                Ok(Read::Idle) => {}
                // Retention has taken the offset.
                Err(_) => return Ok(()),
            }
        }
    }
}
