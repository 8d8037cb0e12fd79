//! The rollups that figures come from, the tables that feed them, and the journals behind those.

use crate::clickhouse::tables::{RECEIPTS, TRANSACTION_SCORES};
use millrace_schemas::Topic;

/// A rollup.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Rollup {
    pub name: &'static str,
    /// Its column of time.
    pub time: &'static str,
    pub source: Source,
}

/// A journal, and the table that tells how much of it the tables hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Source {
    pub journal: Topic,
    pub derived: Topic,
    /// Group of the processor between them.
    pub processor: &'static str,
    /// The last table that is written of the derived topic.
    pub table: &'static str,
}

const OF_RECEIPTS: Source =
    Source { journal: Topic::Receipts, derived: Topic::Purchases, processor: "receipts", table: RECEIPTS.name };
const OF_TRANSACTIONS: Source = Source {
    journal: Topic::Transactions,
    derived: Topic::TransactionScores,
    processor: "scoring",
    table: TRANSACTION_SCORES.name,
};

pub(crate) const PLACE_STATS: &Rollup = &Rollup { name: "place_stats_15m", time: "bucket", source: OF_RECEIPTS };
pub(crate) const TAX_TIP_STATS: &Rollup = &Rollup { name: "tax_tip_stats_15m", time: "bucket", source: OF_RECEIPTS };
pub(crate) const CATEGORY_STATS: &Rollup = &Rollup { name: "category_stats_15m", time: "bucket", source: OF_RECEIPTS };
pub(super) const NDS_RATE_STATS: &Rollup = &Rollup { name: "nds_rate_stats_15m", time: "bucket", source: OF_RECEIPTS };
pub(super) const PLACE_NAME_STATS: &Rollup =
    &Rollup { name: "place_name_stats_1d", time: "last_at", source: OF_RECEIPTS };
pub(crate) const TRANSACTION_STATS: &Rollup =
    &Rollup { name: "transaction_stats_1m", time: "bucket", source: OF_TRANSACTIONS };
pub(super) const CUSTOMER_STATS: &Rollup = &Rollup { name: "customer_stats_1d", time: "day", source: OF_TRANSACTIONS };

/// The journals behind rollups, each once.
pub(crate) fn sources(rollups: &[&'static Rollup]) -> Vec<Source> {
    let mut sources: Vec<Source> = rollups.iter().map(|rollup| rollup.source).collect();
    sources.dedup();
    sources
}
