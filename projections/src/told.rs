//! How values of events are told in JSON: money as a number with exactly its digits, instants as text in UTC.

use millrace_schemas::{
    money::{format_money, json_number},
    time::{self, format_instant},
};
use serde::{Serialize as _, Serializer, ser::SerializeMap as _};
use serde_json::Value as Json;

/// A name's length in a path or parameter may not pass what the rules allow; nothing has such an id.
pub fn can_be_id(text: &str) -> bool {
    use millrace_schemas::rules::ID_MAX;
    // Bytes first: a text of thousands of characters need not be counted.
    (1..=ID_MAX * 4).contains(&text.len()) && text.chars().count() <= ID_MAX && !text.chars().any(char::is_control)
}

/// Money in ten-thousandths of the currency unit as a JSON number, such as `10.99`.
pub fn money<S: Serializer>(value: &(impl Into<i128> + Copy), serializer: S) -> Result<S::Ok, S::Error> {
    json_number(format_money(*value)).serialize(serializer)
}

/// Epoch milliseconds as `2026-03-29T12:30:00.000Z`.
pub fn instant<S: Serializer>(epoch_ms: &i64, serializer: S) -> Result<S::Ok, S::Error> {
    format_instant(*epoch_ms).serialize(serializer)
}

/// Unknown fields, kept as JSON text by name, as the values they are. What a producer wrote that is no JSON stays text.
pub fn extra<S: Serializer>(fields: &[(String, String)], serializer: S) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(fields.len()))?;
    for (name, text) in fields {
        let value = serde_json::from_str(text).unwrap_or_else(|_| Json::String(text.clone()));
        map.serialize_entry(name, &value)?;
    }
    map.end()
}

/// An instant as a parameter names it, epoch milliseconds; the error is for whoever asks.
///
/// # Errors
/// When it is no ISO 8601 date and time, or none that an event can have.
pub fn instant_of(name: &str, text: &str) -> Result<i64, String> {
    // What the tables' times can hold.
    const LAST: i64 = 10_413_792_000_000;
    match time::parse_utc(text) {
        Ok(at) if (0..LAST).contains(&at) => Ok(at),
        Ok(_) => Err(format!("{name} must lie in the years 1970 to 2299")),
        Err(error) => Err(format!("{name} is {error}; a + is written %2B in a URL")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Serialize;

    #[derive(Serialize)]
    struct Told {
        #[serde(serialize_with = "money")]
        amount: i64,
        #[serde(serialize_with = "money")]
        sum: i128,
        #[serde(serialize_with = "instant")]
        at: i64,
        #[serde(serialize_with = "extra")]
        extra: Vec<(String, String)>,
    }

    #[test]
    fn money_keeps_its_digits_and_unknown_fields_are_what_they_were() {
        let extra = [("points", "{\"n\":0.10}"), ("odd", "{n")].map(|(name, text)| (name.to_owned(), text.to_owned()));
        let told = Told { amount: 109_900, sum: i128::from(i64::MAX) * 100, at: 1, extra: extra.to_vec() };
        assert_eq!(
            serde_json::to_string(&told).expect("JSON"),
            r#"{"amount":10.99,"sum":92233720368547758.07,"at":"1970-01-01T00:00:00.001Z","extra":{"points":{"n":0.10},"odd":"{n"}}"#
        );
    }

    #[test]
    fn an_id_is_what_the_rules_allow() {
        for good in ["1", "я", &"я".repeat(128), "a/b", "' OR 1=1"] {
            assert!(can_be_id(good), "{good}");
        }
        for bad in ["", "a\nb", &"a".repeat(129), &"x".repeat(100_000)] {
            assert!(!can_be_id(bad), "{}", bad.len());
        }
    }

    #[test]
    fn an_instant_is_one_that_events_can_have() {
        assert_eq!(instant_of("at", "2026-03-01T12:00:00Z"), Ok(1_772_366_400_000));
        for bad in ["", "now", "1969-12-31T23:59:59Z", "2300-01-01T00:00:00Z", "2026-03-01T12:00:00 02:00"] {
            assert!(instant_of("at", bad).is_err_and(|error| error.starts_with("at ")), "{bad}");
        }
    }
}
