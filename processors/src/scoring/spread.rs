//! Mean and deviation of amounts from sums of integers, so that they are exact and the same in whatever order amounts came.

use serde::{Deserialize, Serialize};

/// Number, sum and sum of squares of amounts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spread {
    /// How many.
    pub count: u64,
    /// Their sum, in ten-thousandths; 128 bits, so that no life is too long.
    pub sum: i128,
    /// The sum of their squares modulo 2^128. What is computed from it is smaller by far, and right however often it wrapped.
    squares: u128,
}

impl Spread {
    /// Takes in an amount, in ten-thousandths of the currency unit.
    pub fn add(&mut self, amount: i64) {
        let magnitude = u128::from(amount.unsigned_abs());
        self.count += 1;
        self.sum += i128::from(amount);
        self.squares = self.squares.wrapping_add(magnitude * magnitude);
    }

    /// Mean, in ten-thousandths; absent without amounts.
    pub fn mean(&self) -> Option<f64> {
        (self.count > 0).then(|| self.sum as f64 / self.count as f64)
    }

    /// Standard deviation of the amounts as a sample (divided by their number less one), in ten-thousandths; absent with fewer than
    /// two. Exact but for the last division and root, as long as the squared deviations from the mean sum to less than 2^128: with
    /// amounts as far apart as the rules let them be, that is for the first 13 million.
    pub fn deviation(&self) -> Option<f64> {
        if self.count < 2 {
            return None;
        }
        let count = i128::from(self.count);
        let (whole, rest) = (self.sum.div_euclid(count), self.sum.rem_euclid(count).cast_unsigned());
        // Around the mean rounded down: the sum of (amount - whole)^2, all modulo 2^128.
        let around = self
            .squares
            .wrapping_sub(whole.wrapping_mul(self.sum).wrapping_mul(2).cast_unsigned())
            .wrapping_add(whole.wrapping_mul(whole).wrapping_mul(count).cast_unsigned());
        // Around the mean itself it is less by rest^2 / count.
        let (own, others) = (self.count as f64, (self.count - 1) as f64);
        let variance = match around.checked_mul(count.cast_unsigned()) {
            Some(scaled) => (scaled - rest * rest) as f64 / own / others,
            // Too large to matter: rest is less than count.
            None => around as f64 / others,
        };
        Some(variance.sqrt())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use millrace_schemas::rules::AMOUNT_MAX;

    fn deviation(amounts: impl IntoIterator<Item = i64>) -> Option<f64> {
        let mut spread = Spread::default();
        amounts.into_iter().for_each(|amount| spread.add(amount));
        spread.deviation()
    }

    #[test]
    fn a_deviation_needs_two_amounts() {
        assert_eq!(deviation([]), None);
        assert_eq!(deviation([5]), None);
        assert_eq!(deviation([5, 5]), Some(0.0));
        assert_eq!(deviation([1, 2]), Some(0.5f64.sqrt()));
        assert_eq!(deviation([2, 4, 4, 4, 5, 5, 7, 9]), Some((32.0f64 / 7.0).sqrt()));
    }

    #[test]
    fn large_amounts_that_hardly_differ_lose_no_digit() {
        assert_eq!(deviation([AMOUNT_MAX - 2, AMOUNT_MAX - 1, AMOUNT_MAX]), Some(1.0));
    }

    /// Four million squares of the largest amounts are more than 128 bits hold.
    #[test]
    fn sums_of_squares_that_wrapped_change_nothing() {
        let count = 4_000_000;
        let amounts = (0..count).map(|number| AMOUNT_MAX - number % 2);
        let expected = (0.25 * count as f64 / (count - 1) as f64).sqrt();
        assert!((deviation(amounts).expect("many") - expected).abs() < 1e-12);
        let apart = deviation((0..1_000_000).map(|number| AMOUNT_MAX * (number % 2))).expect("many");
        let expected = AMOUNT_MAX as f64 / 2.0 * (1e6f64 / (1e6 - 1.0)).sqrt();
        assert!((apart / expected - 1.0).abs() < 1e-12, "{apart}");
    }
}
