//! One cell to one JSON value. A cell that does not convert goes out as text, for the gateway to refuse and keep.

use indexmap::IndexMap;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde_json::Value;

use super::{Derivation, FieldSpec, Form};
use crate::decimal::{number, parse};

/// How the cell of a field becomes its value.
#[derive(Debug, Clone)]
pub(super) struct Conversion {
    lookup: IndexMap<String, String>,
    derive: Option<Derivation>,
    digits: u8,
    prefix: String,
    otherwise: Option<String>,
    form: Form,
    time: Option<(String, Option<TimeZone>)>,
}

impl Conversion {
    /// Prepares a field; the error names a zone that does not exist.
    pub fn new(spec: &FieldSpec) -> Result<Self, String> {
        let zone = spec
            .zone
            .as_ref()
            .map(|name| TimeZone::get(name).map_err(|_| format!("no time zone {name:?}")))
            .transpose()?;
        Ok(Conversion {
            lookup: spec.lookup.clone(),
            derive: spec.derive,
            digits: spec.digits.unwrap_or(0),
            prefix: spec.prefix.clone(),
            otherwise: spec.otherwise.clone(),
            form: spec.form,
            time: spec.time.clone().map(|format| (format, zone)),
        })
    }

    /// Value of a cell; `None` leaves the field out.
    pub fn cell(&self, cell: &str) -> Option<Value> {
        Some(self.write(self.text(cell.trim())?))
    }

    fn text(&self, cell: &str) -> Option<String> {
        if cell.is_empty() {
            return self.otherwise.clone();
        }
        if let Some(text) = self.lookup.get(cell) {
            return Some(text.clone());
        }
        let own = match self.derive {
            Some(derive) => derive.apply(cell, self.digits),
            None if !self.lookup.is_empty() && self.otherwise.is_some() => None,
            None => Some(cell.to_owned()),
        };
        own.map(|text| format!("{}{text}", self.prefix)).or_else(|| self.otherwise.clone())
    }

    /// Writes a text as the JSON type and time format asked for.
    pub fn write(&self, text: String) -> Value {
        let written = match (&self.time, self.form) {
            (Some((format, zone)), _) => time(&text, format, zone.as_ref()).map(Value::String),
            (None, Form::Text) => None,
            (None, Form::Number) => parse(&text).and_then(number),
            (None, Form::Boolean) => match text.to_ascii_lowercase().as_str() {
                "1" | "true" => Some(Value::Bool(true)),
                "0" | "false" => Some(Value::Bool(false)),
                _ => None,
            },
        };
        written.unwrap_or(Value::String(text))
    }
}

/// A time in ISO 8601: with `Z` or offset when its zone is known. Of a local time that occurs twice the earlier is meant; one that
/// does not exist is moved forward by the length of the gap.
fn time(text: &str, format: &str, zone: Option<&TimeZone>) -> Option<String> {
    let local = DateTime::strptime(format, text).ok()?;
    let Some(zone) = zone else { return Some(local.to_string()) };
    let zoned = zone.to_ambiguous_zoned(local).compatible().ok()?;
    if *zone == TimeZone::UTC {
        return Some(zoned.timestamp().to_string());
    }
    Some(zoned.strftime("%Y-%m-%dT%H:%M:%S%.f%:z").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn convert(spec: &str, cell: &str) -> String {
        let spec: FieldSpec = toml::from_str(spec).unwrap();
        Conversion::new(&spec).unwrap().cell(cell).map_or("left out".to_owned(), |value| value.to_string())
    }

    #[test]
    fn cells_become_values() {
        for (spec, cell, value) in [
            ("", " a ", "\"a\""),
            ("", "  ", "left out"),
            ("otherwise = 'x'", "", "\"x\""),
            ("prefix = 'p-'", "a", "\"p-a\""),
            ("prefix = 'p-'\nderive = 'slug'", "A B", "\"p-a-b\""),
            ("prefix = 'p-'\nderive = 'slug'\notherwise = 'x'", "!", "\"x\""),
            ("derive = 'slug'", "!", "left out"),
            ("prefix = 'p-'\nlookup = { a = 'one' }", "a", "\"one\""),
            ("prefix = 'p-'\nlookup = { a = 'one' }", "b", "\"p-b\""),
            ("lookup = { a = '1' }\notherwise = '2'\nas = 'number'", "b", "2"),
            ("as = 'number'", "2.550", "2.55"),
            ("as = 'number'", "-0.0", "0"),
            ("as = 'number'", "-11062.06", "-11062.06"),
            ("as = 'number'", "0.1000000000000000055511151231", "0.1000000000000000055511151231"),
            ("as = 'number'", "1_000", "\"1_000\""),
            ("as = 'number'", "NaN", "\"NaN\""),
            ("as = 'number'", "1e3", "\"1e3\""),
            ("as = 'boolean'", "1", "true"),
            ("as = 'boolean'", "False", "false"),
            ("as = 'boolean'", "maybe", "\"maybe\""),
        ] {
            assert_eq!(convert(spec, cell), value, "{spec} of {cell:?}");
        }
    }

    #[test]
    fn times_get_the_zone_of_the_mapping() {
        let format = "time = '%Y-%m-%d %H:%M:%S'";
        let london = format!("{format}\nzone = 'Europe/London'");
        assert_eq!(convert(format, "2011-07-01 08:26:00"), "\"2011-07-01T08:26:00\"");
        assert_eq!(convert(&london, "2011-07-01 08:26:00"), "\"2011-07-01T08:26:00+01:00\"");
        assert_eq!(convert(&london, "2011-12-01 08:26:00"), "\"2011-12-01T08:26:00+00:00\"");
        assert_eq!(convert(&format!("{format}\nzone = 'UTC'"), "2011-07-01 08:26:00"), "\"2011-07-01T08:26:00Z\"");
        assert_eq!(convert(&london, "2011-03-27 01:30:00"), "\"2011-03-27T02:30:00+01:00\"", "does not exist");
        assert_eq!(convert(&london, "2011-10-30 01:30:00"), "\"2011-10-30T01:30:00+01:00\"", "occurs twice");
        assert_eq!(convert(&london, "yesterday"), "\"yesterday\"");
    }

    #[test]
    fn an_unknown_zone_is_named() {
        let spec: FieldSpec = toml::from_str("column = 'x'\ntime = '%Y'\nzone = 'Europe/Atlantis'").unwrap();
        assert!(Conversion::new(&spec).unwrap_err().contains("Europe/Atlantis"));
    }
}
