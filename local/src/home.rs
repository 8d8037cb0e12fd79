//! Where a clone's stack keeps its data, logs and state, and where the fetched parts are.

use std::env;
use std::path::{Path, PathBuf};

use crate::{Error, Result};

/// A file every clone has, and no other folder: how the top of the clone is found from any folder within.
const CLONE_MARK: &str = "deploy/local/parts.sha256";

/// The name of the configuration file the services are started with.
pub(crate) const SERVICE_CONFIG: &str = "millrace.toml";

/// The folder of one stack: `MILLRACE_HOME`, or `.millrace` at the top of the clone one is in.
#[derive(Clone, Debug)]
pub struct Home {
    folder: PathBuf,
}

impl Home {
    /// The home meant by the environment and the current folder.
    ///
    /// # Errors
    /// When the current folder cannot be told.
    pub fn find() -> Result<Self> {
        let here = env::current_dir().map_err(Error::io("tell the current folder, from", Path::new(".")))?;
        let folder = match env::var_os("MILLRACE_HOME").filter(|value| !value.is_empty()) {
            Some(folder) => here.join(folder),
            None => clone_around(&here).unwrap_or(here).join(".millrace"),
        };
        Ok(Self { folder })
    }

    /// A home in a given folder; it need not exist yet.
    pub fn at(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    /// The folder itself.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where a part keeps its data.
    pub fn data(&self, part: &str) -> PathBuf {
        self.folder.join("data").join(part)
    }

    /// Where the logs are, one file per process.
    pub fn logs(&self) -> PathBuf {
        self.folder.join("logs")
    }

    /// The log of one process.
    pub fn log(&self, name: &str) -> PathBuf {
        self.logs().join(format!("{name}.log"))
    }

    /// Where the supervisor writes what runs; see [`crate::State`].
    pub fn state_file(&self) -> PathBuf {
        self.folder.join("run").join("state.json")
    }

    /// Held by the supervisor for as long as it lives, so that a home has one.
    pub fn lock_file(&self) -> PathBuf {
        self.folder.join("run").join("lock")
    }

    /// The configuration file the services are started with.
    pub fn service_config(&self) -> PathBuf {
        self.folder.join("run").join(SERVICE_CONFIG)
    }
}

/// The folder of fetched parts: `MILLRACE_CACHE`, or `.cache` at the top of the clone one is in.
pub(crate) fn cache_folder() -> PathBuf {
    let here = env::current_dir().unwrap_or_default();
    match env::var_os("MILLRACE_CACHE").filter(|value| !value.is_empty()) {
        Some(folder) => here.join(folder),
        None => clone_around(&here).unwrap_or(here).join(".cache"),
    }
}

fn clone_around(folder: &Path) -> Option<PathBuf> {
    folder.ancestors().find(|ancestor| ancestor.join(CLONE_MARK).is_file()).map(Path::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clone_is_found_from_any_folder_within() {
        let top = clone_around(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap();
        assert!(top.join("Makefile").is_file());
        assert_eq!(clone_around(&top.join("local/src/supervisor")), Some(top));
        assert_eq!(clone_around(Path::new("/")), None);
    }

    #[test]
    fn everything_of_a_home_is_inside_it() {
        let home = Home::at("/h");
        for path in [home.data("kafka"), home.log("kafka"), home.state_file(), home.lock_file(), home.service_config()]
        {
            assert!(path.starts_with("/h"), "{}", path.display());
        }
    }
}
