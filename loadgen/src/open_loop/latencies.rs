//! Latencies, and what is said of them.

use hdrhistogram::Histogram;
use serde::Serialize;
use std::time::Duration;

/// Longest time told apart from longer ones, in microseconds.
const MAX_US: u64 = 60_000_000;

/// Times, kept to three digits.
#[derive(Debug, Clone)]
pub struct Latencies(Histogram<u64>);

/// What half, most and nearly all took at most, in milliseconds. All are 0 where nothing was measured.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Quantiles {
    /// 50 of 100.
    pub p50: f64,
    /// 90 of 100.
    pub p90: f64,
    /// 99 of 100.
    pub p99: f64,
    /// 999 of 1,000.
    #[serde(rename = "p99.9")]
    pub p999: f64,
    /// All.
    pub max: f64,
}

impl Default for Latencies {
    fn default() -> Self {
        Self(Histogram::new_with_max(MAX_US, 3).expect("three digits up to a minute are valid bounds"))
    }
}

impl Latencies {
    /// Takes in one.
    pub fn add(&mut self, latency: Duration) {
        self.0.saturating_record(u64::try_from(latency.as_micros()).unwrap_or(MAX_US));
    }

    /// Takes in those of another.
    pub fn merge(&mut self, other: &Self) {
        self.0.add(&other.0).expect("all have the same bounds");
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.0.len()
    }

    /// What is said of them.
    pub fn quantiles(&self) -> Quantiles {
        let ms = |us: u64| us as f64 / 1_000.0;
        let at = |quantile: f64| ms(self.0.value_at_quantile(quantile));
        Quantiles { p50: at(0.5), p90: at(0.9), p99: at(0.99), p999: at(0.999), max: ms(self.0.max()) }
    }
}

impl Quantiles {
    /// Each as a multiple of another's; 0 where that is 0.
    pub fn to(self, other: Self) -> Self {
        let ratio = |own: f64, other: f64| if other > 0.0 { own / other } else { 0.0 };
        Self {
            p50: ratio(self.p50, other.p50),
            p90: ratio(self.p90, other.p90),
            p99: ratio(self.p99, other.p99),
            p999: ratio(self.p999, other.p999),
            max: ratio(self.max, other.max),
        }
    }

    /// All five, the smallest first.
    pub fn all(self) -> [f64; 5] {
        [self.p50, self.p90, self.p99, self.p999, self.max]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_what_was_added() {
        let mut latencies = Latencies::default();
        assert_eq!(latencies.quantiles().all(), [0.0; 5]);
        (1..=1_000).for_each(|us| latencies.add(Duration::from_micros(us)));
        latencies.add(Duration::from_secs(3_600));
        assert_eq!(latencies.count(), 1_001);
        let quantiles = latencies.quantiles();
        assert_eq!((quantiles.p50, quantiles.p90, quantiles.p99, quantiles.p999), (0.501, 0.901, 0.991, 1.0));
        assert!(quantiles.max >= 60_000.0, "longer times count as the longest");
        assert_eq!(quantiles.to(quantiles).all(), [1.0; 5]);
    }
}
