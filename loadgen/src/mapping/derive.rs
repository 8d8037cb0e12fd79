//! The derivations a mapping can name.

use serde::Deserialize;
use sha2::{Digest, Sha256};

/// A text computed from a cell. The same cell gives the same text on every machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Derivation {
    /// Lower case, with each run of other characters than ASCII letters and digits as one `-`; apostrophes are dropped.
    Slug,
    /// The first `digits` characters, when the cell starts with five digits or more.
    LeadingDigits,
    /// `digits` decimal digits out of a hash of the cell: an identifier that looks real and isn't.
    HashDigits,
    /// An address in `10.0.0.0/8` out of a hash of the cell.
    HashIpv4,
}

impl Derivation {
    /// Whether it needs a number of digits.
    pub fn wants_digits(self) -> bool {
        matches!(self, Derivation::LeadingDigits | Derivation::HashDigits)
    }

    /// Derives a text; `None` when the cell gives none.
    pub fn apply(self, cell: &str, digits: u8) -> Option<String> {
        match self {
            Derivation::Slug => slug(cell),
            Derivation::LeadingDigits => leading_digits(cell, usize::from(digits)),
            Derivation::HashDigits => {
                let number = u64::from_be_bytes(hash(cell)) % 10u64.pow(u32::from(digits));
                Some(format!("{number:0width$}", width = usize::from(digits)))
            }
            Derivation::HashIpv4 => {
                let [a, b, c, ..] = hash(cell);
                Some(format!("10.{a}.{b}.{c}"))
            }
        }
    }
}

fn slug(cell: &str) -> Option<String> {
    let mut slug = String::with_capacity(cell.len());
    for character in cell.chars().filter(|character| *character != '\'') {
        if character.is_ascii_alphanumeric() {
            slug.push(character.to_ascii_lowercase());
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
    }
    slug.truncate(slug.trim_end_matches('-').len());
    (!slug.is_empty()).then_some(slug)
}

/// A code of goods starts with a number of at least five digits; others (postage, fees) don't.
fn leading_digits(cell: &str, digits: usize) -> Option<String> {
    let run = cell.bytes().take_while(u8::is_ascii_digit).count();
    (run >= digits.max(5)).then(|| cell[..digits].to_owned())
}

/// First eight bytes of SHA-256.
fn hash(cell: &str) -> [u8; 8] {
    let digest = Sha256::digest(cell.as_bytes());
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&digest[..8]);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slugs_are_plain() {
        for (cell, slug) in [
            ("United Kingdom", Some("united-kingdom")),
            ("Streich, Hansen and Veum", Some("streich-hansen-and-veum")),
            ("  O'Keefe--Wisoky. ", Some("okeefe-wisoky")),
            ("Zürich", Some("z-rich")),
            ("—", None),
        ] {
            assert_eq!(Derivation::Slug.apply(cell, 0).as_deref(), slug, "{cell}");
        }
    }

    #[test]
    fn only_codes_of_goods_have_leading_digits() {
        for (cell, digits) in
            [("85123A", Some("85")), ("22633", Some("22")), ("POST", None), ("C2", None), ("1234", None)]
        {
            assert_eq!(Derivation::LeadingDigits.apply(cell, 2).as_deref(), digits, "{cell}");
        }
    }

    #[test]
    fn hashes_stay_what_they_are() {
        // printf 62 | sha256sum
        assert_eq!(Derivation::HashIpv4.apply("62", 0).as_deref(), Some("10.129.184.160"));
        assert_eq!(Derivation::HashDigits.apply("62", 5).as_deref(), Some("43068"));
    }
}
