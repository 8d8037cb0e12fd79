//! Why a bundle is refused.

use super::{GOLDEN, GOLDEN_ROWS_MIN, MANIFEST, MODEL, archive};
use std::{io, path::PathBuf};

/// A bundle, or its model, is refused. The message says which file, where in it, and what it should be.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// Something is wrong in a bundle that was named by its path.
    #[error("{}: {reason}", path.display())]
    In {
        /// The folder or file.
        path: PathBuf,
        /// What is wrong.
        reason: Box<BundleError>,
    },
    /// A file of it cannot be read.
    #[error("{file} cannot be read: {reason}; a bundle holds {MODEL}, {MANIFEST} and {GOLDEN}")]
    Unreadable {
        /// The file.
        file: String,
        /// What the system said.
        reason: io::Error,
    },
    /// The bytes are not a packed bundle.
    #[error(
        "not a packed bundle: {0}; it must be a zstd-compressed tar of {MODEL}, {MANIFEST} and {GOLDEN}, as `millrace model` makes it"
    )]
    NotPacked(String),
    /// One of the files is not in the pack.
    #[error("{0} is missing; a bundle holds {MODEL}, {MANIFEST} and {GOLDEN}")]
    Missing(&'static str),
    /// More bytes than may be.
    #[error("{what} of the bundle take more than {} MiB, the most that is taken; train a smaller model", max / archive::MIB)]
    TooLarge {
        /// Packed or unpacked files.
        what: &'static str,
        /// The limit, in bytes.
        max: usize,
    },
    /// The manifest is not TOML of the form expected; the message has line and column.
    #[error("{MANIFEST}: {0}")]
    Malformed(String),
    /// A value of the manifest makes no sense.
    #[error("{MANIFEST}: {key}: {reason}")]
    Value {
        /// Where it stands.
        key: String,
        /// What it should be.
        reason: String,
    },
    /// The model is not the one the manifest was written for.
    #[error(
        "{MODEL} has the SHA-256 {found}, and {MANIFEST} was written for {expected}; take both from one training, or correct sha256"
    )]
    OtherModel {
        /// As the manifest says.
        expected: String,
        /// As it is.
        found: String,
    },
    /// A line of the golden rows is not what it should be.
    #[error("{GOLDEN}, line {line}: {reason}")]
    Golden {
        /// Counted from 1.
        line: u64,
        /// What it should be.
        reason: String,
    },
    /// Not enough rows to prove anything.
    #[error("{GOLDEN} has {0} rows; at least {GOLDEN_ROWS_MIN} are needed")]
    FewGoldenRows(usize),
    /// The model cannot be run at all.
    #[error("{MODEL} cannot be run: {0}")]
    NotRunnable(String),
    /// The model takes or gives something else than the manifest says.
    #[error("{MODEL} and {MANIFEST} disagree: {0}")]
    OtherShape(String),
    /// The model answers a golden row with something else.
    #[error(
        "{GOLDEN}, line {line}: expected the score {expected}, got {got}; features, their order and defaults, and the calibration must be those of the training"
    )]
    OtherScore {
        /// Counted from 1.
        line: u64,
        /// As the file says.
        expected: f64,
        /// As the model says.
        got: f64,
    },
    /// The model fails on a golden row.
    #[error("{GOLDEN}, line {line}: the model fails: {reason}")]
    GoldenFails {
        /// Counted from 1.
        line: u64,
        /// What it said.
        reason: String,
    },
}

impl BundleError {
    pub(super) fn value(key: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Value { key: key.into(), reason: reason.into() }
    }
}
