//! Figures of two sets, by day of the events: alike wherever the rollup is defined alike, and those of the set's own rows wherever its
//! definition was changed.
//!
//! Figures cannot be told apart by offset. So the days that rows beyond the compared positions touch are left for the pause, when both
//! sets are at the same positions; the others do not change any more.

use super::{
    RebuildError, Report, RollupReport,
    compare::{NAMED_MAX, beyond},
    fill::Filling,
};
use crate::clickhouse::{
    ClickHouse, ClickHouseError,
    horizon::Positions,
    set::Set,
    tables::{self, Rollup},
};
use clickhouse::Row;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Row, Deserialize)]
struct DayRow {
    day_of: String,
    rows: u64,
    checksum: u64,
}

/// Rows and checksum of each day.
type Days = BTreeMap<String, (u64, u64)>;

/// Compares the days that nothing beyond the positions touches.
pub(super) async fn quiet_days(
    clickhouse: &ClickHouse,
    filling: &Filling,
    compared: &Positions,
    report: &mut Report,
) -> Result<(), RebuildError> {
    for rollup in &tables::ROLLUPS {
        let columns = clickhouse.fed(filling.set, rollup).await?;
        let redefined =
            clickhouse.defined(filling.live, rollup).await? != clickhouse.defined(filling.set, rollup).await?;
        let shared: Vec<String> = {
            let old: BTreeSet<String> = clickhouse.figures_of(filling.live, rollup).await?.into_iter().collect();
            columns.iter().filter(|column| old.contains(*column)).cloned().collect()
        };
        let old = clickhouse.days(rollup, &filling.live.stored_as(rollup.name), &shared, None).await?;
        let new = clickhouse.days(rollup, &filling.set.stored_as(rollup.name), &shared, None).await?;
        let mut wrong = BTreeSet::new();
        if redefined {
            let stored = clickhouse.days(rollup, &filling.set.stored_as(rollup.name), &columns, None).await?;
            wrong = differing(&stored, &clickhouse.fresh_days(filling.set, rollup, &columns).await?);
        }
        // Asked last: what the figures above may have more than the compared rows is among these.
        let loud = clickhouse.touched(filling.live, rollup, compared).await?;
        let quiet =
            |days: BTreeSet<String>| days.into_iter().filter(|day| !loud.contains(day)).take(NAMED_MAX).collect();
        report.rollups.push(RollupReport {
            rollup: rollup.name,
            days: new.keys().filter(|day| !loud.contains(*day)).count() as u64,
            redefined,
            differing_days: quiet(differing(&old, &new)),
            wrong_days: quiet(wrong),
        });
    }
    Ok(())
}

/// Compares the other days; both sets must stand still at the same positions.
pub(super) async fn loud_days(
    clickhouse: &ClickHouse,
    filling: &Filling,
    compared: &Positions,
    report: &mut Report,
) -> Result<(), RebuildError> {
    for rollup in &tables::ROLLUPS {
        let loud = clickhouse.touched(filling.live, rollup, compared).await?;
        let Some(so_far) = report.rollups.iter_mut().find(|it| it.rollup == rollup.name) else { continue };
        if loud.is_empty() || so_far.redefined {
            continue;
        }
        let columns = clickhouse.fed(filling.set, rollup).await?;
        let (old, new) = (filling.live.stored_as(rollup.name), filling.set.stored_as(rollup.name));
        let (old, new) = tokio::try_join!(
            clickhouse.days(rollup, &old, &columns, Some(&loud)),
            clickhouse.days(rollup, &new, &columns, Some(&loud))
        )?;
        so_far.days += new.len() as u64;
        so_far.differing_days.extend(differing(&old, &new).into_iter().take(NAMED_MAX));
    }
    Ok(())
}

fn differing(old: &Days, new: &Days) -> BTreeSet<String> {
    let days: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    days.into_iter().filter(|day| old.get(*day) != new.get(*day)).cloned().collect()
}

impl ClickHouse {
    /// What feeds a rollup and what it is, without the set's name.
    async fn defined(&self, set: Set, rollup: &Rollup) -> Result<Vec<String>, ClickHouseError> {
        let sql = "SELECT create_table_query FROM system.tables WHERE database = ? AND name IN (?, ?) ORDER BY name";
        let feed = set.stored_as(&format!("{}_feed", rollup.name));
        let query = self.query(sql).bind(self.database().as_str()).bind(set.stored_as(rollup.name)).bind(feed);
        let statements = self.deadline(query.fetch_all::<String>()).await?;
        Ok(statements.into_iter().map(|sql| sql.replace(&format!("_{set}"), "")).collect())
    }

    /// Names of a rollup's columns, in its order.
    async fn figures_of(&self, set: Set, rollup: &Rollup) -> Result<Vec<String>, ClickHouseError> {
        let sql = "SELECT name FROM system.columns WHERE database = ? AND table = ? ORDER BY position";
        let query = self.query(sql).bind(self.database().as_str()).bind(set.stored_as(rollup.name));
        self.deadline(query.fetch_all()).await
    }

    /// Names of what a rollup's feed gives. A set that lived through a migration may have columns that nothing fills any more.
    async fn fed(&self, set: Set, rollup: &Rollup) -> Result<Vec<String>, ClickHouseError> {
        let sql = format!("DESCRIBE TABLE ({})", self.feed(set, rollup).await?);
        let mut described = self.query_as_it_is(&sql).fetch_bytes("TSV")?;
        let described = self.deadline(described.collect()).await?;
        let names = String::from_utf8_lossy(&described);
        Ok(names.lines().filter_map(|line| line.split('\t').next()).map(str::to_owned).collect())
    }

    /// The feed's statement.
    async fn feed(&self, set: Set, rollup: &Rollup) -> Result<String, ClickHouseError> {
        let sql = "SELECT as_select FROM system.tables WHERE database = ? AND name = ?";
        let feed = set.stored_as(&format!("{}_feed", rollup.name));
        self.deadline(self.query(sql).bind(self.database().as_str()).bind(feed).fetch_one()).await
    }

    /// Days of a rollup's table, its rows of one key as one.
    async fn days(
        &self,
        rollup: &Rollup,
        table: &str,
        columns: &[String],
        only: Option<&BTreeSet<String>>,
    ) -> Result<Days, ClickHouseError> {
        let only = only.map_or_else(String::new, |days| {
            let days: Vec<String> = days.iter().map(|day| format!("'{day}'")).collect();
            format!("WHERE {} IN ({})", rollup.day, days.join(", "))
        });
        self.days_from(rollup, &format!("{}.{table} FINAL {only}", self.database()), columns).await
    }

    /// Days as the feed makes them of the set's rows now.
    async fn fresh_days(&self, set: Set, rollup: &Rollup, columns: &[String]) -> Result<Days, ClickHouseError> {
        self.days_from(rollup, &format!("({})", self.feed(set, rollup).await?), columns).await
    }

    async fn days_from(&self, rollup: &Rollup, from: &str, columns: &[String]) -> Result<Days, ClickHouseError> {
        let columns: Vec<String> = columns.iter().map(|column| format!("`{column}`")).collect();
        let sql = format!(
            "SELECT toString({}) AS day_of, count() AS rows, sum(cityHash64(tuple({}))) AS checksum FROM {from} GROUP BY day_of",
            rollup.day,
            columns.join(", ")
        );
        // A question mark of a feed is none to bind.
        let rows: Vec<DayRow> = self.deadline(self.query_as_it_is(&sql).fetch_all()).await?;
        Ok(rows.into_iter().map(|row| (row.day_of, (row.rows, row.checksum))).collect())
    }

    /// Days of events beyond positions.
    async fn touched(
        &self,
        set: Set,
        rollup: &Rollup,
        beyond_these: &Positions,
    ) -> Result<BTreeSet<String>, ClickHouseError> {
        let sql = format!(
            "SELECT DISTINCT toString(toDate(occurred_at)) FROM {}.{} WHERE {}",
            self.database(),
            set.stored_as(rollup.fed_by),
            beyond(rollup.topic, beyond_these)
        );
        Ok(self.deadline(self.query(&sql).fetch_all::<String>()).await?.into_iter().collect())
    }
}
