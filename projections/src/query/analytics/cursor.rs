//! Where a page ended: the order's values in its last row, and what the pages are of. Opaque to callers, and trusted in nothing.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};

/// Longest cursor there is.
const LENGTH_MAX: usize = 16_384;

/// The end of a page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Cursor {
    /// Values of the columns that rows are ordered by, in the last row.
    #[serde(rename = "v")]
    pub values: Vec<String>,
    /// The period that all pages are of, epoch milliseconds; also where none was asked for.
    #[serde(rename = "p")]
    pub period: Option<(i64, i64)>,
    /// Hash of everything else that was asked.
    #[serde(rename = "q")]
    pub question: String,
}

impl Cursor {
    /// Reads what [`write`](Self::write) gave.
    ///
    /// # Errors
    /// When it is nothing that an answer had.
    pub fn read(text: &str) -> Result<Self, String> {
        let bad = || "cursor is none that an answer of this service had".to_owned();
        if text.len() > LENGTH_MAX {
            return Err(bad());
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| bad())?;
        serde_json::from_slice(&bytes).map_err(|_| bad())
    }

    /// As answers have it.
    pub fn write(&self) -> String {
        URL_SAFE_NO_PAD.encode(serde_json::to_vec(self).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_what_it_was_and_nothing_else_is_one() {
        let cursor = Cursor { values: vec!["10.5".into(), "p/1".into()], period: Some((1, 2)), question: "x".into() };
        assert_eq!(Cursor::read(&cursor.write()), Ok(cursor));
        for bad in ["", "e30", "!", "bnVsbA", &"A".repeat(LENGTH_MAX + 1)] {
            assert!(Cursor::read(bad).is_err(), "{bad}");
        }
    }
}
