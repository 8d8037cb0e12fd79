//! Exact decimals: money in ten-thousandths of the currency unit, quantities in millionths. Never a binary float.

use serde_json::{Number, Value as Json};
use std::fmt::Write as _;

/// Fraction digits of money: amounts are integers in ten-thousandths of the currency unit.
pub const MONEY_DIGITS: u32 = 4;
/// Fraction digits of quantities: integers in millionths of a unit.
pub const QUANTITY_DIGITS: u32 = 6;
/// Ten-thousandths in one currency unit.
pub const MONEY_UNIT: i64 = 10_000;
/// Millionths in one unit of quantity.
pub const QUANTITY_UNIT: i64 = 1_000_000;

/// Why a text is not an exact decimal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecimalError {
    /// Not a decimal number.
    #[error("not a decimal number")]
    Malformed,
    /// More fraction digits than are kept; they are never rounded away.
    #[error("more fraction digits than the {0} that are kept")]
    TooPrecise(u32),
    /// Does not fit a 64-bit integer at this scale.
    #[error("too large")]
    TooLarge,
}

/// Reads a decimal such as `10.99`, `-3`, `1e3` or `1.50E+2` as an integer of `10^-digits`.
///
/// Trailing zeros beyond `digits` are fine; other digits there are [`DecimalError::TooPrecise`].
pub fn parse_decimal(text: &str, digits: u32) -> Result<i64, DecimalError> {
    let (negative, rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (mantissa, exponent) = match rest.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, parse_exponent(exponent)?),
        None => (rest, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all_digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    let has_point_without_fraction = mantissa.ends_with('.');
    if whole.is_empty() || !all_digits(whole) || !all_digits(fraction) || has_point_without_fraction {
        return Err(DecimalError::Malformed);
    }
    let mut value: i128 = 0;
    // Digits after the point still to be read into the integer; negative once there are too many.
    let mut shift = exponent.saturating_add(i64::from(digits));
    for digit in whole.bytes().chain(fraction.bytes()).map(|b| i128::from(b - b'0')) {
        value = value.checked_mul(10).and_then(|v| v.checked_add(digit)).ok_or(DecimalError::TooLarge)?;
    }
    shift = shift.saturating_sub_unsigned(fraction.len() as u64);
    while shift > 0 && value != 0 {
        value = value.checked_mul(10).ok_or(DecimalError::TooLarge)?;
        shift -= 1;
    }
    while shift < 0 && value != 0 {
        if value % 10 != 0 {
            return Err(DecimalError::TooPrecise(digits));
        }
        value /= 10;
        shift += 1;
    }
    i64::try_from(if negative { -value } else { value }).map_err(|_| DecimalError::TooLarge)
}

fn parse_exponent(text: &str) -> Result<i64, DecimalError> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(DecimalError::Malformed);
    }
    let size: i64 = digits.parse().map_err(|_| DecimalError::TooLarge)?;
    Ok(if text.starts_with('-') { -size } else { size })
}

/// Reads money: at most 4 fraction digits.
pub fn parse_money(text: &str) -> Result<i64, DecimalError> {
    parse_decimal(text, MONEY_DIGITS)
}

/// Reads a quantity: at most 6 fraction digits.
pub fn parse_quantity(text: &str) -> Result<i64, DecimalError> {
    parse_decimal(text, QUANTITY_DIGITS)
}

/// Writes an integer of `10^-digits` as a decimal with at least `min_fraction` fraction digits and no other trailing zeros.
pub fn format_decimal(value: impl Into<i128>, digits: u32, min_fraction: u32) -> String {
    let value = value.into();
    let unit = 10u128.pow(digits);
    let magnitude = value.unsigned_abs();
    let mut fraction = String::new();
    let _ = write!(fraction, "{:0width$}", magnitude % unit, width = digits as usize);
    let keep = fraction.trim_end_matches('0').len().max(min_fraction as usize);
    fraction.truncate(keep);
    let sign = if value < 0 { "-" } else { "" };
    let point = if fraction.is_empty() { "" } else { "." };
    format!("{sign}{}{point}{fraction}", magnitude / unit)
}

/// Money as people write it: `10.99`, `-3.00`, `0.1234`. Sums may be wider than amounts.
pub fn format_money(value: impl Into<i128>) -> String {
    format_decimal(value, MONEY_DIGITS, 2)
}

/// A JSON number with exactly the digits of a formatted decimal.
pub fn json_number(digits: String) -> Json {
    digits.parse::<Number>().map_or(Json::String(digits), Json::Number)
}

/// A quantity as people write it: `2`, `0.375`.
pub fn format_quantity(value: i64) -> String {
    format_decimal(value, QUANTITY_DIGITS, 0)
}

/// `numerator / denominator`, rounded half to even. The denominator is positive.
pub fn div_half_even(numerator: i128, denominator: i128) -> i128 {
    let quotient = numerator.div_euclid(denominator);
    let twice = numerator.rem_euclid(denominator) * 2;
    let up = twice > denominator || (twice == denominator && quotient % 2 != 0);
    if up { quotient + 1 } else { quotient }
}

/// Amount of a receipt's line: `quantity x price`, rounded half to even; `None` when it does not fit.
pub fn line_amount(quantity: i64, price: i64) -> Option<i64> {
    i64::try_from(div_half_even(i128::from(quantity) * i128::from(price), i128::from(QUANTITY_UNIT))).ok()
}

/// Mean of `count` amounts that sum to `sum`, rounded half to even; 0 for none.
pub fn mean(sum: i128, count: u64) -> i64 {
    if count == 0 {
        return 0;
    }
    let mean = div_half_even(sum, i128::from(count));
    // A mean lies between the smallest and the largest amount, which are 64-bit.
    i64::try_from(mean).unwrap_or(if mean < 0 { i64::MIN } else { i64::MAX })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn decimals_are_read_exactly() {
        for (text, value) in [
            ("10.99", 109_900),
            ("0.0001", 1),
            ("-3", -30_000),
            ("1e3", 10_000_000),
            ("1.50E+2", 1_500_000),
            ("12e-4", 12),
            ("0.10000000", 1_000),
            ("0e999999", 0),
            ("922337203685477.5807", i64::MAX),
        ] {
            assert_eq!(parse_money(text), Ok(value), "{text}");
        }
    }

    #[test]
    fn what_is_not_exact_is_refused() {
        for text in ["", ".", "1.", ".5", "1,5", "NaN", "inf", "0x10", "1e", "1e+", "--1", " 1", "1 ", "١"] {
            assert_eq!(parse_money(text), Err(DecimalError::Malformed), "{text}");
        }
        assert_eq!(parse_money("0.00001"), Err(DecimalError::TooPrecise(4)));
        assert_eq!(parse_money("1e-5"), Err(DecimalError::TooPrecise(4)));
        for text in ["922337203685477.5808", "1e20", "1e999999999999999999999", "9".repeat(60).as_str()] {
            assert_eq!(parse_money(text), Err(DecimalError::TooLarge), "{text}");
        }
    }

    #[test]
    fn halves_round_to_even() {
        let rounded: Vec<i128> = [-25, -15, -5, 5, 15, 25, 26].iter().map(|n| div_half_even(*n, 10)).collect();
        assert_eq!(rounded, [-2, -2, 0, 0, 2, 2, 3]);
        assert_eq!(line_amount(2_000_000, 109_900), Some(219_800));
        assert_eq!(line_amount(500_000, 1), Some(0));
        assert_eq!(line_amount(1_500_000, 1), Some(2));
    }

    #[test]
    fn sums_wider_than_amounts_keep_every_digit() {
        assert_eq!(format_money(i128::from(i64::MAX) * 1_000 + 1), "922337203685477580.7001");
        assert_eq!(format_money(i64::MIN), "-922337203685477.5808");
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(value: i64) {
            prop_assert_eq!(parse_money(&format_money(value)), Ok(value));
            prop_assert_eq!(parse_quantity(&format_quantity(value)), Ok(value));
        }

        #[test]
        fn no_text_panics(text in "\\PC{0,40}") {
            let _ = parse_money(&text);
        }
    }
}
