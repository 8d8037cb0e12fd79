//! What a request asks for, read from its URL and headers. The names are those of ClickHouse's HTTP interface.

use std::time::Duration;

use http::request::Parts;
use http::{HeaderMap, Method, header};

use crate::compression::Encoding;
use crate::exception::{Exception, code};
use crate::ffi::Parameter;

/// Default and longest life of an idle session.
const SESSION_TIMEOUT: Duration = Duration::from_secs(60);
const MAX_SESSION_TIMEOUT: Duration = Duration::from_secs(3600);
const MAX_ID_BYTES: usize = 256;

/// URL parameters that are neither settings nor query parameters, and are read elsewhere or mean nothing here.
const RESERVED: [&str; 9] = [
    "user",
    "password",
    "quota_key",
    "stacktrace",
    "buffer_size",
    "client_protocol_version",
    "session_timeout",
    "session_check",
    "close_session",
];

/// A request for a statement to be run.
#[derive(Debug)]
pub(crate) struct QueryRequest {
    /// The part of the statement in the URL; the body follows on the next line.
    pub(crate) query: Vec<u8>,
    /// Given by the client, or random.
    pub(crate) query_id: String,
    pub(crate) database: Option<String>,
    pub(crate) default_format: Option<String>,
    pub(crate) settings: Vec<(String, String)>,
    pub(crate) parameters: Vec<Parameter>,
    pub(crate) session: Option<SessionRequest>,
    /// GET and HEAD may change nothing.
    pub(crate) read_only: bool,
    /// Outer and inner compression of the body.
    pub(crate) body_encoding: Option<Encoding>,
    pub(crate) body_blocks: bool,
    /// Outer and inner compression of the response.
    pub(crate) response_encoding: Option<Encoding>,
    pub(crate) response_blocks: bool,
    /// Keep the result back until the query has ended, so that an error is an error status.
    pub(crate) wait_end: bool,
}

/// The session a statement runs in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SessionRequest {
    pub(crate) id: String,
    pub(crate) timeout: Duration,
    /// The session must exist already.
    pub(crate) must_exist: bool,
    /// End it after the statement.
    pub(crate) close: bool,
}

impl QueryRequest {
    /// Reads URL and headers.
    ///
    /// # Errors
    /// A parameter has no meaning, or a way of sending the request is not supported.
    pub(crate) fn parse(parts: &Parts) -> Result<Self, Exception> {
        let pairs = url_pairs(parts);
        let last = |name: &str| pairs.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        let header = |name| text_header(&parts.headers, name);
        let compresses = |name: &str, default: bool| last(name).map_or(default, is_true);
        let body_encoding = Encoding::of_request(header(header::CONTENT_ENCODING.as_str()).unwrap_or_default());
        let body_encoding = body_encoding.map_err(|()| {
            Exception::new(
                code::NOT_IMPLEMENTED,
                "this Content-Encoding is not supported: use gzip, deflate, zstd or lz4",
            )
        })?;
        let accepted = header(header::ACCEPT_ENCODING.as_str()).and_then(Encoding::accepted);
        Ok(Self {
            query: last("query").unwrap_or_default().into(),
            query_id: query_id(last("query_id").or(header("x-clickhouse-query-id")))?,
            database: header("x-clickhouse-database")
                .or(last("database"))
                .filter(|name| !name.is_empty())
                .map(str::to_owned),
            default_format: header("x-clickhouse-format")
                .or(last("default_format"))
                .filter(|name| !name.is_empty())
                .map(str::to_owned),
            settings: settings(&pairs)?,
            parameters: pairs
                .iter()
                .filter_map(|(key, value)| Some((key.strip_prefix("param_")?.to_owned(), value.clone())))
                .collect(),
            session: session(&last)?,
            read_only: parts.method == Method::GET || parts.method == Method::HEAD,
            body_encoding,
            body_blocks: compresses("decompress", false),
            response_encoding: accepted.filter(|_| compresses("enable_http_compression", true)),
            response_blocks: compresses("compress", false),
            wait_end: compresses("wait_end_of_query", false) || compresses("http_wait_end_of_query", false),
        })
    }
}

/// Names and values in the URL, in order.
pub(crate) fn url_pairs(parts: &Parts) -> Vec<(String, String)> {
    let query = parts.uri.query().unwrap_or_default();
    form_urlencoded::parse(query.as_bytes()).into_owned().filter(|(key, _)| !key.is_empty()).collect()
}

/// A header that is text.
pub(crate) fn text_header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

fn is_true(value: &str) -> bool {
    value == "1" || value.eq_ignore_ascii_case("true")
}

fn query_id(given: Option<&str>) -> Result<String, Exception> {
    match given {
        None | Some("") => Ok(uuid::Uuid::new_v4().to_string()),
        Some(id) if id.len() <= MAX_ID_BYTES && id.bytes().all(|b| (b' '..0x7f).contains(&b)) => Ok(id.to_owned()),
        Some(_) => Err(Exception::new(
            code::BAD_ARGUMENTS,
            format_args!("query_id must be at most {MAX_ID_BYTES} printable ASCII characters"),
        )),
    }
}

/// Every parameter that is nothing else is a setting; whether it exists is for the engine to say.
fn settings(pairs: &[(String, String)]) -> Result<Vec<(String, String)>, Exception> {
    const READ_ABOVE: [&str; 8] = [
        "query",
        "query_id",
        "database",
        "default_format",
        "compress",
        "decompress",
        "wait_end_of_query",
        "session_id",
    ];
    let is_setting = |key: &str| !key.starts_with("param_") && !READ_ABOVE.contains(&key) && !RESERVED.contains(&key);
    let mut settings = Vec::new();
    for (key, value) in pairs.iter().filter(|(key, _)| is_setting(key)) {
        if !key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
            return Err(Exception::new(
                code::UNKNOWN_SETTING,
                format_args!("Unknown setting '{}'", key.escape_default()),
            ));
        }
        settings.push((key.clone(), value.clone()));
    }
    Ok(settings)
}

fn session<'a>(last: &impl Fn(&str) -> Option<&'a str>) -> Result<Option<SessionRequest>, Exception> {
    let Some(id) = last("session_id").filter(|id| !id.is_empty()) else { return Ok(None) };
    let invalid = |what: String| Exception::new(code::INVALID_SESSION_TIMEOUT, what);
    let timeout = match last("session_timeout") {
        None => SESSION_TIMEOUT,
        Some(text) => {
            let seconds =
                text.parse().map_err(|_| invalid(format!("Invalid session timeout: '{}'", text.escape_default())))?;
            Duration::from_secs(seconds)
        }
    };
    if timeout > MAX_SESSION_TIMEOUT {
        return Err(invalid(format!(
            "Session timeout {} is larger than {}",
            timeout.as_secs(),
            MAX_SESSION_TIMEOUT.as_secs()
        )));
    }
    if id.len() > MAX_ID_BYTES {
        return Err(Exception::new(
            code::BAD_ARGUMENTS,
            format_args!("session_id is longer than {MAX_ID_BYTES} bytes"),
        ));
    }
    let flag = |name| last(name).is_some_and(is_true);
    Ok(Some(SessionRequest {
        id: id.to_owned(),
        timeout,
        must_exist: flag("session_check"),
        close: flag("close_session"),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str, headers: &[(&str, &str)]) -> Result<QueryRequest, Exception> {
        let builder = http::Request::builder().method("POST").uri(url);
        let request = headers.iter().fold(builder, |builder, (name, value)| builder.header(*name, *value));
        QueryRequest::parse(&request.body(()).unwrap().into_parts().0)
    }

    #[test]
    fn a_url_is_taken_apart() {
        let url = "/?query=SELECT%20{x:Int8}&param_x=5&max_threads=2&database=d&compress=1&session_id=s&session_timeout=5&log_comment=a%26b&user=u";
        let request = parse(url, &[("accept-encoding", "gzip"), ("x-clickhouse-format", "JSON")]).unwrap();
        assert_eq!(request.query, b"SELECT {x:Int8}");
        assert_eq!(request.parameters, [("x".to_owned(), "5".to_owned())]);
        assert_eq!(
            request.settings,
            [("max_threads".to_owned(), "2".to_owned()), ("log_comment".to_owned(), "a&b".to_owned())]
        );
        assert_eq!((request.database.as_deref(), request.default_format.as_deref()), (Some("d"), Some("JSON")));
        assert_eq!((request.response_blocks, request.response_encoding), (true, Some(Encoding::Gzip)));
        assert_eq!(request.session.unwrap().timeout, Duration::from_secs(5));
    }

    #[test]
    fn what_cannot_be_is_refused_with_the_servers_code() {
        let code = |url: &str, headers: &[(&str, &str)]| parse(url, headers).err().map(|e| e.code());
        assert_eq!(code("/?session_id=a&session_timeout=4000", &[]), Some(374));
        assert_eq!(code("/?session_id=a&session_timeout=x", &[]), Some(374));
        assert_eq!(code("/?a;b=1", &[]), Some(115));
        assert_eq!(code("/?query_id=a%0Ab", &[]), Some(36));
        assert_eq!(code("/", &[("content-encoding", "br")]), Some(48));
        assert_eq!(code("/?&a=1", &[]), None);
    }

    #[test]
    fn compression_can_be_turned_off() {
        assert_eq!(
            parse("/?enable_http_compression=0", &[("accept-encoding", "gzip")]).unwrap().response_encoding,
            None
        );
    }
}
