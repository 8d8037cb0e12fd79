//! Compresses a response as it goes out.

use std::io::{self, Write};

use bytes::Bytes;
use flate2::write::{GzEncoder, ZlibEncoder};
use lz4_flex::frame::{BlockMode, FrameEncoder, FrameInfo};

use super::Encoding;
use super::block::BlockEncoder;

/// Fast levels: the network of a local endpoint is memory.
const GZIP_LEVEL: u32 = 1;
const ZSTD_LEVEL: i32 = 1;

/// Bytes in, compressed bytes out.
pub(crate) struct Encoder {
    blocks: Option<BlockEncoder>,
    http: Http,
}

enum Http {
    Plain,
    Gzip(GzEncoder<Vec<u8>>),
    Deflate(ZlibEncoder<Vec<u8>>),
    Zstd(zstd::stream::write::Encoder<'static, Vec<u8>>),
    Lz4(Box<FrameEncoder<Vec<u8>>>),
}

impl Encoder {
    /// `blocks` puts ClickHouse's blocks inside the HTTP encoding.
    pub(crate) fn new(encoding: Option<Encoding>, blocks: bool) -> io::Result<Self> {
        let http = match encoding {
            None => Http::Plain,
            Some(Encoding::Gzip) => Http::Gzip(GzEncoder::new(Vec::new(), flate2::Compression::new(GZIP_LEVEL))),
            Some(Encoding::Deflate) => {
                Http::Deflate(ZlibEncoder::new(Vec::new(), flate2::Compression::new(GZIP_LEVEL)))
            }
            Some(Encoding::Zstd) => Http::Zstd(zstd::stream::write::Encoder::new(Vec::new(), ZSTD_LEVEL)?),
            Some(Encoding::Lz4) => {
                let info = FrameInfo::new().block_mode(BlockMode::Independent);
                Http::Lz4(Box::new(FrameEncoder::with_frame_info(info, Vec::new())))
            }
        };
        Ok(Self { blocks: blocks.then(BlockEncoder::default), http })
    }

    /// Takes bytes; gives what is ready to be sent, which may be nothing.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> io::Result<Bytes> {
        match &mut self.blocks {
            Some(blocks) => {
                let blocks = blocks.push(bytes);
                self.push_http(&blocks)
            }
            None => self.push_http(bytes),
        }
    }

    fn push_http(&mut self, bytes: &[u8]) -> io::Result<Bytes> {
        let ready = match &mut self.http {
            Http::Plain => return Ok(Bytes::copy_from_slice(bytes)),
            Http::Gzip(encoder) => encoder.write_all(bytes).map(|()| std::mem::take(encoder.get_mut())),
            Http::Deflate(encoder) => encoder.write_all(bytes).map(|()| std::mem::take(encoder.get_mut())),
            Http::Zstd(encoder) => encoder.write_all(bytes).map(|()| std::mem::take(encoder.get_mut())),
            Http::Lz4(encoder) => encoder.write_all(bytes).map(|()| std::mem::take(encoder.get_mut())),
        };
        ready.map(Bytes::from)
    }

    /// The end of the compressed stream; to be called once, after the last bytes.
    pub(crate) fn end(&mut self) -> io::Result<Bytes> {
        let mut rest = Vec::new();
        if let Some(blocks) = &mut self.blocks {
            let blocks = blocks.finish();
            rest.extend_from_slice(&self.push_http(&blocks)?);
        }
        let end = match std::mem::replace(&mut self.http, Http::Plain) {
            Http::Plain => Vec::new(),
            Http::Gzip(encoder) => encoder.finish()?,
            Http::Deflate(encoder) => encoder.finish()?,
            Http::Zstd(encoder) => encoder.finish()?,
            Http::Lz4(encoder) => encoder.finish().map_err(io::Error::other)?,
        };
        rest.extend_from_slice(&end);
        Ok(rest.into())
    }
}
