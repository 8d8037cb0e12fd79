//! What may be kept of a refused text: card data never is.

use crate::parse::Held;
use millrace_schemas::rules::may_hold_card_data;

/// A card number with its separators: what lies across the cut is looked at too.
const OVERLAP: usize = 64;

const CARD_DATA: &[u8] = b"[not kept: card data]";
const UNSEARCHABLE: &[u8] = b"[not kept: its content encoding cannot be read, so it cannot be searched for card data]";

/// The bytes to keep of a refused text, at most `max`, and whether they are not all of it.
pub(super) fn kept(payload: &[u8], held: Held, max: usize) -> (Vec<u8>, bool) {
    let start = &payload[..payload.len().min(max)];
    let searched = &payload[..payload.len().min(max.saturating_add(OVERLAP))];
    match held {
        Held::CardData => (CARD_DATA.to_vec(), true),
        Held::Unsearchable => (UNSEARCHABLE.to_vec(), true),
        Held::Unknown if may_hold_card_data(searched) => (CARD_DATA.to_vec(), true),
        Held::Unknown | Held::Clean => (start.to_vec(), start.len() < payload.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_a_card_is_not_kept() {
        let utf16: Vec<u8> = "4111111111111111".encode_utf16().flat_map(u16::to_le_bytes).collect();
        for payload in [
            &b"{\"a\": 4111111111111111"[..],
            b"<x><card_number>1</card_number",
            b"cvv=123",
            &utf16,
            b"\xff4111 1111 1111 1111",
        ] {
            assert_eq!(kept(payload, Held::Unknown, 1_000), (CARD_DATA.to_vec(), true), "{payload:?}");
        }
    }

    #[test]
    fn a_number_across_the_cut_is_found() {
        assert_eq!(kept(b"1234 4111111111111111", Held::Unknown, 8).0, CARD_DATA);
    }

    #[test]
    fn other_texts_are_kept_up_to_the_limit() {
        assert_eq!(kept(b"{\"amount\": }", Held::Unknown, 1_000), (b"{\"amount\": }".to_vec(), false));
        assert_eq!(kept(b"0123456789", Held::Clean, 4), (b"0123".to_vec(), true));
        assert_eq!(kept(b"", Held::CardData, 4).0, CARD_DATA);
    }
}
