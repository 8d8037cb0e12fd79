//! Ticks: records that say nothing but that time has passed, for partitions in which nothing else comes.

use super::now;
use crate::kafka::partition_of;
use std::time::{Duration, Instant};

/// When ticks are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ticks {
    /// After how long without any record a partition gets one.
    pub every: Duration,
    /// For how long after the last record that somebody waits with.
    pub lasts: Duration,
}

/// When which partition gets its next tick.
pub(super) struct Clockwork {
    ticks: Ticks,
    partitions: Vec<Partition>,
}

struct Partition {
    /// Belongs to the partition.
    key: String,
    last_written: Instant,
    last_wait: Instant,
}

impl Clockwork {
    /// What came before is not known: somebody may have begun to wait just now in every partition.
    pub(super) fn new(ticks: Ticks, partitions: i32) -> Self {
        let now = Instant::now();
        let partition = |number| Partition { key: key_of(number, partitions), last_written: now, last_wait: now };
        Self { ticks, partitions: (0..partitions).map(partition).collect() }
    }

    /// Something else than a tick is written into a partition.
    pub(super) fn wrote(&mut self, partition: i32, begins_wait: bool) {
        let Some(partition) = self.partitions.get_mut(partition as usize) else { return };
        partition.last_written = Instant::now();
        if begins_wait {
            partition.last_wait = partition.last_written;
        }
    }

    /// Keys of the ticks to be written now, and the time.
    pub(super) fn due(&mut self) -> Vec<(String, i64)> {
        let (Ticks { every, lasts }, at) = (self.ticks, now());
        let is_due = |it: &&mut Partition| it.last_written.elapsed() >= every && it.last_wait.elapsed() < lasts;
        let due = self.partitions.iter_mut().filter(is_due);
        due.map(|partition| {
            partition.last_written = Instant::now();
            (partition.key.clone(), at)
        })
        .collect()
    }
}

/// A key that belongs to a partition.
fn key_of(partition: i32, partitions: i32) -> String {
    let keys = (0..).map(|number: u32| format!("tick-{number}"));
    keys.into_iter().find(|key| partition_of(key.as_bytes(), partitions) == partition).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_partition_has_a_key_of_its_own() {
        for partitions in [1, 3, 12, 100] {
            for partition in 0..partitions {
                assert_eq!(partition_of(key_of(partition, partitions).as_bytes(), partitions), partition);
            }
        }
    }

    #[test]
    fn a_partition_ticks_while_somebody_waits_in_it() {
        let ticks = Ticks { every: Duration::ZERO, lasts: Duration::from_secs(3_600) };
        let mut clockwork = Clockwork::new(ticks, 2);
        assert_eq!(clockwork.due().len(), 2, "after a start nobody knows who waits");
        let long_ago = Instant::now().checked_sub(Duration::from_secs(3_601));
        for partition in &mut clockwork.partitions {
            partition.last_wait = long_ago.unwrap_or(partition.last_wait);
        }
        assert_eq!(clockwork.due().len(), usize::from(long_ago.is_none()) * 2);
        clockwork.wrote(1, false);
        assert_eq!(clockwork.due().len(), usize::from(long_ago.is_none()) * 2);
        clockwork.wrote(1, true);
        assert!(clockwork.due().iter().any(|(key, _)| partition_of(key.as_bytes(), 2) == 1));
        clockwork.ticks.every = Duration::from_secs(3_600);
        assert!(clockwork.due().is_empty(), "records are as good as ticks");
    }
}
