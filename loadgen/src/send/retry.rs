//! When to send again, and when to give up.

use std::time::{Duration, Instant, SystemTime};

/// Longest wait of our own between two attempts.
const BACKOFF_MAX: Duration = Duration::from_secs(5);
/// Longest wait on the gateway's word.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(60);

/// Waits between the attempts of one request.
#[derive(Debug)]
pub(super) struct Backoff {
    first: Duration,
    give_up_after: Duration,
    since: Instant,
    failures: u32,
}

impl Backoff {
    /// Starts with the first attempt, at `now`.
    pub fn new(first: Duration, give_up_after: Duration, now: Instant) -> Self {
        Backoff { first, give_up_after, since: now, failures: 0 }
    }

    /// Something was stored: patience begins anew.
    pub fn progressed(&mut self, now: Instant) {
        (self.since, self.failures) = (now, 0);
    }

    /// Wait before the next attempt; `None` when the time for retrying is over. `jitter` is 0 to 1.
    pub fn next(&mut self, retry_after: Option<Duration>, now: Instant, jitter: f64) -> Option<Duration> {
        if now.duration_since(self.since) >= self.give_up_after {
            return None;
        }
        let doubled = self.first.saturating_mul(1 << self.failures.min(16)).min(BACKOFF_MAX);
        self.failures += 1;
        // Half of the wait is random, so that requests that failed together do not come back together.
        let own = doubled / 2 + doubled.mul_f64(jitter.clamp(0.0, 1.0) / 2.0);
        Some(retry_after.map_or(own, |asked| asked.min(RETRY_AFTER_MAX)))
    }
}

/// Reads a `Retry-After` header: seconds or an HTTP date.
pub(super) fn retry_after(header: &str, now: SystemTime) -> Option<Duration> {
    if let Ok(seconds) = header.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    let at: SystemTime = jiff::fmt::rfc2822::parse(header.trim()).ok()?.timestamp().into();
    Some(at.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_limit_and_end() {
        let start = Instant::now();
        let mut backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(60), start);
        let waits: Vec<_> = (0..7).map(|_| backoff.next(None, start, 1.0).unwrap().as_millis()).collect();
        assert_eq!(waits, [200, 400, 800, 1600, 3200, 5000, 5000]);
        assert_eq!(backoff.next(None, start, 0.0).unwrap().as_millis(), 2500);
        assert_eq!(backoff.next(None, start + Duration::from_secs(60), 1.0), None);
        backoff.progressed(start + Duration::from_secs(60));
        assert_eq!(backoff.next(None, start + Duration::from_secs(61), 1.0).unwrap().as_millis(), 200);
    }

    #[test]
    fn what_the_gateway_asks_for_goes_before() {
        let start = Instant::now();
        let mut backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(60), start);
        assert_eq!(backoff.next(Some(Duration::from_secs(3)), start, 0.5), Some(Duration::from_secs(3)));
        assert_eq!(backoff.next(Some(Duration::ZERO), start, 0.5), Some(Duration::ZERO));
        assert_eq!(backoff.next(Some(Duration::from_secs(9999)), start, 0.5), Some(RETRY_AFTER_MAX));
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_770);
        assert_eq!(retry_after("7", now), Some(Duration::from_secs(7)));
        assert_eq!(retry_after("Sun, 06 Nov 1994 08:49:37 GMT", now), Some(Duration::from_secs(7)));
        assert_eq!(retry_after("Sun, 06 Nov 1994 08:49:07 GMT", now), Some(Duration::ZERO));
        assert_eq!(retry_after("soon", now), None);
    }
}
