//! Sums over stretches of a customer's entries, by block where there are many.

use super::Entry;
use millrace_schemas::rules::AMOUNT_MAX;
use serde::{Deserialize, Serialize};
use std::{
    collections::VecDeque,
    ops::{AddAssign, Range},
};

/// Number and total of some entries of one currency.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Sum {
    pub count: u64,
    pub amount: i128,
}

impl Sum {
    /// The sum of one amount.
    pub fn of(amount: i64) -> Self {
        Self { count: 1, amount: i128::from(amount) }
    }
}

impl AddAssign for Sum {
    fn add_assign(&mut self, other: Self) {
        self.count += other.count;
        self.amount += other.amount;
    }
}

/// The sum of a stretch, entry by entry. Without branches, since currencies may follow one another in no order.
pub(super) fn scan(entries: &VecDeque<Entry>, stretch: Range<usize>, currency: u16) -> Sum {
    let (mut count, mut amount) = (0, 0);
    entries.range(stretch).for_each(|entry| {
        let is_own = u64::from(entry.currency() == currency);
        count += is_own;
        amount += u128::from(entry.amount().cast_unsigned() * is_own);
    });
    Sum { count, amount: amount.cast_signed() }
}

/// Sums of consecutive blocks of entries, each kept by currency, so that a long stretch is summed by its blocks and only its two
/// ends by entries.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct BlockSums {
    blocks: VecDeque<Block>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Block {
    len: usize,
    totals: Vec<Total>,
}

/// The entries of one currency in a block.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Total {
    amount: u64,
    count: u32,
    currency: u16,
}

const _: () = assert!(BlockSums::LONGEST as u64 <= u64::MAX / AMOUNT_MAX as u64, "a block's total fits 64 bits");

impl BlockSums {
    /// Most entries of a block. One that grows longer is split.
    pub const LONGEST: usize = 256;

    /// The sums of all entries, of which there is at least one.
    pub fn new(entries: &VecDeque<Entry>) -> Self {
        let mut blocks = VecDeque::new();
        let mut begin = 0;
        while begin < entries.len() {
            let end = entries.len().min(begin + Self::LONGEST);
            blocks.push_back(Block::new(entries, begin..end));
            begin = end;
        }
        Self { blocks }
    }

    /// Takes in the entry that now stands at a position of `entries`.
    pub fn insert(&mut self, position: usize, entry: Entry, entries: &VecDeque<Entry>) {
        let (index, begin) = self.block_before(position, entries.len() - 1);
        if self.blocks[index].len < Self::LONGEST {
            return self.blocks[index].add(entry);
        }
        let end = begin + self.blocks[index].len + 1;
        // At the end of a full last block begins a new one, so that blocks are full when entries come in order.
        let split = if position + 1 == entries.len() { position } else { begin + Self::LONGEST / 2 };
        self.blocks[index] = Block::new(entries, begin..split);
        self.blocks.insert(index + 1, Block::new(entries, split..end));
    }

    /// Gives up the first entry.
    pub fn remove_first(&mut self, entry: Entry) {
        if let Some(first) = self.blocks.front_mut() {
            first.remove(entry);
            if first.len == 0 {
                self.blocks.pop_front();
            }
        }
    }

    /// The sum of a stretch. Found from the end, where windows mostly lie.
    pub fn sum(&self, stretch: Range<usize>, currency: u16, entries: &VecDeque<Entry>) -> Sum {
        let mut sum = Sum::default();
        let mut end = entries.len();
        for block in self.blocks.iter().rev() {
            if end <= stretch.start {
                break;
            }
            let begin = end - block.len;
            let shared = begin.max(stretch.start)..end.min(stretch.end);
            if shared == (begin..end) {
                sum += block.sum(currency);
            } else if !shared.is_empty() {
                sum += scan(entries, shared, currency);
            }
            end = begin;
        }
        sum
    }

    /// Bytes taken.
    pub fn bytes(&self) -> usize {
        let totals: usize = self.blocks.iter().map(|block| block.totals.capacity() * size_of::<Total>()).sum();
        size_of::<Self>() + self.blocks.capacity() * size_of::<Block>() + totals
    }

    /// The block that an entry at a position belongs to, and where that block begins, when the blocks have `len` entries. Found
    /// from the end, where most entries come.
    fn block_before(&self, position: usize, len: usize) -> (usize, usize) {
        let mut begin = len;
        for (index, block) in self.blocks.iter().enumerate().rev() {
            begin -= block.len;
            if begin <= position {
                return (index, begin);
            }
        }
        (0, 0)
    }
}

impl Block {
    fn new(entries: &VecDeque<Entry>, stretch: Range<usize>) -> Self {
        let mut block = Self::default();
        entries.range(stretch).for_each(|entry| block.add(*entry));
        block
    }

    fn add(&mut self, entry: Entry) {
        self.len += 1;
        let amount = entry.amount().cast_unsigned();
        match self.totals.iter_mut().find(|total| total.currency == entry.currency()) {
            Some(total) => {
                total.amount += amount;
                total.count += 1;
            }
            None => {
                self.totals.reserve_exact(1);
                self.totals.push(Total { amount, count: 1, currency: entry.currency() });
            }
        }
    }

    fn remove(&mut self, entry: Entry) {
        self.len -= 1;
        if let Some(total) = self.totals.iter_mut().find(|total| total.currency == entry.currency()) {
            total.amount -= entry.amount().cast_unsigned();
            total.count -= 1;
        }
    }

    fn sum(&self, currency: u16) -> Sum {
        let own = self.totals.iter().find(|total| total.currency == currency);
        own.map_or_else(Sum::default, |total| Sum { count: u64::from(total.count), amount: i128::from(total.amount) })
    }
}
