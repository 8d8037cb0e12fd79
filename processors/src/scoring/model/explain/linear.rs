//! Contributions of a linear model.

use super::{
    Scale,
    graph::{Found, Scaler},
};

/// A linear model of one output.
#[derive(Debug, Clone)]
pub(super) struct Linear {
    intercept: f64,
    weights: Vec<f64>,
    scaler: Option<Scaler>,
}

impl Linear {
    pub fn read(found: &Found<'_>, inputs: usize, column: usize) -> Result<(Self, Scale), String> {
        let (coefficients, intercepts) = (found.node.floats("coefficients"), found.node.floats("intercepts"));
        if coefficients.is_empty() || coefficients.len() % inputs != 0 {
            return Err(format!("the linear model has {} coefficients for {inputs} features", coefficients.len()));
        }
        let rows: Vec<&[f32]> = coefficients.chunks(inputs).collect();
        // With one row, it is the row of the second class.
        let own = if rows.len() == 1 { 0 } else { column };
        let of = |row: usize| -> Result<Vec<f64>, String> {
            let weights = rows.get(row).ok_or("the linear model has no such column")?;
            let intercept = intercepts.get(row).copied().unwrap_or_default();
            Ok(weights.iter().chain([&intercept]).map(|number| f64::from(*number)).collect())
        };
        let mut numbers = of(own)?;
        let scale = match found.node.text("post_transform") {
            b"LOGISTIC" => Scale::LogOdds,
            // Of two classes, the odds are the difference's.
            b"SOFTMAX" if rows.len() == 2 => {
                let other = of(1 - own.min(1))?;
                numbers.iter_mut().zip(other).for_each(|(number, other)| *number -= other);
                Scale::LogOdds
            }
            b"NONE" | b"" if found.is_squashed => Scale::LogOdds,
            b"NONE" | b"" => Scale::Probability,
            other => return Err(format!("there are no reasons for the transform {}", String::from_utf8_lossy(other))),
        };
        let intercept = numbers.pop().unwrap_or_default();
        Ok((Self { intercept, weights: numbers, scaler: found.scaler.clone() }, scale))
    }

    pub fn bias(&self) -> f64 {
        self.intercept
    }

    pub fn contributions(&self, row: &[f32], into: &mut [f64]) -> f64 {
        let mut sum = self.intercept;
        for (input, (weight, value)) in self.weights.iter().zip(row).enumerate() {
            let value = self.scaler.as_ref().map_or(*value, |scaler| scaler.apply(input, *value));
            into[input] = weight * f64::from(value);
            sum += into[input];
        }
        sum
    }
}
