//! A bundle: `model.onnx`, `manifest.toml` and `golden.csv`, in a folder or packed as bytes that travel through a topic.
//!
//! A bundle that is open has been checked as far as it can be without running it. Loading it checks the rest.

mod archive;
mod error;
mod golden;
mod manifest;
mod moment;

pub use archive::{PACKED_MAX, UNPACKED_MAX};
pub use error::BundleError;
pub use golden::{GOLDEN_ROWS_MIN, Golden, GoldenRow};
pub use manifest::{Data, Histogram, Histograms, Input, Manifest, Origin, Output, ReasonGroup};
pub use moment::Moment;

use archive::Files;
use sha2::{Digest as _, Sha256};
use std::{path::Path, sync::Arc};

/// The model itself.
pub const MODEL: &str = "model.onnx";
/// What it is and what it takes.
pub const MANIFEST: &str = "manifest.toml";
/// Rows with the score that they must have.
pub const GOLDEN: &str = "golden.csv";

/// The files of a model, which agree with each other.
#[derive(Debug, Clone)]
pub struct Bundle {
    files: Arc<Files>,
    manifest: Arc<Manifest>,
    golden: Arc<Golden>,
}

impl Bundle {
    /// A bundle from a folder, or from a file that it is packed in.
    ///
    /// # Errors
    /// When it cannot be read or does not hold together.
    pub fn open(path: &Path) -> Result<Self, BundleError> {
        let files = if path.is_dir() { Files::in_folder(path) } else { Files::in_file(path) };
        let opened = files.and_then(Self::check);
        opened.map_err(|reason| BundleError::In { path: path.to_owned(), reason: Box::new(reason) })
    }

    /// A bundle from the bytes of [`Bundle::to_bytes`].
    ///
    /// # Errors
    /// When they are not such bytes, are too large, or the files do not hold together.
    pub fn from_bytes(packed: &[u8]) -> Result<Self, BundleError> {
        Files::unpack(packed).and_then(Self::check)
    }

    /// Its files as one: the same bytes for the same files.
    ///
    /// # Errors
    /// When they are larger than [`PACKED_MAX`].
    pub fn to_bytes(&self) -> Result<Vec<u8>, BundleError> {
        self.files.pack()
    }

    fn check(files: Files) -> Result<Self, BundleError> {
        let manifest = Manifest::parse(&files.manifest)?;
        let found = format!("{:x}", Sha256::digest(&files.model));
        if found != manifest.sha256 {
            return Err(BundleError::OtherModel { expected: manifest.sha256, found });
        }
        let golden = Golden::parse(&files.golden, &manifest)?;
        Ok(Self { files: Arc::new(files), manifest: Arc::new(manifest), golden: Arc::new(golden) })
    }

    /// What the model is and what it takes.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The bytes of the ONNX file.
    pub fn model(&self) -> &[u8] {
        &self.files.model
    }

    /// The rows that prove a model.
    pub fn golden(&self) -> &Golden {
        &self.golden
    }

    /// Stands for all files: equal for equal ones. The manifest's hash stands for the model alone, and not for its calibration.
    pub fn version(&self) -> String {
        let mut hash = blake3::Hasher::new();
        for (name, content) in self.files.each() {
            hash.update(blake3::hash(content).as_bytes()).update(name.as_bytes());
        }
        format!("{}-{}", self.manifest.id, &hash.finalize().to_hex()[..8])
    }
}
