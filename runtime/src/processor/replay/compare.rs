//! Two outcomes, field by field.

use super::{Outcome, kind};
use crate::RuntimeError;
use millrace_schemas::{Event, wire};
use serde::Serialize;
use serde_json::Value as Json;

/// Numbers that differ by no more are equal: another build may round otherwise.
const TOLERANCE: f64 = 1e-6;
/// Most fields told of one difference.
const FIELDS_MAX: usize = 50;

/// What is wrong with the outcome of one record.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Difference {
    /// Offset of the record in the journal.
    pub offset: i64,
    /// What is wrong.
    pub kind: Kind,
    /// What differs.
    pub fields: Vec<FieldDifference>,
}

/// How an outcome can be wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// There is none.
    Missing,
    /// There is another one.
    Doubled,
    /// There is no such record.
    MadeUp,
    /// It is recomputed otherwise.
    Different,
}

/// One field of an outcome that differs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FieldDifference {
    /// JSON pointer of the field; `outcome` for what the outcome is as a whole.
    pub name: String,
    /// What was written; null where there is nothing.
    pub written: Json,
    /// What is recomputed.
    pub recomputed: Json,
}

impl FieldDifference {
    /// The outcome as a whole.
    pub(super) fn outcome(written: Option<&str>, recomputed: Option<&str>) -> Self {
        let word = |word: Option<&str>| word.map_or(Json::Null, Json::from);
        Self { name: "outcome".to_owned(), written: word(written), recomputed: word(recomputed) }
    }
}

/// How two outcomes compare.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Comparison {
    pub(super) fields: Vec<FieldDifference>,
    /// Some numbers differ by a little.
    pub(super) is_rounded: bool,
    /// Some words meant for people differ.
    pub(super) is_reworded: bool,
}

/// Compares two outcomes of one record, but for fields that begin with one of `left_out`.
pub(super) fn compare<Out: Event>(
    written: &Outcome<Out>,
    recomputed: &Outcome<Out>,
    left_out: &[&str],
) -> Result<Comparison, RuntimeError> {
    let (is_letter, sides) = match (written, recomputed) {
        (Outcome::Emit(written), Outcome::Emit(recomputed)) => (false, sides(written, recomputed)?),
        (Outcome::Duplicate(written), Outcome::Duplicate(recomputed)) => (false, sides(written, recomputed)?),
        (Outcome::DeadLetter(written), Outcome::DeadLetter(recomputed)) => (true, sides(written, recomputed)?),
        _ => {
            let fields = vec![FieldDifference::outcome(Some(kind(written)), Some(kind(recomputed)))];
            return Ok(Comparison { fields, ..Comparison::default() });
        }
    };
    let mut comparison = Comparison::default();
    if let Some((written, recomputed)) = sides {
        comparison.visit(&mut String::new(), &written, &recomputed, &Leave { left_out, is_letter });
    }
    Ok(comparison)
}

/// Both as JSON, when their bytes differ.
fn sides<E: Event>(written: &E, recomputed: &E) -> Result<Option<(Json, Json)>, RuntimeError> {
    let defect = |error: &dyn std::fmt::Display| RuntimeError::Fatal(error.to_string());
    let datum = |event: &E| wire::datum(event).map_err(|error| defect(&error));
    if datum(written)? == datum(recomputed)? {
        return Ok(None);
    }
    let json = |event: &E| serde_json::to_value(event).map_err(|error| defect(&error));
    Ok(Some((json(written)?, json(recomputed)?)))
}

/// What is not compared.
struct Leave<'l> {
    left_out: &'l [&'l str],
    is_letter: bool,
}

impl Comparison {
    fn visit(&mut self, path: &mut String, written: &Json, recomputed: &Json, leave: &Leave<'_>) {
        if written == recomputed || leave.left_out.iter().any(|prefix| path.starts_with(prefix)) {
            return;
        }
        match (written, recomputed) {
            (Json::Object(left), Json::Object(right)) => {
                for name in left.keys().chain(right.keys().filter(|name| !left.contains_key(*name))) {
                    let side = |object: &serde_json::Map<String, Json>| object.get(name).cloned().unwrap_or_default();
                    self.descend(path, name, &side(left), &side(right), leave);
                }
            }
            (Json::Array(left), Json::Array(right)) => {
                for index in 0..left.len().max(right.len()) {
                    let side = |array: &[Json]| array.get(index).cloned().unwrap_or_default();
                    self.descend(path, &index.to_string(), &side(left), &side(right), leave);
                }
            }
            (Json::Number(left), Json::Number(right)) if nearly(left, right) => self.is_rounded = true,
            _ if leave.is_letter && path.ends_with("/message") => self.is_reworded = true,
            _ if self.fields.len() < FIELDS_MAX => self.fields.push(FieldDifference {
                name: path.clone(),
                written: written.clone(),
                recomputed: recomputed.clone(),
            }),
            _ => {}
        }
    }

    fn descend(&mut self, path: &mut String, name: &str, written: &Json, recomputed: &Json, leave: &Leave<'_>) {
        let length = path.len();
        path.push('/');
        path.push_str(name);
        self.visit(path, written, recomputed, leave);
        path.truncate(length);
    }
}

/// Integers, as money is, are equal or not.
fn nearly(left: &serde_json::Number, right: &serde_json::Number) -> bool {
    let is_whole = |number: &serde_json::Number| number.is_i64() || number.is_u64();
    if is_whole(left) && is_whole(right) {
        return false;
    }
    match (left.as_f64(), right.as_f64()) {
        (Some(left), Some(right)) => (left - right).abs() <= TOLERANCE,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn compared(written: &Json, recomputed: &Json, left_out: &[&str], is_letter: bool) -> Comparison {
        let mut comparison = Comparison::default();
        comparison.visit(&mut String::new(), written, recomputed, &Leave { left_out, is_letter });
        comparison
    }

    #[test]
    fn every_field_that_differs_is_named() {
        let written = json!({"a": 1, "b": {"c": [1, 2]}, "gone": true});
        let recomputed = json!({"a": 1, "b": {"c": [1, 3, 4]}, "new": null, "more": 5});
        let names: Vec<String> =
            compared(&written, &recomputed, &[], false).fields.into_iter().map(|field| field.name).collect();
        assert_eq!(names, ["/b/c/1", "/b/c/2", "/gone", "/more"]);
        assert_eq!(compared(&written, &recomputed, &["/b", "/gone", "/more"], false), Comparison::default());
    }

    #[test]
    fn fractions_may_differ_by_a_millionth_and_money_by_nothing() {
        let near = compared(&json!({"scoring": 0.5}), &json!({"scoring": 0.5000009}), &[], false);
        assert!(near.is_rounded && near.fields.is_empty());
        assert_eq!(compared(&json!({"scoring": 0.5}), &json!({"scoring": 0.500002}), &[], false).fields.len(), 1);
        assert_eq!(compared(&json!({"amount": 5}), &json!({"amount": 6}), &[], false).fields.len(), 1);
    }

    #[test]
    fn words_of_dead_letters_may_change_and_codes_may_not() {
        let letter = |code: &str, words: &str| json!({"code": code, "errors": [{"code": code, "message": words}]});
        let reworded = compared(&letter("a", "x"), &letter("a", "y"), &[], true);
        assert!(reworded.is_reworded && reworded.fields.is_empty());
        assert_eq!(compared(&letter("a", "x"), &letter("b", "x"), &[], true).fields.len(), 2);
        assert_eq!(compared(&letter("a", "x"), &letter("a", "y"), &[], false).fields.len(), 1);
    }
}
