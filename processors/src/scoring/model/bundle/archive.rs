//! The files of a bundle, in a folder or packed: a tar compressed by zstd.

use super::{BundleError, GOLDEN, MANIFEST, MODEL};
use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

pub(super) const MIB: usize = 1 << 20;
/// The largest packed bundle, in bytes.
pub const PACKED_MAX: usize = 8 * MIB;
/// The largest files of a bundle together, in bytes: what little must not become too much.
pub const UNPACKED_MAX: usize = 64 * MIB;
/// Memory that decompression may take for what it looks back at, as a power of two.
const WINDOW_LOG_MAX: u32 = 26;

/// The content of a bundle's files.
#[derive(Debug, Clone)]
pub(super) struct Files {
    pub model: Vec<u8>,
    pub manifest: String,
    pub golden: String,
}

impl Files {
    pub fn in_folder(folder: &Path) -> Result<Self, BundleError> {
        let mut left = UNPACKED_MAX;
        let mut read = |name: &str| {
            let content = read_bounded(&folder.join(name), left, "the files")?;
            left -= content.len();
            Ok(content)
        };
        Ok(Self {
            model: read(MODEL)?,
            manifest: text(MANIFEST, read(MANIFEST)?)?,
            golden: text(GOLDEN, read(GOLDEN)?)?,
        })
    }

    pub fn in_file(path: &Path) -> Result<Self, BundleError> {
        Self::unpack(&read_bounded(path, PACKED_MAX, "the packed bytes")?)
    }

    pub fn unpack(packed: &[u8]) -> Result<Self, BundleError> {
        if packed.len() > PACKED_MAX {
            return Err(BundleError::TooLarge { what: "the packed bytes", max: PACKED_MAX });
        }
        let not_packed = |reason: io::Error| BundleError::NotPacked(reason.to_string());
        let mut plain = zstd::Decoder::with_buffer(packed).map_err(not_packed)?;
        plain.window_log_max(WINDOW_LOG_MAX).map_err(not_packed)?;
        let mut tar = Vec::new();
        plain.take(UNPACKED_MAX as u64 + 1).read_to_end(&mut tar).map_err(not_packed)?;
        if tar.len() > UNPACKED_MAX {
            return Err(BundleError::TooLarge { what: "the files", max: UNPACKED_MAX });
        }
        let [mut model, mut manifest, mut golden] = [const { None::<Vec<u8>> }; 3];
        for entry in tar::Archive::new(tar.as_slice()).entries().map_err(not_packed)? {
            let mut entry = entry.map_err(not_packed)?;
            let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
            let place = match name.as_str() {
                MODEL => &mut model,
                MANIFEST => &mut manifest,
                GOLDEN => &mut golden,
                _ => return Err(BundleError::NotPacked(format!("{name:?} belongs to no bundle"))),
            };
            if place.is_some() {
                return Err(BundleError::NotPacked(format!("{name} is in it twice")));
            }
            let mut content = Vec::new();
            entry.read_to_end(&mut content).map_err(not_packed)?;
            *place = Some(content);
        }
        Ok(Self {
            model: model.ok_or(BundleError::Missing(MODEL))?,
            manifest: text(MANIFEST, manifest.ok_or(BundleError::Missing(MANIFEST))?)?,
            golden: text(GOLDEN, golden.ok_or(BundleError::Missing(GOLDEN))?)?,
        })
    }

    /// Without times, owners and the like, so that it depends on the content alone.
    pub fn pack(&self) -> Result<Vec<u8>, BundleError> {
        let failed = |reason: io::Error| BundleError::NotPacked(reason.to_string());
        let mut tar = tar::Builder::new(Vec::new());
        for (name, content) in self.each() {
            let mut header = tar::Header::new_ustar();
            header.set_size(content.len() as u64);
            header.set_mode(0o644);
            tar.append_data(&mut header, name, content).map_err(failed)?;
        }
        let plain = tar.into_inner().map_err(failed)?;
        if plain.len() > UNPACKED_MAX {
            return Err(BundleError::TooLarge { what: "the files", max: UNPACKED_MAX });
        }
        let packed = zstd::encode_all(plain.as_slice(), zstd::DEFAULT_COMPRESSION_LEVEL).map_err(failed)?;
        if packed.len() > PACKED_MAX {
            return Err(BundleError::TooLarge { what: "the packed bytes", max: PACKED_MAX });
        }
        Ok(packed)
    }

    /// Each file by name, always in this order.
    pub fn each(&self) -> [(&'static str, &[u8]); 3] {
        [(MANIFEST, self.manifest.as_bytes()), (MODEL, &self.model), (GOLDEN, self.golden.as_bytes())]
    }
}

fn read_bounded(path: &Path, max: usize, what: &'static str) -> Result<Vec<u8>, BundleError> {
    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
    let mut content = Vec::new();
    let read = File::open(path).and_then(|file| file.take(max as u64 + 1).read_to_end(&mut content));
    read.map_err(|reason| BundleError::Unreadable { file: name, reason })?;
    let limit = if what == "the files" { UNPACKED_MAX } else { PACKED_MAX };
    if content.len() > max { Err(BundleError::TooLarge { what, max: limit }) } else { Ok(content) }
}

fn text(file: &str, content: Vec<u8>) -> Result<String, BundleError> {
    String::from_utf8(content).map_err(|error| BundleError::Unreadable {
        file: file.to_owned(),
        reason: io::Error::new(io::ErrorKind::InvalidData, error),
    })
}
