//! What can go wrong with the local stack, each said as a sentence with what to do about it.

use std::io;
use std::path::{Path, PathBuf};

use crate::{Home, files};

/// Result of everything here.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why the local stack could not do what was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// One of the fetched parts is not in the cache.
    #[error("{what} is not in {}: run `make parts`, or point MILLRACE_CACHE at a folder that has it", path.display())]
    PartMissing {
        /// The part.
        what: &'static str,
        /// Where it was looked for.
        path: PathBuf,
    },
    /// No Java is on the path, or it is too old to run the broker.
    #[error(
        "no Java was found to run the broker and the registry: run `make parts`, or set JAVA_HOME to a Java 17 or later"
    )]
    JavaMissing,
    /// `PORT_BASE` leaves no room for all ports.
    #[error("PORT_BASE is {0}: it must be between 1024 and {max}", max = crate::ports::BASE_MAX)]
    PortBase(u16),
    /// Another program listens where the stack wants to.
    #[error(
        "port {port}, wanted for {wanted_for}, is taken by {owner}: stop it, or move every port, for instance with `make up PORT_BASE=20000`"
    )]
    PortTaken {
        /// The port.
        port: u16,
        /// Which part wants it.
        wanted_for: String,
        /// Who has it, as far as this user may know.
        owner: String,
    },
    /// No free port was found for a sandbox.
    #[error("no {0} free ports were found on the loopback address: too many programs listen there")]
    NoFreePorts(usize),
    /// Nothing runs in this home.
    #[error("nothing is running in {}: start it with `make up`", home.display())]
    NotRunning {
        /// The stack's folder.
        home: PathBuf,
    },
    /// Another supervisor has the home.
    #[error("another supervisor is using {}: `make status` tells what it does, `make down` stops it", home.display())]
    Locked {
        /// The stack's folder.
        home: PathBuf,
    },
    /// The supervisor ended before everything was ready.
    #[error("{tail}\n(this is the end of {})", log.display())]
    SupervisorEnded {
        /// The end of its log.
        tail: String,
        /// Its log.
        log: PathBuf,
    },
    /// The supervisor did not stop although it was asked to and then killed.
    #[error("the supervisor (pid {pid}) does not end, not even when killed: look at it with `ps -p {pid}`")]
    WillNotStop {
        /// Its process id.
        pid: i32,
    },
    /// A process ended or never became ready.
    #[error("{name} {why}; its last lines are:\n{tail}\n(all of them: {})", log.display())]
    NotReady {
        /// The process.
        name: String,
        /// What happened to it.
        why: String,
        /// The end of its log.
        tail: String,
        /// Its log.
        log: PathBuf,
    },
    /// No process of that name is supervised.
    #[error("nothing is called {name}: there are {known}")]
    Unknown {
        /// The name asked for.
        name: String,
        /// The names there are.
        known: String,
    },
    /// Processes that wait for each other, or for one that does not exist.
    #[error("{name} can never start: it waits for {waits_for}")]
    Order {
        /// The process.
        name: String,
        /// What it waits for.
        waits_for: String,
    },
    /// The supervising thread is gone.
    #[error("the supervisor has ended already")]
    Ended,
    /// A file or folder could not be used.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The state file says something this version does not understand.
    #[error("cannot understand {}: {source}; if nothing of this stack runs, delete it", path.display())]
    StateUnreadable {
        /// The state file.
        path: PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },
}

impl Error {
    /// For a supervisor that ended while the stack was starting: what it said last is the reason.
    pub fn supervisor_ended(home: &Home) -> Self {
        let log = home.log("supervisor");
        let tail = files::tail(&log, 15).replace("millrace: ", "");
        let tail = if tail.is_empty() { "the supervisor ended without a word".to_owned() } else { tail };
        Self::SupervisorEnded { tail, log }
    }

    /// For a process that is not ready and should be: why, and the end of its log.
    pub fn not_ready(home: &Home, name: &str, why: &str) -> Self {
        let log = home.log(name);
        Self::NotReady { name: name.to_owned(), why: why.to_owned(), tail: files::tail(&log, 15), log }
    }

    /// For `map_err`: what was tried on which path.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
        let path = path.to_owned();
        move |source| Error::Io { action, path, source }
    }
}
