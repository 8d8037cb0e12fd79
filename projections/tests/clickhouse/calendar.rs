//! Where intervals begin, by a zone's clock.

use crate::database::TestDatabase;
use jiff::{Timestamp, Zoned, tz::TimeZone};

/// Begins of the intervals of a period, by the zone's clock, with the number of quarters of an hour in each.
async fn starts(database: &TestDatabase, (from, to): (&str, &str), interval: &str, zone: &str) -> Vec<(String, u64)> {
    let name = database.clickhouse.database();
    let sql = format!(
        "SELECT start_local, count() FROM {name}.calendar(from = '{from}', to = '{to}', interval = '{interval}', zone = '{zone}') \
         GROUP BY start, start_local ORDER BY start"
    );
    database.clickhouse.query(&sql).fetch_all().await.unwrap_or_else(|error| panic!("{sql}: {error}"))
}

fn told(rows: &[(String, u64)]) -> Vec<(&str, u64)> {
    rows.iter().map(|(start, slots)| (start.as_str(), *slots)).collect()
}

/// The 29th of March 2026 in Berlin has 23 hours.
const SPRING: (&str, &str) = ("2026-03-28 23:00:00", "2026-03-29 22:00:00");
/// The 25th of October has 25.
const AUTUMN: (&str, &str) = ("2026-10-24 22:00:00", "2026-10-25 23:00:00");

#[tokio::test]
async fn shorter_intervals_are_by_the_clock_on_days_when_it_is_moved() {
    let database = TestDatabase::migrated().await;
    let spring = starts(&database, SPRING, "6h", "Europe/Berlin").await;
    assert_eq!(
        told(&spring),
        [
            ("2026-03-29T00:00:00+01:00", 20),
            ("2026-03-29T06:00:00+02:00", 24),
            ("2026-03-29T12:00:00+02:00", 24),
            ("2026-03-29T18:00:00+02:00", 24)
        ]
    );
    let autumn = starts(&database, AUTUMN, "6h", "Europe/Berlin").await;
    let slots: Vec<u64> = autumn.iter().map(|(_, slots)| *slots).collect();
    assert_eq!((autumn[1].0.as_str(), slots), ("2026-10-25T06:00:00+01:00", vec![28, 24, 24, 24]));
    let hours = starts(&database, AUTUMN, "1h", "Europe/Berlin").await;
    assert_eq!(hours.len(), 25);
    assert_eq!(
        told(&hours)[1..4],
        [("2026-10-25T01:00:00+02:00", 4), ("2026-10-25T02:00:00+02:00", 4), ("2026-10-25T02:00:00+01:00", 4)]
    );
    assert_eq!(starts(&database, SPRING, "60m", "Europe/Berlin").await.len(), 23);
    let ninety = starts(&database, AUTUMN, "90m", "Europe/Berlin").await;
    assert_eq!(
        told(&ninety)[..3],
        [("2026-10-25T00:00:00+02:00", 6), ("2026-10-25T01:30:00+02:00", 10), ("2026-10-25T03:00:00+01:00", 6)]
    );
}

#[tokio::test]
async fn days_weeks_and_months_begin_at_midnight_in_the_zone() {
    let database = TestDatabase::migrated().await;
    let period = ("2026-02-27 00:00:00", "2026-03-03 00:00:00");
    for (interval, zone, expected) in [
        ("day", "Asia/Kolkata", vec![("2026-02-27T00:00:00+05:30", 74), ("2026-02-28T00:00:00+05:30", 96)]),
        ("week", "UTC", vec![("2026-02-23T00:00:00+00:00", 288), ("2026-03-02T00:00:00+00:00", 96)]),
        ("month", "America/St_Johns", vec![("2026-02-01T00:00:00-03:30", 206), ("2026-03-01T00:00:00-03:30", 178)]),
        ("all", "Europe/Berlin", vec![("2026-02-27T01:00:00+01:00", 384)]),
    ] {
        let rows = starts(&database, period, interval, zone).await;
        assert_eq!(told(&rows)[..expected.len()], expected, "{interval} in {zone}");
    }
    let whole: Vec<(String, u64)> =
        starts(&database, ("2020-01-01", "2021-01-01"), "month", "Australia/Lord_Howe").await;
    assert_eq!(whole.iter().map(|(_, slots)| slots).sum::<u64>(), 366 * 96, "every quarter is in one interval");
    assert_eq!(starts(&database, ("2026-01-01", "2026-01-01"), "day", "UTC").await, []);
}

#[tokio::test]
async fn what_is_no_interval_is_refused_in_words() {
    let database = TestDatabase::migrated().await;
    let name = database.clickhouse.database();
    for interval in ["10m", "0h", "24h", "year", "", "m", "15", "99999m"] {
        let sql = format!(
            "SELECT count() FROM {name}.calendar(from = '2026-01-01', to = '2026-01-02', interval = '{interval}', zone = 'UTC') WHERE start > 0"
        );
        let refused = database.clickhouse.query(&sql).fetch_one::<u64>().await.expect_err(interval).to_string();
        assert!(refused.contains("interval must be"), "{interval}: {refused}");
    }
}

const QUARTER: i64 = 900;
const DAY: i64 = 86_400;

/// Which interval an instant is in, by what the clock shows.
fn label(at: &Zoned, interval: &str) -> (String, i64) {
    let number = |unit: char| interval.strip_suffix(unit).and_then(|number| number.parse::<i64>().ok());
    let minutes = number('m').or(number('h').map(|hours| hours * 60));
    match (interval, minutes) {
        (_, Some(minutes)) => (at.date().to_string(), (i64::from(at.hour()) * 60 + i64::from(at.minute())) / minutes),
        ("week", _) => (at.date().iso_week_date().first_of_week().expect("a week").date().to_string(), 0),
        ("month", _) => (at.date().first_of_month().to_string(), 0),
        _ => (at.date().to_string(), 0),
    }
}

/// The obvious way: goes through the quarters of an hour, and an interval begins where its label does; or where the clock was set back by
/// at least as much as an interval has.
fn begins(zone: &TimeZone, interval: &str, (from, to): (i64, i64)) -> Vec<(i64, i64)> {
    let length = match interval {
        "15m" => QUARTER,
        "30m" => 2 * QUARTER,
        "1h" => 4 * QUARTER,
        _ => DAY,
    };
    let before = if matches!(interval, "week" | "month") { 40 * DAY } else { 2 * DAY };
    let (mut rows, mut last) = (Vec::new(), None::<((String, i64), i64, i64)>);
    for at in (from - before..to).step_by(QUARTER as usize) {
        let local = Timestamp::from_second(at).expect("a time").to_zoned(zone.clone());
        let (label, offset) = (label(&local, interval), i64::from(local.offset().seconds()));
        let begin =
            last.filter(|(same, was, _)| *same == label && was - offset < length).map_or(at, |(_, _, begin)| begin);
        if at >= from {
            rows.push((at, begin));
        }
        last = Some((label, offset, begin));
    }
    rows
}

/// Clocks that are moved at midnight, by half an hour, and twice a year on other days than those of Europe; and one that crossed the
/// date line.
const CLOCKS: [&str; 9] = [
    "Africa/Cairo",
    "America/Havana",
    "America/Santiago",
    "America/St_Johns",
    "Asia/Kolkata",
    "Atlantic/Azores",
    "Australia/Lord_Howe",
    "Europe/Berlin",
    "Pacific/Apia",
];

#[tokio::test]
async fn every_quarter_is_in_the_interval_that_the_clock_shows() {
    let database = TestDatabase::migrated().await;
    let name = database.clickhouse.database();
    let mut moved = 0;
    for zone in CLOCKS {
        let clock = TimeZone::get(zone).expect("a zone");
        let new_year = "2025-01-01T00:00:00Z".parse::<Timestamp>().expect("a time");
        let moves: Vec<i64> = clock
            .following(new_year)
            .map(|moved| moved.timestamp().as_second())
            .take_while(|at| *at < new_year.as_second() + 365 * DAY)
            .collect();
        moved += moves.len();
        for around in moves.into_iter().chain([new_year.as_second() + 58 * DAY]) {
            let from = around - around % DAY - DAY;
            let period = (from, from + 4 * DAY);
            for interval in ["15m", "30m", "1h", "2h", "6h", "7h", "12h", "day", "week", "month"] {
                let sql = format!(
                    "SELECT toInt64(toUnixTimestamp(bucket)), toInt64(toUnixTimestamp(start)) \
                     FROM {name}.calendar(from = {}, to = {}, interval = '{interval}', zone = '{zone}') ORDER BY bucket",
                    period.0, period.1
                );
                let rows: Vec<(i64, i64)> = database.clickhouse.query(&sql).fetch_all().await.expect("rows");
                assert_eq!(rows, begins(&clock, interval, period), "{interval} in {zone}");
            }
        }
    }
    assert_eq!(moved, 14, "seven of the clocks are moved twice a year");
}
