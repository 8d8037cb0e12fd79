//! The threads the engine runs on reach the data directory and little else.
//!
//! An embedded engine takes its user for the owner of the machine: its function `file()` reads any file, and there are
//! more ways than grants cover. So the kernel holds it (Landlock): a confined thread, and every thread that it starts,
//! opens files only where they are allowed here, runs no program and makes no connection. The threads that serve HTTP
//! are not confined, since they run no statements.

use std::io;
use std::path::Path;

use landlock::{
    ABI, Access, AccessFs, AccessNet, Ruleset, RulesetAttr, RulesetCreated, RulesetCreatedAttr, RulesetError,
    RulesetStatus, path_beneath_rules,
};

/// The engine measures its stack and refuses what is nested too deeply for it.
const STACK_BYTES: usize = 8 * 1024 * 1024;
/// What of the kernel's interface is used; an older kernel does what it can of it.
const VERSION: ABI = ABI::V5;

/// What the engine reads to learn about the machine. Not all of `/proc`: it tells environments, which hold secrets.
const READ: [&str; 13] = [
    "/dev/urandom",
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/etc/timezone",
    "/lib",
    "/lib64",
    "/proc/cpuinfo",
    "/proc/loadavg",
    "/proc/meminfo",
    "/proc/stat",
    "/sys",
    "/usr/lib",
    "/usr/share/zoneinfo",
];

/// Starts threads that are confined.
pub(crate) struct Confinement {
    rules: Option<RulesetCreated>,
}

impl Confinement {
    /// For an engine with this library and data directory. A kernel that cannot confine is told of in the log.
    pub(crate) fn new(library: &Path, data_dir: &Path) -> Self {
        let rules = rules(library, data_dir).ok().filter(is_enforced);
        if rules.is_none() {
            tracing::warn!(
                "this kernel cannot confine the engine to its data directory: clients can read files this user can"
            );
        }
        Self { rules }
    }

    /// Runs `work` on a thread of its own, or drops it when that cannot be confined.
    pub(crate) fn spawn(&self, name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
        let rules = self.rules.as_ref().map(RulesetCreated::try_clone).transpose()?;
        let thread = std::thread::Builder::new().name(name.to_owned()).stack_size(STACK_BYTES);
        let run = move || match rules.map(RulesetCreated::restrict_self).transpose() {
            Ok(_) => work(),
            Err(error) => tracing::error!(%error, "a thread of the engine could not be confined and was not run"),
        };
        thread.spawn(run).map(drop)
    }

    /// The same for a caller that waits for what `work` gives.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        name: &str,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> io::Result<T> {
        let (done_tx, done) = tokio::sync::oneshot::channel();
        self.spawn(name, move || {
            let _ = done_tx.send(work());
        })?;
        done.await.map_err(io::Error::other)
    }
}

fn rules(library: &Path, data_dir: &Path) -> Result<RulesetCreated, RulesetError> {
    let ruleset =
        Ruleset::default().handle_access(AccessFs::from_all(VERSION))?.handle_access(AccessNet::from_all(VERSION))?;
    ruleset
        .create()?
        .add_rules(path_beneath_rules(READ, AccessFs::from_read(VERSION)))?
        .add_rules(path_beneath_rules([library], AccessFs::from_read(VERSION)))?
        .add_rules(path_beneath_rules([data_dir], AccessFs::from_all(VERSION) & !AccessFs::Execute))
}

/// Tries the rules on a thread that then ends.
fn is_enforced(rules: &RulesetCreated) -> bool {
    let Ok(rules) = rules.try_clone() else { return false };
    let tried = std::thread::spawn(|| rules.restrict_self());
    tried.join().is_ok_and(|status| status.is_ok_and(|status| status.ruleset != RulesetStatus::NotEnforced))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_confined_thread_reads_its_own_directory_only() {
        let temp = tempfile::tempdir().unwrap();
        let (own, other) = (temp.path().join("own"), temp.path().join("other"));
        std::fs::create_dir(&own).unwrap();
        std::fs::write(&other, "secret").unwrap();
        let confinement = Confinement::new(Path::new("/nowhere.so"), &own);
        if confinement.rules.is_none() {
            println!("this kernel has no Landlock");
            return;
        }
        let path = own.join("file");
        let work = move || {
            (
                std::fs::write(&path, "x"),
                std::fs::read(&path),
                std::fs::read(&other),
                std::fs::read("/proc/self/environ"),
            )
        };
        let (written, read, others, environment) = confinement.run("test", work).await.unwrap();
        written.unwrap();
        assert_eq!(read.unwrap(), b"x");
        assert_eq!(others.unwrap_err().kind(), io::ErrorKind::PermissionDenied);
        assert_eq!(environment.unwrap_err().kind(), io::ErrorKind::PermissionDenied);
        assert!(std::net::TcpListener::bind("127.0.0.1:0").is_ok(), "other threads are free");
    }
}
