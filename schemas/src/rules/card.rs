//! Card data is never taken in: what a field is called, and numbers that pass the Luhn check.

/// Names of fields that hold card data, in lower case without separators.
const CARD_FIELDS: &[&str] = &[
    "cardnumber",
    "cardno",
    "cardnum",
    "ccnumber",
    "ccnum",
    "creditcard",
    "creditcardnumber",
    "debitcardnumber",
    "pan",
    "primaryaccountnumber",
    "cvv",
    "cvv2",
    "cvc",
    "cvc2",
    "cid",
    "csc",
    "cardcvv",
    "cardcvc",
    "securitycode",
    "cardsecuritycode",
    "cardverificationvalue",
    "cardverificationcode",
    "track1",
    "track2",
    "trackdata",
    "pin",
    "pinblock",
    "cardpin",
];

/// Longest word that could be the name of a field with card data.
const NAME_MAX: usize = 40;

/// Whether a field of this name would hold card data: `card_number`, `CardNumber`, `PAN`, `cvv`...
pub fn is_card_field_name(name: &str) -> bool {
    let plain: String = name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
    CARD_FIELDS.contains(&plain.as_str())
}

/// Whether the text is a card number: 13 to 19 digits that pass the Luhn check, single spaces or dashes between them allowed.
pub fn is_card_number(text: &str) -> bool {
    let digits: Vec<u8> = text.bytes().filter(|b| !matches!(b, b' ' | b'-')).collect();
    (13..=19).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit) && luhn(&digits)
}

/// Whether a card number stands anywhere in the text, as a run of digits of its own.
pub fn mentions_card_number(text: &str) -> bool {
    let bytes = text.as_bytes();
    let mut start = 0;
    while start < bytes.len() {
        if !bytes[start].is_ascii_digit() {
            start += 1;
            continue;
        }
        let end = run_end(bytes, start);
        // A longer run of groups may hold a number and more: try the groups' edges too.
        if is_card_number(&text[start..end]) || text[start..end].split([' ', '-']).any(is_card_number) {
            return true;
        }
        start = end;
    }
    false
}

/// Whether a JSON text names a field that would hold card data, at any depth.
pub fn names_card_field(json: &str) -> bool {
    fn names(value: &serde_json::Value) -> bool {
        match value {
            serde_json::Value::Object(fields) => {
                fields.iter().any(|(name, value)| is_card_field_name(name) || names(value))
            }
            serde_json::Value::Array(values) => values.iter().any(names),
            _ => false,
        }
    }
    serde_json::from_str(json).is_ok_and(|value| names(&value))
}

/// Whether bytes of unknown structure may hold card data. It may say so wrongly, but lets nothing through that looks like a card.
/// Bytes of value 0, which UTF-16 has between digits, are passed over.
pub fn may_hold_card_data(bytes: &[u8]) -> bool {
    let text: String = String::from_utf8_lossy(bytes).chars().filter(|c| *c != '\0').collect();
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    mentions_card_number(&text)
        || text.split(|c| !is_word(c)).any(|word| (3..=NAME_MAX).contains(&word.len()) && is_card_field_name(word))
}

/// End of the run of digits, with single separators between digits, that begins at `start`.
fn run_end(bytes: &[u8], start: usize) -> usize {
    let mut end = start;
    while end < bytes.len() {
        let separator_within =
            matches!(bytes[end], b' ' | b'-') && end + 1 < bytes.len() && bytes[end + 1].is_ascii_digit();
        if !bytes[end].is_ascii_digit() && !separator_within {
            break;
        }
        end += 1;
    }
    end
}

/// ISO/IEC 7812-1 annex B: every second digit from the right doubled, digit sums added, a multiple of ten.
fn luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(position, digit)| {
            let value = u32::from(digit - b'0') * if position % 2 == 1 { 2 } else { 1 };
            if value > 9 { value - 9 } else { value }
        })
        .sum();
    sum.is_multiple_of(10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_card_fields_are_known_however_they_are_written() {
        for name in ["card_number", "CardNumber", "PAN", "cvv", "CVC2", "card-number", "track2"] {
            assert!(is_card_field_name(name), "{name}");
        }
        for name in ["card_id", "card_bin", "card_type", "company", "expand", "pinned"] {
            assert!(!is_card_field_name(name), "{name}");
        }
    }

    #[test]
    fn nested_fields_are_looked_at() {
        assert!(names_card_field(r#"{"payment": [{"cvv": 1}]}"#));
        assert!(!names_card_field(r#"{"payment": ["cvv"]}"#));
    }

    #[test]
    fn card_numbers_are_found_in_text() {
        for text in [
            "4111111111111111",
            "\"4111 1111 1111 1111\"",
            "{\"a\":[5500-0000-0000-0004]}",
            "paid by 4111111111111111 on 3",
        ] {
            assert!(mentions_card_number(text), "{text}");
        }
        for text in ["4111111111111112", "123456789012", "41111111111111111111111", "1.5", ""] {
            assert!(!mentions_card_number(text), "{text}");
        }
    }
}
