//! Answers as JSON or XML, from the same values.

mod xml;

use crate::{
    context::{Context, TRACEPARENT, X_REQUEST_ID},
    problem::{Refusal, problem},
    tree::Format,
};
use axum::{
    body::Body,
    response::{IntoResponse as _, Response},
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use millrace_schemas::contract::Problem;
use serde::Serialize;

/// Format of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Render {
    Json,
    Xml,
}

impl Render {
    /// What `Accept` prefers of the two; else what was sent.
    pub fn negotiate(headers: &HeaderMap, sent: Option<Format>) -> Self {
        let accepted = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
        let mut best: Option<(Self, f32)> = None;
        for range in accepted.flat_map(|value| value.split(',')) {
            let mut parts = range.split(';').map(str::trim);
            let media = parts.next().unwrap_or_default().to_ascii_lowercase();
            let weight = parts.find_map(|part| part.strip_prefix("q=")?.parse().ok()).unwrap_or(1.0);
            let render = match media.as_str() {
                "application/json" | "application/problem+json" | "text/json" => Self::Json,
                "application/xml" | "text/xml" | "application/problem+xml" => Self::Xml,
                _ => continue,
            };
            if weight > 0.0 && best.is_none_or(|(_, heaviest)| weight > heaviest) {
                best = Some((render, weight));
            }
        }
        match (best, sent) {
            (Some((render, _)), _) => render,
            (None, Some(Format::Xml)) => Self::Xml,
            (None, Some(Format::Json | Format::Ndjson) | None) => Self::Json,
        }
    }
}

/// Element that an answer is in XML.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Root {
    /// One item.
    Result,
    /// A batch.
    Results,
    /// A receipt as stored.
    Receipt,
    /// A problem.
    Problem,
    /// A gateway's state.
    Health,
}

impl Root {
    fn element(self) -> (&'static str, Option<&'static str>) {
        match self {
            Self::Result => ("result", None),
            Self::Results => ("batch", None),
            Self::Receipt => ("receipt", None),
            // The namespace that RFC 9457 gives.
            Self::Problem => ("problem", Some("urn:ietf:rfc:7807")),
            Self::Health => ("health", None),
        }
    }

    fn media_type(self, render: Render) -> &'static str {
        match (self, render) {
            (Self::Problem, Render::Json) => "application/problem+json",
            (Self::Problem, Render::Xml) => "application/problem+xml",
            (_, Render::Json) => "application/json",
            (_, Render::Xml) => "application/xml",
        }
    }
}

/// An answer with its body.
pub(crate) fn respond<T: Serialize>(status: StatusCode, render: Render, root: Root, body: &T) -> Response {
    let bytes = match render {
        Render::Json => serde_json::to_vec(body),
        Render::Xml => serde_json::to_value(body).map(|value| xml::document(root.element(), &value)),
    };
    match bytes {
        Ok(bytes) => {
            let content_type = HeaderValue::from_static(root.media_type(render));
            (status, [(header::CONTENT_TYPE, content_type)], Body::from(bytes)).into_response()
        }
        Err(error) => {
            tracing::error!(error = %error, "an answer cannot be written");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// The problem that a refusal is.
pub(crate) fn refuse(refusal: &Refusal, render: Render, context: &Context) -> Response {
    let (detail, errors) = (refusal.to_string(), refusal.errors());
    let problem = Problem { errors: &errors, ..problem(refusal.status(), refusal.code(), &detail, context) };
    let mut response = respond(refusal.status(), render, Root::Problem, &problem);
    match refusal {
        Refusal::ContentEncoding => {
            response.headers_mut().insert(header::ACCEPT_ENCODING, HeaderValue::from_static("gzip, zstd"));
        }
        Refusal::NoMediaType | Refusal::MediaType | Refusal::Charset => {
            let accepted = HeaderValue::from_static("application/json, application/x-ndjson, application/xml");
            response.headers_mut().insert(HeaderName::from_static("accept-post"), accepted);
        }
        // What is left of the body may still be on its way.
        Refusal::BodyTooLarge(_) | Refusal::BodyTimeout(_) | Refusal::BodyCutOff => {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        _ => {}
    }
    response
}

/// What every answer to a request carries.
pub(crate) fn finish(mut response: Response, context: &Context, retry_after_s: u64) -> Response {
    let retry = response.status() == StatusCode::SERVICE_UNAVAILABLE;
    let headers = response.headers_mut();
    for (name, text) in [(X_REQUEST_ID, &context.request_id), (TRACEPARENT, &context.traceparent)] {
        if let Ok(value) = HeaderValue::from_str(text) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
    if retry {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(retry_after_s));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn negotiated(accept: &'static str, sent: Option<Format>) -> Render {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, HeaderValue::from_static(accept));
        Render::negotiate(&headers, sent)
    }

    #[test]
    fn the_answer_is_in_the_format_that_is_asked_for_or_was_sent() {
        assert_eq!(negotiated("application/xml", Some(Format::Json)), Render::Xml);
        assert_eq!(negotiated("application/xml;q=0.5, application/json", Some(Format::Xml)), Render::Json);
        assert_eq!(negotiated("application/json;q=0, */*", Some(Format::Xml)), Render::Xml);
        assert_eq!(negotiated("text/html", Some(Format::Xml)), Render::Xml);
        assert_eq!(Render::negotiate(&HeaderMap::new(), Some(Format::Ndjson)), Render::Json);
    }
}
