//! Kinds of values in what clients send. They are read by the gateway's parser and judged by the rules; here they are only described.

use crate::{
    money::{MONEY_UNIT, QUANTITY_UNIT},
    rules::{AMOUNT_MAX, CARD_BIN_DIGITS, ID_MAX, QUANTITY_MAX, TEXT_MAX},
};
use schemars::JsonSchema;
use serde_json::Number;

const DECIMAL: &str = "^-?[0-9]+([.][0-9]+)?([eE][+-]?[0-9]+)?$";

/// An id, or a short text.
#[derive(JsonSchema)]
#[schemars(inline)]
pub struct Id(#[schemars(length(min = 1, max = ID_MAX))] pub String);

/// A longer text.
#[derive(JsonSchema)]
#[schemars(inline)]
pub struct Text(#[schemars(length(min = 1, max = TEXT_MAX))] pub String);

/// ISO 4217 code, upper case.
#[derive(JsonSchema)]
#[schemars(inline)]
pub struct Currency(#[schemars(regex(pattern = "^[A-Z]{3}$"))] pub String);

/// First digits of a card.
#[derive(JsonSchema)]
#[schemars(inline)]
pub struct CardBin(#[schemars(regex(pattern = card_bin()))] pub String);

fn card_bin() -> String {
    format!("^[0-9]{{{},{}}}$", CARD_BIN_DIGITS.start(), CARD_BIN_DIGITS.end())
}

/// A date and time, ISO 8601; without an offset it is read in the configured zone.
#[derive(JsonSchema)]
pub struct Timestamp(pub String);

/// An amount in units of the currency, with up to 4 digits after the point; as a text too.
#[derive(JsonSchema)]
#[schemars(untagged)]
pub enum Money {
    /// As a number.
    Number(#[schemars(range(min = -(AMOUNT_MAX / MONEY_UNIT), max = AMOUNT_MAX / MONEY_UNIT))] Number),
    /// As a text.
    Text(#[schemars(regex(pattern = DECIMAL))] String),
}

/// How many units, with up to 6 digits after the point; as a text too.
#[derive(JsonSchema)]
#[schemars(untagged)]
pub enum Quantity {
    /// As a number.
    Number(#[schemars(range(min = -(QUANTITY_MAX / QUANTITY_UNIT), max = QUANTITY_MAX / QUANTITY_UNIT))] Number),
    /// As a text.
    Text(#[schemars(regex(pattern = DECIMAL))] String),
}
