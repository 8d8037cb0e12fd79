//! Exact sliding windows of one customer, in event time.
//!
//! For a transaction at `t`, the window of `w` hours holds the customer's transactions with `occurred_at` in `(t - w, t]`, itself
//! included, among all that the log holds up to it. Transactions may come in any order: what is retained reaches back far enough
//! that every window is exact unless the transaction comes later than [`LATENESS_MS`] behind the customer's largest
//! `occurred_at`. Such a late one is counted over what is retained, and is not [`exact`](WindowsView::exact).
//!
//! A transaction takes 12 bytes, and room for more is kept small, so that a customer with `n` retained transactions takes at most
//! `64 + 16 n` bytes (with thousands of transactions in more than twenty currencies, a little more). Where there are thousands, sums
//! of blocks of them are kept as well, so that nobody can stall a partition by sending many transactions of one customer.

mod sums;

use millrace_schemas::{
    event,
    money::mean,
    rules::AMOUNT_MAX,
    time::{DAY_MS, HOUR_MS},
};
use serde::{Deserialize, Serialize};
use std::{collections::VecDeque, ops::Range};
use sums::{BlockSums, Sum};

/// Lengths of the windows, in milliseconds, the shortest first.
pub const SPANS_MS: [i64; 4] = [3 * HOUR_MS, 6 * HOUR_MS, 12 * HOUR_MS, DAY_MS];
/// How far behind the customer's largest `occurred_at` a transaction may come and still have exact windows, in milliseconds.
pub const LATENESS_MS: i64 = DAY_MS;
/// How far behind the customer's largest `occurred_at` transactions are retained, in milliseconds: the longest window of the
/// latest that is exact.
pub const RETENTION_MS: i64 = LATENESS_MS + SPANS_MS[SPANS_MS.len() - 1];

/// What the windows need to know of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// When it took place, epoch milliseconds.
    pub at: i64,
    /// Stands for the currency among the customer's, as [`super::history::History::currency_number`] gives it.
    pub currency: u16,
    /// Amount in ten-thousandths of the currency unit, 0 to [`AMOUNT_MAX`].
    pub amount: i64,
}

/// Bits of an [`Entry`]'s word that hold the currency; ISO 4217 has room for 1,000.
const CURRENCY_BITS: u32 = 10;
const _: () = assert!(AMOUNT_MAX < 1 << (u64::BITS - CURRENCY_BITS), "an amount and a currency fit 64 bits");
const _: () = assert!(RETENTION_MS < u32::MAX as i64, "all retained times fit 32 bits");

/// A retained transaction: milliseconds since the customer's base, then amount and currency in one 64-bit word, low half first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Entry([u32; 3]);

impl Entry {
    fn new(since_base: u32, moment: Moment) -> Self {
        debug_assert!((0..=AMOUNT_MAX).contains(&moment.amount) && moment.currency < 1 << CURRENCY_BITS);
        let word = moment.amount.cast_unsigned() << CURRENCY_BITS | u64::from(moment.currency);
        Self([since_base, word as u32, (word >> 32) as u32])
    }

    fn word(self) -> u64 {
        u64::from(self.0[1]) | u64::from(self.0[2]) << 32
    }

    fn currency(self) -> u16 {
        (self.word() & ((1 << CURRENCY_BITS) - 1)) as u16
    }

    fn amount(self) -> i64 {
        (self.word() >> CURRENCY_BITS).cast_signed()
    }
}

/// The retained transactions of one customer, sorted by time; among equal times, in the order they came.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Windows {
    /// Entries count their milliseconds from here. Not after anything that may still be retained.
    base: i64,
    entries: VecDeque<Entry>,
    /// Once there are many entries.
    sums: Option<Box<BlockSums>>,
}

/// With more entries than this, sums of blocks are kept ...
const MANY: usize = 4 * BlockSums::LONGEST;
/// ... until fewer than this are left.
const FEW: usize = 2 * BlockSums::LONGEST;

/// The windows of one transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WindowsView {
    /// Transactions in each of [`SPANS_MS`], all currencies.
    pub counts: [u64; 4],
    /// Mean amount of those in the transaction's own currency, in ten-thousandths of its unit, rounded half to even.
    pub means: [i64; 4],
    /// Time of the retained transaction next before this one, or at the same time, within the longest window.
    pub previous: Option<i64>,
    /// False when the transaction came later than [`LATENESS_MS`].
    pub exact: bool,
}

impl Windows {
    /// The windows of a transaction that comes now. It is counted, and not yet kept.
    pub fn view(&self, moment: Moment) -> WindowsView {
        let end = self.position_after(moment.at);
        let (mut counts, mut means) = ([0; 4], [0; 4]);
        let mut own = Sum::of(moment.amount);
        let mut begin = end;
        for (span, length) in SPANS_MS.into_iter().enumerate() {
            let longer = self.position_back_from(begin, moment.at - length);
            own += self.own_sum(longer..begin, moment.currency);
            begin = longer;
            counts[span] = (end - begin) as u64 + 1;
            means[span] = mean(own.amount, own.count);
        }
        let previous = (begin < end).then(|| self.time(self.entries[end - 1]));
        let exact = self.newest().is_none_or(|newest| moment.at >= newest - LATENESS_MS);
        WindowsView { counts, means, previous, exact }
    }

    /// Keeps a transaction and forgets those that no exact window can reach any more. One that is itself as old is not kept.
    pub fn keep(&mut self, moment: Moment) {
        let newest = self.newest().map_or(moment.at, |newest| newest.max(moment.at));
        let horizon = newest - RETENTION_MS;
        while let Some(oldest) = self.entries.front().copied().filter(|oldest| self.time(*oldest) <= horizon) {
            self.entries.pop_front();
            if let Some(sums) = &mut self.sums {
                sums.remove_first(oldest);
            }
        }
        if self.entries.len() < FEW {
            self.sums = None;
        }
        if moment.at > horizon {
            self.insert(moment, horizon);
        }
        if self.entries.len() > MANY && self.sums.is_none() {
            self.sums = Some(Box::new(BlockSums::new(&self.entries)));
        }
        self.release_spare_room();
    }

    /// Times, currencies and amounts of what is retained, sorted by time.
    pub fn iter(&self) -> impl Iterator<Item = Moment> {
        self.entries.iter().map(|entry| Moment {
            at: self.time(*entry),
            currency: entry.currency(),
            amount: entry.amount(),
        })
    }

    /// Transactions retained.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nothing is retained.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Bytes taken, room for more included: at most `64 + 16 x len`.
    pub fn bytes(&self) -> usize {
        let sums = self.sums.as_ref().map_or(0, |sums| sums.bytes());
        size_of::<Self>() + self.entries.capacity() * size_of::<Entry>() + sums
    }

    fn time(&self, entry: Entry) -> i64 {
        self.base + i64::from(entry.0[0])
    }

    /// The customer's largest `occurred_at`, which is always retained.
    fn newest(&self) -> Option<i64> {
        self.entries.back().map(|entry| self.time(*entry))
    }

    /// The entries of a currency in a stretch of the list.
    fn own_sum(&self, stretch: Range<usize>, currency: u16) -> Sum {
        match &self.sums {
            Some(sums) => sums.sum(stretch, currency, &self.entries),
            None => sums::scan(&self.entries, stretch, currency),
        }
    }

    /// Number of entries at or before a time.
    fn position_after(&self, at: i64) -> usize {
        if self.newest().is_none_or(|newest| newest <= at) {
            return self.entries.len();
        }
        self.entries.partition_point(|entry| self.time(*entry) <= at)
    }

    /// Number of entries at or before a time, where all from `end` on are after it. Entry by entry where they are few: they are summed
    /// next, and reading back in order finds them sooner than halving does.
    fn position_back_from(&self, end: usize, at: i64) -> usize {
        if self.sums.is_some() {
            return self.position_after(at);
        }
        end - self.entries.range(..end).rev().take_while(|entry| self.time(**entry) > at).count()
    }

    fn insert(&mut self, moment: Moment, horizon: i64) {
        let since_base = self.since_base(moment.at, horizon);
        if self.entries.len() == self.entries.capacity() {
            self.entries.reserve_exact(1 + self.entries.len() / 16);
        }
        let entry = Entry::new(since_base, moment);
        let position = self.position_after(moment.at);
        self.entries.insert(position, entry);
        if let Some(sums) = &mut self.sums {
            sums.insert(position, entry, &self.entries);
        }
    }

    /// Milliseconds from the base, which is moved up to the horizon when they would not fit.
    fn since_base(&mut self, at: i64, horizon: i64) -> u32 {
        if let (false, Ok(since_base)) = (self.entries.is_empty(), u32::try_from(at - self.base)) {
            return since_base;
        }
        let moved = (horizon - self.base) as u32;
        self.entries.iter_mut().for_each(|entry| entry.0[0] -= moved);
        self.base = horizon;
        (at - horizon) as u32
    }

    /// Gives memory back before it is too much, and keeps some, so that giving back and taking stay rare.
    fn release_spare_room(&mut self) {
        let kept = self.entries.len();
        if self.entries.capacity() > 1 + kept + kept / 12 {
            self.entries.shrink_to(kept + kept / 32);
        }
    }
}

/// Equal when the same is retained, wherever the bases are.
impl PartialEq for Windows {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl WindowsView {
    /// As scores hold it.
    pub fn to_event(&self) -> event::Windows {
        let count = |span: usize| i32::try_from(self.counts[span]).unwrap_or(i32::MAX);
        event::Windows {
            customer_transaction_count_3h: count(0),
            customer_avg_amount_3h: self.means[0],
            customer_transaction_count_6h: count(1),
            customer_avg_amount_6h: self.means[1],
            customer_transaction_count_12h: count(2),
            customer_avg_amount_12h: self.means[2],
            customer_transaction_count_24h: count(3),
            customer_avg_amount_24h: self.means[3],
        }
    }
}
