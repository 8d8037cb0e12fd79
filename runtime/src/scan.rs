//! Reading all that there is of a topic, with progress.

use crate::{
    Record, RuntimeError,
    config::KafkaConfig,
    kafka,
    reader::{From, Read, Reader},
};
use millrace_schemas::Topic;
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

/// How far a [`Scan`] is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// Offsets passed, over all partitions.
    pub offsets: i64,
    /// Offsets there were when the scan began.
    pub of: i64,
}

/// Reads all that is committed of a topic's partitions when each is read to its end, record by record and with progress.
pub struct Scan {
    topic: Topic,
    reader: Reader,
    /// Partitions that are not read to their end, with the next offset and the end as it was at first.
    open: BTreeMap<i32, (i64, i64)>,
    total: i64,
    last_sign: Instant,
    patience: Duration,
}

impl Scan {
    /// Begins to read partitions.
    pub fn new(config: &KafkaConfig, topic: Topic, partitions: &[i32], from: From) -> Result<Self, RuntimeError> {
        let reader = Reader::new(config, topic, partitions, from)?;
        let mut open = BTreeMap::new();
        for partition in partitions {
            open.insert(*partition, reader.watermarks(*partition)?);
        }
        let total = open.values().map(|(low, high)| high - low).sum();
        let patience = 3 * kafka::request_timeout(config);
        Ok(Self { topic, reader, open, total, last_sign: Instant::now(), patience })
    }

    /// The next record; `None` when every partition is read to its end. Fails when the broker is silent for long.
    pub fn next_record(&mut self) -> Result<Option<Record>, RuntimeError> {
        while !self.open.is_empty() {
            match self.reader.next(Duration::from_millis(100))? {
                Read::Record(record) => {
                    self.last_sign = Instant::now();
                    // More may come of a partition whose end was met.
                    if let Some((next, _)) = self.open.get_mut(&record.partition) {
                        *next = record.offset + 1;
                        return Ok(Some(*record));
                    }
                }
                Read::End(partition) => {
                    self.last_sign = Instant::now();
                    self.open.remove(&partition);
                }
                Read::Idle if self.last_sign.elapsed() > self.patience => {
                    let (topic, silent) = (self.topic, self.patience.as_secs());
                    return Err(RuntimeError::Transient(format!("nothing was read of {topic} for {silent} s")));
                }
                Read::Idle => {}
            }
        }
        Ok(None)
    }

    /// Leaves out the rest of a partition.
    pub fn end(&mut self, partition: i32) {
        self.open.remove(&partition);
    }

    /// How far it is.
    pub fn progress(&self) -> Progress {
        let left: i64 = self.open.values().map(|(next, end)| (end - next).max(0)).sum();
        Progress { offsets: self.total - left, of: self.total }
    }
}
