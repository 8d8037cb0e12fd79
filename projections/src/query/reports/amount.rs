//! How numbers are written: decimals keep exactly the digits they have, and are never read through a binary float.

use serde_json::Value as Json;

/// Fraction digits that amounts of a currency are written with at least.
pub(super) fn digits_of(currency: &str) -> usize {
    let known = iso_currency::Currency::from_code(currency);
    known.and_then(iso_currency::Currency::exponent).map_or(2, usize::from)
}

/// A number as answers have it, in decimal digits; `None` for null.
pub(super) fn decimal(value: &Json) -> Option<String> {
    match value {
        Json::Number(number) => Some(number.to_string()),
        Json::String(text) => Some(text.clone()),
        _ => None,
    }
}

/// Fraction digits that are needed to write a decimal whole.
pub(super) fn digits_needed(decimal: &str) -> usize {
    decimal.split_once('.').map_or(0, |(_, fraction)| fraction.trim_end_matches('0').len())
}

/// A decimal with groups of thousands and at least so many fraction digits: `-1,209,860.00`. No digit is dropped.
pub(super) fn grouped(decimal: &str, digits: usize) -> String {
    let (sign, plain) = decimal.strip_prefix('-').map_or(("", decimal), |rest| ("\u{2212}", rest));
    let (whole, fraction) = plain.split_once('.').unwrap_or((plain, ""));
    let fraction = fraction.trim_end_matches('0');
    let mut text = String::from(sign);
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    if digits.max(fraction.len()) > 0 {
        text.push('.');
        text.push_str(fraction);
        text.extend(std::iter::repeat_n('0', digits.saturating_sub(fraction.len())));
    }
    text
}

/// How many, with groups of thousands.
pub(super) fn count(number: u64) -> String {
    grouped(&number.to_string(), 0)
}

/// `1 purchase`, `2 purchases`.
pub(super) fn counted(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(number), if number == 1 { one } else { many })
}

/// Where a decimal lies on a scale; only for drawing.
pub(super) fn position(decimal: &str) -> f64 {
    decimal.parse().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_digit_is_kept_and_groups_are_of_three() {
        for (decimal, digits, text) in [
            ("0", 0, "0"),
            ("1209860", 2, "1,209,860.00"),
            ("-1234.5", 2, "\u{2212}1,234.50"),
            ("999.9999", 2, "999.9999"),
            ("12.3000", 0, "12.3"),
            ("92233720368547758070000.0001", 2, "92,233,720,368,547,758,070,000.0001"),
        ] {
            assert_eq!(grouped(decimal, digits), text);
        }
    }

    #[test]
    fn currencies_have_the_digits_that_people_write() {
        assert_eq!(["JPY", "EUR", "KWD", "???"].map(digits_of), [0, 2, 3, 2]);
    }
}
