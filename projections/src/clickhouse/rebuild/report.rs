//! What a rebuild says: how far it is, what it found, what it did.

use crate::clickhouse::set::Set;
use serde::{Serialize, Serializer};
use std::fmt;

/// How far a set is filled.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Progress {
    /// The set.
    pub set: Set,
    /// Offsets of the log that it has,
    pub done: i64,
    /// of those the live set has.
    pub total: i64,
    /// Events written by this process,
    pub events: u64,
    /// and rows.
    pub rows: u64,
    /// Since when.
    pub seconds: f64,
    /// How long it will take at the pace of now; `None` while that is not known.
    pub left_seconds: Option<f64>,
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = if self.total == 0 { 100.0 } else { self.done as f64 * 100.0 / self.total as f64 };
        let rate = self.events as f64 / self.seconds.max(0.001);
        write!(
            f,
            "filling {}: {} of {} offsets ({percent:.1} %), {rate:.0} events/s",
            self.set, self.done, self.total
        )?;
        match self.left_seconds {
            Some(left) => write!(f, ", {left:.0} s left"),
            None => Ok(()),
        }
    }
}

/// What a rebuild found and did. Times are seconds and milliseconds of this process's clock.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// The set that was live.
    #[serde(serialize_with = "as_text")]
    pub from: Set,
    /// The set that was filled.
    #[serde(serialize_with = "as_text")]
    pub to: Set,
    /// Whether it is live now.
    pub switched: bool,
    /// Events written by this process,
    pub events: u64,
    /// and rows.
    pub rows: u64,
    /// From the beginning to the end.
    pub seconds: f64,
    /// Until the new set had caught up, before anything was compared.
    pub fill_seconds: f64,
    /// Seconds of a processor that this process took until then.
    pub fill_cpu_seconds: f64,
    /// How long the writers of the live set were told to stand still.
    pub pause_ms: u64,
    /// Of that, until all of them did.
    pub stopping_ms: u64,
    /// Every table.
    pub tables: Vec<TableReport>,
    /// Every rollup.
    pub rollups: Vec<RollupReport>,
}

/// A table in both sets.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct TableReport {
    /// Public name.
    pub table: &'static str,
    /// Rows compared, in the new set.
    pub rows: u64,
    /// Partitions and days compared.
    pub stretches: u64,
    /// Columns that only one of the sets has, or with another type: the definition was changed.
    pub changed_columns: Vec<String>,
    /// Rows of the old set whose records the log does not keep any more.
    pub expired: u64,
    /// Stretches that differ: topic, partition, day, and what each set has.
    pub differences: Vec<String>,
}

/// A rollup in both sets.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct RollupReport {
    /// Public name.
    pub rollup: &'static str,
    /// Days compared.
    pub days: u64,
    /// Whether the two sets define it differently; then the figures may differ.
    pub redefined: bool,
    /// Days with other figures.
    pub differing_days: Vec<String>,
    /// Days whose figures are not those of the new set's own rows.
    pub wrong_days: Vec<String>,
}

impl Default for Report {
    fn default() -> Self {
        Self::new(Set::FIRST, Set::FIRST)
    }
}

impl Report {
    pub(super) fn new(from: Set, to: Set) -> Self {
        Self {
            from,
            to,
            switched: false,
            events: 0,
            rows: 0,
            seconds: 0.0,
            fill_seconds: 0.0,
            fill_cpu_seconds: 0.0,
            pause_ms: 0,
            stopping_ms: 0,
            tables: Vec::new(),
            rollups: Vec::new(),
        }
    }

    /// Whether the sets differ where they should not: rows anywhere, figures where the rollup is defined alike.
    pub fn differs(&self) -> bool {
        self.tables.iter().any(|table| !table.differences.is_empty())
            || self.rollups.iter().any(|it| !it.wrong_days.is_empty() || !it.redefined && !it.differing_days.is_empty())
    }
}

/// Seconds of a processor that this process has taken so far, as Linux tells them: in hundredths.
pub(super) fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The process's name, in parentheses, may hold anything; user and system time are the 12th and 13th after it.
    let words = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace();
    words.skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0
}

fn as_text<S: Serializer>(set: &Set, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(set)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_the_processor_is_told() {
        let (began, before) = (std::time::Instant::now(), cpu_seconds());
        while began.elapsed().as_secs() < 5 && cpu_seconds() - before < 0.05 {}
        assert!(cpu_seconds() - before >= 0.05, "{before} before, {} after", cpu_seconds());
    }
}
