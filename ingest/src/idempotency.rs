//! Ids that were acknowledged a short while ago: tells duplicates and conflicts without writing them again.
//!
//! Only a help: what is not remembered is appended, and the processor that owns the partition decides. An id is remembered only once
//! it is acknowledged, so what is told as a duplicate is certainly stored.

use millrace_schemas::Topic;
use std::{
    collections::HashMap,
    mem,
    sync::{Mutex, MutexGuard, PoisonError},
};
use uuid::Uuid;

/// Locks are held for one look-up, and by hash of the id, so that requests seldom meet.
const SHARDS: usize = 16;

/// Where and when an event was stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stored {
    pub event_id: Uuid,
    pub received_at: i64,
    pub partition: i32,
    pub offset: i64,
}

/// An acknowledged id: the hash of its content, and the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Known {
    pub content: u64,
    pub stored: Stored,
}

/// A bounded number of acknowledged ids, the latest.
#[derive(Debug)]
pub(crate) struct Memory {
    shards: [Mutex<Shard>; SHARDS],
    /// Most ids of a generation of a shard.
    generation_max: usize,
    horizon_ms: i64,
}

/// Two generations: when the young one is full it becomes the old one, and the old one is forgotten.
#[derive(Debug, Default)]
struct Shard {
    young: HashMap<(Topic, u128), Known>,
    old: HashMap<(Topic, u128), Known>,
}

impl Memory {
    pub fn new(ids_max: usize, horizon_ms: u64) -> Self {
        let horizon_ms = i64::try_from(horizon_ms).unwrap_or(i64::MAX);
        Self { shards: Default::default(), generation_max: ids_max / SHARDS / 2, horizon_ms }
    }

    /// What is known of an id at a time.
    pub fn get(&self, topic: Topic, identity: u128, now: i64) -> Option<Known> {
        let key = (topic, identity);
        let shard = self.shard(identity);
        let known = shard.young.get(&key).or_else(|| shard.old.get(&key)).copied()?;
        (now.saturating_sub(known.stored.received_at) <= self.horizon_ms).then_some(known)
    }

    /// Remembers an id that was just acknowledged.
    pub fn insert(&self, topic: Topic, identity: u128, known: Known) {
        if self.generation_max == 0 {
            return;
        }
        let mut shard = self.shard(identity);
        if shard.young.len() >= self.generation_max {
            shard.old = mem::take(&mut shard.young);
        }
        shard.young.insert((topic, identity), known);
    }

    /// Forgets an id of which something else turned out to be true.
    pub fn forget(&self, topic: Topic, identity: u128) {
        let mut shard = self.shard(identity);
        shard.young.remove(&(topic, identity));
        shard.old.remove(&(topic, identity));
    }

    fn shard(&self, identity: u128) -> MutexGuard<'_, Shard> {
        // The remainder of a hash, far below usize's end.
        let index = (identity % SHARDS as u128) as usize;
        self.shards[index].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400_000;

    fn known(content: u64, received_at: i64) -> Known {
        Known { content, stored: Stored { event_id: Uuid::nil(), received_at, partition: 0, offset: 0 } }
    }

    #[test]
    fn an_id_is_known_within_its_topic_until_the_horizon() {
        let memory = Memory::new(1_000, DAY as u64);
        memory.insert(Topic::Transactions, 7, known(1, 0));
        assert_eq!(memory.get(Topic::Transactions, 7, DAY), Some(known(1, 0)));
        assert_eq!(memory.get(Topic::Transactions, 7, DAY + 1), None);
        assert_eq!(memory.get(Topic::Receipts, 7, 0), None);
        memory.forget(Topic::Transactions, 7);
        assert_eq!(memory.get(Topic::Transactions, 7, 0), None);
    }

    #[test]
    fn the_latest_ids_are_kept_in_a_bounded_number() {
        let memory = Memory::new(320, DAY as u64);
        for id in 0..10_000 {
            memory.insert(Topic::Transactions, id, known(1, 0));
        }
        let kept: Vec<u128> = (0..10_000).filter(|id| memory.get(Topic::Transactions, *id, 0).is_some()).collect();
        assert!((160..=320).contains(&kept.len()), "{}", kept.len());
        assert!(kept.contains(&9_999) && !kept.contains(&0));
    }

    #[test]
    fn none_are_kept_when_none_are_wanted() {
        let memory = Memory::new(0, DAY as u64);
        memory.insert(Topic::Transactions, 7, known(1, 0));
        assert_eq!(memory.get(Topic::Transactions, 7, 0), None);
    }
}
