//! What stands in paths and parameters; and how values of events stand in answers, for `#[serde(with = "…")]`.

pub use millrace_schemas::contract::told::{Extra, Instant, KnownWindows, Money};

use millrace_schemas::time;

/// A name's length in a path or parameter may not pass what the rules allow; nothing has such an id.
pub fn can_be_id(text: &str) -> bool {
    use millrace_schemas::rules::ID_MAX;
    // Bytes first: a text of thousands of characters need not be counted.
    (1..=ID_MAX * 4).contains(&text.len()) && text.chars().count() <= ID_MAX && !text.chars().any(char::is_control)
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
