//! UTC days, as commands take and print them.

use millrace_schemas::time::{DAY_MS, format_instant, parse_utc};

/// A date such as 2026-03-01 as days since 1970-01-01; for the argument parser.
pub fn parse(text: &str) -> Result<i32, String> {
    let at = parse_utc(&format!("{text}T00:00:00Z")).map_err(|_| "a date such as 2026-03-01".to_owned())?;
    i32::try_from(at / DAY_MS).map_err(|error| error.to_string())
}

/// Days since 1970-01-01 as a date.
pub fn date(day: i32) -> String {
    format_instant(begin_ms(day)).chars().take_while(|letter| *letter != 'T').collect()
}

/// When a day begins, epoch milliseconds.
pub fn begin_ms(day: i32) -> i64 {
    i64::from(day) * DAY_MS
}

/// All between two days, the second excluded, epoch milliseconds; without them, all that can stand in the tables.
pub fn period(from: Option<i32>, to: Option<i32>) -> (i64, i64) {
    (begin_ms(from.unwrap_or(0)), begin_ms(to.unwrap_or(200 * 366)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_reads_back() {
        assert_eq!(parse("2018-08-08").map(date), Ok("2018-08-08".to_owned()));
        assert_eq!((parse("1970-01-02"), begin_ms(1)), (Ok(1), 86_400_000));
        assert!(parse("08.08.2018").is_err());
    }
}
