//! Which business ids were seen: the first record of an id wins, within a horizon of log time.

use serde::{Deserialize, Serialize};
use std::collections::{HashMap, VecDeque};

/// What an id that was seen says of a later record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seen {
    /// Not within the horizon: this record is the first.
    Never,
    /// The record at this offset has the same content.
    Same(i64),
    /// The record at this offset has other content.
    Other(i64),
}

/// Ids seen in one partition. About 72 bytes an id.
#[derive(Debug, Default)]
pub(super) struct Dedup {
    horizon_ms: i64,
    first: HashMap<u128, First>,
    /// Ids by the broker's time of their first record, the oldest first: the order they are forgotten in.
    by_time: VecDeque<(i64, u128)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct First {
    content: u64,
    offset: i64,
}

/// An id that is remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Remembered {
    /// Broker's time of its first record.
    pub(super) time: i64,
    pub(super) identity: u128,
    pub(super) content: u64,
    /// Offset of its first record.
    pub(super) offset: i64,
}

impl Dedup {
    /// Everything remembered, the oldest first.
    pub(super) fn remembered(&self) -> impl Iterator<Item = Remembered> {
        self.by_time.iter().filter_map(|(time, identity)| {
            let First { content, offset } = *self.first.get(identity)?;
            Some(Remembered { time: *time, identity: *identity, content, offset })
        })
    }

    /// Remembers ids for `horizon_ms` of the broker's time.
    pub(super) fn new(horizon_ms: i64) -> Self {
        Self { horizon_ms, ..Self::default() }
    }

    /// What is known of an id at a record of the broker's time `now`.
    pub(super) fn look(&mut self, identity: u128, content: u64, now: i64) -> Seen {
        self.forget(now);
        match self.first.get(&identity) {
            None => Seen::Never,
            Some(first) if first.content == content => Seen::Same(first.offset),
            Some(first) => Seen::Other(first.offset),
        }
    }

    /// Whether the record at this offset is remembered as the first of an id.
    pub(super) fn is_first(&self, identity: u128, offset: i64) -> bool {
        self.first.get(&identity).is_some_and(|first| first.offset == offset)
    }

    /// Remembers the first record of an id.
    pub(super) fn remember(&mut self, identity: u128, content: u64, offset: i64, time: i64) {
        self.forget(time);
        if self.first.insert(identity, First { content, offset }).is_none() {
            // At the end, but for repairs and a broker's clock that was set back.
            let place = self.by_time.iter().rev().take_while(|(later, _)| *later > time).count();
            self.by_time.insert(self.by_time.len() - place, (time, identity));
        }
    }

    fn forget(&mut self, now: i64) {
        while let Some((time, identity)) = self.by_time.front().copied() {
            if time > now - self.horizon_ms {
                break;
            }
            self.by_time.pop_front();
            self.first.remove(&identity);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_record_of_an_id_wins_for_the_horizon() {
        let mut dedup = Dedup::new(100);
        assert_eq!(dedup.look(1, 10, 0), Seen::Never);
        dedup.remember(1, 10, 5, 0);
        assert_eq!(dedup.look(1, 10, 50), Seen::Same(5));
        assert_eq!(dedup.look(1, 11, 99), Seen::Other(5));
        assert_eq!(dedup.look(1, 10, 100), Seen::Never, "after the horizon the id is new");
        assert_eq!((dedup.first.len(), dedup.by_time.len()), (0, 0));
    }

    #[test]
    fn an_id_remembered_out_of_turn_is_forgotten_in_turn() {
        let mut dedup = Dedup::new(100);
        dedup.remember(1, 10, 5, 60);
        dedup.remember(2, 20, 3, 10);
        assert_eq!(dedup.look(2, 20, 109), Seen::Same(3));
        assert_eq!((dedup.look(2, 20, 110), dedup.look(1, 10, 110)), (Seen::Never, Seen::Same(5)));
    }
}
