//! Instants: epoch milliseconds, and how a time written by a client becomes one.

use crate::event::TimeResolution;
use jiff::{Timestamp, civil::DateTime, tz::AmbiguousOffset, tz::TimeZone};

/// Milliseconds in an hour.
pub const HOUR_MS: i64 = 3_600_000;
/// Milliseconds in a day of 24 hours.
pub const DAY_MS: i64 = 24 * HOUR_MS;

/// An instant and how it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instant {
    /// Milliseconds since 1970-01-01T00:00:00Z.
    pub epoch_ms: i64,
    /// Name of the zone a local time was read in; `None` when the text carried an offset.
    pub zone: Option<String>,
    /// Whether the text named exactly one instant.
    pub resolution: TimeResolution,
}

/// The text is not an ISO 8601 date and time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an ISO 8601 date and time such as 2026-03-29T14:30:00+02:00 or 2026-03-29T14:30:00")]
pub struct TimeError;

/// Reads `2026-03-29T14:30:00+02:00`, `...Z`, or a local time without offset, which is read in `zone`.
///
/// A local time that occurs twice becomes the earlier instant; one that does not exist is moved forward by the length of the
/// gap. Fractions finer than a millisecond are cut.
pub fn parse_instant(text: &str, zone: &TimeZone) -> Result<Instant, TimeError> {
    let has_time = text.len() > 10 && matches!(text.as_bytes()[10], b'T' | b't' | b' ');
    if !has_time {
        return Err(TimeError);
    }
    if let Ok(timestamp) = text.parse::<Timestamp>() {
        return Ok(Instant { epoch_ms: timestamp.as_millisecond(), zone: None, resolution: TimeResolution::Exact });
    }
    // A text with an offset that is not a valid instant must not be read as local.
    let local: DateTime =
        if text.contains(['Z', 'z', '[']) { return Err(TimeError) } else { text.parse().map_err(|_| TimeError)? };
    let ambiguous = zone.to_ambiguous_timestamp(local);
    let resolution = match ambiguous.offset() {
        AmbiguousOffset::Unambiguous { .. } => TimeResolution::Exact,
        AmbiguousOffset::Fold { .. } => TimeResolution::AmbiguousEarlier,
        AmbiguousOffset::Gap { .. } => TimeResolution::GapForward,
    };
    let timestamp = ambiguous.compatible().map_err(|_| TimeError)?;
    let zone = zone.iana_name().unwrap_or("UTC").to_owned();
    Ok(Instant { epoch_ms: timestamp.as_millisecond(), zone: Some(zone), resolution })
}

/// Reads an instant as [`parse_instant`] does, a time without offset as UTC; epoch milliseconds.
pub fn parse_utc(text: &str) -> Result<i64, TimeError> {
    parse_instant(text, &TimeZone::UTC).map(|instant| instant.epoch_ms)
}

/// An instant as `2026-03-29T12:30:00.000Z`.
pub fn format_instant(epoch_ms: i64) -> String {
    match Timestamp::from_millisecond(epoch_ms) {
        Ok(timestamp) => format!("{timestamp:.3}"),
        Err(_) => format!("{epoch_ms} ms"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn berlin() -> TimeZone {
        TimeZone::get("Europe/Berlin").expect("bundled zone")
    }

    fn read(text: &str) -> (String, Option<String>, TimeResolution) {
        let instant = parse_instant(text, &berlin()).expect(text);
        (format_instant(instant.epoch_ms), instant.zone, instant.resolution)
    }

    #[test]
    fn a_time_with_an_offset_is_one_instant() {
        let expected = ("2026-03-29T12:30:00.000Z".to_owned(), None, TimeResolution::Exact);
        assert_eq!(read("2026-03-29T14:30:00+02:00"), expected);
        assert_eq!(read("2026-03-29T12:30:00Z"), expected);
        assert_eq!(read("2026-03-29T12:30:00.0009Z"), expected);
    }

    #[test]
    fn a_local_time_is_read_in_the_zone() {
        let zone = Some("Europe/Berlin".to_owned());
        assert_eq!(
            read("2026-07-01T12:00:00"),
            ("2026-07-01T10:00:00.000Z".into(), zone.clone(), TimeResolution::Exact)
        );
        assert_eq!(read("2026-01-01 12:00:00.25"), ("2026-01-01T11:00:00.250Z".into(), zone, TimeResolution::Exact));
    }

    #[test]
    fn a_local_time_that_occurs_twice_is_the_earlier_one() {
        let (at, _, resolution) = read("2026-10-25T02:30:00");
        assert_eq!((at.as_str(), resolution), ("2026-10-25T00:30:00.000Z", TimeResolution::AmbiguousEarlier));
    }

    #[test]
    fn a_local_time_that_does_not_exist_moves_forward() {
        let (at, _, resolution) = read("2026-03-29T02:30:00");
        assert_eq!((at.as_str(), resolution), ("2026-03-29T01:30:00.000Z", TimeResolution::GapForward));
    }

    #[test]
    fn other_texts_are_refused() {
        for text in [
            "",
            "2026-03-29",
            "yesterday",
            "1764000000",
            "2026-13-01T00:00:00Z",
            "2026-02-30T00:00:00",
            "12:00:00",
            "2026-03-29T25:00:00Z",
            "2026-03-29T14:30:00+99:00",
            "2026-01-01T00:00:00[Europe/Paris]",
        ] {
            assert_eq!(parse_instant(text, &berlin()), Err(TimeError), "{text}");
        }
    }
}
