//! Rows of two sets, by partition of the log and day of the record: how many, and a checksum of their content.

use super::{RebuildError, Report, TableReport, fill::Filling};
use crate::clickhouse::{ClickHouse, ClickHouseError, horizon::Positions, set::Set, tables};
use clickhouse::Row;
use millrace_schemas::Topic;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

/// Most differences that a report names of one table or rollup.
pub(super) const NAMED_MAX: usize = 20;

#[derive(Row, Deserialize)]
struct DigestRow {
    partition: i32,
    day: String,
    rows: u64,
    checksum: u64,
}

/// Rows and checksum of each partition and day.
type Digest = BTreeMap<(i32, String), (u64, u64)>;

/// Compares everything that the new set has; gives how far that was.
pub(super) async fn all(
    clickhouse: &ClickHouse,
    filling: &Filling,
    report: &mut Report,
) -> Result<Positions, RebuildError> {
    let reached = clickhouse.positions(filling.set).await?;
    let before = before_first(&filling.first);
    for (topic, table) in every_table() {
        let mut compared = compare(clickhouse, filling, topic, table, &before, &reached).await?;
        compared.expired = expired(clickhouse, filling, topic, table).await?;
        report.tables.push(compared);
    }
    Ok(reached)
}

/// Compares what came after some positions and up to others.
pub(super) async fn rest(
    clickhouse: &ClickHouse,
    filling: &Filling,
    after: &Positions,
    until: &Positions,
    report: &mut Report,
) -> Result<(), RebuildError> {
    let mut from = before_first(&filling.first);
    from.extend(after.iter().map(|(key, highest)| (*key, *highest)));
    for (topic, table) in every_table() {
        if stretch(topic, &from, until).is_none() {
            continue;
        }
        let compared = compare(clickhouse, filling, topic, table, &from, until).await?;
        if let Some(so_far) = report.tables.iter_mut().find(|it| it.table == table) {
            so_far.rows += compared.rows;
            so_far.stretches += compared.stretches;
            so_far.differences.extend(compared.differences);
        }
    }
    Ok(())
}

fn every_table() -> impl Iterator<Item = (Topic, &'static str)> {
    tables::topics().into_iter().flat_map(|topic| tables::of_topic(topic).iter().map(move |table| (topic, *table)))
}

fn before_first(first: &Positions) -> Positions {
    first.iter().map(|(key, first)| (*key, first - 1)).collect()
}

async fn compare(
    clickhouse: &ClickHouse,
    filling: &Filling,
    topic: Topic,
    table: &'static str,
    after: &Positions,
    until: &Positions,
) -> Result<TableReport, RebuildError> {
    let (old, new) = tokio::try_join!(clickhouse.columns(filling.live, table), clickhouse.columns(filling.set, table))?;
    let common: Vec<&str> = old.intersection(&new).map(|(name, _)| name.as_str()).collect();
    let changed: BTreeSet<&String> = old.symmetric_difference(&new).map(|(name, _)| name).collect();
    let mut report =
        TableReport { table, changed_columns: changed.into_iter().cloned().collect(), ..TableReport::default() };
    let Some(stretch) = stretch(topic, after, until) else { return Ok(report) };
    let (old, new) = tokio::try_join!(
        clickhouse.digest(filling.live, table, &common, &stretch),
        clickhouse.digest(filling.set, table, &common, &stretch)
    )?;
    report.rows = new.values().map(|(rows, _)| rows).sum();
    let stretches: BTreeSet<_> = old.keys().chain(new.keys()).collect();
    report.stretches = stretches.len() as u64;
    for (partition, day) in stretches {
        let key = (*partition, day.clone());
        let of = |digest: &Digest| digest.get(&key).copied().unwrap_or_default();
        let ((old_rows, old_sum), (new_rows, new_sum)) = (of(&old), of(&new));
        if (old_rows, old_sum) != (new_rows, new_sum) && report.differences.len() < NAMED_MAX {
            report.differences.push(format!(
                "{topic} partition {partition} {day}: {} has {old_rows} rows with checksum {old_sum:x}, {} has {new_rows} with {new_sum:x}",
                filling.live, filling.set
            ));
        }
    }
    Ok(report)
}

/// Condition on rows of a topic after some positions and up to others; `None` when there can be none.
fn stretch(topic: Topic, after: &Positions, until: &Positions) -> Option<String> {
    let of_partition = |((of, partition), highest): (&(Topic, i32), &i64)| {
        let lowest = after.get(&(*of, *partition)).copied().unwrap_or(-1);
        (*of == topic && highest > &lowest)
            .then(|| format!("(_partition = {partition} AND _offset > {lowest} AND _offset <= {highest})"))
    };
    let partitions: Vec<String> = until.iter().filter_map(of_partition).collect();
    (!partitions.is_empty()).then(|| format!("_topic = '{}' AND ({})", topic.name(), partitions.join(" OR ")))
}

/// Condition on rows of a topic that lie beyond positions.
pub(super) fn beyond(topic: Topic, positions: &Positions) -> String {
    let mut known = String::from("-1");
    let mut beyond = String::new();
    for ((_, partition), highest) in positions.iter().filter(|((of, _), _)| *of == topic) {
        beyond.push_str(&format!(" OR (_partition = {partition} AND _offset > {highest})"));
        known.push_str(&format!(", {partition}"));
    }
    format!("_topic = '{}' AND (_partition NOT IN ({known}){beyond})", topic.name())
}

/// Rows of the live set whose records are not in the log any more.
async fn expired(
    clickhouse: &ClickHouse,
    filling: &Filling,
    topic: Topic,
    table: &str,
) -> Result<u64, ClickHouseError> {
    let nothing = filling.first.keys().map(|key| (*key, -1)).collect();
    let Some(stretch) = stretch(topic, &nothing, &before_first(&filling.first)) else { return Ok(0) };
    let sql =
        format!("SELECT count() FROM {}.{} WHERE {stretch}", clickhouse.database(), filling.live.stored_as(table));
    clickhouse.deadline(clickhouse.query(&sql).fetch_one()).await
}

impl ClickHouse {
    /// Names and types of a table's columns, but for when a row was stored.
    async fn columns(&self, set: Set, table: &str) -> Result<BTreeSet<(String, String)>, ClickHouseError> {
        let sql = "SELECT name, type FROM system.columns WHERE database = ? AND table = ? AND name != '_stored_at'";
        let query = self.query(sql).bind(self.database().as_str()).bind(set.stored_as(table));
        Ok(self.deadline(query.fetch_all::<(String, String)>()).await?.into_iter().collect())
    }

    async fn digest(&self, set: Set, table: &str, columns: &[&str], stretch: &str) -> Result<Digest, ClickHouseError> {
        let columns: Vec<String> = columns.iter().map(|column| format!("`{column}`")).collect();
        let sql = format!(
            "SELECT _partition AS partition, toString(toDate(_timestamp)) AS day, count() AS rows, \
             sum(cityHash64(tuple({}))) AS checksum FROM {}.{} WHERE {stretch} GROUP BY partition, day",
            columns.join(", "),
            self.database(),
            set.stored_as(table)
        );
        let rows: Vec<DigestRow> = self.deadline(self.query(&sql).fetch_all()).await?;
        Ok(rows.into_iter().map(|row| ((row.partition, row.day), (row.rows, row.checksum))).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn positions(of: &[(i32, i64)]) -> Positions {
        of.iter().map(|(partition, offset)| ((Topic::Purchases, *partition), *offset)).collect()
    }

    #[test]
    fn a_stretch_has_only_partitions_with_something_in_it() {
        let (after, until) = (positions(&[(0, 4), (1, 9)]), positions(&[(0, 9), (1, 9), (2, 0)]));
        assert_eq!(
            stretch(Topic::Purchases, &after, &until).as_deref(),
            Some(
                "_topic = 'purchases' AND ((_partition = 0 AND _offset > 4 AND _offset <= 9) OR (_partition = 2 AND _offset > -1 AND _offset <= 0))"
            )
        );
        assert_eq!(stretch(Topic::Purchases, &until, &until), None);
        assert_eq!(stretch(Topic::Requests, &after, &until), None);
    }

    #[test]
    fn what_lies_beyond_includes_partitions_nothing_is_known_of() {
        assert_eq!(
            beyond(Topic::Purchases, &positions(&[(0, 4)])),
            "_topic = 'purchases' AND (_partition NOT IN (-1, 0) OR (_partition = 0 AND _offset > 4))"
        );
    }
}
