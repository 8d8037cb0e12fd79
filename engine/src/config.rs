//! What an endpoint is started with.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::error::EngineError;

/// A text that never shows in logs, errors or `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a secret.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

/// The one user who may connect when a password is set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// Name of the user.
    pub user: String,
    /// The user's password.
    pub password: Secret,
}

/// Configuration of an endpoint. [`EngineConfig::new`] gives every limit its default.
#[derive(Debug, Clone)]
pub struct EngineConfig {
    /// Address to listen on; anything but loopback needs [`credentials`](Self::credentials).
    pub listen: SocketAddr,
    /// Directory of the databases, made when missing. One process uses it at a time.
    pub data_dir: PathBuf,
    /// Path of `libchdb.so`.
    pub library: PathBuf,
    /// Who may connect; `None` accepts any user and password, from this machine only.
    pub credentials: Option<Credentials>,
    /// Statements that run at a time; one more is answered with code 202 and status 503.
    pub max_concurrent_queries: usize,
    /// Connections open at a time; one more waits in the listener's queue.
    pub max_connections: usize,
    /// Sessions (`session_id`) kept at a time.
    pub max_sessions: usize,
    /// Size of a statement in bytes, without the rows of an insert.
    pub max_query_bytes: usize,
    /// Size of a request's body in bytes, before and after decompression: rows of one insert.
    pub max_body_bytes: u64,
    /// Size of a result in bytes that `wait_end_of_query=1` keeps back, in a file, until the query has ended.
    pub max_buffered_result_bytes: u64,
    /// Longest wait for a client: for a request's head, for the next piece of its body, for room to send the next piece
    /// of a result.
    pub idle_timeout: Duration,
    /// How long running statements may go on when the endpoint is told to stop; after that they are cancelled.
    pub drain_timeout: Duration,
    /// Memory in bytes the engine may use for queries; `None` leaves its own limit, nine tenths of the machine's.
    pub max_memory_bytes: Option<u64>,
    /// Whether the part an insert writes is on disk (`fsync`) before the insert is answered. Without it an answered
    /// insert survives a killed process, not a power failure.
    pub fsync_inserts: bool,
}

impl EngineConfig {
    /// A configuration with default limits and no password.
    pub fn new(listen: SocketAddr, data_dir: impl Into<PathBuf>, library: impl Into<PathBuf>) -> Self {
        Self {
            listen,
            data_dir: data_dir.into(),
            library: library.into(),
            credentials: None,
            max_concurrent_queries: 64,
            max_connections: 512,
            max_sessions: 1_000,
            max_query_bytes: 4 * 1024 * 1024,
            max_body_bytes: 64 * 1024 * 1024 * 1024,
            max_buffered_result_bytes: 4 * 1024 * 1024 * 1024,
            idle_timeout: Duration::from_secs(300),
            drain_timeout: Duration::from_secs(10),
            max_memory_bytes: None,
            fsync_inserts: true,
        }
    }

    /// Checks what the fields cannot express alone.
    pub(crate) fn validate(&self) -> Result<(), EngineError> {
        let wrong = |what: String| Err(EngineError::Config(what));
        if self.credentials.is_none() && !self.listen.ip().is_loopback() {
            return wrong(format!(
                "listening on {} lets other machines in: set a user and password, or listen on 127.0.0.1",
                self.listen
            ));
        }
        if self.credentials.as_ref().is_some_and(|c| c.user.is_empty() || c.password.expose().is_empty()) {
            return wrong("user and password must not be empty: give both, or neither for loopback only".to_owned());
        }
        let limits = [
            ("max_concurrent_queries", self.max_concurrent_queries as u64),
            ("max_connections", self.max_connections as u64),
            ("max_query_bytes", self.max_query_bytes as u64),
            ("max_body_bytes", self.max_body_bytes),
        ];
        match limits.iter().find(|(_, limit)| *limit == 0) {
            Some((name, _)) => wrong(format!("{name} is 0: nothing could be answered")),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(listen: &str) -> EngineConfig {
        EngineConfig::new(listen.parse().unwrap(), "/data", "/libchdb.so")
    }

    #[test]
    fn other_machines_need_a_password() {
        assert!(config("127.0.0.1:8123").validate().is_ok());
        assert!(config("[::1]:8123").validate().is_ok());
        let mut open = config("0.0.0.0:8123");
        assert!(open.validate().unwrap_err().to_string().contains("set a user and password"));
        open.credentials = Some(Credentials { user: "reader".into(), password: "long".into() });
        assert!(open.validate().is_ok());
    }

    #[test]
    fn a_password_shows_nowhere() {
        let mut config = config("127.0.0.1:8123");
        config.credentials = Some(Credentials { user: "reader".into(), password: "hunter2".into() });
        assert!(!format!("{config:?}").contains("hunter2"));
    }
}
