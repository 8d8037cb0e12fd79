//! Matching receipts to the transactions that paid them.

use super::Source;
use serde::{Deserialize, Serialize};

/// What comes to matching.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MatchInputKind {
    /// `transaction`.
    Transaction,
    /// `receipt`.
    Receipt,
    /// `tick`.
    Tick,
}

/// A receipt or a transaction, as far as matching looks at it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MatchItem {
    /// Id across systems of the receipt or the transaction.
    pub trn_id: String,
    /// The receipt's id at its till, or the client's id of the transaction.
    pub transaction_id: String,
    /// Place of the receipt, or merchant of the transaction.
    pub place_id: String,
    /// Customer of the transaction; null on a receipt.
    pub customer_id: Option<String>,
    /// When it took place, by the client's statement.
    pub occurred_at: i64,
    /// When it was taken in; copied.
    pub received_at: i64,
    /// The receipt's total or the transaction's amount, in ten-thousandths of the currency unit; negative on a return.
    pub amount: i64,
    /// Tips on top of a receipt's total, in ten-thousandths of the currency unit; 0 on a transaction.
    pub tips_amount: i64,
    /// ISO 4217 code, upper case.
    pub currency: String,
    /// Id of the transaction that paid the receipt, where it says so; null on a transaction.
    pub payment_transaction_id: Option<String>,
    /// The journal record of the receipt or the transaction.
    pub source: Source,
}

/// A scored transaction or a purchase on its way to matching, both in one order; or a tick, by which time goes on where nothing else
/// comes. Keyed by place_id.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MatchInput {
    /// Id of this event: a hash of log epoch and the record it was made of, so a second copy has the same one.
    pub event_id: String,
    /// When the receipt or the transaction took place; when a tick was written.
    pub occurred_at: i64,
    /// When it was taken in; when a tick was written.
    pub received_at: i64,
    /// transaction: a scored transaction; receipt: a purchase or return; tick: nothing but the time.
    pub kind: MatchInputKind,
    /// Place of the receipt or merchant of the transaction, the key of the record; of a tick a text that belongs to its partition.
    pub place_id: String,
    /// The receipt or the transaction; null on a tick.
    pub item: Option<MatchItem>,
}

/// What matching made of a receipt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MatchOutcome {
    /// `matched`.
    Matched,
    /// `mismatch`.
    Mismatch,
    /// `orphan`.
    Orphan,
}

impl MatchOutcome {
    /// As it is written.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Matched => "matched",
            Self::Mismatch => "mismatch",
            Self::Orphan => "orphan",
        }
    }
}

/// Why matching made that of a receipt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MatchReason {
    /// `payment_id`.
    PaymentId,
    /// `attributes`.
    Attributes,
    /// `wait_over`.
    WaitOver,
    /// `no_room`.
    NoRoom,
}

impl MatchReason {
    /// As it is written.
    pub const fn name(self) -> &'static str {
        match self {
            Self::PaymentId => "payment_id",
            Self::Attributes => "attributes",
            Self::WaitOver => "wait_over",
            Self::NoRoom => "no_room",
        }
    }
}

/// What differs between a receipt and the transaction it names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MatchDifference {
    /// amount, currency or time.
    pub field: String,
    /// The receipt's figure: amounts in units of the currency, tips included; times in UTC.
    pub receipt: String,
    /// The transaction's figure, in the same form.
    pub transaction: String,
}

/// A receipt that has its outcome now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Settled {
    /// matched: a transaction paid it; mismatch: the transaction it names differs from it; orphan: no transaction came in time.
    pub outcome: MatchOutcome,
    /// payment_id: the receipt names the transaction; attributes: amount, currency, place and time agree; wait_over: the wait in log time
    /// is over; no_room: too many receipts wait.
    pub reason: MatchReason,
    /// The receipt.
    pub receipt: MatchItem,
    /// Offset of the receipt in this partition of match-input.
    pub receipt_offset: i64,
    /// The transaction; null on an orphan.
    pub transaction: Option<MatchItem>,
    /// Offset of the transaction in this partition of match-input; null on an orphan.
    pub transaction_offset: Option<i64>,
    /// Milliseconds between receipt and transaction by their own statements, not negative; null on an orphan.
    pub time_distance_ms: Option<i64>,
    /// What differs, with both figures; empty unless the outcome is mismatch.
    pub differences: Vec<MatchDifference>,
}

/// What matching made of one record of match-input: what it is remembered by, and the receipts that it settled. Keyed as its input.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MatchStep {
    /// Id of this event: a hash of log epoch and source, so a replay gives the same one.
    pub event_id: String,
    /// Of the input; copied.
    pub occurred_at: i64,
    /// Of the input; copied.
    pub received_at: i64,
    /// The whole input.
    pub input: MatchInput,
    /// The record of match-input this was derived from.
    pub source: Source,
    /// Receipts that this input settled, in the order they were: those whose wait is over, then the one that is paid, then those that make room.
    pub settled: Vec<Settled>,
    /// Transactions that matching stopped waiting with before their time, since there was no room for them.
    pub let_go: i32,
}

/// Which transaction paid a receipt, or that none did. One for each receipt with a positive total, once it is settled; keyed by place_id.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReceiptMatch {
    /// Id of this event: a hash of log epoch and source, so a replay gives the same one.
    pub event_id: String,
    /// When the purchase took place; copied from the receipt.
    pub occurred_at: i64,
    /// When the receipt was taken in; copied.
    pub received_at: i64,
    /// matched: a transaction paid it; mismatch: the transaction it names differs from it; orphan: no transaction came in time.
    pub outcome: MatchOutcome,
    /// payment_id: the receipt names the transaction; attributes: amount, currency, place and time agree; wait_over: the wait in log time
    /// is over; no_room: too many receipts wait.
    pub reason: MatchReason,
    /// The receipt.
    pub receipt: MatchItem,
    /// The transaction; null on an orphan.
    pub transaction: Option<MatchItem>,
    /// Milliseconds between receipt and transaction by their own statements, not negative; null on an orphan.
    pub time_distance_ms: Option<i64>,
    /// What differs, with both figures; empty unless the outcome is mismatch.
    pub differences: Vec<MatchDifference>,
    /// When it was settled, by the log's clock: the broker's time of the input that did it.
    pub settled_at: i64,
    /// The record of match-input that settled it, and its index among the receipts settled by that.
    pub source: Source,
}
