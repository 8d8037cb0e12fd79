//! A broker, a registry and a ClickHouse endpoint for a test run: on free ports, in a temporary folder, gone afterwards.

use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{env, io};

use tempfile::TempDir;

use crate::stack::{Jvm, Layout, broker, broker::Proxied, clickhouse, registry};
use crate::supervisor::{Action, Board, Ending, Keeper, Restart};
use crate::{Error, Home, Parts, Ports, Result, Spec, files};

/// A part of a sandbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The Kafka broker.
    Kafka,
    /// The schema registry.
    Registry,
    /// The ClickHouse endpoint.
    ClickHouse,
}

impl Part {
    /// Every part.
    pub const ALL: [Part; 3] = [Part::Kafka, Part::Registry, Part::ClickHouse];

    /// Its name in logs and commands.
    pub fn name(self) -> &'static str {
        match self {
            Part::Kafka => broker::NAME,
            Part::Registry => registry::NAME,
            Part::ClickHouse => clickhouse::NAME,
        }
    }
}

/// What a sandbox should be.
#[derive(Clone, Debug)]
pub struct SandboxOptions {
    /// The parts it runs.
    pub parts: Vec<Part>,
    /// Whether Ctrl-C and SIGTERM stop everything before they end this process. Without it the caller must see to that.
    pub end_on_signals: bool,
    /// Further listeners of the broker, behind proxies.
    pub proxied: Vec<Proxied>,
    /// Existing folders, such as small volumes, in which parts keep their data instead of in the sandbox's own.
    pub volumes: Vec<(Part, PathBuf)>,
}

impl Default for SandboxOptions {
    fn default() -> Self {
        Self { parts: Part::ALL.to_vec(), end_on_signals: true, proxied: Vec::new(), volumes: Vec::new() }
    }
}

/// Real services of its own for a test. Everything is stopped and deleted when it is dropped, by a panic too.
///
/// A part can be killed, stopped, paused and started again, always on its port and with its data. Further processes, such as
/// the services under test, can be run beside the parts with [`Sandbox::start_also`] and are ended with them.
#[derive(Debug)]
pub struct Sandbox {
    keeper: Keeper,
    ports: Ports,
    folder: PathBuf,
}

/// How long a part may take to be ready; far more than it takes on an idle machine.
const READY_WITHIN: Duration = Duration::from_secs(120);
const PREFIX: &str = "millrace-sandbox-";
const LOCK: &str = "in-use";

impl Sandbox {
    /// Starts all parts and waits until they are ready.
    ///
    /// # Errors
    /// When a part is missing from the cache or does not become ready; the message has the end of its log.
    pub fn start() -> Result<Self> {
        Self::with(SandboxOptions::default())
    }

    /// Starts the parts asked for and waits until they are ready.
    ///
    /// # Errors
    /// As [`Sandbox::start`].
    pub fn with(options: SandboxOptions) -> Result<Self> {
        delete_abandoned(&env::temp_dir());
        let folder = tempfile::Builder::new().prefix(PREFIX).tempdir();
        let folder = folder.map_err(Error::io("create a folder in", &env::temp_dir()))?;
        let lock = in_use(folder.path()).map_err(Error::io("lock", folder.path()))?;
        let ports = Ports::free(&["kafka", "kafka-controller", "registry", "clickhouse"])?;
        let home = Home::at(folder.path());
        for (part, volume) in &options.volumes {
            link(&home.data(part.name()), volume)?;
        }
        let layout = Layout { home, parts: Parts::find()?, ports: ports.clone(), binary: binary()? };
        let path = folder.path().to_owned();
        let ending = Ending { on_signals: options.end_on_signals, then: Some(Box::new(move || delete(folder, lock))) };
        let keeper = Keeper::new(layout.home.logs(), Restart::Never, ending)?;
        let sandbox = Self { keeper, ports, folder: path };

        let mut specs = Vec::new();
        for part in &options.parts {
            match part {
                Part::Kafka => specs.extend(broker::specs(&layout, Jvm::Quick, &options.proxied)?),
                Part::Registry => specs.push(registry::spec(&layout)?),
                Part::ClickHouse => specs.push(clickhouse::spec(&layout)?),
            }
        }
        sandbox.keeper.start(specs)?;
        let names: Vec<&str> = options.parts.iter().map(|part| part.name()).collect();
        sandbox.keeper.wait_ready(&names, READY_WITHIN)?;
        Ok(sandbox)
    }

    /// The broker, as `host:port`.
    pub fn kafka(&self) -> String {
        self.ports.address(broker::NAME).to_string()
    }

    /// The base of the registry's Confluent API.
    pub fn registry(&self) -> String {
        registry::url(&self.ports)
    }

    /// The base of ClickHouse's HTTP interface.
    pub fn clickhouse(&self) -> String {
        clickhouse::url(&self.ports)
    }

    /// The folder everything is in; free for the test's own files, and deleted with the sandbox.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Runs more processes beside the parts, such as the services under test, and waits until they are ready. They may come
    /// after parts by name, are supervised like them, and take the same actions, by name, through [`Sandbox::act`].
    ///
    /// # Errors
    /// When one does not become ready; the message has the end of its log.
    pub fn start_also(&self, specs: Vec<Spec>) -> Result<()> {
        let names: Vec<String> = specs.iter().map(|spec| spec.name.clone()).collect();
        self.keeper.start(specs)?;
        self.keeper.wait_ready(&names.iter().map(String::as_str).collect::<Vec<_>>(), READY_WITHIN)
    }

    /// Has something done to a process by name and returns when it is done; see [`Action`].
    ///
    /// # Errors
    /// When there is no such process.
    pub fn act(&self, name: &str, action: Action) -> Result<()> {
        self.keeper.act(name, action)
    }

    /// Starts a process that is down, on the same port and data, and waits until it is ready.
    ///
    /// # Errors
    /// When it does not become ready.
    pub fn start_again(&self, name: &str) -> Result<()> {
        self.keeper.act(name, Action::Start)?;
        self.keeper.wait_ready(&[name], READY_WITHIN)
    }

    /// Kills a part with SIGKILL; it stays down.
    ///
    /// # Errors
    /// When the sandbox does not run that part.
    pub fn kill(&self, part: Part) -> Result<()> {
        self.act(part.name(), Action::Kill)
    }

    /// Stops a part as an operator would, with SIGTERM; it stays down.
    ///
    /// # Errors
    /// When the sandbox does not run that part.
    pub fn stop(&self, part: Part) -> Result<()> {
        self.act(part.name(), Action::Stop)
    }

    /// Stops a part in its tracks with SIGSTOP: its connections stay open and nothing is answered.
    ///
    /// # Errors
    /// When the sandbox does not run that part.
    pub fn pause(&self, part: Part) -> Result<()> {
        self.act(part.name(), Action::Pause)
    }

    /// Lets a paused part go on.
    ///
    /// # Errors
    /// When the sandbox does not run that part.
    pub fn resume(&self, part: Part) -> Result<()> {
        self.act(part.name(), Action::Resume)
    }

    /// Starts a part that is down, on the same port and data, and waits until it is ready.
    ///
    /// # Errors
    /// When it does not become ready.
    pub fn restart(&self, part: Part) -> Result<()> {
        self.start_again(part.name())
    }

    /// What is known about each process now.
    pub fn board(&self) -> Board {
        self.keeper.board()
    }
}

/// Lets a part's data folder be another one.
fn link(folder: &Path, volume: &Path) -> Result<()> {
    if let Some(parent) = folder.parent() {
        files::create_folder(parent)?;
    }
    std::os::unix::fs::symlink(volume, folder).map_err(Error::io("link", folder))
}

/// The program the ClickHouse endpoint is: `MILLRACE_BIN`, else the one beside the running program, which for a test is in the
/// folder above.
fn binary() -> Result<PathBuf> {
    if let Some(binary) = env::var_os("MILLRACE_BIN").filter(|binary| !binary.is_empty()) {
        return Ok(binary.into());
    }
    let own = env::current_exe().map_err(Error::io("tell the running program, from", Path::new("/proc/self/exe")))?;
    let beside = own.ancestors().skip(1).take(2).map(|folder| folder.join("millrace"));
    Ok(beside.into_iter().find(|binary| binary.is_file()).unwrap_or(own))
}

/// Marks a folder as used by this process, until the file is closed.
fn in_use(folder: &Path) -> io::Result<File> {
    let file = OpenOptions::new().create(true).append(true).open(folder.join(LOCK))?;
    file.try_lock()?;
    Ok(file)
}

fn delete(folder: TempDir, lock: File) {
    // What cannot be deleted is left to the next sandbox, which tries again.
    let _ = folder.close();
    drop(lock);
}

/// Deletes the folders of sandboxes whose process was killed before it could.
fn delete_abandoned(temporary: &Path) {
    let Ok(entries) = fs::read_dir(temporary) else { return };
    for folder in entries.flatten().filter(|entry| entry.file_name().to_string_lossy().starts_with(PREFIX)) {
        // One without the mark is just being made.
        let marked = folder.path().join(LOCK).is_file();
        if marked && in_use(&folder.path()).is_ok() {
            let _ = fs::remove_dir_all(folder.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn abandoned_folders_are_deleted_and_those_in_use_are_not() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = |name: &str| {
            let folder = temporary.path().join(name);
            fs::create_dir(&folder).unwrap();
            folder
        };
        let (used, abandoned) = (folder("millrace-sandbox-used"), folder("millrace-sandbox-abandoned"));
        let (young, stranger) = (folder("millrace-sandbox-young"), folder("something-else"));
        let _lock = in_use(&used).unwrap();
        drop(in_use(&abandoned).unwrap());
        drop(in_use(&stranger).unwrap());
        delete_abandoned(temporary.path());
        assert!(used.exists() && young.exists() && stranger.exists());
        assert!(!abandoned.exists());
    }
}
