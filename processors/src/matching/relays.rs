//! What stands before and behind matching: bringing transactions and receipts into one order, and telling each outcome by itself.

use super::MatchingConfig;
use millrace_runtime::{
    Record, RuntimeError,
    relay::{Own, Relay, Ticks},
};
use millrace_schemas::{
    Topic,
    event::{
        MatchInput, MatchInputKind, MatchItem, MatchOutcome, MatchStep, Purchase, ReceiptMatch, Source,
        TransactionScore,
    },
    ids,
};
use std::time::Duration;

/// Receipts that were settled, by `outcome` (matched, mismatch, orphan).
pub const RECEIPT_MATCHES_TOTAL: &str = "millrace_receipt_matches_total";
/// Transactions that made room for others before their wait was over: more came than the limits of matching have room for.
pub const MATCH_LET_GO_TOTAL: &str = "millrace_match_let_go_total";

/// How much longer than the wait ticks are written: an input settles a bounded number of receipts.
const TICKS_LONGER: Duration = Duration::from_secs(3_600);

/// Scored transactions and purchases to match-input, by merchant and place.
#[derive(Debug, Clone, Default)]
pub struct Merging {
    limits: MatchingConfig,
}

impl Merging {
    /// Merging for matching within limits.
    pub fn within(limits: MatchingConfig) -> Self {
        Self { limits }
    }
}

impl Relay for Merging {
    const NAME: &'static str = "match-merging";
    const INPUTS: &'static [Topic] = &[Topic::TransactionScores, Topic::Purchases];
    type Out = MatchInput;

    fn relay(&mut self, record: &Record, own: &Own<'_>) -> Result<Option<Vec<MatchInput>>, RuntimeError> {
        Ok(match record.topic {
            Topic::Purchases => own.decode(record)?.map(|purchase| vec![of_purchase(&purchase)]),
            _ => own.decode(record)?.map(|score| vec![of_score(&score)]),
        })
    }

    fn ticks(&self) -> Option<Ticks> {
        let wait = Duration::from_millis(self.limits.wait_ms.max(0).unsigned_abs());
        Some(Ticks { every: Duration::from_millis(self.limits.tick_ms.max(1)), lasts: wait + TICKS_LONGER })
    }

    fn begins_wait(&self, written: &MatchInput) -> bool {
        written.kind == MatchInputKind::Receipt
    }

    fn tick(&self, key: &str, at: i64) -> Option<MatchInput> {
        Some(MatchInput {
            event_id: ids::event_id_of(&[b"tick", key.as_bytes(), &at.to_be_bytes()]).to_string(),
            occurred_at: at,
            received_at: at,
            kind: MatchInputKind::Tick,
            place_id: key.to_owned(),
            item: None,
        })
    }
}

/// A scored transaction as matching takes it in.
pub fn of_score(score: &TransactionScore) -> MatchInput {
    let transaction = &score.transaction;
    let item = MatchItem {
        trn_id: score.trn_id.clone(),
        transaction_id: transaction.transaction_id.clone(),
        place_id: transaction.merchant_id.clone(),
        customer_id: Some(transaction.customer_id.clone()),
        occurred_at: score.occurred_at,
        received_at: score.received_at,
        amount: transaction.amount,
        tips_amount: 0,
        currency: transaction.currency.clone(),
        payment_transaction_id: None,
        source: score.source.clone(),
    };
    input(&score.event_id, MatchInputKind::Transaction, item)
}

/// A purchase as matching takes it in.
pub fn of_purchase(purchase: &Purchase) -> MatchInput {
    let receipt = &purchase.receipt;
    let item = MatchItem {
        trn_id: purchase.trn_id.clone(),
        transaction_id: receipt.transaction_id.clone(),
        place_id: receipt.place_id.clone(),
        customer_id: None,
        occurred_at: purchase.occurred_at,
        received_at: purchase.received_at,
        amount: receipt.total_amount,
        tips_amount: receipt.tips_amount,
        currency: receipt.currency.clone(),
        payment_transaction_id: receipt.payment_transaction_id.clone(),
        source: purchase.source.clone(),
    };
    input(&purchase.event_id, MatchInputKind::Receipt, item)
}

/// Its id is of what it was made of: where that stands in the log twice, the second is a duplicate.
fn input(made_of: &str, kind: MatchInputKind, item: MatchItem) -> MatchInput {
    MatchInput {
        event_id: ids::event_id_of(&[Topic::MatchInput.name().as_bytes(), made_of.as_bytes()]).to_string(),
        occurred_at: item.occurred_at,
        received_at: item.received_at,
        kind,
        place_id: item.place_id.clone(),
        item: Some(item),
    }
}

/// The steps of matching to receipt-matches, one record for each receipt.
#[derive(Debug, Clone, Copy, Default)]
pub struct Telling;

impl Relay for Telling {
    const NAME: &'static str = "match-telling";
    const INPUTS: &'static [Topic] = &[Topic::MatchSteps];
    type Out = ReceiptMatch;

    fn relay(&mut self, record: &Record, own: &Own<'_>) -> Result<Option<Vec<ReceiptMatch>>, RuntimeError> {
        let Some(step) = own.decode::<MatchStep>(record)? else { return Ok(None) };
        count(&step);
        Ok(Some(matches_of(step)))
    }
}

/// The outcomes that a step holds.
pub fn matches_of(step: MatchStep) -> Vec<ReceiptMatch> {
    let MatchStep { event_id, source, settled, .. } = step;
    let matches = (0..).zip(settled).map(|(index, settled): (i32, _)| ReceiptMatch {
        event_id: ids::event_id_of(&[
            Topic::ReceiptMatches.name().as_bytes(),
            event_id.as_bytes(),
            &index.to_be_bytes(),
        ])
        .to_string(),
        occurred_at: settled.receipt.occurred_at,
        received_at: settled.receipt.received_at,
        outcome: settled.outcome,
        reason: settled.reason,
        receipt: settled.receipt,
        transaction: settled.transaction,
        time_distance_ms: settled.time_distance_ms,
        differences: settled.differences,
        settled_at: source.timestamp,
        source: Source { index, ..source.clone() },
    });
    matches.collect()
}

fn count(step: &MatchStep) {
    for outcome in [MatchOutcome::Matched, MatchOutcome::Mismatch, MatchOutcome::Orphan] {
        let settled = step.settled.iter().filter(|settled| settled.outcome == outcome).count();
        if settled > 0 {
            ::metrics::counter!(RECEIPT_MATCHES_TOTAL, "outcome" => outcome.name()).increment(settled as u64);
        }
    }
    if step.let_go > 0 {
        ::metrics::counter!(MATCH_LET_GO_TOTAL).increment(step.let_go.unsigned_abs().into());
    }
}
