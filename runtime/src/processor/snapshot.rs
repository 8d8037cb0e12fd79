//! A partition's memory in a file, so that a restart need not read all outputs again. Disposable: one that does not fit in every
//! respect is passed over.

use super::dedup::Remembered;
use serde::{Deserialize, Serialize};
use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

/// First bytes of every snapshot; the last of them are the format's version.
const MAGIC: &[u8; 8] = b"MRSNAP\x00\x01";
/// Bytes of the checksum that follows.
const CHECKSUM: usize = 32;

/// What a snapshot is of; all of it must be as it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Identity {
    pub(super) processor: String,
    /// Version of the processor's memory.
    pub(super) memory: String,
    /// Epoch of the log.
    pub(super) epoch: String,
    pub(super) partition: i32,
    pub(super) horizon_ms: i64,
    /// The last repair of the processor's outcomes, all of which are part of memory made since.
    pub(super) repaired: Option<String>,
}

/// The memory as it was after an input.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Snapshot {
    /// Journal offset of the last input that is part of it; the group has committed it.
    pub(super) through: i64,
    /// Where to go on reading the outputs: none before it is missing, and the first after it is part of the memory.
    pub(super) continue_at: i64,
    /// Source of the last output that is part of it: offset and broker's time.
    pub(super) emitted: (i64, i64),
    pub(super) remembered: Vec<Remembered>,
    /// The processor's own memory, as it saved it.
    pub(super) memory: Vec<u8>,
}

/// Where the snapshot of a partition lies.
pub(super) fn path(folder: &Path, identity: &Identity) -> PathBuf {
    folder.join(format!("{}-{}.snapshot", identity.processor, identity.partition))
}

/// Writes a snapshot in place of the one before: whole or not at all, whatever happens meanwhile.
pub(super) fn write(folder: &Path, identity: &Identity, snapshot: &Snapshot) -> io::Result<()> {
    let path = path(folder, identity);
    let unfinished = path.with_extension(format!("{}.unfinished", std::process::id()));
    fs::create_dir_all(folder)?;
    let mut file = File::create(&unfinished)?;
    file.write_all(&encode(identity, snapshot)?)?;
    file.sync_all()?;
    fs::rename(&unfinished, &path)?;
    File::open(folder)?.sync_all()
}

/// Reads the snapshot of a partition; `None` when there is none, the error says why one cannot be used.
pub(super) fn read(folder: &Path, identity: &Identity) -> Result<Option<Snapshot>, String> {
    match fs::read(path(folder, identity)) {
        Ok(bytes) => decode(&bytes, identity).map(Some),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.to_string()),
    }
}

fn encode(identity: &Identity, snapshot: &Snapshot) -> io::Result<Vec<u8>> {
    let mut bytes = MAGIC.to_vec();
    bytes.resize(MAGIC.len() + CHECKSUM, 0);
    let mut bytes = postcard::to_extend(&(identity, snapshot), bytes).map_err(io::Error::other)?;
    let checksum = blake3::hash(&bytes[MAGIC.len() + CHECKSUM..]);
    bytes[MAGIC.len()..][..CHECKSUM].copy_from_slice(checksum.as_bytes());
    Ok(bytes)
}

fn decode(bytes: &[u8], identity: &Identity) -> Result<Snapshot, String> {
    let rest = bytes.strip_prefix(MAGIC).ok_or("it is no snapshot, or one of another format")?;
    let (checksum, content) = rest.split_at_checked(CHECKSUM).ok_or("it is cut off")?;
    if blake3::hash(content).as_bytes() != checksum {
        return Err("its checksum is wrong".to_owned());
    }
    let (found, rest): (Identity, _) = postcard::take_from_bytes(content).map_err(|error| error.to_string())?;
    if found != *identity {
        return Err(format!("it is of {found:?}, not of {identity:?}"));
    }
    postcard::from_bytes(rest).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity() -> Identity {
        Identity {
            processor: "counting".into(),
            memory: "1".into(),
            epoch: "epoch".into(),
            partition: 3,
            horizon_ms: 1_000,
            repaired: None,
        }
    }

    fn snapshot() -> Snapshot {
        let remembered = vec![Remembered { time: 5, identity: u128::MAX, content: 7, offset: 9 }];
        Snapshot { through: 10, continue_at: 4, emitted: (9, 5), remembered, memory: b"memory".to_vec() }
    }

    #[test]
    fn a_snapshot_reads_back_and_replaces_the_one_before() {
        let folder = tempfile::tempdir().expect("a folder");
        assert_eq!(read(folder.path(), &identity()), Ok(None));
        write(folder.path(), &identity(), &snapshot()).expect("written");
        let later = Snapshot { through: 20, ..snapshot() };
        write(folder.path(), &identity(), &later).expect("written");
        assert_eq!(read(folder.path(), &identity()), Ok(Some(later)));
        assert_eq!(fs::read_dir(folder.path()).expect("listed").count(), 1, "nothing unfinished is left");
    }

    #[test]
    fn a_snapshot_that_does_not_fit_is_not_used() {
        let bytes = encode(&identity(), &snapshot()).expect("encoded");
        assert_eq!(decode(&bytes, &identity()), Ok(snapshot()));
        for cut in 0..bytes.len() {
            assert!(decode(&bytes[..cut], &identity()).is_err(), "cut at {cut}");
            let mut flipped = bytes.clone();
            flipped[cut] ^= 1;
            assert!(decode(&flipped, &identity()).is_err(), "flipped at {cut}");
        }
        for other in [
            Identity { processor: "other".into(), ..identity() },
            Identity { memory: "2".into(), ..identity() },
            Identity { epoch: "other".into(), ..identity() },
            Identity { partition: 2, ..identity() },
            Identity { horizon_ms: 999, ..identity() },
            Identity { repaired: Some("a repair".into()), ..identity() },
        ] {
            assert!(decode(&bytes, &other).is_err(), "{other:?}");
        }
    }
}
