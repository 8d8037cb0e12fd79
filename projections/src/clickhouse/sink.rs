//! Batches of the log into tables, each record once.
//!
//! The tables of a topic are filled one after the other, each with one insert whose token is the batch's and the table's name.
//! A batch that fails between them is repeated as a whole: what is there already is taken as done.
//!
//! A token alone is not believed where an earlier attempt may have ended badly. A server that was killed may remember the token
//! but not the rows; one that took many other batches meanwhile may have forgotten it and take the rows twice. So the first
//! batch of a partition, and one after an error, is counted in its tables after it was written.

use super::{
    ClickHouse, ClickHouseError,
    horizon::Horizon,
    insert::Rows,
    rowbinary::RowBinary,
    set::Set,
    tables::{
        self, DEAD_LETTERS, DUPLICATES, LABELS, RECEIPT_ITEMS, RECEIPT_MATCHES, RECEIPTS, REQUESTS, TRANSACTION_SCORES,
        TRANSACTIONS, Table,
    },
};
use millrace_runtime::{
    Record,
    sink::{Batch, Sink, SinkError},
};
use millrace_schemas::{
    Event, Topic,
    event::Journal,
    rules::{Checked, Rules, Violation, check_key},
    wire::{Codec, DecodeError},
};
use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// The projection into one set of ClickHouse.
pub struct ClickHouseSink {
    clickhouse: ClickHouse,
    set: Set,
    horizon: Option<Arc<Horizon>>,
    codec: Arc<Codec>,
    rules: Rules,
    /// Partitions whose last batch was written by this process, and acknowledged.
    settled: Mutex<BTreeSet<(Topic, i32)>>,
}

impl ClickHouseSink {
    /// A sink into a set whose tables are there. `rules` are for what no processor has checked.
    pub fn new(clickhouse: ClickHouse, codec: Arc<Codec>, rules: Rules, set: Set) -> Self {
        Self { clickhouse, set, horizon: None, codec, rules, settled: Mutex::default() }
    }

    /// One that writes nothing beyond a horizon.
    pub(super) fn within(self, horizon: Arc<Horizon>) -> Self {
        Self { horizon: Some(horizon), ..self }
    }

    fn settled(&self) -> MutexGuard<'_, BTreeSet<(Topic, i32)>> {
        self.settled.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn insert(&self, rows: &Rows, batch: &Batch) -> Result<(), SinkError> {
        if rows.count == 0 {
            return Ok(());
        }
        let token = format!("{}:{}", batch.token(), rows.table);
        let failed = |error: ClickHouseError| error.into_sink_error(&format!("inserting {token}"));
        self.clickhouse.insert(self.set, rows, &token).await.map_err(failed)
    }

    /// Counts the batch's rows in their table.
    async fn verify(&self, rows: &Rows, batch: &Batch) -> Result<(), SinkError> {
        let table = format!("{}.{}", self.clickhouse.database(), self.set.stored_as(rows.table));
        let of_part = "_partition = ? AND _offset BETWEEN ? AND ?";
        let of_batch = vec![of_part; batch.parts.len()].join(" OR ");
        let sql = format!("SELECT count() FROM {table} WHERE _topic = ? AND ({of_batch})");
        let query = batch.parts.iter().fold(self.clickhouse.query(&sql).bind(batch.topic.name()), |query, part| {
            query.bind(part.partition).bind(part.first).bind(part.last)
        });
        let counted = self.clickhouse.deadline(query.fetch_one::<u64>()).await;
        let stored = counted.map_err(|error| error.into_sink_error(&format!("counting {}", batch.token())))?;
        if stored == rows.count {
            return Ok(());
        }
        Err(SinkError::Fatal(format!(
            "{table} has {stored} rows of {} where the log makes {}, though it acknowledged them; rebuild the projection",
            batch.token(),
            rows.count
        )))
    }
}

impl Sink for ClickHouseSink {
    const NAME: &'static str = "clickhouse";

    fn group(&self) -> String {
        self.set.group()
    }

    fn topics(&self) -> Vec<Topic> {
        tables::topics()
    }

    /// Asked when a partition is taken over, whose last batch may be another process's.
    async fn position(&self, topic: Topic, partition: i32) -> Result<Option<i64>, SinkError> {
        self.settled().remove(&(topic, partition));
        let Some(last_written) = tables::of_topic(topic).last() else {
            return Err(SinkError::Fatal(format!("no table is filled from the topic {topic}")));
        };
        let sql = format!(
            "SELECT max(_offset) FROM {}.{} WHERE _topic = ? AND _partition = ? GROUP BY _topic, _partition",
            self.clickhouse.database(),
            self.set.stored_as(last_written)
        );
        let query = self.clickhouse.query(&sql).bind(topic.name()).bind(partition);
        let position = self.clickhouse.deadline(query.fetch_optional::<i64>()).await;
        position.map_err(|error| error.into_sink_error(&format!("reading the position of {topic} {partition}")))
    }

    fn until(&self, topic: Topic, partition: i32) -> Option<i64> {
        self.horizon.as_ref().map(|horizon| horizon.until(topic, partition))
    }

    async fn write(&self, batch: &Batch) -> Result<(), SinkError> {
        let tables = encode(&self.codec, &self.rules, batch)?;
        let partitions = || batch.parts.iter().map(|part| (batch.topic, part.partition));
        let were_settled = {
            let mut settled = self.settled();
            partitions().filter(|partition| settled.remove(partition)).count() == batch.parts.len()
        };
        for rows in &tables {
            self.insert(rows, batch).await?;
        }
        if !were_settled {
            for rows in &tables {
                self.verify(rows, batch).await?;
            }
        }
        self.settled().extend(partitions());
        if let Some(horizon) = &self.horizon {
            horizon.wrote(batch.records().count(), tables.iter().map(|rows| rows.count).sum());
        }
        Ok(())
    }
}

/// A batch as the rows of its topic's tables, in the order of [`tables::of_topic`].
fn encode(codec: &Codec, rules: &Rules, batch: &Batch) -> Result<Vec<Rows>, SinkError> {
    match batch.topic {
        Topic::TransactionScores => rows_of(codec, batch, &[&TRANSACTIONS, &TRANSACTION_SCORES]),
        Topic::Purchases => rows_of(codec, batch, &[&RECEIPT_ITEMS, &RECEIPTS]),
        Topic::ReceiptMatches => rows_of(codec, batch, &[&RECEIPT_MATCHES]),
        // No processor stands between labels and their table, so what the gateway would have refused is given up here.
        Topic::Labels => checked_rows_of(codec, batch, &[&LABELS], |label, record| keeps(label, record, rules)),
        Topic::DeadLetters => rows_of(codec, batch, &[&DEAD_LETTERS]),
        Topic::Duplicates => rows_of(codec, batch, &[&DUPLICATES]),
        Topic::Requests => rows_of(codec, batch, &[&REQUESTS]),
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
        | Topic::Controls => Err(SinkError::Fatal(format!("no table is filled from the topic {}", batch.topic))),
    }
}

/// Whether an event keeps the gateway's own rules, whoever produced it.
fn keeps<E: Journal + Checked>(event: &E, record: &Record, rules: &Rules) -> Result<(), SinkError> {
    let poison = |violation: &Violation| SinkError::Poison {
        partition: record.partition,
        offset: record.offset,
        code: violation.code,
        reason: format!("{} {}", violation.path.pointer(), violation.message).trim_start().to_owned(),
    };
    check_key(record.key.as_deref(), event).map_err(|violation| poison(&violation))?;
    event.check(rules, record.received_at()).first().map_or(Ok(()), |violation| Err(poison(violation)))
}

fn rows_of<E: Event>(codec: &Codec, batch: &Batch, tables: &[&Table<E>]) -> Result<Vec<Rows>, SinkError> {
    checked_rows_of(codec, batch, tables, |_, _| Ok(()))
}

fn checked_rows_of<E: Event>(
    codec: &Codec,
    batch: &Batch,
    tables: &[&Table<E>],
    check: impl Fn(&E, &Record) -> Result<(), SinkError>,
) -> Result<Vec<Rows>, SinkError> {
    let mut written: Vec<(RowBinary, usize)> = tables.iter().map(|_| (RowBinary::default(), 0)).collect();
    for record in batch.records() {
        let event = codec.decode::<E>(record.value.as_deref()).map_err(|error| undecodable(record, &error))?;
        check(&event, record)?;
        for (table, (out, count)) in tables.iter().zip(&mut written) {
            *count += table.write(&event, record, out);
            if let Some(text) = out.take_bad_uuid() {
                return Err(SinkError::Poison {
                    partition: record.partition,
                    offset: record.offset,
                    code: "bad_uuid",
                    reason: format!("an id of the event is not a UUID: {text:?}"),
                });
            }
        }
    }
    let rows = |(table, (out, count)): (&&Table<E>, (RowBinary, usize))| Rows {
        table: table.name,
        columns: table.column_names(),
        count: count as u64,
        bytes: out.into_bytes().into(),
    };
    Ok(tables.iter().zip(written).map(rows).collect())
}

/// A schema that is not known yet may be known later; anything else about the bytes stays as it is.
fn undecodable(record: &Record, error: &DecodeError) -> SinkError {
    let Record { partition, offset, .. } = *record;
    match error {
        DecodeError::UnknownSchema(_) => {
            SinkError::Transient(format!("record at offset {offset} of partition {partition}: {error}"))
        }
        _ => SinkError::Poison { partition, offset, code: error.code(), reason: error.to_string() },
    }
}
