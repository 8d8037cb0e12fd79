//! The stretch of time that is asked for: instants, the zone they are read in, and how it is cut.

use jiff::{Timestamp, ToSpan as _, civil::Date, tz::TimeZone};
use millrace_schemas::time::{DAY_MS, parse_instant};
use std::{fmt, str::FromStr};

/// The rollups' grain.
pub(super) const GRAIN_MS: i64 = 15 * 60_000;
/// What the server's times can hold, rounded down to a year.
const LAST_MS: i64 = 4_291_747_200_000;
/// Days that an answer covers when none are asked for.
pub(in crate::query) const DEFAULT_DAYS: i32 = 30;

/// How a period is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Interval {
    /// A multiple of 15 minutes below a day.
    Minutes(u16),
    Day,
    Week,
    Month,
    /// Not at all.
    All,
}

impl FromStr for Interval {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let counted = |unit: &str, minutes: u16| {
            let digits = text.strip_suffix(unit).filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()))?;
            let number: u16 = digits.parse().ok().filter(|_| !digits.starts_with('0'))?;
            number.checked_mul(minutes).filter(|minutes| *minutes > 0 && minutes % 15 == 0 && *minutes <= 24 * 60)
        };
        match text {
            "day" | "1d" => return Ok(Self::Day),
            "week" | "1w" => return Ok(Self::Week),
            "month" => return Ok(Self::Month),
            "all" => return Ok(Self::All),
            _ => {}
        }
        match counted("m", 1).or_else(|| counted("h", 60)) {
            Some(1_440) => Ok(Self::Day),
            Some(minutes) => Ok(Self::Minutes(minutes)),
            None => Err(
                "interval must be a multiple of 15 minutes up to a day such as 15m or 6h, or day, week, month or all"
                    .into(),
            ),
        }
    }
}

impl fmt::Display for Interval {
    /// As the views take it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Minutes(minutes) => write!(f, "{minutes}m"),
            Self::Day => f.write_str("day"),
            Self::Week => f.write_str("week"),
            Self::Month => f.write_str("month"),
            Self::All => f.write_str("all"),
        }
    }
}

/// A zone by its name in the IANA database.
pub(crate) fn zone(name: &str) -> Result<TimeZone, String> {
    let unknown = || format!("zone {name:?} is no name of the IANA time zone database such as Europe/Berlin or UTC");
    let is_plain = name.len() <= 64 && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"/_+-".contains(&b));
    if !is_plain {
        return Err(unknown());
    }
    let zone = TimeZone::get(name).map_err(|_| unknown())?;
    zone.iana_name().is_some().then_some(zone).ok_or_else(unknown)
}

/// An instant as a parameter names it: a date, which is its midnight in the zone, or a date and time. Epoch milliseconds, on a quarter
/// of an hour.
pub(super) fn instant(name: &str, text: &str, zone: &TimeZone) -> Result<i64, String> {
    let at = match text.parse::<Date>() {
        Ok(day) if text.len() == 10 => midnight(day, zone).ok_or_else(|| format!("{name} is no day of this zone"))?,
        _ => {
            let read = parse_instant(text, zone);
            read.map_err(|error| format!("{name} is neither a date nor a time: {error}; a + is written %2B in a URL"))?
                .epoch_ms
        }
    };
    if !(0..=LAST_MS).contains(&at) {
        return Err(format!("{name} must lie in the years 1970 to 2105"));
    }
    if at % GRAIN_MS != 0 {
        return Err(format!("{name} must lie on a quarter of an hour, which is the grain of all figures"));
    }
    Ok(at)
}

/// The first instant of a day.
fn midnight(day: Date, zone: &TimeZone) -> Option<i64> {
    Some(day.to_zoned(zone.clone()).ok()?.start_of_day().ok()?.timestamp().as_millisecond())
}

/// A stretch of time, its end excluded; epoch milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stretch {
    pub from: i64,
    pub to: i64,
}

impl Stretch {
    /// The days of a zone that end with the one that has the latest of something.
    pub fn latest(latest: i64, zone: &TimeZone, days: i32) -> Option<Self> {
        let last = Timestamp::from_millisecond(latest).ok()?.to_zoned(zone.clone()).date();
        let after = last.checked_add(1.day()).ok()?;
        let first = after.checked_sub(days.days()).ok()?;
        // A year from which nothing can be is none.
        Some(Self { from: midnight(first, zone)?.max(0), to: midnight(after, zone)?.min(LAST_MS) })
    }

    /// Days before an instant by a zone's calendar.
    pub fn days_before(to: i64, zone: &TimeZone, days: i32) -> Option<Self> {
        let from = Timestamp::from_millisecond(to).ok()?.to_zoned(zone.clone()).checked_sub(days.days()).ok()?;
        Some(Self { from: from.timestamp().as_millisecond().max(0) / GRAIN_MS * GRAIN_MS, to })
    }

    /// The stretch of the same length before it.
    pub fn before(self) -> Self {
        Self { from: (2 * self.from - self.to).max(0), to: self.from }
    }

    /// Its length in days of 24 hours, begun ones counted.
    pub fn days(self) -> i64 {
        (self.to - self.from + DAY_MS - 1) / DAY_MS
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use millrace_schemas::time::format_instant;

    fn berlin() -> TimeZone {
        zone("Europe/Berlin").expect("a zone")
    }

    #[test]
    fn an_interval_is_a_multiple_of_the_grain() {
        for (text, same) in
            [("15m", "15m"), ("6h", "360m"), ("24h", "day"), ("1d", "day"), ("week", "week"), ("all", "all")]
        {
            assert_eq!(text.parse::<Interval>().expect(text).to_string(), same);
        }
        for bad in ["", "m", "10m", "0m", "-15m", "+15m", "015m", "25h", "90", "year", "15 m", "99999m", "15M"] {
            assert!(bad.parse::<Interval>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_date_is_its_midnight_in_the_zone() {
        let at = |text| instant("from", text, &berlin()).map(format_instant);
        assert_eq!(at("2026-03-30"), Ok("2026-03-29T22:00:00.000Z".into()));
        assert_eq!(at("2026-03-01T12:15:00"), Ok("2026-03-01T11:15:00.000Z".into()));
        assert_eq!(at("2026-03-01T12:15:00Z"), Ok("2026-03-01T12:15:00.000Z".into()));
        for bad in ["", "2026", "2026-03-01T12:10:00Z", "1969-12-31", "2200-01-01", "2026-03-01T12:15:00.001Z"] {
            assert!(at(bad).is_err_and(|error| error.starts_with("from ")), "{bad}");
        }
    }

    #[test]
    fn a_zone_is_one_that_the_database_names() {
        for good in ["UTC", "Asia/Kolkata", "America/Argentina/Buenos_Aires"] {
            assert!(zone(good).is_ok(), "{good}");
        }
        for bad in ["", "Mars/Olympus", "+02:00", "Europe/Berlin'", "../etc/passwd"] {
            assert!(zone(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_latest_days_end_with_the_one_that_has_data() {
        let latest = Stretch::latest(1_774_787_400_000, &berlin(), 2).expect("days");
        assert_eq!(
            [latest.from, latest.to].map(format_instant),
            ["2026-03-27T23:00:00.000Z", "2026-03-29T22:00:00.000Z"]
        );
        assert_eq!(latest.before().to, latest.from);
    }
}
