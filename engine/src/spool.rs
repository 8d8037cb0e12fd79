//! A result that is kept back: in memory, and once that is full in a file without a name.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::path::Path;

use bytes::{Bytes, BytesMut};

/// Bytes read back at a time.
const PIECE_BYTES: u64 = 256 * 1024;

/// Bytes to be read back in order, those in the file first.
#[derive(Default)]
pub(crate) struct Spool {
    memory: BytesMut,
    file: Option<File>,
    in_file: u64,
    rewound: bool,
}

impl Spool {
    /// Adds bytes in memory.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.memory.extend_from_slice(bytes);
    }

    /// Bytes in memory.
    pub(crate) fn in_memory(&self) -> usize {
        self.memory.len()
    }

    /// All bytes.
    pub(crate) fn len(&self) -> u64 {
        self.in_file + self.memory.len() as u64
    }

    /// Whether some of it is in a file.
    pub(crate) fn has_file(&self) -> bool {
        self.file.is_some()
    }

    /// Takes what is in memory.
    pub(crate) fn take_memory(&mut self) -> Bytes {
        self.memory.split().freeze()
    }

    /// Moves what is in memory to a file in `directory`.
    pub(crate) async fn move_to_file(&mut self, directory: &Path) -> io::Result<()> {
        let (file, data, directory) = (self.file.take(), self.take_memory(), directory.to_owned());
        self.in_file += data.len() as u64;
        let write = move || {
            let mut file = file.map_or_else(|| tempfile::tempfile_in(directory), Ok)?;
            file.write_all(&data).map(|()| file)
        };
        self.file = Some(tokio::task::spawn_blocking(write).await??);
        Ok(())
    }

    /// Reads the next piece; `None` at the end.
    pub(crate) async fn next(&mut self) -> io::Result<Option<Bytes>> {
        if let Some(mut file) = self.file.take() {
            let rewound = std::mem::replace(&mut self.rewound, true);
            let read = move || {
                if !rewound {
                    file.rewind()?;
                }
                let mut piece = Vec::new();
                (&file).take(PIECE_BYTES).read_to_end(&mut piece)?;
                io::Result::Ok((file, piece))
            };
            let (file, piece) = tokio::task::spawn_blocking(read).await??;
            if !piece.is_empty() {
                self.file = Some(file);
                return Ok(Some(piece.into()));
            }
        }
        Ok(Some(self.take_memory()).filter(|rest| !rest.is_empty()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_goes_in_comes_out_in_order() {
        let temp = tempfile::tempdir().unwrap();
        let all: Vec<u8> = (0..400_000_u32).flat_map(u32::to_le_bytes).collect();
        let mut spool = Spool::default();
        for chunk in all.chunks(300_000) {
            if spool.in_memory() > 500_000 {
                spool.move_to_file(temp.path()).await.unwrap();
            }
            spool.push(chunk);
        }
        assert!(spool.has_file() && spool.in_memory() > 0);
        assert_eq!(spool.len(), all.len() as u64);
        let mut read = Vec::new();
        while let Some(piece) = spool.next().await.unwrap() {
            read.extend_from_slice(&piece);
        }
        assert!(read == all);
        assert_eq!(std::fs::read_dir(temp.path()).unwrap().count(), 0, "the file has no name");
    }
}
