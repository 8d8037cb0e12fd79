//! With whom, with what and where a customer paid in the last hours, in event time.
//!
//! As in [`windows`](super::windows), transactions may come in any order, and what is retained reaches back far enough for the last
//! day of the latest transaction that is not too late. Of a customer with very many transactions only the latest [`VISITS_MAX`] by
//! time are retained, so that nobody can fill memory or stall a partition by sending many of one customer.
//!
//! A transaction takes 24 bytes, and each merchant, device and location among those retained 16 more.

use super::{fingerprints::Fingerprints, place::Place, windows::RETENTION_MS};
use millrace_schemas::{event::Transaction, time::DAY_MS};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// Most transactions retained of a customer; among equal times, the one that came first is forgotten first.
pub const VISITS_MAX: usize = 1_024;
/// Words of a set of slots.
const WORDS: usize = VISITS_MAX.div_ceil(u64::BITS as usize);

/// What is remembered of a transaction: merchant, device and location by their slots, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Visit {
    at: i64,
    place: Option<Place>,
    slots: [u16; 3],
}

/// The retained transactions of one customer, sorted by time; among equal times, in the order they came.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Visits {
    visits: VecDeque<Visit>,
    /// Merchants, devices and locations.
    slots: [Slots; 3],
}

/// A transaction's surroundings.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct VisitsView {
    /// Different merchants, devices and locations in the 24 hours up to the transaction, its own included.
    pub distinct: [u64; 3],
    /// When and where the retained transaction with coordinates was that is next before this one, or came before it at the same time.
    /// Only of one that has coordinates itself: nobody else asks.
    pub previous: Option<(i64, Place)>,
}

impl Visits {
    /// What a transaction that comes now looks like; it is counted, and not yet kept. `own` are its fingerprints.
    pub fn view(&self, transaction: &Transaction, own: Fingerprints) -> VisitsView {
        let at = transaction.occurred_at;
        let end = self.position_after(at);
        let earlier = self.visits.range(..end).rev();
        let day = earlier.clone().take_while(|visit| visit.at > at - DAY_MS);
        let place = |visit: &Visit| Some((visit.at, visit.place?));
        let previous = Place::of(transaction).and_then(|_| earlier.clone().find_map(place));
        VisitsView { distinct: self.distinct(day, own), previous }
    }

    fn distinct<'v>(&self, visits: impl Iterator<Item = &'v Visit>, own: Fingerprints) -> [u64; 3] {
        let mut seen = [[0u64; WORDS]; 3];
        // Most customers have few slots, and use few words.
        let used = self.slots.each_ref().map(|slots| slots.0.len().div_ceil(u64::BITS as usize));
        let mut mark = |kind: usize, slot: u16| seen[kind][usize::from(slot) / 64] |= 1 << (slot % 64);
        for visit in visits {
            visit.slots.into_iter().enumerate().for_each(|(kind, slot)| mark(kind, slot));
        }
        let mut unknown = [0; 3];
        for (kind, own) in by_kind(own).into_iter().enumerate() {
            match self.slots[kind].find(own) {
                Some(slot) => mark(kind, slot),
                None => unknown[kind] = 1,
            }
        }
        std::array::from_fn(|kind| {
            seen[kind][..used[kind]].iter().map(|word| u64::from(word.count_ones())).sum::<u64>() + unknown[kind]
        })
    }

    /// Keeps a transaction and forgets those that no exact view can reach any more. One that is itself as old is not kept.
    /// `own` are its fingerprints.
    pub fn keep(&mut self, transaction: &Transaction, own: Fingerprints) {
        let at = transaction.occurred_at;
        let newest = self.visits.back().map_or(at, |newest| newest.at.max(at));
        while self.visits.front().is_some_and(|oldest| oldest.at <= newest - RETENTION_MS) {
            self.forget_first();
        }
        if self.visits.len() == VISITS_MAX && self.visits.front().is_some_and(|oldest| oldest.at <= at) {
            self.forget_first();
        }
        if self.visits.len() < VISITS_MAX && at > newest - RETENTION_MS {
            self.insert(transaction, own);
        }
        let kept = self.visits.len();
        if self.visits.capacity() > 4 + kept + kept / 2 {
            self.visits.shrink_to(kept + kept / 8);
        }
    }

    fn insert(&mut self, transaction: &Transaction, own: Fingerprints) {
        let own = by_kind(own);
        let visit = Visit {
            at: transaction.occurred_at,
            place: Place::of(transaction),
            slots: std::array::from_fn(|kind| self.slots[kind].add(own[kind])),
        };
        if self.visits.len() == self.visits.capacity() {
            self.visits.reserve_exact(1 + self.visits.len() / 8);
        }
        self.visits.insert(self.position_after(visit.at), visit);
    }

    fn forget_first(&mut self) {
        if let Some(visit) = self.visits.pop_front() {
            self.slots.iter_mut().zip(visit.slots).for_each(|(slots, slot)| slots.release(slot));
        }
    }

    /// Number of visits at or before a time.
    fn position_after(&self, at: i64) -> usize {
        if self.visits.back().is_none_or(|newest| newest.at <= at) {
            return self.visits.len();
        }
        self.visits.partition_point(|visit| visit.at <= at)
    }

    /// Transactions retained.
    pub fn len(&self) -> usize {
        self.visits.len()
    }

    /// Whether nothing is retained.
    pub fn is_empty(&self) -> bool {
        self.visits.is_empty()
    }

    /// Bytes taken, room for more included.
    pub fn bytes(&self) -> usize {
        let slots: usize = self.slots.iter().map(|slots| slots.0.capacity() * size_of::<Slot>()).sum();
        size_of::<Self>() + self.visits.capacity() * size_of::<Visit>() + slots
    }
}

/// In the order of a visit's slots.
fn by_kind(own: Fingerprints) -> [u64; 3] {
    [own.merchant, own.device, own.location]
}

/// Small numbers for the different values among the retained transactions; one that nobody uses any more is given again.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Slots(Vec<Slot>);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Slot {
    fingerprint: u64,
    uses: u16,
}

impl Slots {
    fn find(&self, fingerprint: u64) -> Option<u16> {
        let position = self.0.iter().position(|slot| slot.fingerprint == fingerprint && slot.uses > 0)?;
        u16::try_from(position).ok()
    }

    fn add(&mut self, fingerprint: u64) -> u16 {
        let known = self.find(fingerprint).map(usize::from).or_else(|| self.0.iter().position(|slot| slot.uses == 0));
        let position = known.unwrap_or_else(|| {
            self.0.reserve_exact(1);
            self.0.push(Slot { fingerprint, uses: 0 });
            self.0.len() - 1
        });
        let slot = &mut self.0[position];
        slot.fingerprint = fingerprint;
        slot.uses += 1;
        u16::try_from(position).expect("there are at most as many slots as retained transactions")
    }

    fn release(&mut self, slot: u16) {
        self.0[usize::from(slot)].uses -= 1;
        while self.0.last().is_some_and(|slot| slot.uses == 0) {
            self.0.pop();
        }
        if self.0.capacity() > 4 + 2 * self.0.len() {
            self.0.shrink_to_fit();
        }
    }
}
