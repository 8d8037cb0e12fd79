//! Facts of a customer's whole life. They don't expire, except that only so many devices and locations are remembered.
//!
//! They take 120 bytes, 64 more for each currency, and 8 for each device and location that is remembered.

use super::{fingerprints::Fingerprints, place::Place, spread::Spread};
use millrace_schemas::event::Transaction;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// Most devices remembered of a customer, and most locations; the one first seen longest ago is forgotten first.
pub const KNOWN_MAX: usize = 32;

/// What a customer has done so far, over all transactions in the order of the log.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    /// One for each currency, in the order of first use.
    totals: Vec<Total>,
    devices: Known,
    locations: Known,
    newest: Option<i64>,
    /// When and where the latest transaction with coordinates was; among equal times, the one that came last.
    latest_place: Option<(i64, Place)>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Total {
    currency: [u8; 3],
    amounts: Spread,
}

/// What a customer had done before a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Past {
    /// Transactions, all currencies.
    pub count: u64,
    /// Amounts in the transaction's currency.
    pub amounts: Spread,
    /// Whether the transaction's device is among those remembered.
    pub knows_device: bool,
    /// Whether its location is.
    pub knows_location: bool,
    /// Largest `occurred_at`.
    pub newest: Option<i64>,
    /// When and where the latest transaction with coordinates was, when that is not after this one.
    pub place: Option<(i64, Place)>,
}

impl History {
    /// The past, as a transaction finds it. `own` are its fingerprints.
    pub fn before(&self, transaction: &Transaction, own: Fingerprints) -> Past {
        let total = self.totals.get(usize::from(self.currency_number(&transaction.currency)));
        Past {
            count: self.totals.iter().map(|total| total.amounts.count).sum(),
            amounts: total.map(|total| total.amounts).unwrap_or_default(),
            knows_device: self.devices.contains(own.device),
            knows_location: self.locations.contains(own.location),
            newest: self.newest,
            place: self.latest_place.filter(|(at, _)| *at <= transaction.occurred_at),
        }
    }

    /// Makes a transaction part of the past. `own` are its fingerprints.
    pub fn add(&mut self, transaction: &Transaction, own: Fingerprints) {
        let number = usize::from(self.currency_number(&transaction.currency));
        if number == self.totals.len() {
            self.totals.reserve_exact(1);
            self.totals.push(Total { currency: letters(&transaction.currency), amounts: Spread::default() });
        }
        self.totals[number].amounts.add(transaction.amount);
        self.devices.add(own.device);
        self.locations.add(own.location);
        let at = transaction.occurred_at;
        self.newest = self.newest.max(Some(at));
        if let Some(place) = Place::of(transaction).filter(|_| self.latest_place.is_none_or(|(latest, _)| latest <= at))
        {
            self.latest_place = Some((at, place));
        }
    }

    /// Largest `occurred_at`; `None` without transactions.
    pub fn newest(&self) -> Option<i64> {
        self.newest
    }

    /// A small number that stands for a currency among the customer's: its place in the order of first use. A currency not used
    /// yet has the number it will get.
    pub fn currency_number(&self, currency: &str) -> u16 {
        let letters = letters(currency);
        let number = self.totals.iter().position(|total| total.currency == letters).unwrap_or(self.totals.len());
        u16::try_from(number).expect("the rules take only ISO 4217 currencies, of which there are fewer than 1,000")
    }

    /// Bytes taken, room for more included.
    pub fn bytes(&self) -> usize {
        let known = (self.devices.0.capacity() + self.locations.0.capacity()) * size_of::<u64>();
        size_of::<Self>() + self.totals.capacity() * size_of::<Total>() + known
    }
}

/// Fingerprints of what was seen, the one first seen longest ago first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Known(VecDeque<u64>);

impl Known {
    fn contains(&self, fingerprint: u64) -> bool {
        self.0.contains(&fingerprint)
    }

    fn add(&mut self, fingerprint: u64) {
        if self.contains(fingerprint) {
            return;
        }
        if self.0.len() == KNOWN_MAX {
            self.0.pop_front();
        }
        if self.0.len() == self.0.capacity() {
            self.0.reserve_exact(1);
        }
        self.0.push_back(fingerprint);
    }
}

fn letters(currency: &str) -> [u8; 3] {
    let mut letters = [0; 3];
    letters.iter_mut().zip(currency.bytes()).for_each(|(letter, byte)| *letter = byte);
    letters
}
