//! Repairs deduplication logs after an unclean stop, before the engine reads them.
//!
//! A MergeTree table with `non_replicated_deduplication_window` notes each inserted block in
//! `deduplication_logs/deduplication_log_<n>.txt`, one record a line:
//!
//! ```text
//! 1 <tab> part name <tab> block id      added
//! 2 <tab> part name <tab> block id      dropped
//! ```
//!
//! The record is written *before* the part gets its name. A process killed between the two leaves a record without a
//! part: the same block sent again is then taken for a duplicate, answered OK, and its rows are gone for ever. So a
//! record of an addition stays only when its part, or one that covers it, is on disk. A last line cut short by the kill
//! is removed too, since the engine would append the next record to it.

mod part;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use part::Part;

use crate::datadir::sync_directory;
use crate::error::EngineError;

const LOGS: &str = "deduplication_logs";

/// What healing did.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Healed {
    /// Tables whose logs were looked at.
    pub(crate) tables: usize,
    /// Records removed: blocks noted as inserted whose parts never came to be.
    pub(crate) records: usize,
    /// Last lines removed because they had no end.
    pub(crate) torn_lines: usize,
}

/// Heals every table under `database`, the engine's directory.
pub(crate) fn heal(database: &Path) -> Result<Healed, EngineError> {
    let mut healed = Healed::default();
    for area in ["store", "data"] {
        for outer in directories(&database.join(area))? {
            for table in directories(&outer)? {
                if table.join(LOGS).is_dir() {
                    healed.tables += 1;
                    heal_table(&table, database, &mut healed)?;
                }
            }
        }
    }
    Ok(healed)
}

fn heal_table(table: &Path, scratch: &Path, healed: &mut Healed) -> Result<(), EngineError> {
    let mut parts: BTreeMap<String, Vec<Part>> = BTreeMap::new();
    for name in directories(table)?.iter().filter_map(|path| path.file_name()?.to_str()) {
        if let Some(part) = Part::parse(name) {
            let partition = name.split('_').next().unwrap_or_default();
            parts.entry(partition.to_owned()).or_default().push(part);
        }
    }
    let exists = |name: &str| {
        let partition = name.split('_').next().unwrap_or_default();
        let candidates = parts.get(partition).map_or(&[][..], Vec::as_slice);
        Part::parse(name).is_none_or(|part| candidates.iter().any(|candidate| candidate.covers(&part)))
    };
    for log in entries(&table.join(LOGS))? {
        let content = fs::read(&log).map_err(EngineError::file("read", &log))?;
        let (kept, removed, torn) = sift(&content, &exists);
        if removed > 0 || torn {
            replace(&log, &kept, scratch)?;
            healed.records += removed;
            healed.torn_lines += usize::from(torn);
        }
    }
    Ok(())
}

/// The records to keep, how many were removed, and whether the last line had no end.
fn sift(log: &[u8], exists: &impl Fn(&str) -> bool) -> (Vec<u8>, usize, bool) {
    let mut kept = Vec::with_capacity(log.len());
    let (mut removed, mut torn) = (0, false);
    for line in log.split_inclusive(|&b| b == b'\n') {
        if line.last() != Some(&b'\n') {
            torn = true;
            continue;
        }
        let mut fields = line.split(|&b| b == b'\t');
        let (operation, part) = (fields.next(), fields.next().and_then(|name| std::str::from_utf8(name).ok()));
        if operation == Some(b"1") && part.is_some_and(|part| !exists(part)) {
            removed += 1;
        } else {
            kept.extend_from_slice(line);
        }
    }
    (kept, removed, torn)
}

/// Replaces a log in one step. The new file is built elsewhere: the engine takes every name in the folder for a log.
fn replace(log: &Path, content: &[u8], scratch: &Path) -> Result<(), EngineError> {
    let new = scratch.join("healed_log.tmp");
    let written = File::create(&new).and_then(|mut file| {
        file.write_all(content)?;
        file.sync_all()
    });
    written.map_err(EngineError::file("write", &new))?;
    fs::rename(&new, log).map_err(EngineError::file("replace", log))?;
    log.parent().map_or(Ok(()), sync_directory)
}

/// Paths in a directory, sorted; none when it does not exist.
fn entries(directory: &Path) -> Result<Vec<PathBuf>, EngineError> {
    let read = match fs::read_dir(directory) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.and_then(|entries| entries.map(|entry| entry.map(|e| e.path())).collect::<Result<Vec<_>, _>>()),
    };
    let mut paths = read.map_err(EngineError::file("list", directory))?;
    paths.sort();
    Ok(paths)
}

fn directories(directory: &Path) -> Result<Vec<PathBuf>, EngineError> {
    // Links are skipped: `data/` links to tables that lie in `store/`.
    Ok(entries(directory)?.into_iter().filter(|path| path.is_dir() && !path.is_symlink()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A table's directory with these parts and this log.
    fn table(parts: &[&str], log: &str) -> (tempfile::TempDir, PathBuf) {
        let temp = tempfile::tempdir().unwrap();
        let table = temp.path().join("store/abc/abc-1");
        for directory in parts.iter().chain(&[LOGS, "detached"]) {
            fs::create_dir_all(table.join(directory)).unwrap();
        }
        let path = table.join(LOGS).join("deduplication_log_1.txt");
        fs::write(&path, log).unwrap();
        (temp, path)
    }

    #[test]
    fn records_without_a_part_go_and_all_others_stay() {
        let log = "1\tall_1_1_0\ta\n1\tall_2_2_0\tb\n2\tall_7_7_0\tc\n1\tall_3_3_0\td\n1\tp_3_3_0\te\n";
        let (temp, path) = table(&["all_1_2_1", "tmp_insert_all_3_3_0", "p_3_3_0"], log);
        let healed = heal(temp.path()).unwrap();
        assert_eq!(healed, Healed { tables: 1, records: 1, torn_lines: 0 });
        assert_eq!(
            fs::read_to_string(&path).unwrap(),
            "1\tall_1_1_0\ta\n1\tall_2_2_0\tb\n2\tall_7_7_0\tc\n1\tp_3_3_0\te\n"
        );
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "nothing but logs in the folder");
    }

    #[test]
    fn a_line_cut_short_goes() {
        let (temp, path) = table(&["all_1_1_0"], "1\tall_1_1_0\ta\n1\tall_2_2");
        assert_eq!(heal(temp.path()).unwrap(), Healed { tables: 1, records: 0, torn_lines: 1 });
        assert_eq!(fs::read_to_string(path).unwrap(), "1\tall_1_1_0\ta\n");
    }

    #[test]
    fn a_sound_log_is_not_touched() {
        let (temp, path) = table(&["all_1_1_0"], "1\tall_1_1_0\ta\n");
        let before = fs::metadata(&path).unwrap().modified().unwrap();
        assert_eq!(heal(temp.path()).unwrap(), Healed { tables: 1, records: 0, torn_lines: 0 });
        assert_eq!(fs::metadata(path).unwrap().modified().unwrap(), before);
    }

    #[test]
    fn a_directory_without_tables_is_sound() {
        assert_eq!(heal(tempfile::tempdir().unwrap().path()).unwrap(), Healed::default());
    }
}
