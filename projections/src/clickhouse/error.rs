//! What the server can answer instead of what was asked, split by what is to be done about it.

use millrace_runtime::sink::SinkError;

/// A query or insert that did not work.
#[derive(Debug, thiserror::Error)]
pub enum ClickHouseError {
    /// No answer: the server is down, the connection broke, or the deadline passed. What was sent may have taken effect.
    #[error("clickhouse does not answer: {0}")]
    Unreachable(String),
    /// The server answered with an error of its own.
    #[error("clickhouse refused it with code {code}: {message}")]
    Refused {
        /// ClickHouse's error code; 0 where the answer had none.
        code: u32,
        /// The server's words, cut.
        message: String,
    },
    /// The answer was not of the form asked for; client and server do not fit together.
    #[error("clickhouse's answer could not be read: {0}")]
    Unreadable(String),
    /// The configured database name is not a plain identifier.
    #[error(
        "clickhouse.database must be letters, digits and _, not begin with a digit and have at most 64 characters; it is {0:?}"
    )]
    BadDatabaseName(String),
}

/// Longest message of the server that is passed on, in bytes; its stack traces and query texts say nothing new.
const MESSAGE_MAX: usize = 500;

/// Codes that no retry of the same insert can change: the table, the column, the right or the setting is missing, or the
/// bytes are not what the table takes. Every other code may be the server's condition of the moment, and is tried again.
const PERMANENT: &[u32] = &[
    6,   // CANNOT_PARSE_TEXT
    10,  // NOT_FOUND_COLUMN_IN_BLOCK
    16,  // NO_SUCH_COLUMN_IN_TABLE
    26,  // CANNOT_PARSE_QUOTED_STRING
    27,  // CANNOT_PARSE_INPUT_ASSERTION_FAILED
    32,  // ATTEMPT_TO_READ_AFTER_EOF
    33,  // CANNOT_READ_ALL_DATA
    36,  // BAD_ARGUMENTS
    46,  // UNKNOWN_FUNCTION
    47,  // UNKNOWN_IDENTIFIER
    50,  // UNKNOWN_TYPE
    53,  // TYPE_MISMATCH
    60,  // UNKNOWN_TABLE
    62,  // SYNTAX_ERROR
    70,  // CANNOT_CONVERT_TYPE
    73,  // UNKNOWN_FORMAT
    81,  // UNKNOWN_DATABASE
    115, // UNKNOWN_SETTING
    117, // INCORRECT_DATA
    130, // CANNOT_READ_ARRAY_FROM_TEXT
    131, // TOO_LARGE_STRING_SIZE
    164, // READONLY
    192, // UNKNOWN_USER
    193, // WRONG_PASSWORD
    194, // REQUIRED_PASSWORD
    349, // CANNOT_INSERT_NULL_IN_ORDINARY_COLUMN
    407, // DECIMAL_OVERFLOW
    497, // ACCESS_DENIED
    516, // AUTHENTICATION_FAILED
];

/// Codes by which a server says that a part of a table cannot be read any more.
const DAMAGE: &[u32] = &[
    40,  // CHECKSUM_DOESNT_MATCH
    226, // NO_FILE_IN_DATA_PART
    228, // BAD_SIZE_OF_FILE_IN_DATA_PART
    246, // CORRUPTED_DATA
];

impl ClickHouseError {
    /// Whether the same thing may work later.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable(_) => true,
            Self::Refused { code, .. } => !PERMANENT.contains(code) && !DAMAGE.contains(code),
            Self::Unreadable(_) | Self::BadDatabaseName(_) => false,
        }
    }

    /// What a question took more of than it was given.
    pub fn exceeded(&self) -> Option<&'static str> {
        match self {
            Self::Refused { code: 158 | 396, .. } => Some("rows"),
            Self::Refused { code: 159, .. } => Some("time"),
            // The server's whole memory may be short as well, which is no fault of the question.
            Self::Refused { code: 241, message } if message.contains("uery memory limit") => Some("memory"),
            _ => None,
        }
    }

    /// Label in metrics.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Unreachable(_) => "unreachable",
            Self::Refused { .. } => "refused",
            Self::Unreadable(_) => "unreadable",
            Self::BadDatabaseName(_) => "configuration",
        }
    }

    /// Whether the server says that what it has stored is damaged.
    fn is_damage(&self) -> bool {
        matches!(self, Self::Refused { code, .. } if DAMAGE.contains(code))
    }

    /// The same as the runtime's loop takes it, with what was being done.
    pub(crate) fn into_sink_error(self, doing: &str) -> SinkError {
        let message = format!("{doing}: {self}");
        if self.is_damage() {
            return SinkError::Fatal(format!("{message}; the tables are damaged, rebuild the projection"));
        }
        if self.is_transient() { SinkError::Transient(message) } else { SinkError::Fatal(message) }
    }
}

impl From<clickhouse::error::Error> for ClickHouseError {
    fn from(error: clickhouse::error::Error) -> Self {
        use clickhouse::error::Error;
        match error {
            Error::Network(cause) => Self::Unreachable(cause.to_string()),
            Error::TimedOut => Self::Unreachable("the deadline passed".to_owned()),
            Error::BadResponse(text) => refused(&text),
            other => Self::Unreadable(other.to_string()),
        }
    }
}

/// The server's errors are text: `Code: 60. DB::Exception: Unknown table ...`.
fn refused(text: &str) -> ClickHouseError {
    let code = text
        .split_once("Code: ")
        .map(|(_, rest)| rest.split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default())
        .and_then(|digits| digits.parse().ok())
        .unwrap_or(0);
    let mut message = text.trim().to_owned();
    if message.len() > MESSAGE_MAX {
        let end = (0..=MESSAGE_MAX).rev().find(|end| message.is_char_boundary(*end)).unwrap_or(0);
        message.truncate(end);
        message.push_str(" ...");
    }
    ClickHouseError::Refused { code, message }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_decides_whether_to_try_again() {
        for (text, code, transient) in [
            ("Code: 252. DB::Exception: Too many parts", 252, true),
            ("Code: 241. DB::Exception: Memory limit exceeded", 241, true),
            ("Code: 60. DB::Exception: Unknown table", 60, false),
            ("Code: 516. DB::Exception: Authentication failed", 516, false),
            ("502 Bad Gateway", 0, true),
        ] {
            let error = refused(text);
            assert!(matches!(error, ClickHouseError::Refused { code: c, .. } if c == code), "{text}");
            assert_eq!(error.is_transient(), transient, "{text}");
        }
    }

    #[test]
    fn damaged_tables_are_to_be_rebuilt() {
        let error = refused("Code: 246. DB::Exception: Bad size of marks file").into_sink_error("reading the position");
        let SinkError::Fatal(message) = error else { panic!("{error:?}") };
        assert!(message.ends_with("rebuild the projection"), "{message}");
    }

    #[test]
    fn a_long_message_is_cut_between_characters() {
        let error = refused(&format!("Code: 62. DB::Exception: {}", "я".repeat(1_000)));
        let ClickHouseError::Refused { message, .. } = error else { panic!("refused") };
        assert!(message.len() <= MESSAGE_MAX + 4 && message.ends_with(" ..."), "{message}");
    }
}
