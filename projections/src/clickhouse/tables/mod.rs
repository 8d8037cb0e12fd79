//! Which column of which table holds what of an event: one line for each column, in the order of its bytes.

mod audit;
mod labels;
mod matches;
mod receipts;
mod transactions;

pub use audit::{DEAD_LETTERS, DUPLICATES, REQUESTS};
pub use labels::LABELS;
pub use matches::RECEIPT_MATCHES;
pub use receipts::{RECEIPT_ITEMS, RECEIPTS};
pub use transactions::{TRANSACTION_SCORES, TRANSACTIONS};

use super::rowbinary::RowBinary;
use millrace_runtime::{Record, headers};
use millrace_schemas::{
    Topic,
    event::{FieldError, TimeResolution},
};

/// A rollup: figures that follow every insert into a table.
pub struct Rollup {
    /// Public name.
    pub name: &'static str,
    /// Public name of the table whose rows it sums up.
    pub fed_by: &'static str,
    /// Topic that fills that table.
    pub topic: Topic,
    /// The day of its rows' events, in SQL.
    pub day: &'static str,
}

/// Every rollup.
pub const ROLLUPS: [Rollup; 7] = [
    rollup("transaction_stats_1m", TRANSACTION_SCORES.name, Topic::TransactionScores, "toDate(bucket)"),
    rollup("customer_stats_1d", TRANSACTION_SCORES.name, Topic::TransactionScores, "day"),
    rollup("place_name_stats_1d", RECEIPTS.name, Topic::Purchases, "day"),
    rollup("place_stats_15m", RECEIPTS.name, Topic::Purchases, "toDate(bucket)"),
    rollup("tax_tip_stats_15m", RECEIPTS.name, Topic::Purchases, "toDate(bucket)"),
    rollup("category_stats_15m", RECEIPT_ITEMS.name, Topic::Purchases, "toDate(bucket)"),
    rollup("nds_rate_stats_15m", RECEIPT_ITEMS.name, Topic::Purchases, "toDate(bucket)"),
];

const fn rollup(name: &'static str, fed_by: &'static str, topic: Topic, day: &'static str) -> Rollup {
    Rollup { name, fed_by, topic, day }
}

/// Columns that say which request brought the journal record of a row: its id and the position in its batch, from the headers that
/// derived records carry on.
pub const REQUEST: [&str; 2] = ["request_id", "request_index"];

/// Columns that say where in the log a row comes from; every table ends with them.
pub const POSITION: [&str; 4] = ["_topic", "_partition", "_offset", "_timestamp"];

/// How a table is filled from events `E`.
pub struct Table<E: 'static> {
    /// Public name.
    pub name: &'static str,
    /// How many rows one event makes.
    pub rows: fn(&E) -> usize,
    /// Whether [`REQUEST`] stands before [`POSITION`].
    pub with_request: bool,
    /// Columns without those two, in the order they are written.
    pub columns: &'static [Column<E>],
}

/// One column: its name, and its value in a row of an event; the number is the row's among those of the event, from 0.
pub struct Column<E> {
    name: &'static str,
    write: fn(&E, usize, &mut RowBinary),
}

const fn column<E>(name: &'static str, write: fn(&E, usize, &mut RowBinary)) -> Column<E> {
    Column { name, write }
}

const fn one<E>(_: &E) -> usize {
    1
}

impl<E> Table<E> {
    /// Columns in the order in which [`write`](Self::write) writes them.
    pub fn column_names(&self) -> Vec<&'static str> {
        let request = if self.with_request { REQUEST.as_slice() } else { &[] };
        self.columns.iter().map(|column| column.name).chain(request.iter().copied()).chain(POSITION).collect()
    }

    /// Writes an event's rows and says how many they are.
    pub fn write(&self, event: &E, record: &Record, out: &mut RowBinary) -> usize {
        let rows = (self.rows)(event);
        for index in 0..rows {
            for column in self.columns {
                (column.write)(event, index, out);
            }
            if self.with_request {
                out.optional_text(record.headers.text(headers::REQUEST_ID));
                out.optional(record.headers.request_index(), RowBinary::int32);
            }
            out.text(record.topic.name());
            out.int32(record.partition);
            out.int64(record.offset);
            out.time(record.timestamp);
        }
        rows
    }
}

/// Public names of the tables that a topic fills, in the order they are written; the last one tells the position.
pub const fn of_topic(topic: Topic) -> &'static [&'static str] {
    match topic {
        Topic::TransactionScores => &[TRANSACTIONS.name, TRANSACTION_SCORES.name],
        Topic::Purchases => &[RECEIPT_ITEMS.name, RECEIPTS.name],
        Topic::ReceiptMatches => &[RECEIPT_MATCHES.name],
        Topic::Labels => &[LABELS.name],
        Topic::DeadLetters => &[DEAD_LETTERS.name],
        Topic::Duplicates => &[DUPLICATES.name],
        Topic::Requests => &[REQUESTS.name],
        Topic::Transactions
        | Topic::Receipts
        | Topic::Replies
        | Topic::DeadLetterActions
        | Topic::Reconciliation
        | Topic::Schemas
        | Topic::MatchInput
        | Topic::MatchSteps
        | Topic::MerchantRisk
        | Topic::Configuration
        | Topic::ProcessorEpochs
        | Topic::Controls => &[],
    }
}

/// Topics that fill tables.
pub fn topics() -> Vec<Topic> {
    Topic::ALL.iter().copied().filter(|topic| !of_topic(*topic).is_empty()).collect()
}

/// Public names of all tables.
pub fn names() -> impl Iterator<Item = &'static str> {
    Topic::ALL.iter().flat_map(|topic| of_topic(*topic)).copied()
}

fn time_resolution(resolution: TimeResolution) -> &'static str {
    match resolution {
        TimeResolution::Exact => "exact",
        TimeResolution::AmbiguousEarlier => "ambiguous_earlier",
        TimeResolution::GapForward => "gap_forward",
    }
}

fn field_error(out: &mut RowBinary, error: &FieldError) {
    out.text(&error.path);
    out.text(&error.code);
    out.text(&error.message);
}
