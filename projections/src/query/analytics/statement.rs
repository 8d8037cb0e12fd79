//! The statement that a question becomes: its text is made of this program's names only, and every value is bound.

use super::{
    column::Column,
    cursor::Cursor,
    parameters::Asked,
    period::Stretch,
    resource::{Resource, Takes},
};
use crate::clickhouse::{
    DatabaseName,
    figures::{Question, Value},
};
use jiff::tz::TimeZone;
use millrace_schemas::time::format_instant;

/// What the caller's parameters come to.
pub(super) struct Wish<'a> {
    pub resource: &'static Resource,
    pub asked: &'a Asked,
    /// `None` where the view takes none.
    pub stretch: Option<Stretch>,
    /// Further conditions: a column, and the value it must have.
    pub only: Option<(&'static str, &'a str)>,
    /// Most rows.
    pub rows: u64,
}

impl Wish<'_> {
    /// The columns that rows are ordered by: the one that is asked for, then those that tell rows apart.
    pub fn order(&self) -> Vec<&'static Column> {
        let first = self.asked.sort.column;
        let names = std::iter::once(first).chain(self.resource.keys.iter().copied().filter(|key| *key != first));
        names.filter_map(|name| self.resource.column(name)).collect()
    }

    /// The question; after the cursor's row when there is one.
    pub fn question(&self, database: &DatabaseName, cursor: Option<&Cursor>) -> Question {
        let mut values: Vec<(String, Value)> = Vec::new();
        let mut bind = |name: String, value: String| values.push((name, Value::One(value)));
        let view = self.view(database, &mut bind);
        let mut conditions: Vec<String> = Vec::new();
        if let (Some(stretch), true) = (self.stretch, self.reads_days()) {
            conditions.push("v.day >= {from:Date} AND v.day < {to:Date}".to_owned());
            bind("from".into(), day(stretch.from));
            bind("to".into(), day(stretch.to));
        }
        if let Some((column, value)) = self.only {
            conditions.push(format!("v.{column} = {{only:String}}"));
            bind("only".into(), value.to_owned());
        }
        let order = self.order();
        let descending = self.asked.sort.descending;
        if let Some(cursor) = cursor {
            let columns: Vec<String> = order.iter().map(|column| column.ordered()).collect();
            let bound: Vec<String> =
                order.iter().enumerate().map(|(index, column)| column.bound(&format!("c{index}"))).collect();
            let sign = if descending { '<' } else { '>' };
            conditions.push(format!("tuple({}) {sign} tuple({})", columns.join(", "), bound.join(", ")));
            for (index, value) in cursor.values.iter().enumerate() {
                bind(format!("c{index}"), value.clone());
            }
        }
        for (column, wanted) in &self.asked.filters {
            conditions.push(format!("v.{column} IN {{f_{column}:Array(String)}}"));
            values.push((format!("f_{column}"), Value::Texts(wanted.clone())));
        }
        let columns: Vec<String> = self.resource.columns.iter().map(Column::selected).collect();
        let direction = if descending { " DESC" } else { "" };
        let order: Vec<String> = order.iter().map(|column| column.ordered() + direction).collect();
        let conditions =
            if conditions.is_empty() { String::new() } else { format!(" WHERE {}", conditions.join(" AND ")) };
        let sql = format!(
            "SELECT {} FROM {view} AS v{conditions} ORDER BY {} LIMIT {}",
            columns.join(", "),
            order.join(", "),
            self.rows
        );
        Question { sql, values }
    }

    fn reads_days(&self) -> bool {
        matches!(self.resource.takes, Takes::DayColumn | Takes::Cards)
    }

    /// The view with what it must be told.
    fn view(&self, database: &DatabaseName, bind: &mut impl FnMut(String, String)) -> String {
        const TIMES: &str = "from = {from:DateTime('UTC')}, to = {to:DateTime('UTC')}";
        let view = self.resource.view;
        let stretch = self.stretch.unwrap_or(Stretch { from: 0, to: 0 });
        let zone = zone_name(&self.asked.zone).to_owned();
        let times = |bind: &mut dyn FnMut(String, String)| {
            bind("from".into(), second(stretch.from));
            bind("to".into(), second(stretch.to));
        };
        match self.resource.takes {
            Takes::Nothing | Takes::DayColumn => format!("{database}.{view}"),
            Takes::Calendar => {
                times(bind);
                bind("interval".into(), self.asked.interval.to_string());
                bind("zone".into(), zone);
                format!("{database}.{view}({TIMES}, interval = {{interval:String}}, zone = {{zone:String}})")
            }
            Takes::Period => {
                times(bind);
                bind("zone".into(), zone);
                format!("{database}.{view}({TIMES}, zone = {{zone:String}})")
            }
            Takes::Days => {
                bind("from".into(), day(stretch.from));
                bind("to".into(), day(stretch.to));
                bind("interval".into(), self.asked.interval.to_string());
                format!("{database}.{view}(from = {{from:Date}}, to = {{to:Date}}, interval = {{interval:String}})")
            }
            Takes::Cards => {
                bind("cards".into(), self.asked.cards.to_string());
                format!("{database}.{view}(cards = {{cards:UInt64}})")
            }
            Takes::Drift => {
                let before = stretch.before();
                for (name, at) in [
                    ("reference_from", before.from),
                    ("reference_to", before.to),
                    ("current_from", stretch.from),
                    ("current_to", stretch.to),
                ] {
                    bind(name.into(), second(at));
                }
                let told: Vec<String> = ["reference_from", "reference_to", "current_from", "current_to"]
                    .iter()
                    .map(|name| format!("{name} = {{{name}:DateTime64(3, 'UTC')}}"))
                    .collect();
                format!("{database}.{view}({})", told.join(", "))
            }
        }
    }
}

/// A zone's name as the server knows it.
pub(in crate::query) fn zone_name(zone: &TimeZone) -> &str {
    zone.iana_name().unwrap_or("UTC")
}

/// An instant as the server reads it.
fn second(epoch_ms: i64) -> String {
    format_instant(epoch_ms).chars().take(19).map(|c| if c == 'T' { ' ' } else { c }).collect()
}

/// Its UTC day.
fn day(epoch_ms: i64) -> String {
    format_instant(epoch_ms).chars().take(10).collect()
}

#[cfg(test)]
mod tests {
    use super::{super::parameters, super::resource, *};

    #[test]
    fn nothing_a_caller_says_is_in_the_text() {
        let evil = "x'%3B%20DROP%20TABLE%20receipts";
        let asked =
            parameters::read(&resource::PLACES, &format!("place_id={evil}&sort=-mean_receipt&zone=Europe/Berlin"))
                .expect("a question");
        let wish = Wish {
            resource: &resource::PLACES,
            asked: &asked,
            stretch: Some(Stretch { from: 0, to: 900_000 }),
            only: Some(("place_id", "y' OR 1=1")),
            rows: 11,
        };
        let cursor = Cursor {
            values: vec!["1".into(), "2".into(), "z'".into(), "EUR".into()],
            period: None,
            question: String::new(),
        };
        let database = DatabaseName::new("d").expect("a name");
        let question = wish.question(&database, Some(&cursor));
        for text in ["DROP", "OR 1=1", "z'", "Berlin", "EUR"] {
            assert!(!question.sql.contains(text), "{}", question.sql);
        }
        assert!(
            question.sql.ends_with(
                "WHERE v.place_id = {only:String} AND tuple(ifNull(v.mean_receipt, toDecimal128(0, 4)), toDateTime64(v.start, 3, 'UTC'), \
                 v.place_id, v.currency) < tuple(toDecimal128({c0:String}, 4), parseDateTime64BestEffort({c1:String}, 3, 'UTC'), \
                 {c2:String}, {c3:String}) AND v.place_id IN {f_place_id:Array(String)} \
                 ORDER BY ifNull(v.mean_receipt, toDecimal128(0, 4)) DESC, toDateTime64(v.start, 3, 'UTC') DESC, v.place_id DESC, \
                 v.currency DESC LIMIT 11"
            ),
            "{}",
            question.sql
        );
        let value =
            |name: &str| question.values.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
        assert_eq!(value("to"), Some(Value::One("1970-01-01 00:15:00".into())));
        assert_eq!(value("c2"), Some(Value::One("z'".into())));
        assert_eq!(value("f_place_id"), Some(Value::Texts(vec!["x'; DROP TABLE receipts".into()])));
    }
}
