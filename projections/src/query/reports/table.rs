//! Tables of rows as answers have them: each column by what it is, its digits aligned.

use super::{
    super::analytics::{Column, column::Kind},
    amount,
};
use jiff::{Timestamp, tz::TimeZone};
use serde_json::{Map, Value as Json};

/// A row as an answer has it.
pub(super) type Row = Map<String, Json>;

/// A table.
#[derive(Debug, Clone)]
pub(super) struct Table {
    pub caption: String,
    pub heads: Vec<Head>,
    pub lines: Vec<Vec<Cell>>,
}

/// The head of a column.
#[derive(Debug, Clone)]
pub(super) struct Head {
    /// Name of the column in the API.
    pub name: &'static str,
    /// What people call it.
    pub label: String,
    /// What it means.
    pub about: &'static str,
    pub is_number: bool,
}

/// A cell.
#[derive(Debug, Clone, Default)]
pub(super) struct Cell {
    pub text: String,
    /// The same for machines, where it is a time.
    pub instant: Option<String>,
    /// Where it leads.
    pub link: Option<String>,
    pub is_number: bool,
}

/// A table of some columns of a resource.
pub(super) fn table(
    caption: String,
    rows: &[Row],
    columns: &[(&'static Column, &str)],
    digits: usize,
    times: &Times,
) -> Table {
    let heads = columns.iter().map(|(column, label)| Head {
        name: column.name,
        label: (*label).to_owned(),
        about: column.about,
        is_number: is_number(column.kind),
    });
    let digits: Vec<usize> = columns.iter().map(|(column, _)| digits_in(column, rows, digits)).collect();
    let line = |row: &Row| -> Vec<Cell> {
        let of = |((column, _), digits): (&(&'static Column, &str), &usize)| {
            cell(column, row.get(column.name).unwrap_or(&Json::Null), *digits, times)
        };
        columns.iter().zip(&digits).map(of).collect()
    };
    Table { caption, heads: heads.collect(), lines: rows.iter().map(line).collect() }
}

fn is_number(kind: Kind) -> bool {
    !matches!(kind, Kind::Instant | Kind::LocalTime | Kind::Day | Kind::Text | Kind::Texts | Kind::Hour)
}

/// Fraction digits of a column: those that its longest value needs, and no fewer than the currency has.
fn digits_in(column: &Column, rows: &[Row], digits: usize) -> usize {
    let least = match column.kind {
        Kind::Money | Kind::MaybeMoney => digits,
        _ => 0,
    };
    let values = rows.iter().filter_map(|row| amount::decimal(row.get(column.name)?));
    values.map(|value| amount::digits_needed(&value)).max().unwrap_or(0).max(least)
}

fn cell(column: &Column, value: &Json, digits: usize, times: &Times) -> Cell {
    let text = amount::decimal(value).unwrap_or_default();
    match column.kind {
        _ if value.is_null() => Cell { text: "–".to_owned(), is_number: true, ..Cell::default() },
        Kind::LocalTime => Cell { text: times.of_local(&text), instant: Some(text), ..Cell::default() },
        Kind::Hour => Cell { text: hour(&text), ..Cell::default() },
        Kind::Instant | Kind::Day | Kind::Text | Kind::Texts => Cell { text, ..Cell::default() },
        _ => Cell { text: amount::grouped(&text, digits), is_number: true, ..Cell::default() },
    }
}

/// `09:00`.
pub(super) fn hour(text: &str) -> String {
    format!("{text:0>2}:00")
}

/// How times of a page are written: as finely as its intervals are, by its zone's clock.
#[derive(Debug, Clone)]
pub(super) struct Times {
    pub zone: TimeZone,
    /// Whether intervals are shorter than a day.
    pub in_day: bool,
    /// Whether intervals are months.
    pub months: bool,
}

impl Times {
    /// A local time as answers have it.
    fn of_local(&self, text: &str) -> String {
        text.parse::<Timestamp>().map_or_else(|_| text.to_owned(), |at| self.of(at.as_millisecond()))
    }

    /// `12 March 2026`, with hours where those matter.
    pub fn of(&self, epoch_ms: i64) -> String {
        let form = match (self.in_day, self.months) {
            (true, _) => "%-d %b %Y, %H:%M",
            (_, true) => "%B %Y",
            _ => "%-d %b %Y",
        };
        self.write(epoch_ms, form)
    }

    /// The same in little room.
    pub fn short(&self, epoch_ms: i64, within_a_day: bool, over_years: bool) -> String {
        let form = match (within_a_day, self.months, over_years) {
            (true, ..) => "%H:%M",
            (_, true, _) => "%b %Y",
            (_, _, true) => "%-d %b %y",
            _ => "%-d %b",
        };
        self.write(epoch_ms, form)
    }

    /// A day.
    pub fn day(&self, epoch_ms: i64) -> String {
        self.write(epoch_ms, "%-d %B %Y")
    }

    /// A year.
    pub fn year(&self, epoch_ms: i64) -> String {
        self.write(epoch_ms, "%Y")
    }

    /// Date, or date and time where it is no midnight, as the form takes it.
    pub fn of_form(&self, epoch_ms: i64) -> String {
        let text = self.write(epoch_ms, "%Y-%m-%dT%H:%M:%S%:z");
        match text.get(10..19) {
            Some("T00:00:00") => text.chars().take(10).collect(),
            _ => text,
        }
    }

    fn write(&self, epoch_ms: i64, form: &str) -> String {
        let Ok(at) = Timestamp::from_millisecond(epoch_ms) else { return String::new() };
        at.to_zoned(self.zone.clone()).strftime(form).to_string()
    }
}
