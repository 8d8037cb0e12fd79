//! A process as data: what to run, after what, how to tell that it is ready, how long it may take.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// One process for the [`crate::supervisor`].
#[derive(Clone, Debug)]
pub struct Spec {
    /// Its name in logs, state and commands; unique within a supervisor.
    pub name: String,
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<OsString>,
    /// Variables added to the supervisor's own environment.
    pub env: Vec<(String, String)>,
    /// The names of those that must be ready, or done, before it starts; it is stopped before they are.
    pub after: Vec<String>,
    /// What it is reached at, for people; empty when nothing reaches it.
    pub address: String,
    /// Whether it stays or ends, and by when.
    pub kind: Kind,
}

/// Whether a process stays or ends.
#[derive(Clone, Debug)]
pub enum Kind {
    /// Runs until it is stopped.
    Service {
        /// How to tell that it is ready.
        probe: Probe,
        /// How long it may take to be ready, before it counts as failed.
        ready_within: Duration,
        /// How long it may take to end after SIGTERM, before it is killed.
        stop_within: Duration,
    },
    /// Runs to its end, which must be a success, before those that wait for it start.
    Task {
        /// When this file exists already the work is done and nothing is run.
        unless: Option<PathBuf>,
        /// How long it may take.
        within: Duration,
    },
}

/// How to tell that a service is ready.
#[derive(Clone, Debug)]
pub enum Probe {
    /// A Kafka broker answers a request there.
    Kafka(SocketAddr),
    /// A GET of this address answers with a success.
    Http(String),
    /// Nothing to ask: it is ready once it runs.
    Runs,
}

impl Spec {
    /// A service that runs `program`; with a minute to be ready and 15 seconds to stop.
    pub fn service(name: &str, program: impl Into<PathBuf>, probe: Probe) -> Self {
        let kind = Kind::Service { probe, ready_within: Duration::from_secs(60), stop_within: Duration::from_secs(15) };
        Self::new(name, program.into(), kind)
    }

    /// A task that runs `program`, unless a file exists already; with two minutes for it.
    pub fn task(name: &str, program: impl Into<PathBuf>, unless: Option<PathBuf>) -> Self {
        Self::new(name, program.into(), Kind::Task { unless, within: Duration::from_secs(120) })
    }

    fn new(name: &str, program: PathBuf, kind: Kind) -> Self {
        let name = name.to_owned();
        Self { name, program, args: Vec::new(), env: Vec::new(), after: Vec::new(), address: String::new(), kind }
    }

    /// With one more argument.
    #[must_use]
    pub fn arg(mut self, arg: impl Into<OsString>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// With more arguments.
    #[must_use]
    pub fn args<A: Into<OsString>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// With one more variable in its environment.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl ToString) -> Self {
        self.env.push((name.to_owned(), value.to_string()));
        self
    }

    /// Started only after another is ready or done.
    #[must_use]
    pub fn after(mut self, name: &str) -> Self {
        self.after.push(name.to_owned());
        self
    }

    /// Reached at this address.
    #[must_use]
    pub fn at(mut self, address: impl ToString) -> Self {
        self.address = address.to_string();
        self
    }
}
