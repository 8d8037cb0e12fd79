//! Exact decimals, as texts and JSON write them.

use std::str::FromStr;

use rust_decimal::Decimal;
use serde_json::{Number, Value};

/// Reads a plain decimal exactly, up to 28 digits.
pub(crate) fn parse(cell: &str) -> Option<Decimal> {
    let plain = cell.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'-'));
    if plain { Decimal::from_str_exact(cell).ok() } else { None }
}

/// A decimal as a JSON number, without needless zeros.
pub(crate) fn number(value: Decimal) -> Option<Value> {
    Number::from_str(&value.normalize().to_string()).ok().map(Value::Number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_number_keeps_its_value(mantissa in -10i64.pow(15)..10i64.pow(15), scale in 0u32..9) {
            let exact = Decimal::new(mantissa, scale);
            let written = number(exact).unwrap().to_string();
            prop_assert_eq!(parse(&written), Some(exact));
        }
    }
}
