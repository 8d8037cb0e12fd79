//! Why a request is refused, and the problem (RFC 9457) that says so.

use crate::{admission::Full, context::Context, tree::BodyError};
use http::StatusCode;
use millrace_schemas::{contract::Problem, event::FieldError};
use std::time::Duration;

/// Why a request is refused as a whole.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("content-type is missing; send application/json, application/x-ndjson or application/xml")]
    NoMediaType,
    #[error("this content-type is not accepted; send application/json, application/x-ndjson or application/xml")]
    MediaType,
    #[error("this charset is not accepted; send UTF-8")]
    Charset,
    #[error("this content-encoding is not accepted; send gzip, zstd or none")]
    ContentEncoding,
    #[error("the body has more than {0} bytes")]
    BodyTooLarge(usize),
    #[error("the body has more than {0} bytes after decompression")]
    DecodedTooLarge(usize),
    #[error("the body does not follow its content-encoding, or is cut off")]
    BadEncoding,
    #[error("the body is cut off")]
    BodyCutOff,
    #[error("the body did not arrive within {} ms", .0.as_millis())]
    BodyTimeout(Duration),
    #[error("a query parameter is wrong: {0}")]
    Parameter(String),
    #[error("too many requests are in flight; try again")]
    Overloaded(Full),
    #[error(transparent)]
    Body(#[from] BodyError),
    #[error("there is nothing at this path")]
    NotFound,
    #[error("this method is not allowed here")]
    MethodNotAllowed,
    #[error("a defect of the gateway; the outcome is unknown, try again with the same id")]
    Internal,
}

impl Refusal {
    /// Status and stable code.
    pub fn kind(&self) -> (StatusCode, &'static str) {
        match self {
            Self::NoMediaType | Self::MediaType => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "media_type"),
            Self::Charset => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "charset"),
            Self::ContentEncoding => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "content_encoding"),
            Self::BodyTooLarge(_) | Self::DecodedTooLarge(_) => (StatusCode::PAYLOAD_TOO_LARGE, "body_too_large"),
            Self::BadEncoding => (StatusCode::BAD_REQUEST, "bad_encoding"),
            Self::BodyCutOff => (StatusCode::BAD_REQUEST, "body_cut_off"),
            Self::BodyTimeout(_) => (StatusCode::REQUEST_TIMEOUT, "body_timeout"),
            Self::Parameter(_) => (StatusCode::BAD_REQUEST, "bad_parameter"),
            Self::Overloaded(_) => (StatusCode::SERVICE_UNAVAILABLE, "overloaded"),
            Self::Body(error) => body_kind(error),
            Self::NotFound => (StatusCode::NOT_FOUND, "not_found"),
            Self::MethodNotAllowed => (StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed"),
            Self::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
        }
    }

    pub fn status(&self) -> StatusCode {
        self.kind().0
    }

    pub fn code(&self) -> &'static str {
        self.kind().1
    }

    /// Where in the body it is, for what has a place.
    pub fn errors(&self) -> Vec<FieldError> {
        let path = match self {
            Self::Body(BodyError::Root { place, .. }) => place.locate(&millrace_schemas::rules::Path::root()),
            Self::Body(BodyError::NotRecords | BodyError::NoItems) => String::new(),
            _ => return Vec::new(),
        };
        vec![FieldError { path, code: self.code().into(), message: self.to_string() }]
    }
}

fn body_kind(error: &BodyError) -> (StatusCode, &'static str) {
    match error {
        BodyError::Empty => (StatusCode::BAD_REQUEST, "empty_body"),
        BodyError::Malformed(_) => (StatusCode::BAD_REQUEST, "malformed"),
        BodyError::Doctype => (StatusCode::BAD_REQUEST, "doctype"),
        BodyError::Entity => (StatusCode::BAD_REQUEST, "entity"),
        BodyError::Encoding => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "charset"),
        BodyError::Root { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "unexpected_root"),
        BodyError::NotRecords => (StatusCode::UNPROCESSABLE_ENTITY, "wrong_type"),
        BodyError::NoItems => (StatusCode::UNPROCESSABLE_ENTITY, "no_items"),
        BodyError::TooManyItems(_) => (StatusCode::PAYLOAD_TOO_LARGE, "too_many_items"),
    }
}

/// A problem of this request.
pub(crate) fn problem<'a>(status: StatusCode, code: &'a str, detail: &'a str, context: &'a Context) -> Problem<'a> {
    let Context { request_id, received_at, .. } = context;
    Problem::new((status.as_u16(), status.canonical_reason()), code, detail, request_id, *received_at)
}
