//! ClickHouse's own compressed stream: blocks of
//! `checksum (16) | method (1) | compressed size with this header (4) | size (4) | data`, little endian.

use std::io::{self, Read};

const CHECKSUM: usize = 16;
const HEADER: usize = 9;
/// Largest block that is read, compressed or not; servers and clients write about 1 MiB.
const MAX_BLOCK: usize = 128 * 1024 * 1024;
/// Size at which a block is written.
const WRITE_BLOCK: usize = 1024 * 1024;

const NONE: u8 = 0x02;
const LZ4: u8 = 0x82;
const ZSTD: u8 = 0x90;

/// CityHash128 of ClickHouse's ancient version, as it lies in the stream.
fn checksum(bytes: &[u8]) -> [u8; CHECKSUM] {
    cityhash_rs::cityhash_102_128(bytes).rotate_right(64).to_le_bytes()
}

fn invalid(what: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// Collects bytes and gives them back as LZ4 blocks.
#[derive(Default)]
pub(super) struct BlockEncoder {
    pending: Vec<u8>,
}

impl BlockEncoder {
    /// Takes bytes; gives the blocks that are full.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.pending.extend_from_slice(bytes);
        let mut out = Vec::new();
        let full = self.pending.len() - self.pending.len() % WRITE_BLOCK;
        for block in self.pending[..full].chunks(WRITE_BLOCK) {
            write_block(block, &mut out);
        }
        self.pending.drain(..full);
        out
    }

    /// The last block, when there is one.
    pub(super) fn finish(&mut self) -> Vec<u8> {
        let mut out = Vec::new();
        if !self.pending.is_empty() {
            write_block(&std::mem::take(&mut self.pending), &mut out);
        }
        out
    }
}

fn write_block(block: &[u8], out: &mut Vec<u8>) {
    let compressed = lz4_flex::block::compress(block);
    let start = out.len();
    out.extend_from_slice(&[0; CHECKSUM]);
    out.push(LZ4);
    out.extend_from_slice(&((compressed.len() + HEADER) as u32).to_le_bytes());
    out.extend_from_slice(&(block.len() as u32).to_le_bytes());
    out.extend_from_slice(&compressed);
    let sum = checksum(&out[start + CHECKSUM..]);
    out[start..start + CHECKSUM].copy_from_slice(&sum);
}

/// Reads a stream of blocks as the bytes in them. Every checksum is verified.
pub(super) struct BlockDecoder<R> {
    inner: R,
    block: Vec<u8>,
    at: usize,
}

impl<R: Read> BlockDecoder<R> {
    pub(super) fn new(inner: R) -> Self {
        Self { inner, block: Vec::new(), at: 0 }
    }

    /// Reads the next block; false at the end of the stream.
    fn next_block(&mut self) -> io::Result<bool> {
        let mut head = [0; CHECKSUM + HEADER];
        if !read_or_end(&mut self.inner, &mut head)? {
            return Ok(false);
        }
        let size = |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]) as usize;
        let (compressed, plain) = (size(CHECKSUM + 1), size(CHECKSUM + 5));
        if !(HEADER..=MAX_BLOCK).contains(&compressed) || plain > MAX_BLOCK {
            return Err(invalid(format!(
                "a compressed block of {compressed} for {plain} bytes: at most {MAX_BLOCK} are read"
            )));
        }
        let mut body = head[CHECKSUM..].to_vec();
        body.resize(compressed, 0);
        self.inner.read_exact(&mut body[HEADER..])?;
        if checksum(&body) != head[..CHECKSUM] {
            return Err(invalid("the checksum of a compressed block does not match".to_owned()));
        }
        self.block = decompress(head[CHECKSUM], &body[HEADER..], plain)?;
        self.at = 0;
        if self.block.len() != plain {
            return Err(invalid(format!("a compressed block gave {} of {plain} bytes", self.block.len())));
        }
        Ok(true)
    }
}

impl<R: Read> Read for BlockDecoder<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        while self.at == self.block.len() {
            if !self.next_block()? {
                return Ok(0);
            }
        }
        let n = buf.len().min(self.block.len() - self.at);
        buf[..n].copy_from_slice(&self.block[self.at..self.at + n]);
        self.at += n;
        Ok(n)
    }
}

fn decompress(method: u8, data: &[u8], plain: usize) -> io::Result<Vec<u8>> {
    match method {
        NONE => Ok(data.to_vec()),
        LZ4 => {
            lz4_flex::block::decompress(data, plain).map_err(|e| invalid(format!("a compressed block is damaged: {e}")))
        }
        ZSTD => zstd::bulk::decompress(data, plain).map_err(|e| invalid(format!("a compressed block is damaged: {e}"))),
        other => Err(invalid(format!("compression method 0x{other:02x} is not known: use LZ4, ZSTD or none"))),
    }
}

/// Fills `buf`; false when the stream ends before its first byte.
fn read_or_end(reader: &mut impl Read, buf: &mut [u8]) -> io::Result<bool> {
    let mut filled = 0;
    while filled < buf.len() {
        match reader.read(&mut buf[filled..]) {
            Ok(0) if filled == 0 => return Ok(false),
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(n) => filled += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = BlockEncoder::default();
        let mut out = encoder.push(bytes);
        out.extend_from_slice(&encoder.finish());
        out
    }

    fn decoded(bytes: &[u8]) -> io::Result<Vec<u8>> {
        let mut out = Vec::new();
        BlockDecoder::new(bytes).read_to_end(&mut out).map(|_| out)
    }

    #[test]
    fn what_is_written_reads_back() {
        let block = encoded(b"hello hello");
        assert_eq!(block[16], LZ4);
        assert_eq!(decoded(&block).unwrap(), b"hello hello");
    }

    #[test]
    fn zstd_and_plain_blocks_are_read() {
        for (method, data) in [(ZSTD, zstd::bulk::compress(b"abc", 1).unwrap()), (NONE, b"abc".to_vec())] {
            let mut body = vec![method];
            body.extend_from_slice(&((data.len() + HEADER) as u32).to_le_bytes());
            body.extend_from_slice(&3_u32.to_le_bytes());
            body.extend_from_slice(&data);
            let mut block = checksum(&body).to_vec();
            block.extend_from_slice(&body);
            assert_eq!(decoded(&block).unwrap(), b"abc");
        }
    }

    #[test]
    fn a_changed_byte_or_a_missing_end_is_an_error() {
        let mut block = encoded(&[7; 1000]);
        assert!(decoded(&block[..block.len() - 1]).is_err());
        assert!(decoded(&block[..10]).is_err());
        *block.last_mut().unwrap() ^= 1;
        assert!(decoded(&block).unwrap_err().to_string().contains("checksum"));
    }

    #[test]
    fn a_block_that_claims_to_be_huge_is_refused_before_it_is_read() {
        let mut block = encoded(b"x");
        block[21..25].copy_from_slice(&u32::MAX.to_le_bytes());
        assert!(decoded(&block).unwrap_err().to_string().contains("at most"));
    }
}
