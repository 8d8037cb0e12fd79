//! What a supervisor writes down about its stack: read by `status`, and by the next start to find what was left over.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use serde::{Deserialize, Serialize};

use crate::supervisor::Board;
use crate::{Error, Home, Identity, Ports, Result, Versions, files};

/// A running stack, as its supervisor sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// The supervisor's process.
    pub supervisor: Identity,
    /// The program it runs.
    pub binary: Binary,
    /// Its version.
    pub millrace: String,
    /// The versions of the parts.
    pub parts: Versions,
    /// Where everything listens.
    pub ports: Ports,
    /// Every process.
    pub units: Board,
    /// The home's device and inode: a copied folder also copies this file, and must not be taken for the original.
    pub folder: (u64, u64),
}

/// A program file, told apart from what a later build puts in its place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Binary {
    /// Where it is.
    pub path: PathBuf,
    /// Its length in bytes.
    pub length: u64,
    /// When it was built, epoch milliseconds.
    pub modified_ms: u64,
}

impl State {
    /// What the home's supervisor wrote last; `None` when none ever did.
    ///
    /// # Errors
    /// When there is a file that cannot be read or understood.
    pub fn read(home: &Home) -> Result<Option<Self>> {
        let path = home.state_file();
        match fs::read(&path) {
            Ok(bytes) => {
                serde_json::from_slice(&bytes).map(Some).map_err(|source| Error::StateUnreadable { path, source })
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::io("read", &path)(error)),
        }
    }

    /// The state of a stack whose supervisor is alive.
    ///
    /// # Errors
    /// [`Error::NotRunning`] when there is none.
    pub fn of_running(home: &Home) -> Result<Self> {
        let state = Self::read(home)?.filter(|state| state.is_of(home) && state.supervisor.is_alive());
        state.ok_or_else(|| Error::NotRunning { home: home.folder().to_owned() })
    }

    /// Writes it down, whole or not at all.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, home: &Home) -> Result<()> {
        let path = home.state_file();
        let text = serde_json::to_vec(self).map_err(|source| Error::StateUnreadable { path: path.clone(), source })?;
        files::replace(&path, &text)
    }

    /// Whether it was written for this folder, not for one this was copied from.
    pub fn is_of(&self, home: &Home) -> bool {
        inode(home.folder()).is_ok_and(|inode| inode == self.folder)
    }
}

impl Binary {
    /// The program file at `path` as it is now.
    ///
    /// # Errors
    /// When it is not there.
    pub fn at(path: &Path) -> Result<Self> {
        let meta = fs::metadata(path).map_err(Error::io("look at", path))?;
        let modified = meta.modified().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
        let modified_ms = modified.map_or(0, |since| since.as_millis() as u64);
        Ok(Self { path: path.to_owned(), length: meta.len(), modified_ms })
    }
}

/// Device and inode of a folder.
pub(crate) fn inode(folder: &Path) -> Result<(u64, u64)> {
    let meta = fs::metadata(folder).map_err(Error::io("look at", folder))?;
    Ok((meta.dev(), meta.ino()))
}
