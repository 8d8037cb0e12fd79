//! Heads of answers as a server writes them, and exceptions before a result or in the middle of one.

use std::convert::Infallible;

use bytes::Bytes;
use http::header::{self, HeaderName};
use http::{HeaderValue, Response, StatusCode};
use rand::RngExt;

use crate::app::App;
use crate::compression::Encoding;
use crate::database::OutputFormat;
use crate::exception::Exception;
use crate::ffi::Counts;
use crate::outgoing::ResponseBody;

const PLAIN_TEXT: &str = "text/plain; charset=UTF-8";
const EXPOSED: &str = "X-ClickHouse-Query-Id,X-ClickHouse-Summary,X-ClickHouse-Server-Display-Name,X-ClickHouse-Format,\
                       X-ClickHouse-Timezone,X-ClickHouse-Exception-Code,X-ClickHouse-Exception-Tag";
const TAG_LETTERS: usize = 16;

/// A short text.
pub(crate) fn text(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Response<ResponseBody> {
    let body = body.into();
    let mut response = Response::new(ResponseBody::Whole((!body.is_empty()).then_some(body)));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// `Ok.`, as a server says it.
pub(crate) fn ok() -> Response<ResponseBody> {
    text(StatusCode::OK, "text/html; charset=UTF-8", "Ok.\n")
}

/// What the headers of a result tell.
pub(crate) struct Head<'a> {
    pub(crate) query_id: &'a str,
    pub(crate) format: Option<&'a OutputFormat>,
    pub(crate) timezone: &'a str,
    pub(crate) encoding: Option<Encoding>,
    /// Empty while the statement runs.
    pub(crate) counts: Counts,
    pub(crate) seconds: f64,
    /// Marks the text of an exception within a result.
    pub(crate) tag: &'a str,
}

impl Head<'_> {
    /// The response with these headers.
    pub(crate) fn into_response(self, app: &App, body: ResponseBody) -> Response<ResponseBody> {
        let mut response = Response::new(body);
        let headers = response.headers_mut();
        let mut set = |name: HeaderName, value: &str| {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(name, value);
            }
        };
        set(header::CONTENT_TYPE, self.format.map_or(PLAIN_TEXT, |format| &format.content_type));
        if let Some(format) = self.format {
            set(HeaderName::from_static("x-clickhouse-format"), &format.name);
        }
        if let Some(encoding) = self.encoding {
            set(header::CONTENT_ENCODING, encoding.name());
        }
        set(HeaderName::from_static("x-clickhouse-timezone"), self.timezone);
        set(HeaderName::from_static("x-clickhouse-summary"), &summary(self.counts, self.seconds));
        set(HeaderName::from_static("x-clickhouse-exception-tag"), self.tag);
        common_headers(&mut set, app, self.query_id);
        response
    }
}

/// The answer to a statement that failed before any of its result was sent.
pub(crate) fn failure(app: &App, query_id: &str, exception: &Exception) -> Response<ResponseBody> {
    let body = format!("{}\n", exception.text(app.database.version()));
    let mut response = text(exception.status(), PLAIN_TEXT, body);
    let status = response.status();
    let headers = response.headers_mut();
    let mut set = |name: HeaderName, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    };
    set(HeaderName::from_static("x-clickhouse-exception-code"), &exception.code().to_string());
    if status == StatusCode::UNAUTHORIZED {
        set(header::WWW_AUTHENTICATE, "Basic realm=\"ClickHouse server HTTP API\"");
    }
    if status == StatusCode::SERVICE_UNAVAILABLE {
        set(header::RETRY_AFTER, "1");
    }
    common_headers(&mut set, app, query_id);
    response
}

fn common_headers(set: &mut impl FnMut(HeaderName, &str), app: &App, query_id: &str) {
    set(HeaderName::from_static("x-clickhouse-server-display-name"), app.database.host_name());
    set(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    if !query_id.is_empty() {
        set(HeaderName::from_static("x-clickhouse-query-id"), query_id);
    }
}

fn summary(c: Counts, seconds: f64) -> String {
    format!(
        r#"{{"read_rows":"{}","read_bytes":"{}","written_rows":"{}","written_bytes":"{}","total_rows_to_read":"0","result_rows":"{}","result_bytes":"{}","elapsed_ns":"{}","memory_usage":"0"}}"#,
        c.read_rows,
        c.read_bytes,
        c.written_rows,
        c.written_bytes,
        c.result_rows,
        c.result_bytes,
        (seconds * 1e9) as u64
    )
}

/// Random letters that no result holds by chance.
pub(crate) fn new_tag() -> String {
    let mut random = rand::rng();
    (0..TAG_LETTERS).map(|_| char::from(random.random_range(b'a'..=b'z'))).collect()
}

/// The text of an exception as it stands at the end of a result.
pub(crate) fn exception_block(app: &App, exception: &Exception, tag: &str) -> Vec<u8> {
    let message = exception.text(app.database.version());
    let length = message.len() + 1;
    format!("\r\n__exception__\r\n{tag}\r\n{message}\n{length} {tag}\r\n__exception__\r\n").into_bytes()
}

/// The service never fails: every error is an answer.
pub(crate) type Answer = Result<Response<ResponseBody>, Infallible>;
