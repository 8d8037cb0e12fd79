//! When each of many is meant to go out.

use std::time::{Duration, Instant};

/// Evenly spaced times.
#[derive(Debug, Clone, Copy)]
pub struct Schedule {
    begin: Instant,
    rate: u32,
    count: u64,
}

impl Schedule {
    /// `rate` a second for a while, from `begin` on.
    pub fn new(begin: Instant, rate: u32, during: Duration) -> Self {
        let count = u64::try_from(u128::from(rate) * during.as_nanos() / 1_000_000_000).unwrap_or(u64::MAX);
        Self { begin, rate, count }
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The times, each given when it has come: blocks the thread until then. One that is past comes at once.
    pub fn due(self) -> impl Iterator<Item = Instant> {
        // A thread sleeps to some 50 microseconds; timers of the async runtime, to whole milliseconds.
        self.times().inspect(|time| std::thread::sleep(time.saturating_duration_since(Instant::now())))
    }

    fn times(self) -> impl Iterator<Item = Instant> {
        let Self { begin, rate, count } = self;
        (0..count).map(move |number| begin + Duration::from_nanos(number * 1_000_000_000 / u64::from(rate)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_even_and_do_not_drift() {
        let begin = Instant::now();
        let schedule = Schedule::new(begin, 300, Duration::from_secs(2));
        let times: Vec<Instant> = schedule.times().collect();
        assert_eq!((times.len(), schedule.count()), (600, 600));
        assert_eq!([0, 150, 300].map(|number| times[number] - begin), [0, 500, 1_000].map(Duration::from_millis));
    }

    #[test]
    fn none_comes_before_its_time_and_those_past_come_at_once() {
        let begin = Instant::now() - Duration::from_secs(1);
        let schedule = Schedule::new(begin, 1_000, Duration::from_millis(1_020));
        let all = schedule.due().map(|time| Instant::now().checked_duration_since(time)).collect::<Option<Vec<_>>>();
        assert_eq!(all.expect("none is early").len(), 1_020);
    }
}
