//! What the reconciler has proven.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Money of one currency.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MoneySum {
    /// Table or topic whose amounts are added up.
    pub name: String,
    /// ISO 4217 code.
    pub currency: String,
    /// Sum in ten-thousandths of the currency unit, decimal digits: it may exceed 64 bits.
    pub amount: String,
}

/// One offset that is not as it must be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OffsetDifference {
    /// Offset in the partition that is checked.
    pub offset: i64,
    /// missing, doubled, made_up or money.
    pub kind: String,
    /// Table that differs; null for the outcome of a journal record.
    pub table: Option<String>,
    /// Outcomes or rows there must be; for money the sum, in ten-thousandths of the currency unit.
    pub expected: String,
    /// What there is.
    pub found: String,
}

/// How far one partition is proven: that every record of a journal has exactly one outcome, or that the tables hold exactly what a
/// topic makes of them. Keyed by topic/partition; the last one holds, and the next check goes on from it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reconciliation {
    /// Topic that is checked, without the deployment's prefix.
    pub topic: String,
    /// Partition of that topic.
    pub partition: i32,
    /// When it was checked, by the reconciler's clock.
    pub checked_at: i64,
    /// First offset that was checked: the log began there then.
    pub from_offset: i64,
    /// Next offset to check. Everything below is proven, but for the differences.
    pub verified_through: i64,
    /// Offset that the processor or projector had committed then. Everything from it on is pending.
    pub committed: i64,
    /// Checked so far: records, and outcomes by kind or rows by table.
    pub counts: BTreeMap<String, i64>,
    /// Money checked so far, equal in log and tables but for the differences.
    pub sums: Vec<MoneySum>,
    /// Every offset that is not as it must be, the lowest first.
    pub differences: Vec<OffsetDifference>,
    /// Of a journal: next offset to read of each topic its outcomes stand in.
    pub reads: BTreeMap<String, i64>,
    /// Last sources seen by each reading, by which second copies are told: of a journal one reading for each topic of outcomes, else
    /// front and turn; see the source header.
    pub sources: BTreeMap<String, String>,
    /// Of a projected topic: how far the turn is that checks everything below verified_through again.
    pub turn_offset: i64,
    /// When such a turn was last completed.
    pub turn_completed_at: Option<i64>,
}
