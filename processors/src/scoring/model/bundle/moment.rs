//! Points in time, as manifests write them.

use jiff::{Timestamp, civil, tz::TimeZone};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// A point in time: `2026-01-31`, which is its first moment in UTC, or `2026-01-31T06:00:00Z`; with or without quotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(Timestamp);

impl Moment {
    /// Milliseconds since 1970.
    pub fn millis(self) -> i64 {
        self.0.as_millisecond()
    }
}

impl std::str::FromStr for Moment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let utc = |local: civil::DateTime| local.to_zoned(TimeZone::UTC).map(|zoned| zoned.timestamp());
        let moment = text.parse().or_else(|_| text.parse().and_then(utc));
        moment.map(Self).map_err(|_| format!("{text:?} is no time; write 2026-01-31 or 2026-01-31T06:00:00Z"))
    }
}

impl std::fmt::Display for Moment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "expected a time such as 2026-01-31 or 2026-01-31T06:00:00Z")]
        enum Written {
            Text(String),
            Time(toml::value::Datetime),
        }
        let written = match Written::deserialize(deserializer)? {
            Written::Text(text) => text,
            Written::Time(time) => time.to_string(),
        };
        written.parse().map_err(D::Error::custom)
    }
}

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    struct Table {
        at: Moment,
    }

    fn read(written: &str) -> Result<i64, String> {
        let table: Table = toml::from_str(&format!("at = {written}")).map_err(|error| error.to_string())?;
        Ok(table.at.millis())
    }

    #[test]
    fn times_are_read_as_text_and_as_toml_writes_them() {
        for written in [
            "2026-01-31",
            "\"2026-01-31\"",
            "2026-01-31T00:00:00Z",
            "\"2026-01-31T01:00:00+01:00\"",
            "2026-01-31T00:00:00",
        ] {
            assert_eq!(read(written), Ok(1_769_817_600_000), "{written}");
        }
        assert!(read("\"soon\"").unwrap_err().contains("write 2026-01-31"));
        assert!(read("\"soon\"").unwrap_err().contains("line 1"));
        assert!(read("17").unwrap_err().contains("expected a time"));
    }
}
