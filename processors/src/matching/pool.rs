//! What waits at one place, receipts or transactions, and finding the nearest in time.

use millrace_schemas::event::MatchItem;
use std::collections::{BTreeMap, BTreeSet, HashMap, hash_map::Entry};

/// Which of the two waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) enum Side {
    Receipt,
    Transaction,
}

/// Offsets in match-input, by the item's own time and then by place in the log.
type Times = BTreeSet<(i64, i64)>;

/// Items by offset in match-input.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Pool {
    items: BTreeMap<i64, MatchItem>,
    /// Receipts by the transaction they name, transactions by their own id.
    by_id: HashMap<String, Times>,
    /// Receipts that name none, and transactions, by currency and amount.
    by_money: HashMap<(String, i64), Times>,
}

/// An item that was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Near {
    /// Milliseconds between the two; the first to be compared, and then the place in the log.
    pub distance: u64,
    pub offset: i64,
}

impl Pool {
    pub(super) fn insert(&mut self, side: Side, offset: i64, item: MatchItem) {
        let at = (item.occurred_at, offset);
        if let Some(id) = id_of(side, &item) {
            self.by_id.entry(id.to_owned()).or_default().insert(at);
        }
        for amount in amounts_of(side, &item) {
            self.by_money.entry((item.currency.clone(), amount)).or_default().insert(at);
        }
        self.items.insert(offset, item);
    }

    pub(super) fn remove(&mut self, side: Side, offset: i64) -> Option<MatchItem> {
        let item = self.items.remove(&offset)?;
        let at = (item.occurred_at, offset);
        if let Some(id) = id_of(side, &item) {
            forget(self.by_id.entry(id.to_owned()), at);
        }
        for amount in amounts_of(side, &item) {
            forget(self.by_money.entry((item.currency.clone(), amount)), at);
        }
        Some(item)
    }

    pub(super) fn len(&self) -> usize {
        self.items.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// The one that has waited longest.
    pub(super) fn oldest(&self) -> Option<i64> {
        self.items.first_key_value().map(|(offset, _)| *offset)
    }

    pub(super) fn get(&self, offset: i64) -> Option<&MatchItem> {
        self.items.get(&offset)
    }

    /// The one with an id that is nearest to a time.
    pub(super) fn named(&self, id: &str, at: i64) -> Option<Near> {
        self.by_id.get(id).and_then(|times| nearest(times, at))
    }

    /// The one over an amount that is nearest to a time.
    pub(super) fn over(&self, currency: &str, amount: i64, at: i64) -> Option<Near> {
        self.by_money.get(&(currency.to_owned(), amount)).and_then(|times| nearest(times, at))
    }
}

/// What a receipt asks for: its total with the tips, or without them where those were left otherwise. A transaction is over its amount.
pub(super) fn payable(receipt: &MatchItem) -> BTreeSet<i64> {
    BTreeSet::from([receipt.amount, receipt.amount.saturating_add(receipt.tips_amount)])
}

fn id_of(side: Side, item: &MatchItem) -> Option<&str> {
    match side {
        Side::Receipt => item.payment_transaction_id.as_deref(),
        Side::Transaction => Some(&item.transaction_id),
    }
}

fn amounts_of(side: Side, item: &MatchItem) -> BTreeSet<i64> {
    match side {
        Side::Receipt if item.payment_transaction_id.is_some() => BTreeSet::new(),
        Side::Receipt => payable(item),
        Side::Transaction => BTreeSet::from([item.amount]),
    }
}

fn forget<K>(times: Entry<'_, K, Times>, at: (i64, i64)) {
    if let Entry::Occupied(mut times) = times {
        times.get_mut().remove(&at);
        if times.get().is_empty() {
            times.remove();
        }
    }
}

/// The nearest in time; of several equally near ones, the first in the log.
fn nearest(times: &Times, at: i64) -> Option<Near> {
    let before = times.range(..=(at, i64::MAX)).next_back().map(|(time, _)| *time);
    let before = before.and_then(|time| times.range((time, i64::MIN)..).next());
    let after = times.range((at, i64::MIN)..).next();
    let near = |(time, offset): &(i64, i64)| Near { distance: time.abs_diff(at), offset: *offset };
    before.into_iter().chain(after).map(near).min()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_nearest_is_the_nearest_of_all(times in proptest::collection::btree_set((0i64..20, 0i64..30), 0..12), at in -2i64..22) {
            let of_all = times.iter().map(|(time, offset)| Near { distance: time.abs_diff(at), offset: *offset }).min();
            prop_assert_eq!(nearest(&times, at), of_all);
        }
    }
}
