//! Calibration: from what a model calls a probability to one that can be believed.

use serde::{Deserialize, Serialize};

/// How far from 0 and 1 a probability is kept where its log-odds are taken.
const EDGE: f64 = 1e-7;

/// A rising function from 0 to 1 into 0 to 1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Calibration {
    /// As it is.
    None {},
    /// A line on the log-odds.
    Platt {
        /// Not less than zero.
        slope: f64,
        /// Added to the log-odds.
        intercept: f64,
    },
    /// Straight lines between points; before the first and after the last, theirs.
    Isotonic {
        /// The model's probabilities, rising.
        raw: Vec<f64>,
        /// What each becomes, never falling.
        calibrated: Vec<f64>,
    },
}

impl Calibration {
    /// Whether its figures make sense; else what they should be.
    ///
    /// # Errors
    /// A sentence for people.
    pub fn check(&self) -> Result<(), String> {
        match self {
            Self::None {} => Ok(()),
            Self::Platt { slope, intercept } if *slope >= 0.0 && slope.is_finite() && intercept.is_finite() => Ok(()),
            Self::Platt { .. } => Err("slope and intercept must be finite, and the slope not below zero".to_owned()),
            Self::Isotonic { raw, calibrated } => {
                let probabilities = |values: &[f64]| values.iter().all(|value| (0.0..=1.0).contains(value));
                if raw.is_empty() || raw.len() != calibrated.len() {
                    Err("raw and calibrated must be equally long, and not empty".to_owned())
                } else if !probabilities(raw) || !probabilities(calibrated) {
                    Err("raw and calibrated must be probabilities".to_owned())
                } else if !raw.is_sorted_by(|a, b| a < b) || !calibrated.is_sorted() {
                    Err("raw must rise, and calibrated must not fall".to_owned())
                } else {
                    Ok(())
                }
            }
        }
    }

    /// The calibrated probability.
    pub fn apply(&self, probability: f64) -> f64 {
        match self {
            Self::None {} => probability,
            Self::Platt { slope, intercept } => {
                let known = probability.clamp(EDGE, 1.0 - EDGE);
                logistic(slope * (known / (1.0 - known)).ln() + intercept)
            }
            Self::Isotonic { raw, calibrated } => {
                let above = raw.partition_point(|at| *at <= probability);
                let (Some(low), Some(high)) = (above.checked_sub(1), raw.get(above)) else {
                    return calibrated[above.min(raw.len() - 1)];
                };
                let share = (probability - raw[low]) / (high - raw[low]);
                calibrated[low] + share * (calibrated[above] - calibrated[low])
            }
        }
    }
}

/// The probability of these log-odds.
pub(super) fn logistic(log_odds: f64) -> f64 {
    1.0 / (1.0 + (-log_odds).exp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_calibration_a_probability_stays_what_it_is() {
        assert_eq!(Calibration::None {}.apply(0.3), 0.3);
    }

    #[test]
    fn platt_is_a_line_on_the_log_odds() {
        let same = Calibration::Platt { slope: 1.0, intercept: 0.0 };
        assert!((same.apply(0.3) - 0.3).abs() < 1e-12);
        let doubled_odds = Calibration::Platt { slope: 1.0, intercept: 2f64.ln() };
        assert!((doubled_odds.apply(0.5) - 2.0 / 3.0).abs() < 1e-12);
        assert!(doubled_odds.apply(0.0) > 0.0 && doubled_odds.apply(1.0) < 1.0, "finite at the ends");
    }

    #[test]
    fn isotonic_draws_straight_lines_between_its_points() {
        let points = Calibration::Isotonic { raw: vec![0.2, 0.4, 0.8], calibrated: vec![0.1, 0.1, 0.5] };
        let at = [(0.0, 0.1), (0.2, 0.1), (0.3, 0.1), (0.4, 0.1), (0.6, 0.3), (0.8, 0.5), (1.0, 0.5)];
        for (raw, calibrated) in at {
            assert!((points.apply(raw) - calibrated).abs() < 1e-12, "{raw}");
        }
        assert_eq!(Calibration::Isotonic { raw: vec![0.5], calibrated: vec![0.4] }.apply(0.9), 0.4);
    }

    #[test]
    fn what_would_turn_the_order_of_scores_is_refused() {
        let refused = [
            Calibration::Platt { slope: -1.0, intercept: 0.0 },
            Calibration::Platt { slope: f64::NAN, intercept: 0.0 },
            Calibration::Isotonic { raw: vec![], calibrated: vec![] },
            Calibration::Isotonic { raw: vec![0.1, 0.2], calibrated: vec![0.3, 0.2] },
            Calibration::Isotonic { raw: vec![0.2, 0.2], calibrated: vec![0.3, 0.4] },
            Calibration::Isotonic { raw: vec![0.2], calibrated: vec![1.2] },
        ];
        for calibration in refused {
            assert!(calibration.check().is_err(), "{calibration:?}");
        }
    }
}
