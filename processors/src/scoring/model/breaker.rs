//! A breaker: what fails again and again is left alone for a while.

use std::time::{Duration, Instant};

/// Opens after so many failures in a row, and after a while lets one try through: its success closes it.
#[derive(Debug, Clone)]
pub struct Breaker {
    failures_max: u32,
    open_for: Duration,
    state: State,
}

#[derive(Debug, Clone, Copy)]
enum State {
    Closed {
        failures: u32,
    },
    Open {
        since: Instant,
    },
    /// One try is under way. If nothing is heard of it, the next may follow after the same while.
    HalfOpen {
        since: Instant,
    },
}

impl Breaker {
    /// A closed one.
    pub fn new(failures_max: u32, open_for: Duration) -> Self {
        Self { failures_max, open_for, state: State::Closed { failures: 0 } }
    }

    /// Whether to try now.
    pub fn allows(&mut self, now: Instant) -> bool {
        match self.state {
            State::Closed { .. } => true,
            State::Open { since } | State::HalfOpen { since } => {
                let due = now.saturating_duration_since(since) >= self.open_for;
                if due {
                    self.state = State::HalfOpen { since: now };
                }
                due
            }
        }
    }

    /// A try succeeded. What was begun before it opened closes nothing.
    pub fn succeeded(&mut self) {
        if !matches!(self.state, State::Open { .. }) {
            self.state = State::Closed { failures: 0 };
        }
    }

    /// A try failed.
    pub fn failed(&mut self, now: Instant) {
        self.state = match self.state {
            State::Closed { failures } if failures + 1 < self.failures_max => State::Closed { failures: failures + 1 },
            State::Closed { .. } | State::HalfOpen { .. } => State::Open { since: now },
            open @ State::Open { .. } => open,
        };
    }

    /// Whether it keeps callers away.
    pub fn is_open(&self) -> bool {
        !matches!(self.state, State::Closed { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHILE: Duration = Duration::from_secs(5);

    fn opened(now: Instant) -> Breaker {
        let mut breaker = Breaker::new(3, WHILE);
        for _ in 0..3 {
            assert!(breaker.allows(now));
            breaker.failed(now);
        }
        breaker
    }

    #[test]
    fn it_opens_after_failures_in_a_row_and_only_then() {
        let now = Instant::now();
        let mut breaker = Breaker::new(3, WHILE);
        for _ in 0..10 {
            breaker.failed(now);
            breaker.failed(now);
            breaker.succeeded();
        }
        assert!(breaker.allows(now) && !breaker.is_open());
        assert!(opened(now).is_open());
    }

    #[test]
    fn after_a_while_one_try_is_let_through_and_its_success_closes_it() {
        let now = Instant::now();
        let mut breaker = opened(now);
        assert!(!breaker.allows(now + WHILE - Duration::from_millis(1)));
        assert!(breaker.allows(now + WHILE), "the try");
        assert!(!breaker.allows(now + WHILE), "only one");
        breaker.succeeded();
        assert!(!breaker.is_open() && breaker.allows(now + WHILE));
    }

    #[test]
    fn a_try_that_fails_opens_it_for_another_while() {
        let now = Instant::now();
        let mut breaker = opened(now);
        assert!(breaker.allows(now + WHILE));
        breaker.failed(now + WHILE);
        assert!(!breaker.allows(now + WHILE + Duration::from_secs(1)));
        assert!(breaker.allows(now + 2 * WHILE));
    }

    #[test]
    fn a_try_that_nothing_is_heard_of_is_followed_by_another() {
        let now = Instant::now();
        let mut breaker = opened(now);
        assert!(breaker.allows(now + WHILE));
        assert!(breaker.allows(now + 2 * WHILE));
    }

    #[test]
    fn what_ends_well_after_it_opened_does_not_close_it() {
        let now = Instant::now();
        let mut breaker = opened(now);
        breaker.succeeded();
        assert!(!breaker.allows(now));
    }
}
