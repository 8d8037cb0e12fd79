//! One value to one type. JSON has types and they are kept to; XML's text is read as the type its field has.

use crate::tree::Value;
use jiff::tz::TimeZone;
use millrace_schemas::{
    event::LabelKind,
    money::{DecimalError, parse_decimal, parse_money, parse_quantity},
    time::{Instant, parse_instant},
};
use std::borrow::Cow;

/// Why a value is not of its field's type. Messages never hold the value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wrong {
    pub code: &'static str,
    pub message: String,
}

impl Wrong {
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    /// Of another type than the field's.
    pub fn kind(expected: &str, value: &Value<'_>) -> Self {
        Self::new("wrong_type", format!("must be {expected}, not {}", value.kind()))
    }
}

pub(super) fn text(value: &Value<'_>) -> Result<String, Wrong> {
    match value {
        Value::String(text) | Value::Text(text) => Ok(text.to_string()),
        other => Err(Wrong::kind("a string", other)),
    }
}

/// `10.99` or `"10.99"`, to ten-thousandths.
pub(super) fn money(value: &Value<'_>) -> Result<i64, Wrong> {
    decimal(value, parse_money)
}

/// `0.375` or `"0.375"`, to millionths.
pub(super) fn quantity(value: &Value<'_>) -> Result<i64, Wrong> {
    decimal(value, parse_quantity)
}

fn decimal(value: &Value<'_>, parse: fn(&str) -> Result<i64, DecimalError>) -> Result<i64, Wrong> {
    let digits = match value {
        Value::Number(digits) => digits,
        Value::String(text) => text.as_ref(),
        Value::Text(text) => text.trim_ascii(),
        other => return Err(Wrong::kind("a number such as 10.99, or a string of one", other)),
    };
    parse(digits).map_err(inexact)
}

pub(super) fn integer(value: &Value<'_>) -> Result<i32, Wrong> {
    let digits = match value {
        Value::Number(digits) => digits,
        Value::Text(text) => text.trim_ascii(),
        other => return Err(Wrong::kind("an integer", other)),
    };
    let wide = parse_decimal(digits, 0).map_err(|error| match error {
        DecimalError::TooPrecise(_) => Wrong::new("wrong_type", "must be an integer, without a fraction"),
        other => inexact(other),
    })?;
    i32::try_from(wide).map_err(|_| Wrong::new("too_large", "must be an integer of 32 bits"))
}

/// A number that need not be exact: a risk, a coordinate. Never NaN or infinite, and zero has one sign.
pub(super) fn number(value: &Value<'_>) -> Result<f64, Wrong> {
    let digits = match value {
        Value::Number(digits) => digits,
        Value::Text(text) => text.trim_ascii(),
        other => return Err(Wrong::kind("a number", other)),
    };
    let is_decimal =
        digits.starts_with(|c: char| c == '-' || c.is_ascii_digit()) && digits.ends_with(|c: char| c.is_ascii_digit());
    match digits.parse::<f64>() {
        Ok(number) if is_decimal && number.is_finite() => Ok(number + 0.0),
        Ok(_) if is_decimal => Err(Wrong::new("too_large", "is too large")),
        _ => Err(Wrong::new("not_a_number", "must be a decimal number")),
    }
}

pub(super) fn flag(value: &Value<'_>) -> Result<bool, Wrong> {
    match value {
        Value::Bool(flag) => Ok(*flag),
        Value::Text(text) => match text.trim_ascii() {
            "true" | "1" => Ok(true),
            "false" | "0" => Ok(false),
            _ => Err(Wrong::new("wrong_type", "must be true or false")),
        },
        other => Err(Wrong::kind("true or false", other)),
    }
}

pub(super) fn label(value: &Value<'_>) -> Result<LabelKind, Wrong> {
    let text: &str = match value {
        Value::String(text) => text,
        Value::Text(text) => text.trim_ascii(),
        other => return Err(Wrong::kind("a string", other)),
    };
    let known = LabelKind::ALL.into_iter().find(|kind| kind.name() == text);
    known.ok_or_else(|| {
        let names = LabelKind::ALL.map(LabelKind::name).join(", ");
        Wrong::new("unknown_label", format!("must be one of {names}"))
    })
}

pub(super) fn instant(value: &Value<'_>, zone: &TimeZone) -> Result<Instant, Wrong> {
    let text: Cow<'_, str> = match value {
        Value::String(text) => Cow::Borrowed(text),
        Value::Text(text) => Cow::Borrowed(text.trim_ascii()),
        other => return Err(Wrong::kind("a string with an ISO 8601 date and time", other)),
    };
    parse_instant(&text, zone).map_err(|error| Wrong::new("bad_timestamp", error.to_string()))
}

fn inexact(error: DecimalError) -> Wrong {
    match error {
        DecimalError::Malformed => Wrong::new("not_a_number", "must be a decimal number such as 10.99"),
        DecimalError::TooPrecise(digits) => {
            Wrong::new("too_precise", format!("must have at most {digits} fraction digits"))
        }
        DecimalError::TooLarge => Wrong::new("too_large", "is too large"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code<T: std::fmt::Debug>(result: Result<T, Wrong>) -> &'static str {
        result.expect_err("must be refused").code
    }

    #[test]
    fn money_is_the_same_as_number_string_and_text() {
        let text = Value::Text(" 10.99\n".into());
        for value in [Value::Number("10.99"), Value::String("10.99".into()), Value::Number("1099e-2"), text] {
            assert_eq!(money(&value), Ok(109_900), "{value:?}");
        }
    }

    #[test]
    fn what_is_not_exact_is_not_money() {
        assert_eq!(code(money(&Value::Number("0.00001"))), "too_precise");
        assert_eq!(code(money(&Value::Number("1e300"))), "too_large");
        assert_eq!(code(money(&Value::String("NaN".into()))), "not_a_number");
        assert_eq!(code(money(&Value::String(" 1".into()))), "not_a_number");
        assert_eq!(code(money(&Value::Bool(true))), "wrong_type");
    }

    #[test]
    fn numbers_are_finite_and_zero_is_one_number() {
        assert_eq!(number(&Value::Number("-0.0")).map(f64::to_bits), Ok(0.0f64.to_bits()));
        assert_eq!(number(&Value::Text("2.5e-1".into())), Ok(0.25));
        for text in ["NaN", "inf", "-Infinity", "", "0x1", "1.", ".5", "+1"] {
            assert_eq!(code(number(&Value::Text(text.into()))), "not_a_number", "{text}");
        }
        assert_eq!(code(number(&Value::Number("1e999"))), "too_large");
    }

    #[test]
    fn integers_have_no_fraction_and_32_bits() {
        assert_eq!(integer(&Value::Number("55")), Ok(55));
        assert_eq!(integer(&Value::Number("55.0")), Ok(55));
        assert_eq!(code(integer(&Value::Number("55.5"))), "wrong_type");
        assert_eq!(code(integer(&Value::Number("2147483648"))), "too_large");
        assert_eq!(code(integer(&Value::String("55".into()))), "wrong_type");
    }

    #[test]
    fn flags_are_words_or_digits_in_xml_only() {
        assert_eq!(flag(&Value::Text(" 1 ".into())), Ok(true));
        assert_eq!(flag(&Value::Text("false".into())), Ok(false));
        assert_eq!(code(flag(&Value::String("true".into()))), "wrong_type");
        assert_eq!(code(flag(&Value::Text("yes".into()))), "wrong_type");
    }
}
