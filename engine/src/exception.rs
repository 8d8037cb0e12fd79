//! ClickHouse's exceptions as they go over HTTP: a number, a text that begins with it, a status that follows from it.

use std::fmt::Display;
use std::io;

use http::StatusCode;

/// A code with the engine's name for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Code(u32, &'static str);

/// The codes this endpoint raises itself; the engine has some thousand more.
pub(crate) mod code {
    use super::Code;

    pub(crate) const CANNOT_DECOMPRESS: Code = Code(271, "CANNOT_DECOMPRESS");
    pub(crate) const BAD_ARGUMENTS: Code = Code(36, "BAD_ARGUMENTS");
    pub(crate) const NOT_IMPLEMENTED: Code = Code(48, "NOT_IMPLEMENTED");
    pub(crate) const SYNTAX_ERROR: Code = Code(62, "SYNTAX_ERROR");
    pub(crate) const UNKNOWN_SETTING: Code = Code(115, "UNKNOWN_SETTING");
    pub(crate) const UNKNOWN_FORMAT: Code = Code(73, "UNKNOWN_FORMAT");
    pub(crate) const LOGICAL_ERROR: Code = Code(49, "LOGICAL_ERROR");
    pub(crate) const REQUIRED_PASSWORD: Code = Code(194, "REQUIRED_PASSWORD");
    pub(crate) const READONLY: Code = Code(164, "READONLY");
    pub(crate) const TOO_MANY_SIMULTANEOUS_QUERIES: Code = Code(202, "TOO_MANY_SIMULTANEOUS_QUERIES");
    pub(crate) const SOCKET_TIMEOUT: Code = Code(209, "SOCKET_TIMEOUT");
    pub(crate) const NETWORK_ERROR: Code = Code(210, "NETWORK_ERROR");
    pub(crate) const QUERY_IS_TOO_LARGE: Code = Code(229, "QUERY_IS_TOO_LARGE");
    pub(crate) const INTO_OUTFILE_NOT_ALLOWED: Code = Code(358, "INTO_OUTFILE_NOT_ALLOWED");
    pub(crate) const SESSION_NOT_FOUND: Code = Code(372, "SESSION_NOT_FOUND");
    pub(crate) const SESSION_IS_LOCKED: Code = Code(373, "SESSION_IS_LOCKED");
    pub(crate) const INVALID_SESSION_TIMEOUT: Code = Code(374, "INVALID_SESSION_TIMEOUT");
    pub(crate) const QUERY_WAS_CANCELLED: Code = Code(394, "QUERY_WAS_CANCELLED");
    pub(crate) const TOO_MANY_ROWS_OR_BYTES: Code = Code(396, "TOO_MANY_ROWS_OR_BYTES");
    pub(crate) const ACCESS_DENIED: Code = Code(497, "ACCESS_DENIED");
    pub(crate) const AUTHENTICATION_FAILED: Code = Code(516, "AUTHENTICATION_FAILED");
    pub(crate) const USER_SESSION_LIMIT_EXCEEDED: Code = Code(700, "USER_SESSION_LIMIT_EXCEEDED");
    pub(crate) const UNKNOWN_EXCEPTION: Code = Code(1002, "UNKNOWN_EXCEPTION");
}

/// An exception of the engine, or one raised by the endpoint in the engine's form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Exception {
    code: u32,
    /// `Code: N. DB::Exception: what happened. (NAME)`
    message: String,
}

impl Exception {
    /// One raised by the endpoint; `what` is a sentence without its full stop.
    pub(crate) fn new(Code(code, name): Code, what: impl Display) -> Self {
        Self { code, message: format!("Code: {code}. DB::Exception: {what}. ({name})") }
    }

    /// One the engine gave as text.
    pub(crate) fn from_engine(text: &str) -> Self {
        let text = text.trim_end();
        match text.strip_prefix("Code: ").and_then(|rest| rest.split('.').next()?.parse().ok()) {
            Some(code) => Self { code, message: text.to_owned() },
            None => Self::new(code::UNKNOWN_EXCEPTION, text.trim_end_matches('.')),
        }
    }

    /// The engine's number of the error.
    pub(crate) fn code(&self) -> u32 {
        self.code
    }

    /// The text with the engine's version, as a server ends it.
    pub(crate) fn text(&self, version: &str) -> String {
        if self.message.contains("(version ") {
            return self.message.clone();
        }
        format!("{} (version {version})", self.message)
    }

    /// The status a server answers with when nothing of the result has been sent.
    pub(crate) fn status(&self) -> StatusCode {
        match self.code {
            // REQUIRED_PASSWORD
            194 => StatusCode::UNAUTHORIZED,
            // UNKNOWN_USER, WRONG_PASSWORD, ACCESS_DENIED, SET_NON_GRANTED_ROLE, AUTHENTICATION_FAILED
            192 | 193 | 497 | 512 | 516 => StatusCode::FORBIDDEN,
            // The CANNOT_PARSE_ family
            6 | 25 | 26 | 27 | 38 | 41 | 72 | 376 | 441 | 675 | 676 => StatusCode::BAD_REQUEST,
            // THERE_IS_NO_COLUMN, DUPLICATE_COLUMN, BAD_ARGUMENTS, UNKNOWN_ELEMENT_IN_AST, ILLEGAL_COLUMN, TYPE_MISMATCH,
            // SYNTAX_ERROR, INCORRECT_DATA, UNKNOWN_TYPE_OF_AST_NODE, TOO_DEEP_AST, TOO_BIG_AST, UNEXPECTED_AST_STRUCTURE,
            // VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE, CANNOT_COMPILE_REGEXP
            8 | 15 | 36 | 37 | 44 | 53 | 62 | 117 | 123 | 167 | 168 | 223 | 321 | 427 => StatusCode::BAD_REQUEST,
            // The UNKNOWN_ family: FUNCTION, IDENTIFIER, TYPE, STORAGE, TABLE, AGGREGATE_FUNCTION, FORMAT, TYPE_OF_QUERY,
            // DATABASE, SETTING, DIRECTION_OF_SORTING, DATABASE_ENGINE, ROLE
            46 | 47 | 50 | 56 | 60 | 63 | 73 | 78 | 81 | 115 | 152 | 336 | 511 => StatusCode::NOT_FOUND,
            // QUERY_IS_TOO_LARGE
            229 => StatusCode::PAYLOAD_TOO_LARGE,
            // NOT_IMPLEMENTED
            48 => StatusCode::NOT_IMPLEMENTED,
            // TIMEOUT_EXCEEDED
            159 => StatusCode::REQUEST_TIMEOUT,
            // UNSUPPORTED_MEDIA_TYPE
            779 => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            // CANNOT_OPEN_FILE, SOCKET_TIMEOUT, CANNOT_SCHEDULE_TASK; and TOO_MANY_SIMULTANEOUS_QUERIES, for which a server
            // says 500: clients repeat a request after 503.
            76 | 202 | 209 | 439 => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

/// A request body that broke off, was too slow or would not decompress.
impl From<io::Error> for Exception {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::TimedOut => Self::new(code::SOCKET_TIMEOUT, error),
            io::ErrorKind::ConnectionReset => Self::new(code::NETWORK_ERROR, error),
            io::ErrorKind::FileTooLarge => Self::new(code::QUERY_IS_TOO_LARGE, error),
            io::ErrorKind::ConnectionAborted => Self::new(code::QUERY_WAS_CANCELLED, "Query was cancelled"),
            // The kinds above are those of the body itself; all others come from a decompression.
            _ => Self::new(
                code::CANNOT_DECOMPRESS,
                format_args!("the request body is not compressed as it says: {error}"),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_engines_text_keeps_its_code_and_gets_the_version_once() {
        let exception = Exception::from_engine("Code: 60. DB::Exception: Table a.b does not exist. (UNKNOWN_TABLE)\n");
        assert_eq!(exception.code(), 60);
        assert_eq!(exception.status(), StatusCode::NOT_FOUND);
        let text = exception.text("26.7");
        assert_eq!(text, "Code: 60. DB::Exception: Table a.b does not exist. (UNKNOWN_TABLE) (version 26.7)");
        assert_eq!(Exception::from_engine(&text).text("26.7"), text);
    }

    #[test]
    fn a_text_without_a_number_is_an_unknown_exception() {
        let exception = Exception::from_engine("Streaming insert failed.");
        assert_eq!(exception.code(), 1002);
        assert_eq!(
            exception.text("1"),
            "Code: 1002. DB::Exception: Streaming insert failed. (UNKNOWN_EXCEPTION) (version 1)"
        );
        assert_eq!(exception.status(), StatusCode::INTERNAL_SERVER_ERROR);
    }
}
