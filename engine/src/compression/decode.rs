//! Decompresses a request's body as it is read.

use std::io::{self, BufRead, BufReader, Read};

use flate2::read::{MultiGzDecoder, ZlibDecoder};
use lz4_flex::frame::FrameDecoder;

use super::Encoding;
use super::block::BlockDecoder;

/// Reads `body` without its compression: `encoding` is the outer one, `blocks` says that ClickHouse's blocks are inside.
pub(crate) fn decoder(
    body: impl Read + Send + 'static,
    encoding: Option<Encoding>,
    blocks: bool,
) -> io::Result<Box<dyn Read + Send>> {
    let plain: Box<dyn Read + Send> = match encoding {
        None => Box::new(body),
        Some(Encoding::Gzip) => Box::new(MultiGzDecoder::new(body)),
        Some(Encoding::Deflate) => Box::new(ZlibDecoder::new(body)),
        Some(Encoding::Zstd) => Box::new(zstd::stream::read::Decoder::new(body)?),
        Some(Encoding::Lz4) => Box::new(Lz4Frames { decoder: FrameDecoder::new(BufReader::new(body)) }),
    };
    Ok(if blocks { Box::new(BlockDecoder::new(plain)) } else { plain })
}

/// LZ4 frames one after the other; the library's decoder says "end" after each.
struct Lz4Frames<R: Read> {
    decoder: FrameDecoder<BufReader<R>>,
}

impl<R: Read> Read for Lz4Frames<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.decoder.read(buf)? {
                0 if buf.is_empty() || self.decoder.get_mut().fill_buf()?.is_empty() => return Ok(0),
                0 => {}
                n => return Ok(n),
            }
        }
    }
}
