//! Problems, in the one form that all routes answer them in.

use super::told::Instant;
use crate::event::FieldError;
use schemars::JsonSchema;
use serde::Serialize;

/// Why a request is refused or a question not answered: RFC 9457.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Problem<'a> {
    /// URI of the kind of problem.
    #[serde(rename = "type")]
    pub kind: String,
    /// The status in words.
    pub title: &'static str,
    /// The answer's status.
    pub status: u16,
    /// What is wrong, and what to do.
    pub detail: &'a str,
    /// Stable code.
    pub code: &'a str,
    /// Id of the request, as in the header x-request-id.
    pub request_id: &'a str,
    /// Id across systems of the one item that was sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trn_id: Option<&'a str>,
    /// When the request came, or its answer was made.
    #[serde(with = "Instant")]
    pub timestamp: i64,
    /// Always `Error`.
    #[schemars(extend("const" = "Error"))]
    pub trn_status: &'static str,
    /// What is wrong with which field.
    #[serde(skip_serializing_if = "<[FieldError]>::is_empty")]
    pub errors: &'a [FieldError],
}

impl<'a> Problem<'a> {
    /// A problem with a status and the words for it, at a time in epoch milliseconds.
    pub fn new(
        (status, title): (u16, Option<&'static str>),
        code: &'a str,
        detail: &'a str,
        request_id: &'a str,
        timestamp: i64,
    ) -> Self {
        Self {
            kind: format!("urn:millrace:problem:{code}"),
            title: title.unwrap_or("Error"),
            status,
            detail,
            code,
            request_id,
            trn_id: None,
            timestamp,
            trn_status: "Error",
            errors: &[],
        }
    }
}
