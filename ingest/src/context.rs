//! Who sent a request, and the ids by which it is found again.

use axum::extract::Request;
use http::{HeaderMap, header};
use millrace_runtime::{Headers, clock::Ids, headers};
use std::net::SocketAddr;

/// Longest request id taken from a client.
const REQUEST_ID_MAX: usize = 128;
/// Most characters kept of a header or a path for the audit.
const KEPT_MAX: usize = 256;

pub(crate) const X_REQUEST_ID: &str = "x-request-id";
pub(crate) const TRACEPARENT: &str = "traceparent";

/// Address of the other end of a connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer(pub SocketAddr);

/// A request as it is known in answers, records, audit and logs.
#[derive(Debug, Clone)]
pub(crate) struct Context {
    pub request_id: String,
    pub traceparent: String,
    pub client: String,
    pub method: String,
    pub path: String,
    pub user_agent: Option<String>,
    pub content_type: Option<String>,
    pub content_encoding: Option<String>,
    /// Epoch milliseconds.
    pub received_at: i64,
}

impl Context {
    pub fn of(request: &Request, ids: &dyn Ids, received_at: i64) -> Self {
        let all = request.headers();
        Self {
            request_id: request_id(all).unwrap_or_else(|| ids.request_id().to_string()),
            traceparent: traceparent(all),
            client: request.extensions().get::<Peer>().map_or_else(String::new, |peer| peer.0.ip().to_string()),
            method: cut(request.method().as_str()),
            path: cut(request.uri().path()),
            user_agent: kept(all, header::USER_AGENT),
            content_type: kept(all, header::CONTENT_TYPE),
            content_encoding: kept(all, header::CONTENT_ENCODING),
            received_at,
        }
    }

    /// Headers of the records that this request appends.
    pub fn record_headers(&self, format: &str) -> Headers {
        Headers::new()
            .with(headers::REQUEST_ID, self.request_id.as_str())
            .with(headers::TRACEPARENT, self.traceparent.as_str())
            .with(headers::CLIENT, self.client.as_str())
            .with(headers::FORMAT, format)
    }
}

/// The client's own request id, when it is one: it becomes a key and a header of records.
fn request_id(headers: &HeaderMap) -> Option<String> {
    let id = headers.get(X_REQUEST_ID)?.to_str().ok()?;
    let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b':');
    ((1..=REQUEST_ID_MAX).contains(&id.len()) && id.bytes().all(good)).then(|| id.to_owned())
}

/// The gateway's own span in the client's trace, or in a new one (W3C Trace Context, version 00).
fn traceparent(headers: &HeaderMap) -> String {
    let sent = headers.get(TRACEPARENT).and_then(|value| value.to_str().ok()).and_then(parse);
    let span = loop {
        match rand::random::<u64>() {
            0 => {}
            span => break span,
        }
    };
    match sent {
        Some((trace, flags)) => format!("00-{trace}-{span:016x}-{flags}"),
        None => format!("00-{:032x}-{span:016x}-01", rand::random::<u128>().max(1)),
    }
}

/// Trace id and flags of a valid `traceparent`.
fn parse(text: &str) -> Option<(&str, &str)> {
    let (version, trace, span, flags) = (text.get(..2)?, text.get(3..35)?, text.get(36..52)?, text.get(53..55)?);
    let dashes = [2, 35, 52].iter().all(|at| text.as_bytes()[*at] == b'-');
    let length = if version == "00" { text.len() == 55 } else { text.len() == 55 || text.as_bytes()[55] == b'-' };
    let hex = |part: &str| part.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    let set = |part: &str| part.bytes().any(|b| b != b'0');
    let good = dashes && length && [version, trace, span, flags].into_iter().all(hex) && set(trace) && set(span);
    (good && version != "ff").then_some((trace, flags))
}

fn kept(headers: &HeaderMap, name: header::HeaderName) -> Option<String> {
    headers.get(name).map(|value| cut(&String::from_utf8_lossy(value.as_bytes())))
}

fn cut(text: &str) -> String {
    text.chars().take(KEPT_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn headers(name: &'static str, value: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(name, HeaderValue::from_str(value).expect("header"));
        headers
    }

    #[test]
    fn a_request_id_is_taken_only_when_it_is_one() {
        assert_eq!(request_id(&headers(X_REQUEST_ID, "order-7.a:1")), Some("order-7.a:1".into()));
        for bad in ["", "a b", "a\u{e9}", &"x".repeat(129)] {
            assert_eq!(request_id(&headers(X_REQUEST_ID, bad)), None, "{bad}");
        }
    }

    #[test]
    fn a_trace_goes_on_with_a_span_of_its_own() {
        let sent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";
        let own = traceparent(&headers(TRACEPARENT, sent));
        assert_eq!((&own[..36], &own[52..]), (&sent[..36], "-00"));
        assert_ne!(own, sent);
        assert!(parse(&own).is_some());
    }

    #[test]
    fn a_bad_traceparent_begins_a_new_trace() {
        for bad in [
            "",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
        ] {
            assert_eq!(parse(bad), None, "{bad}");
            assert!(parse(&traceparent(&headers(TRACEPARENT, bad))).is_some(), "{bad}");
        }
    }
}
