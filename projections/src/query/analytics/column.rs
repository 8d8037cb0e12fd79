//! What a column of figures holds: its type in SQL and in JSON, and what it means.

use serde_json::{Value as Json, json};

/// A column of a view.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Column {
    /// Name, in the view and in answers.
    pub name: &'static str,
    /// What its values are.
    pub kind: Kind,
    /// What it means, with its unit.
    pub about: &'static str,
}

/// What values are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A time, UTC.
    Instant,
    /// A time by a zone's clock, as text with its offset.
    LocalTime,
    /// A date.
    Day,
    /// A text.
    Text,
    /// A list of texts.
    Texts,
    /// How many.
    Count,
    /// An hour of the day.
    Hour,
    /// Money with 4 digits.
    Money,
    /// The same, or null.
    MaybeMoney,
    /// A quantity with 6 digits.
    Quantity,
    /// A binary fraction, such as a share or a score.
    Share,
    /// The same, or null.
    MaybeShare,
}

pub(crate) const fn column(name: &'static str, kind: Kind, about: &'static str) -> Column {
    Column { name, kind, about }
}

impl Column {
    /// The column of view `v` as answers have it.
    pub fn selected(&self) -> String {
        let Self { name, kind, .. } = self;
        match kind {
            Kind::Instant => format!("toDateTime64(v.{name}, 3, 'UTC') AS {name}"),
            // Formats know dictionaries of texts as a type of their own, which readers need not.
            Kind::Text => format!("CAST(v.{name} AS String) AS {name}"),
            _ => format!("v.{name} AS {name}"),
        }
    }

    /// What rows are ordered by: never null, since nothing is above or below it.
    pub fn ordered(&self) -> String {
        let Self { name, kind, .. } = self;
        match kind {
            Kind::Instant => format!("toDateTime64(v.{name}, 3, 'UTC')"),
            Kind::MaybeMoney => format!("ifNull(v.{name}, toDecimal128(0, 4))"),
            Kind::MaybeShare => format!("ifNull(v.{name}, toFloat64(0))"),
            _ => format!("v.{name}"),
        }
    }

    /// The same of a value that is bound as text.
    pub fn bound(&self, parameter: &str) -> String {
        let text = format!("{{{parameter}:String}}");
        match self.kind {
            Kind::Instant => format!("parseDateTime64BestEffort({text}, 3, 'UTC')"),
            Kind::Day => format!("toDate({text})"),
            Kind::LocalTime | Kind::Text | Kind::Texts => text,
            Kind::Count | Kind::Hour => format!("toUInt64({text})"),
            Kind::Money | Kind::MaybeMoney => format!("toDecimal128({text}, 4)"),
            Kind::Quantity => format!("toDecimal128({text}, 6)"),
            Kind::Share | Kind::MaybeShare => format!("toFloat64({text})"),
        }
    }

    /// Whether a text is one of its values, as [`ordered`](Self::ordered) gives them.
    pub fn accepts(&self, text: &str) -> bool {
        let is_decimal = || {
            let digits = text.strip_prefix('-').unwrap_or(text);
            let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
            let all = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
            all(whole) && all(fraction) && whole.len() <= 32 && fraction.len() <= 6
        };
        match self.kind {
            Kind::Instant => millrace_schemas::time::parse_utc(text).is_ok_and(|at| at >= 0),
            Kind::Day => text.parse::<jiff::civil::Date>().is_ok_and(|day| (1970..2106).contains(&day.year())),
            Kind::LocalTime | Kind::Text => text.len() <= 4_096,
            Kind::Texts => false,
            Kind::Count | Kind::Hour => text.parse::<u64>().is_ok(),
            Kind::Money | Kind::MaybeMoney | Kind::Quantity => is_decimal(),
            Kind::Share | Kind::MaybeShare => text.parse::<f64>().is_ok_and(f64::is_finite),
        }
    }

    /// Whether rows can be ordered by it.
    pub fn orders(&self) -> bool {
        !matches!(self.kind, Kind::Texts | Kind::LocalTime)
    }

    /// Its schema in JSON.
    pub fn schema(&self) -> Json {
        let (kind, format) = match self.kind {
            Kind::Instant => (json!("string"), Some("date-time")),
            Kind::LocalTime => (json!("string"), Some("date-time")),
            Kind::Day => (json!("string"), Some("date")),
            Kind::Text => (json!("string"), None),
            Kind::Texts => return json!({"type": "array", "items": {"type": "string"}, "description": self.about}),
            Kind::Count => {
                return json!({"type": "integer", "format": "int64", "minimum": 0, "description": self.about});
            }
            Kind::Hour => return json!({"type": "integer", "minimum": 0, "maximum": 23, "description": self.about}),
            Kind::Money | Kind::Quantity => (json!("number"), None),
            Kind::MaybeMoney => (json!(["number", "null"]), None),
            Kind::Share => (json!("number"), Some("double")),
            Kind::MaybeShare => (json!(["number", "null"]), Some("double")),
        };
        let mut schema = json!({"type": kind, "description": self.about});
        if let Some(format) = format {
            schema["format"] = json!(format);
        }
        schema
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(kind: Kind) -> Column {
        column("c", kind, "")
    }

    #[test]
    fn a_value_is_known_by_its_kind() {
        for (kind, good, bad) in [
            (Kind::Money, "-10.5", "1e3"),
            (Kind::Quantity, "0.375", "0.3750001"),
            (Kind::Count, "18446744073709551615", "-1"),
            (Kind::Share, "0.1", "NaN"),
            (Kind::Day, "2026-03-01", "2026-02-30"),
            (Kind::Instant, "2026-03-01T00:00:00.000Z", "soon"),
        ] {
            assert!(of(kind).accepts(good) && !of(kind).accepts(bad), "{kind:?}");
        }
        assert!(of(Kind::Text).accepts("' OR 1=1 --"), "bound, never spliced");
    }

    #[test]
    fn nothing_is_ordered_by_null() {
        assert_eq!(of(Kind::MaybeMoney).ordered(), "ifNull(v.c, toDecimal128(0, 4))");
        assert_eq!(of(Kind::MaybeMoney).schema()["type"], json!(["number", "null"]));
    }
}
