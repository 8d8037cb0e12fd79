//! A part of the page: a heading, what it says in a sentence, charts, a table, and where the same rows are to be had.

use super::{
    amount,
    asked::{csv, end_of},
    chart::{Bars, Column as Drawn, Columns, Series},
    figures::{Answer, Figures, number, text},
    table::{Row, Table, Times, table},
};
use askama::Template as _;

/// Most rows of a list by name.
pub(super) const ROWS_MAX: usize = 20;
/// Most names in a chart.
pub(super) const BARS_MAX: usize = 10;

/// A part of the page.
pub(super) struct Section {
    pub id: &'static str,
    pub heading: &'static str,
    /// What the figures say.
    pub sentence: String,
    /// What is not shown, or holds of the figures.
    pub note: String,
    /// Where to go when there is nothing: a link, and its words.
    pub elsewhere: Option<(String, String)>,
    /// What parts of columns mean: a class, and its words.
    pub legend: Vec<(&'static str, &'static str)>,
    pub charts: Vec<Drawing>,
    pub table: Option<Table>,
    /// The API's answer with the same rows, and more where not all are shown.
    pub csv: String,
}

/// A chart as SVG.
pub(super) struct Drawing {
    pub title: String,
    pub svg: String,
}

impl Drawing {
    /// Columns; what cannot be written is left out.
    pub fn of_columns(chart: &Columns) -> Self {
        Self { title: chart.title.clone(), svg: chart.render().unwrap_or_default() }
    }

    /// The same of bars.
    pub fn of_bars(chart: &Bars) -> Self {
        Self { title: chart.title.clone(), svg: chart.render().unwrap_or_default() }
    }
}

/// What sections of a page share.
pub(super) struct Context<'a> {
    pub figures: &'a Figures,
    pub times: Times,
    /// Fraction digits of the currency.
    pub digits: usize,
}

impl Context<'_> {
    /// A section of an answer, without anything in it yet.
    pub fn section(&self, id: &'static str, heading: &'static str, answer: &Answer) -> Section {
        Section {
            id,
            heading,
            sentence: String::new(),
            note: String::new(),
            elsewhere: None,
            legend: Vec::new(),
            charts: Vec::new(),
            table: None,
            csv: csv(answer.resource, &answer.asked, self.figures.stretch),
        }
    }

    /// Money of a row with the currency.
    pub fn money(&self, row: &Row, column: &str) -> String {
        format!("{} {}", self.plain_money(row, column), self.figures.currency)
    }

    /// The same without it.
    pub fn plain_money(&self, row: &Row, column: &str) -> String {
        let decimal = row.get(column).and_then(amount::decimal);
        decimal.map_or_else(|| "–".to_owned(), |decimal| amount::grouped(&decimal, self.digits))
    }

    /// A column of money as a table has it: with the currency in its head.
    pub fn in_currency(&self, label: &str) -> String {
        format!("{label}, {}", self.figures.currency)
    }

    /// A table of columns with what people call them; labels that end in a colon are money, and get the currency.
    pub fn table(&self, caption: String, answer: &Answer, rows: &[Row], columns: &[(&str, &str)]) -> Table {
        let labels: Vec<String> = columns
            .iter()
            .map(|(_, label)| label.strip_suffix(':').map_or((*label).to_owned(), |label| self.in_currency(label)))
            .collect();
        let columns: Vec<_> = columns
            .iter()
            .zip(&labels)
            .filter_map(|((name, _), label)| Some((answer.resource.column(name)?, label.as_str())))
            .collect();
        table(caption, rows, &columns, self.digits, &self.times)
    }

    /// Columns over the period: of each row its values.
    pub fn over_time(
        &self,
        id: &str,
        title: String,
        rows: &[Row],
        measures: &[(&str, &'static str)],
        hint: impl Fn(&Row) -> String,
    ) -> Drawing {
        let stretch = self.figures.stretch;
        let length = (stretch.to - stretch.from) as f64;
        let share = |at: i64| (at.clamp(stretch.from, stretch.to) - stretch.from) as f64 / length;
        let column = |row: &Row| {
            let from = self.start_of(row)?;
            let to = end_of(from, &self.figures.asked).unwrap_or(stretch.to);
            let values = measures.iter().map(|(name, _)| value(row, name)).collect();
            let hint = format!("{}: {}", self.times.of(from), hint(row));
            Some(Drawn { from: share(from), to: share(to), values, hint })
        };
        let over_years = self.times.year(stretch.from) != self.times.year(stretch.to - 1);
        let within_a_day = self.times.in_day && stretch.days() <= 2;
        let label = |at: &i64| (share(*at), self.times.short(*at, within_a_day, over_years));
        let counts =
            measures.iter().all(|(name, _)| rows.iter().all(|row| row.get(*name).is_none_or(|it| it.is_u64())));
        let classes: Vec<&'static str> = measures.iter().map(|(_, class)| *class).collect();
        Drawing::of_columns(&Columns::of(Series {
            id,
            title,
            about: "The table below has the same figures.".to_owned(),
            classes: &classes,
            counts,
            columns: rows.iter().filter_map(column).collect(),
            labels: self.figures.begins.iter().map(label).collect(),
        }))
    }

    /// When a row's interval begins, epoch milliseconds.
    pub fn start_of(&self, row: &Row) -> Option<i64> {
        millrace_schemas::time::parse_utc(text(row, "start")).ok()
    }

    /// How a begin is told: `on 12 March`, `from 12 March, 14:00`.
    pub fn since(&self) -> &'static str {
        use super::super::analytics::period::Interval;
        match self.figures.asked.interval {
            Interval::Day => "on",
            Interval::Month => "in",
            Interval::Week => "in the week of",
            _ => "from",
        }
    }

    /// The row with most of something.
    pub fn most<'a>(&self, rows: &'a [Row], column: &str) -> Option<&'a Row> {
        // The first of equals.
        rows.iter().rev().max_by(|a, b| value(a, column).total_cmp(&value(b, column)))
    }

    /// How rows that are cut are told.
    pub fn cut(&self, shown: usize, all: &[Row], of: &str, column: &str, things: &str) -> String {
        if shown >= all.len() {
            return String::new();
        }
        let sum = |rows: &[Row]| rows.iter().map(|row| number(row, column)).sum();
        format!(
            "Shown are {shown} of {} {of}, with {} of {} {things}; the CSV file has all of them.",
            amount::count(all.len() as u64),
            amount::count(sum(&all[..shown])),
            amount::count(sum(all)),
        )
    }
}

/// Where a value of a row lies; only for drawing.
pub(super) fn value(row: &Row, column: &str) -> f64 {
    row.get(column).and_then(amount::decimal).map_or(0.0, |decimal| amount::position(&decimal))
}
