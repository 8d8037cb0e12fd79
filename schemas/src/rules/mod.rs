//! What makes a journal event valid. The gateway applies these rules to what it parsed, the processors to what anyone produced
//! onto a journal directly, so both refuse the same things with the same codes.

mod card;
mod label;
mod matching;
mod path;
mod receipt;
mod transaction;

pub use card::{is_card_field_name, is_card_number, may_hold_card_data, mentions_card_number, names_card_field};
pub use path::{Path, Segment};

use crate::{
    event::{FieldError, Journal, Label, MatchInput, Receipt, Transaction},
    time::{DAY_MS, format_instant},
};
use std::{collections::BTreeMap, ops::RangeInclusive};

/// Longest id, in characters.
pub const ID_MAX: usize = 128;
/// Longest other text, in characters.
pub const TEXT_MAX: usize = 256;
/// Most unknown fields kept of one record or line.
pub const EXTRA_FIELDS_MAX: usize = 64;
/// Longest unknown field kept, as JSON text, in bytes.
pub const EXTRA_VALUE_MAX: usize = 4_096;
/// Largest amount, in ten-thousandths: a million million units. Leaves room for exact sums everywhere.
pub const AMOUNT_MAX: i64 = 1_000_000_000_000 * crate::money::MONEY_UNIT;
/// Largest quantity, in millionths: a thousand million units.
pub const QUANTITY_MAX: i64 = 1_000_000_000 * crate::money::QUANTITY_UNIT;
/// Most lines of a receipt.
pub const ITEMS_MAX: usize = 10_000;
/// Most customer segments of a transaction.
pub const SEGMENTS_MAX: usize = 64;
/// How many of a card's first digits are taken.
pub const CARD_BIN_DIGITS: RangeInclusive<usize> = 6..=8;
/// Largest risk score; the smallest is 0.
pub const RISK_MAX: f64 = 1.0;
/// Latitude of the poles, in degrees.
pub const LATITUDE_MAX: f64 = 90.0;
/// Longitude of the antimeridian, in degrees.
pub const LONGITUDE_MAX: f64 = 180.0;

/// Longest path told in an error, in characters: names of unknown fields are part of it.
const PATH_MAX: usize = 512;

/// One rule that a field breaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The field.
    pub path: Path,
    /// Stable code.
    pub code: &'static str,
    /// The rule in words, with the figures that break it.
    pub message: String,
}

impl Violation {
    /// A violation at a path.
    pub fn new(path: Path, code: &'static str, message: impl Into<String>) -> Self {
        Self { path, code, message: message.into() }
    }

    /// As events and JSON answers hold it: the path is a JSON pointer.
    pub fn to_field_error(&self) -> FieldError {
        let path = self.path.pointer().chars().take(PATH_MAX).collect();
        FieldError { path, code: self.code.to_owned(), message: self.message.clone() }
    }
}

/// The key that a record of an event must have: its owner's.
///
/// # Errors
/// What is wrong with the key, as a violation of the whole record.
pub fn check_key(key: Option<&[u8]>, event: &impl Journal) -> Result<(), Violation> {
    let owner = event.owner();
    let violation = |code, message| Err(Violation::new(Path::root(), code, message));
    match key {
        None => violation("null_key", format!("the record has no key; it must be {owner:?}")),
        Some(key) if key != owner.as_bytes() => {
            violation("key_mismatch", format!("the key is {:?} but must be {owner:?}", String::from_utf8_lossy(key)))
        }
        Some(_) => Ok(()),
    }
}

/// Limits that a deployment may set. Gateway and processors must be given the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// How far `occurred_at`, or a label's `decided_at`, may lie after the time of receipt, in milliseconds.
    pub ahead_max_ms: i64,
    /// How far the sum of a receipt's lines may lie from its total, in ten-thousandths.
    pub total_tolerance: i64,
}

impl Default for Rules {
    /// 24 hours ahead; one hundredth of a currency unit.
    fn default() -> Self {
        Self { ahead_max_ms: DAY_MS, total_tolerance: 100 }
    }
}

/// A journal event that has rules.
pub trait Checked: Journal {
    /// Every rule the event breaks, in the order of its fields; `received_at` is epoch milliseconds by the clock of whoever
    /// checks: the gateway's, or the broker's stamp of the record.
    fn check(&self, rules: &Rules, received_at: i64) -> Vec<Violation>;
}

impl Checked for Transaction {
    fn check(&self, rules: &Rules, received_at: i64) -> Vec<Violation> {
        let mut found = Found::default();
        transaction::check(self, &mut found);
        found.instant("timestamp", self.occurred_at, received_at, rules);
        found.0
    }
}

impl Checked for Receipt {
    fn check(&self, rules: &Rules, received_at: i64) -> Vec<Violation> {
        let mut found = Found::default();
        receipt::check(self, rules, &mut found);
        found.instant("timestamp", self.occurred_at, received_at, rules);
        found.0
    }
}

impl Checked for Label {
    fn check(&self, rules: &Rules, received_at: i64) -> Vec<Violation> {
        let mut found = Found::default();
        label::check(self, &mut found);
        found.instant("decided_at", self.decided_at, received_at, rules);
        found.0
    }
}

impl Checked for MatchInput {
    fn check(&self, _: &Rules, _: i64) -> Vec<Violation> {
        let mut found = Found::default();
        matching::check(self, &mut found);
        found.0
    }
}

/// Collects violations; the checks that several events share.
#[derive(Default)]
struct Found(Vec<Violation>);

impl Found {
    fn add(&mut self, path: Path, code: &'static str, message: impl Into<String>) {
        self.0.push(Violation::new(path, code, message));
    }

    /// A text of 1 to `max` characters, none of them a control character.
    fn text(&mut self, path: Path, value: &str, max: usize) {
        if value.is_empty() {
            self.add(path, "empty", "must not be empty");
        } else if value.chars().count() > max {
            self.add(path, "too_long", format!("must have at most {max} characters"));
        } else if value.chars().any(char::is_control) {
            self.add(path, "control_character", "must not contain control characters");
        }
    }

    fn optional_text(&mut self, path: Path, value: Option<&str>, max: usize) {
        if let Some(value) = value {
            self.text(path, value, max);
        }
    }

    fn currency(&mut self, code: &str) {
        if code.len() != 3 || iso_currency::Currency::from_code(code).is_none() {
            self.add(
                Path::field("currency"),
                "unknown_currency",
                "must be an ISO 4217 code such as EUR, in upper case",
            );
        }
    }

    fn within(&mut self, path: Path, value: Option<f64>, low: f64, high: f64) {
        if value.is_some_and(|value| !(low..=high).contains(&value)) {
            self.add(path, "out_of_range", format!("must lie between {low} and {high}"));
        }
    }

    fn money_within(&mut self, path: Path, value: i64) {
        if value.unsigned_abs() > AMOUNT_MAX.unsigned_abs() {
            self.add(path, "too_large", "must not exceed 1000000000000 currency units");
        }
    }

    fn instant(&mut self, field: &str, at: i64, received_at: i64, rules: &Rules) {
        let path = Path::field(field);
        if at < 0 {
            self.add(path, "timestamp_out_of_range", "must not lie before 1970-01-01T00:00:00Z");
        } else if at > received_at.saturating_add(rules.ahead_max_ms) {
            let message = format!(
                "must lie at most {} h after the time of receipt, {}",
                rules.ahead_max_ms / crate::time::HOUR_MS,
                format_instant(received_at)
            );
            self.add(path, "timestamp_in_future", message);
        }
    }

    /// Unknown fields: bounded, and no card data.
    fn extra(&mut self, at: &Path, extra: &BTreeMap<String, String>) {
        if extra.len() > EXTRA_FIELDS_MAX {
            self.add(
                at.clone(),
                "too_many_fields",
                format!("must have at most {EXTRA_FIELDS_MAX} fields besides the known ones"),
            );
        }
        for (name, value) in extra {
            let path = at.clone().then(name.as_str());
            if is_card_field_name(name) || names_card_field(value) || mentions_card_number(value) {
                self.add(
                    path,
                    "card_data",
                    "card numbers and security codes are not accepted; send a token in card_id",
                );
            } else if value.len() > EXTRA_VALUE_MAX || name.chars().count() > ID_MAX {
                self.add(path, "too_long", format!("an unknown field must have at most {EXTRA_VALUE_MAX} bytes"));
            }
        }
    }
}

#[cfg(test)]
mod tests;
