//! What waits in a partition, and what becomes of an input.

use super::{
    MatchingConfig, SETTLED_MAX,
    pool::{Near, Pool, Side, payable},
};
use millrace_runtime::processor::{Context, Memory};
use millrace_schemas::{
    event::{MatchDifference, MatchInput, MatchInputKind, MatchItem, MatchOutcome, MatchReason, MatchStep, Settled},
    money::format_money,
    time::format_instant,
};
use std::collections::{BTreeMap, HashMap};

/// The memory of matching in one partition.
#[derive(Debug, PartialEq)]
pub struct Desk {
    limits: MatchingConfig,
    /// The log's clock: the latest time by the broker.
    clock: i64,
    places: HashMap<String, Place>,
    /// Everything that waits, by its offset in match-input and so in the order it came.
    order: BTreeMap<i64, Waits>,
}

#[derive(Debug, Default, PartialEq)]
struct Place {
    receipts: Pool,
    transactions: Pool,
}

/// Where something waits, and since when by the log's clock.
#[derive(Debug, PartialEq)]
struct Waits {
    since: i64,
    side: Side,
    place: String,
}

/// What a snapshot has of each that waits: offset, since when, which side, and itself.
type Saved = (i64, i64, Side, MatchItem);

impl Place {
    fn pool(&mut self, side: Side) -> &mut Pool {
        match side {
            Side::Receipt => &mut self.receipts,
            Side::Transaction => &mut self.transactions,
        }
    }
}

impl Desk {
    pub(super) fn within(limits: MatchingConfig) -> Self {
        Self { limits, clock: 0, places: HashMap::new(), order: BTreeMap::new() }
    }

    /// Receipts and transactions that wait.
    pub fn waiting(&self) -> usize {
        self.order.len()
    }

    fn insert(&mut self, offset: i64, since: i64, side: Side, item: MatchItem) {
        let place = item.place_id.clone();
        self.places.entry(place.clone()).or_default().pool(side).insert(side, offset, item);
        self.order.insert(offset, Waits { since, side, place });
    }

    fn remove(&mut self, offset: i64) -> Option<MatchItem> {
        let Waits { side, place, .. } = self.order.remove(&offset)?;
        let at = self.places.get_mut(&place)?;
        let item = at.pool(side).remove(side, offset);
        if at.receipts.is_empty() && at.transactions.is_empty() {
            self.places.remove(&place);
        }
        item
    }

    /// Makes orphans of receipts whose wait is over, and forgets transactions whose wait is.
    fn end_waits(&mut self, settled: &mut Vec<Settled>) {
        while let Some((&offset, waits)) = self.order.first_key_value() {
            let is_receipt = waits.side == Side::Receipt;
            if waits.since + self.limits.wait_ms > self.clock || is_receipt && settled.len() >= SETTLED_MAX {
                return;
            }
            let item = self.remove(offset);
            settled.extend(item.filter(|_| is_receipt).map(|it| orphan(offset, it, MatchReason::WaitOver)));
        }
    }

    /// What pays a receipt: the transaction it names, or else the nearest in time over what it asks for.
    fn payment_of(&self, receipt: &MatchItem) -> Option<Near> {
        let pool = &self.places.get(&receipt.place_id)?.transactions;
        match &receipt.payment_transaction_id {
            Some(id) => pool.named(id, receipt.occurred_at),
            None => self.in_time(
                payable(receipt).iter().filter_map(|it| pool.over(&receipt.currency, *it, receipt.occurred_at)),
            ),
        }
    }

    /// The receipt that a transaction pays: one that names it, or else the nearest in time that asks for its amount.
    fn receipt_of(&self, payment: &MatchItem) -> Option<Near> {
        let pool = &self.places.get(&payment.place_id)?.receipts;
        let at = payment.occurred_at;
        let named = pool.named(&payment.transaction_id, at);
        named.or_else(|| self.in_time(pool.over(&payment.currency, payment.amount, at).into_iter()))
    }

    fn in_time(&self, found: impl Iterator<Item = Near>) -> Option<Near> {
        found.min().filter(|near| near.distance <= self.limits.time_within_ms.unsigned_abs())
    }

    /// A receipt comes: it is paid, or waits.
    fn receipt(&mut self, offset: i64, receipt: MatchItem) -> Option<Settled> {
        let found = self.payment_of(&receipt).and_then(|near| Some((near, self.remove(near.offset)?)));
        match found {
            Some((near, payment)) => Some(self.paid(offset, receipt, near.offset, payment)),
            None => {
                self.insert(offset, self.clock, Side::Receipt, receipt);
                None
            }
        }
    }

    /// A transaction comes: it pays a receipt, or waits.
    fn transaction(&mut self, offset: i64, payment: MatchItem) -> Option<Settled> {
        let found = self.receipt_of(&payment).and_then(|near| Some((near, self.remove(near.offset)?)));
        match found {
            Some((near, receipt)) => Some(self.paid(near.offset, receipt, offset, payment)),
            None => {
                self.insert(offset, self.clock, Side::Transaction, payment);
                None
            }
        }
    }

    fn paid(&self, receipt_offset: i64, receipt: MatchItem, offset: i64, payment: MatchItem) -> Settled {
        let distance = receipt.occurred_at.abs_diff(payment.occurred_at);
        let (reason, differences) = match &receipt.payment_transaction_id {
            Some(_) => (MatchReason::PaymentId, self.differences(&receipt, &payment)),
            None => (MatchReason::Attributes, Vec::new()),
        };
        let outcome = if differences.is_empty() { MatchOutcome::Matched } else { MatchOutcome::Mismatch };
        Settled {
            outcome,
            reason,
            receipt,
            receipt_offset,
            transaction: Some(payment),
            transaction_offset: Some(offset),
            time_distance_ms: Some(distance.try_into().unwrap_or(i64::MAX)),
            differences,
        }
    }

    fn differences(&self, receipt: &MatchItem, payment: &MatchItem) -> Vec<MatchDifference> {
        let differ = |field: &str, receipt: String, transaction: String| MatchDifference {
            field: field.to_owned(),
            receipt,
            transaction,
        };
        let mut found = Vec::new();
        if !payable(receipt).contains(&payment.amount) {
            let asked = receipt.amount.saturating_add(receipt.tips_amount);
            found.push(differ("amount", format_money(asked), format_money(payment.amount)));
        }
        if receipt.currency != payment.currency {
            found.push(differ("currency", receipt.currency.clone(), payment.currency.clone()));
        }
        if receipt.occurred_at.abs_diff(payment.occurred_at) > self.limits.time_within_ms.unsigned_abs() {
            found.push(differ("time", format_instant(receipt.occurred_at), format_instant(payment.occurred_at)));
        }
        found
    }

    /// Lets those go that have waited longest where too many wait; gives how many transactions they were.
    fn make_room(&mut self, place: &str, settled: &mut Vec<Settled>) -> i32 {
        let mut let_go = 0;
        while let Some(offset) = self.too_many(place) {
            let is_receipt = self.order.get(&offset).is_some_and(|waits| waits.side == Side::Receipt);
            if is_receipt && settled.len() >= SETTLED_MAX {
                break;
            }
            let item = self.remove(offset);
            let_go += i32::from(!is_receipt);
            settled.extend(item.filter(|_| is_receipt).map(|it| orphan(offset, it, MatchReason::NoRoom)));
        }
        let_go
    }

    /// Whose turn it is to make room at a place, or in the whole partition.
    fn too_many(&self, place: &str) -> Option<i64> {
        let most = self.limits.waiting_per_place_max;
        let pools = self.places.get(place).into_iter().flat_map(|place| [&place.receipts, &place.transactions]);
        let of_place = pools.filter(|pool| pool.len() > most).find_map(Pool::oldest);
        of_place.or_else(|| {
            self.order
                .first_key_value()
                .filter(|_| self.order.len() > self.limits.waiting_max)
                .map(|(oldest, _)| *oldest)
        })
    }
}

impl Memory<MatchStep> for Desk {
    /// Repeats what was done to what waits; nothing is decided again. Where limits have changed since, transactions are kept as the new
    /// ones say, and receipts until an input settles them.
    fn restore(&mut self, output: &MatchStep) {
        self.clock = self.clock.max(output.source.timestamp);
        let offset = output.source.offset;
        let mut was_settled = false;
        for settled in &output.settled {
            was_settled |= settled.receipt_offset == offset || settled.transaction_offset == Some(offset);
            self.remove(settled.receipt_offset);
            settled.transaction_offset.and_then(|offset| self.remove(offset));
        }
        while let Some((&oldest, waits)) = self.order.first_key_value() {
            if waits.side == Side::Receipt || waits.since + self.limits.wait_ms > self.clock {
                break;
            }
            self.remove(oldest);
        }
        if let Some((side, item)) = waits_as(&output.input).filter(|_| !was_settled) {
            self.insert(offset, self.clock, side, item.clone());
        }
        while let Some(oldest) = self.too_many(&output.input.place_id) {
            if self.order.get(&oldest).is_none_or(|waits| waits.side == Side::Receipt) {
                break;
            }
            self.remove(oldest);
        }
    }

    fn process(&mut self, input: MatchInput, context: Context) -> MatchStep {
        self.clock = self.clock.max(context.source.timestamp);
        let offset = context.source.offset;
        let mut settled = Vec::new();
        self.end_waits(&mut settled);
        match waits_as(&input) {
            Some((Side::Receipt, item)) => settled.extend(self.receipt(offset, item.clone())),
            Some((Side::Transaction, item)) => settled.extend(self.transaction(offset, item.clone())),
            None => {}
        }
        let let_go = self.make_room(&input.place_id, &mut settled);
        MatchStep {
            event_id: context.event_id,
            occurred_at: input.occurred_at,
            received_at: input.received_at,
            input,
            source: context.source,
            settled,
            let_go,
        }
    }

    fn save(&self) -> Option<Vec<u8>> {
        let saved = |(offset, waits): (&i64, &Waits)| -> Option<Saved> {
            let place = self.places.get(&waits.place)?;
            let pool = if waits.side == Side::Receipt { &place.receipts } else { &place.transactions };
            Some((*offset, waits.since, waits.side, pool.get(*offset)?.clone()))
        };
        let all: Vec<Saved> = self.order.iter().map(saved).collect::<Option<_>>()?;
        postcard::to_stdvec(&(self.clock, all)).ok()
    }

    fn load(&mut self, saved: &[u8]) -> bool {
        let Ok((clock, all)) = postcard::from_bytes::<(i64, Vec<Saved>)>(saved) else { return false };
        self.clock = clock;
        all.into_iter().for_each(|(offset, since, side, item)| self.insert(offset, since, side, item));
        true
    }
}

/// What of an input can wait: a transaction, or a receipt over something to pay.
fn waits_as(input: &MatchInput) -> Option<(Side, &MatchItem)> {
    let item = input.item.as_ref()?;
    match input.kind {
        MatchInputKind::Transaction => Some((Side::Transaction, item)),
        MatchInputKind::Receipt if item.amount > 0 => Some((Side::Receipt, item)),
        MatchInputKind::Receipt | MatchInputKind::Tick => None,
    }
}

fn orphan(receipt_offset: i64, receipt: MatchItem, reason: MatchReason) -> Settled {
    Settled {
        outcome: MatchOutcome::Orphan,
        reason,
        receipt,
        receipt_offset,
        transaction: None,
        transaction_offset: None,
        time_distance_ms: None,
        differences: Vec::new(),
    }
}
