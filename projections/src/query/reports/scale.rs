//! Round numbers on an axis. Positions on the screen may be floats; what is listed beside is exact.

/// An axis from zero.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Scale {
    /// Where it ends: at least the largest value.
    pub top: f64,
    step: f64,
}

impl Scale {
    /// An axis for values up to `largest` with about so many steps, each 1, 2 or 5 times a power of ten; whole numbers where it counts.
    pub fn up_to(largest: f64, steps: f64, counts: bool) -> Self {
        let largest = if largest > 0.0 && largest.is_finite() { largest } else { 1.0 };
        let rough = largest / steps;
        let power = 10_f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].map(|times| times * power).into_iter().find(|step| *step >= rough * 0.999);
        let step = step.unwrap_or(rough);
        let step = if counts { step.max(1.0) } else { step };
        Self { top: (largest / step - 1e-9).ceil().max(1.0) * step, step }
    }

    /// The numbers on it with their share of its length, zero first.
    pub fn marks(&self) -> Vec<(f64, String)> {
        let steps = (self.top / self.step).round() as u32;
        (0..=steps)
            .map(|index| (f64::from(index) / f64::from(steps), short(f64::from(index) * self.step, self.step)))
            .collect()
    }

    /// A value's share of the length.
    pub fn share(&self, value: f64) -> f64 {
        (value / self.top).clamp(0.0, 1.0)
    }
}

/// A round number in little room: `12k`, `1.5M`.
fn short(value: f64, step: f64) -> String {
    let (unit, sign) = match value {
        _ if value >= 1e12 => (1e12, "T"),
        _ if value >= 1e9 => (1e9, "G"),
        _ if value >= 1e6 => (1e6, "M"),
        _ if value >= 1e4 || (value >= 1e3 && step >= 1e3) => (1e3, "k"),
        _ => (1.0, ""),
    };
    // As many digits as tell one mark from the next.
    let digits = (-(step / unit).log10().floor()).clamp(0.0, 6.0) as usize;
    let text = format!("{:.digits$}", value / unit);
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    format!("{text}{sign}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marks(largest: f64, counts: bool) -> Vec<String> {
        Scale::up_to(largest, 4.0, counts).marks().into_iter().map(|(_, text)| text).collect()
    }

    #[test]
    fn marks_are_round_and_reach_the_largest_value() {
        assert_eq!(marks(43.0, true), ["0", "20", "40", "60"]);
        assert_eq!(marks(40.0, true), ["0", "10", "20", "30", "40"]);
        assert_eq!(marks(1.0, true), ["0", "1"]);
        assert_eq!(marks(0.0, true), ["0", "1"]);
        assert_eq!(marks(0.7, false), ["0", "0.2", "0.4", "0.6", "0.8"]);
        assert_eq!(marks(1_209_860.0, false), ["0", "500k", "1M", "1.5M"]);
        assert_eq!(marks(3_500.0, true), ["0", "1k", "2k", "3k", "4k"]);
        assert_eq!(marks(f64::NAN, true), ["0", "1"]);
    }

    #[test]
    fn nothing_is_drawn_outside() {
        let scale = Scale::up_to(43.0, 4.0, true);
        assert_eq!([scale.share(60.0), scale.share(90.0), scale.share(-1.0)], [1.0, 1.0, 0.0]);
    }
}
