//! Which letters.

use super::Desk;
use crate::progress::Progress;
use anyhow::Result;
use millrace_runtime::{
    clock::{Clock as _, SystemClock},
    letters::{Actions, Letter, State},
};
use millrace_schemas::{
    Topic,
    time::{DAY_MS, HOUR_MS, parse_utc},
};
use std::collections::BTreeMap;

/// Filters; a letter must pass all that are given.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Select {
    /// Only with this code of the first error; may be given several times
    #[arg(long, value_name = "CODE")]
    pub code: Vec<String>,
    /// Only meant for this journal
    #[arg(long)]
    pub topic: Option<Topic>,
    /// Only taken in at or after this time, such as 2026-03-29T14:30:00Z, or this long ago, such as 90m, 24h or 7d
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub since: Option<i64>,
    /// Only taken in before this time, or longer ago
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub until: Option<i64>,
    /// Only this letter, by its event id; may be given several times
    #[arg(long, value_name = "ID")]
    pub id: Vec<String>,
    /// Only in this state
    #[arg(long, value_enum)]
    pub state: Option<Which>,
    /// At most this many, the oldest first
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,
}

/// States to select by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Which {
    /// Nothing was done about it
    Open,
    /// Appended to its journal again
    Replayed,
    /// Left without effect
    Discarded,
}

impl Which {
    fn is(self, state: &State) -> bool {
        let named = match self {
            Self::Open => "open",
            Self::Replayed => "replayed",
            Self::Discarded => "discarded",
        };
        state.name() == named
    }
}

impl Select {
    /// Reads all letters and keeps what passes, the oldest first.
    pub fn of<T>(&self, desk: &Desk, keep: impl Fn(Letter, State) -> T) -> Result<Vec<T>> {
        let actions = desk.shelf.actions()?;
        let mut letters = desk.shelf.letters()?;
        let mut progress = Progress::of("reading dead letters");
        let mut kept = BTreeMap::new();
        while let Some(letter) = letters.next_letter()? {
            progress.scan(letters.progress());
            if let Some(state) = self.passes(&letter, &actions) {
                let order = (letter.event.received_at, letter.partition, letter.offset);
                kept.insert(order, keep(letter, state));
                if self.limit.is_some_and(|limit| kept.len() > limit) {
                    kept.pop_last();
                }
            }
        }
        Ok(kept.into_values().collect())
    }

    fn passes(&self, letter: &Letter, actions: &Actions) -> Option<State> {
        let event = &letter.event;
        let state = actions.state(&event.event_id);
        let passes = (self.code.is_empty() || self.code.contains(&event.code))
            && (self.id.is_empty() || self.id.contains(&event.event_id))
            && self.topic.is_none_or(|topic| event.target_topic == topic.name())
            && self.since.is_none_or(|since| event.received_at >= since)
            && self.until.is_none_or(|until| event.received_at < until)
            && self.state.is_none_or(|which| which.is(&state));
        passes.then_some(state)
    }
}

/// An instant in epoch milliseconds, by its date and time or by its age.
fn parse_time(text: &str) -> Result<i64, String> {
    let wrong = || format!("{text:?} is neither a time such as 2026-03-29T14:30:00Z nor an age such as 90m, 24h or 7d");
    let unit = match text.chars().last() {
        Some('s') => 1_000,
        Some('m') => 60_000,
        Some('h') => HOUR_MS,
        Some('d') => DAY_MS,
        _ => 0,
    };
    if unit > 0 {
        let count: i64 = text[..text.len() - 1].parse().map_err(|_| wrong())?;
        let age = count.checked_mul(unit).filter(|age| *age >= 0).ok_or_else(wrong)?;
        return Ok(SystemClock.now_ms().saturating_sub(age));
    }
    // A time without an offset is UTC, like every time that is printed.
    parse_utc(text).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_dates_or_ages() {
        for text in ["2026-03-29T14:30:00Z", "2026-03-29T16:30:00+02:00", "2026-03-29T14:30:00"] {
            assert_eq!(parse_time(text), Ok(1_774_794_600_000), "{text}");
        }
        let (now, hour_ago) = (SystemClock.now_ms(), parse_time("60m").expect("an age"));
        assert!((now - hour_ago - HOUR_MS).abs() < 60_000);
        for text in ["", "h", "-5m", "yesterday", "2026-03-29", "99999999999999999d"] {
            assert!(parse_time(text).is_err(), "{text}");
        }
    }
}
