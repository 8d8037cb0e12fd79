//! Why a question is not answered, as a problem (RFC 9457) in the gateway's form.

use crate::clickhouse::ClickHouseError;
use axum::{
    Json,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use millrace_runtime::clock::{Clock as _, SystemClock};
use millrace_schemas::contract;

/// A question that is not answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    status: StatusCode,
    code: &'static str,
    detail: String,
}

impl Problem {
    pub fn not_found(code: &'static str, detail: impl Into<String>) -> Self {
        Self { status: StatusCode::NOT_FOUND, code, detail: detail.into() }
    }

    /// An id that several owners use.
    pub fn ambiguous_id(detail: impl Into<String>) -> Self {
        Self { status: StatusCode::CONFLICT, code: "ambiguous_id", detail: detail.into() }
    }

    pub fn bad_parameter(detail: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, code: "bad_parameter", detail: detail.into() }
    }

    /// None of the formats that the caller takes.
    pub fn not_acceptable() -> Self {
        let detail =
            "send Accept with application/json, application/x-ndjson, text/csv, application/vnd.apache.parquet, \
                      application/vnd.apache.arrow.stream or application/vnd.apache.arrow.file"
                .to_owned();
        Self { status: StatusCode::NOT_ACCEPTABLE, code: "not_acceptable", detail }
    }

    /// The tables do not hold yet what the answer is to be of.
    pub fn behind(detail: impl Into<String>) -> Self {
        Self { status: StatusCode::PRECONDITION_FAILED, code: "behind", detail: detail.into() }
    }

    /// More than one answer may take.
    pub fn too_much(detail: impl Into<String>) -> Self {
        Self { status: StatusCode::UNPROCESSABLE_ENTITY, code: "too_much", detail: detail.into() }
    }

    /// Not now.
    pub fn unavailable(code: &'static str, detail: impl Into<String>) -> Self {
        Self { status: StatusCode::SERVICE_UNAVAILABLE, code, detail: detail.into() }
    }

    /// Every permit is taken.
    pub fn busy() -> Self {
        Self::unavailable("overloaded", "too many questions are being answered; try again")
    }

    /// What followed a position in the log is not there.
    pub fn gone(detail: impl Into<String>) -> Self {
        Self { status: StatusCode::GONE, code: "position_gone", detail: detail.into() }
    }

    /// The server's own words stay in the log: they may name tables and hosts.
    pub fn of(error: &ClickHouseError) -> Self {
        if error.is_transient() {
            tracing::warn!(error = %error, "a question is not answered");
            Self::unavailable("unavailable", "the tables cannot be read now; try again")
        } else {
            tracing::error!(error = %error, "a question cannot be answered");
            let detail = "a defect of the service, or tables that are not migrated".to_owned();
            Self { status: StatusCode::INTERNAL_SERVER_ERROR, code: "internal", detail }
        }
    }

    /// The same of a question with bounds: what it would take is for the caller to change.
    pub fn of_figures(error: &ClickHouseError) -> Self {
        match error.exceeded() {
            Some(what) => Self::too_much(format!(
                "the question takes more {what} than one may; ask for a shorter period, a longer interval, or fewer rows"
            )),
            None => Self::of(error),
        }
    }

    /// The log does not answer; its own words stay here.
    pub fn of_log(error: &str) -> Self {
        tracing::warn!(error, "a question to the log is not answered");
        Self::unavailable("unavailable", "the log cannot be read now; try again")
    }

    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// What is wrong and what can be done, for whoever asked.
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// The answer to a request with these headers.
    pub fn respond(&self, headers: &HeaderMap) -> Response {
        let request_id = headers.get("x-request-id").and_then(|id| id.to_str().ok()).unwrap_or_default();
        let status = (self.status.as_u16(), self.status.canonical_reason());
        let body = contract::Problem::new(status, self.code, &self.detail, request_id, SystemClock.now_ms());
        let content_type = HeaderValue::from_static("application/problem+json");
        (self.status, [(header::CONTENT_TYPE, content_type)], Json(body).into_response().into_body()).into_response()
    }
}
