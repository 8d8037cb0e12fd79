//! A log file that is never larger than its share: full, it becomes the old one and a new one begins.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// How much a process may log before its file is set aside; the two older files are kept beside it.
pub(super) const LOG_BYTES_MAX: u64 = 16 * 1024 * 1024;
const KEPT: u32 = 2;

#[derive(Debug)]
pub(super) struct RotatingFile {
    path: PathBuf,
    file: File,
    written: u64,
    limit: u64,
}

impl RotatingFile {
    /// Opens a log to append to.
    pub(super) fn open(path: &Path, limit: u64) -> io::Result<Self> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        let written = file.metadata()?.len();
        Ok(Self { path: path.to_owned(), file, written, limit })
    }

    /// Appends, setting a full file aside first.
    pub(super) fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.written > 0 && self.written + bytes.len() as u64 > self.limit {
            self.set_aside()?;
        }
        self.file.write_all(bytes)?;
        self.written += bytes.len() as u64;
        Ok(())
    }

    fn set_aside(&mut self) -> io::Result<()> {
        for age in (0..KEPT).rev() {
            match fs::rename(self.aged(age), self.aged(age + 1)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        *self = Self::open(&self.path, self.limit)?;
        Ok(())
    }

    fn aged(&self, age: u32) -> PathBuf {
        if age == 0 { self.path.clone() } else { self.path.with_added_extension(age.to_string()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_log_is_set_aside_and_the_oldest_forgotten() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.log");
        let mut log = RotatingFile::open(&path, 10).unwrap();
        for n in 1..=4 {
            log.append(format!("line {n}\n").as_bytes()).unwrap();
        }
        let read = |name: &str| fs::read_to_string(dir.path().join(name)).unwrap();
        assert_eq!([read("a.log"), read("a.log.1"), read("a.log.2")], ["line 4\n", "line 3\n", "line 2\n"]);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 3);
    }

    #[test]
    fn a_log_goes_on_where_it_ended() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("logs/a.log");
        RotatingFile::open(&path, 100).unwrap().append(b"one\n").unwrap();
        RotatingFile::open(&path, 100).unwrap().append(b"two\n").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "one\ntwo\n");
    }
}
