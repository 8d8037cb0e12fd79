//! The data directory: one process at a time, and a note of whether the last one stopped cleanly.
//!
//! ```text
//! <data_dir>/engine.lock   locked while a process uses the directory; holds its process id
//! <data_dir>/clean         exists only after a clean stop
//! <data_dir>/config.xml    the engine's configuration, written at every start
//! <data_dir>/users.xml     what clients may do, written at every start
//! <data_dir>/spool/        results kept back by `wait_end_of_query`
//! <data_dir>/db/           the engine's own files
//! ```

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg};

use crate::config::EngineConfig;
use crate::error::EngineError;

/// The settings every connection's parts and caches follow; `%FSYNC%` is 0 or 1.
const CONFIG: &str = include_str!("engine/config.xml");
/// Statements that reach files, other machines or programs are not granted.
const USERS: &str = include_str!("engine/users.xml");

/// A locked data directory.
pub(crate) struct DataDir {
    path: PathBuf,
    was_clean: bool,
    _lock: Flock<File>,
}

impl DataDir {
    /// Makes the directory when missing, locks it and takes the clean mark away.
    pub(crate) fn open(config: &EngineConfig) -> Result<Self, EngineError> {
        let path = config.data_dir.clone();
        for directory in [path.clone(), path.join("db"), path.join("spool")] {
            let made = DirBuilder::new().recursive(true).mode(0o700).create(&directory);
            made.map_err(EngineError::file("make the directory", directory))?;
        }
        let path = path.canonicalize().map_err(EngineError::file("resolve", path))?;
        let lock = lock(&path)?;
        let mark = path.join("clean");
        let was_clean = mark.exists() || !path.join("db/store").exists();
        if mark.exists() {
            fs::remove_file(&mark).map_err(EngineError::file("remove", &mark))?;
            sync_directory(&path)?;
        }
        let directory = Self { path, was_clean, _lock: lock };
        let fsync = if config.fsync_inserts { "1" } else { "0" };
        directory.write("users.xml", USERS)?;
        directory.write("config.xml", &CONFIG.replace("%FSYNC%", fsync).replace("%DIR%", &xml(&directory.path)))?;
        Ok(directory)
    }

    /// Whether the process before this one stopped cleanly.
    pub(crate) fn was_clean(&self) -> bool {
        self.was_clean
    }

    /// The directory itself.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Directory of the engine's own files.
    pub(crate) fn database(&self) -> PathBuf {
        self.path.join("db")
    }

    /// Path of the engine's configuration.
    pub(crate) fn config_file(&self) -> PathBuf {
        self.path.join("config.xml")
    }

    /// Directory for results that are kept back.
    pub(crate) fn spool(&self) -> PathBuf {
        self.path.join("spool")
    }

    /// Notes that the engine has stopped with everything written.
    pub(crate) fn mark_clean(&self) -> Result<(), EngineError> {
        self.write("clean", "")?;
        sync_directory(&self.path)
    }

    fn write(&self, name: &str, content: &str) -> Result<(), EngineError> {
        let path = self.path.join(name);
        let written =
            OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path).and_then(|mut file| {
                file.write_all(content.as_bytes())?;
                file.sync_all()
            });
        written.map_err(EngineError::file("write", path))
    }
}

fn lock(directory: &Path) -> Result<Flock<File>, EngineError> {
    let path = directory.join("engine.lock");
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(&path);
    let file = file.map_err(EngineError::file("open", &path))?;
    match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
        Ok(mut lock) => {
            let noted = lock.set_len(0).and_then(|()| write!(*lock, "{}", std::process::id()));
            noted.map_err(EngineError::file("write", path))?;
            Ok(lock)
        }
        Err((mut file, _)) => {
            let mut owner = String::new();
            let _ = file.read_to_string(&mut owner);
            let owner = if owner.is_empty() { "unknown".to_owned() } else { owner };
            Err(EngineError::DataDirInUse { path: directory.to_owned(), owner })
        }
    }
}

/// Makes creations, removals and renames in a directory last.
pub(crate) fn sync_directory(path: &Path) -> Result<(), EngineError> {
    File::open(path).and_then(|directory| directory.sync_all()).map_err(EngineError::file("sync", path))
}

fn xml(path: &Path) -> String {
    path.to_string_lossy().replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(path: &Path) -> EngineConfig {
        EngineConfig::new("127.0.0.1:0".parse().unwrap(), path, "/libchdb.so")
    }

    #[test]
    fn a_directory_is_used_by_one_at_a_time() {
        let temp = tempfile::tempdir().unwrap();
        let first = DataDir::open(&config(temp.path())).unwrap();
        let error = DataDir::open(&config(temp.path())).err().unwrap().to_string();
        assert!(error.contains(&format!("used by process {}", std::process::id())), "{error}");
        drop(first);
        assert!(DataDir::open(&config(temp.path())).is_ok());
    }

    #[test]
    fn a_stop_is_clean_only_when_marked() {
        let temp = tempfile::tempdir().unwrap();
        let open = || DataDir::open(&config(temp.path())).unwrap();
        assert!(open().was_clean(), "an empty directory needs no healing");
        fs::create_dir_all(temp.path().join("db/store")).unwrap();
        assert!(!open().was_clean());
        open().mark_clean().unwrap();
        assert!(open().was_clean());
        assert!(!open().was_clean(), "the mark holds for one start");
    }
}
