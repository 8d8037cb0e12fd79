//! Why an endpoint does not start, or did not stop cleanly. What a query does wrong is an answer, never one of these.

use std::io;
use std::path::PathBuf;

/// Errors of [`run`](crate::run).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// The configuration contradicts itself.
    #[error("engine configuration: {0}")]
    Config(String),
    /// libchdb cannot be loaded.
    #[error("cannot load libchdb from {path}: {source}; fetch it with `make parts`")]
    Library {
        /// The path that was tried.
        path: PathBuf,
        /// What the loader said.
        source: libloading::Error,
    },
    /// A file or directory of the endpoint's own cannot be used.
    #[error("cannot {action} {path}: {source}")]
    File {
        /// What was being done, as a verb.
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another process has the data directory.
    #[error("data directory {path} is used by process {owner}: stop that process, or choose another directory")]
    DataDirInUse {
        /// The data directory.
        path: PathBuf,
        /// Process id in the lock file.
        owner: String,
    },
    /// The engine does not open the data directory.
    #[error("the engine does not open {path}; it wrote the cause to standard error just before this line")]
    Open {
        /// The data directory.
        path: PathBuf,
    },
    /// The engine opened but does not answer a query about itself.
    #[error("the engine does not answer: {0}")]
    Engine(String),
    /// The listener failed.
    #[error("cannot accept connections on {listen}: {source}")]
    Listen {
        /// The address.
        listen: std::net::SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// Statements would not end when told to; the next start checks the data directory.
    #[error("{0} statements did not end within the time given to them; the next start will check the data directory")]
    StillRunning(usize),
}

impl EngineError {
    pub(crate) fn file(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { action, path, source }
    }
}
