//! How rows of a CSV file become transactions or receipts: a small declarative TOML file.
//!
//! The language is described for its users in `data/mappings/README.md`. What it cannot say is a named [`Derivation`], in code.

mod bind;
mod convert;
mod derive;
mod gather;

use std::path::{Path, PathBuf};

use indexmap::IndexMap;
use serde::Deserialize;

use crate::item::Kind;
pub(crate) use bind::Bound;
pub use derive::Derivation;
pub(crate) use gather::{Gathered, Gatherer};

/// A mapping as written. Unknown keys are refused.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mapping {
    /// What the rows become.
    pub kind: Kind,
    /// Character between cells.
    #[serde(default = "comma")]
    pub delimiter: char,
    /// Which rows make up one receipt; without it each row is an item of its own.
    pub group: Option<Group>,
    /// Fields of the item, in the order they go out.
    pub fields: IndexMap<String, FieldSpec>,
    /// Fields of one line of a receipt; each row gives one line.
    #[serde(default)]
    pub items: IndexMap<String, FieldSpec>,
}

/// Rows with the same value in a column are one receipt.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// The column.
    pub by: String,
    /// Rows of other receipts that may come between two rows of one; after so many rows without another of its own, a receipt is
    /// complete. 0: rows of a receipt are adjacent.
    #[serde(default)]
    pub within_rows: u64,
}

/// Where a field's value comes from and how it is written. Exactly one of `column`, `constant` and `sum` is given.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FieldSpec {
    /// Cell of this column. An empty cell leaves the field out, unless there is `otherwise`.
    pub column: Option<String>,
    /// The same text, integer or boolean in every item.
    pub constant: Option<Constant>,
    /// Exact sum over the receipt's rows of the product of these columns.
    pub sum: Option<Vec<String>>,
    /// Texts that replace a cell equal to the key.
    #[serde(default)]
    pub lookup: IndexMap<String, String>,
    /// Named derivation of a cell that `lookup` does not hold.
    pub derive: Option<Derivation>,
    /// Digits of a derivation that asks for them.
    pub digits: Option<u8>,
    /// Put before a copied or derived text.
    #[serde(default)]
    pub prefix: String,
    /// Text of last resort: the cell is empty, not in `lookup`, or nothing can be derived from it.
    pub otherwise: Option<String>,
    /// JSON type of the value.
    #[serde(default, rename = "as")]
    pub form: Form,
    /// Format of a date and time, in `strptime`'s notation; the value goes out in ISO 8601.
    pub time: Option<String>,
    /// Zone of that time. Without it the time goes out as local time, which the gateway reads in its own zone.
    pub zone: Option<String>,
}

/// A value that is the same in every item. A fraction is written as text with `as = "number"`, so that it stays exact.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum Constant {
    /// `true` or `false`.
    Boolean(bool),
    /// A whole number.
    Integer(i64),
    /// Text.
    Text(String),
}

/// JSON type of a value.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Form {
    /// A string.
    #[default]
    Text,
    /// A number with exactly the cell's digits.
    Number,
    /// `true` for `1` and `true`, `false` for `0` and `false`.
    Boolean,
}

fn comma() -> char {
    ','
}

/// Why a mapping cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum MappingError {
    /// A CSV file was given without one.
    #[error("a CSV file needs a mapping: name one with --mapping (see data/mappings)")]
    Missing,
    /// The mapping's file cannot be read.
    #[error("cannot read mapping {path}: {source}")]
    Io {
        /// File.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is not TOML, or has a key that is not known or missing.
    #[error("mapping {path}: {message}")]
    Syntax {
        /// File.
        path: PathBuf,
        /// What is wrong and where.
        message: String,
    },
    /// A field's parts contradict each other.
    #[error("field {field} of the mapping: {message}")]
    Field {
        /// Field.
        field: String,
        /// What is wrong.
        message: String,
    },
    /// The delimiter is not a single byte.
    #[error("the mapping's delimiter must be one ASCII character")]
    Delimiter,
    /// The file has no such column.
    #[error("the file has no column {column:?}, which the mapping's {field} needs; it has {header}")]
    Column {
        /// Column asked for.
        column: String,
        /// Field that asks.
        field: String,
        /// Columns there are.
        header: String,
    },
}

impl Mapping {
    /// Reads and checks a mapping.
    pub fn load(path: &Path) -> Result<Self, MappingError> {
        let text =
            std::fs::read_to_string(path).map_err(|source| MappingError::Io { path: path.to_owned(), source })?;
        let mapping: Mapping = toml::from_str(&text).map_err(|error| MappingError::Syntax {
            path: path.to_owned(),
            message: error.to_string().trim_end().to_owned(),
        })?;
        mapping.check()?;
        Ok(mapping)
    }

    /// Checks what TOML cannot.
    pub fn check(&self) -> Result<(), MappingError> {
        if !self.delimiter.is_ascii() {
            return Err(MappingError::Delimiter);
        }
        let in_items = self.items.iter().map(|(name, spec)| (name, spec, true));
        for (name, spec, in_items) in self.fields.iter().map(|(name, spec)| (name, spec, false)).chain(in_items) {
            let fail = |message: &str| Err(MappingError::Field { field: name.clone(), message: message.to_owned() });
            let sources = [spec.column.is_some(), spec.constant.is_some(), spec.sum.is_some()];
            if sources.iter().filter(|given| **given).count() != 1 {
                return fail("give exactly one of column, constant and sum");
            }
            let converts =
                !spec.lookup.is_empty() || spec.derive.is_some() || spec.otherwise.is_some() || !spec.prefix.is_empty();
            if spec.column.is_none() && (converts || spec.time.is_some()) {
                return fail("only a column can be looked up, derived from, prefixed or read as a time");
            }
            if spec.sum.is_some() && in_items {
                return fail("a sum is over a receipt's lines and cannot be a field of one");
            }
            if spec.zone.is_some() && spec.time.is_none() {
                return fail("a zone needs the time's format");
            }
            if spec.time.is_some() && spec.form != Form::Text {
                return fail("a time goes out as text");
            }
            let wants_digits = spec.derive.is_some_and(Derivation::wants_digits);
            if wants_digits != spec.digits.is_some() {
                return fail("leading_digits and hash_digits need digits, nothing else has them");
            }
            if spec.digits.is_some_and(|digits| !(1..=18).contains(&digits)) {
                return fail("digits must be 1 to 18");
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> String {
        let mapping: Mapping = match toml::from_str(text) {
            Ok(mapping) => mapping,
            Err(error) => return error.to_string(),
        };
        mapping.check().map_or_else(|error| error.to_string(), |()| "fine".to_owned())
    }

    #[test]
    fn contradictions_are_refused_with_the_field() {
        for (fields, message) in [
            ("a = { column = \"x\" }", "fine"),
            ("a = { column = \"x\", constant = 1 }", "field a of the mapping: give exactly one"),
            ("a = { as = \"number\" }", "give exactly one"),
            ("a = { constant = 1, prefix = \"p\" }", "only a column"),
            ("a = { column = \"x\", zone = \"UTC\" }", "a zone needs"),
            ("a = { column = \"x\", derive = \"leading_digits\" }", "need digits"),
            ("a = { column = \"x\", derive = \"slug\", digits = 2 }", "need digits"),
            ("a = { column = \"x\", derive = \"hash_digits\", digits = 0 }", "1 to 18"),
            ("a = { column = \"x\", time = \"%Y\", as = \"number\" }", "goes out as text"),
            ("a = { colunm = \"x\" }", "unknown field `colunm`"),
            ("a = { constant = 0.5 }", "did not match any variant"),
        ] {
            let result = check(&format!("kind = \"receipts\"\n[fields]\n{fields}\n"));
            assert!(result.contains(message), "{fields}: {result}");
        }
        let result = check("kind = \"receipts\"\n[fields]\n[items]\na = { sum = [\"x\"] }");
        assert!(result.contains("cannot be a field of one"), "{result}");
        assert!(check("kind = \"receipts\"\ndelimiter = \"→\"\n[fields]\n").contains("one ASCII"));
    }

    #[test]
    fn the_shipped_mappings_are_valid() {
        for name in ["online-retail", "sparkov"] {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../data/mappings/{name}.toml"));
            Mapping::load(&path).unwrap();
        }
    }
}
