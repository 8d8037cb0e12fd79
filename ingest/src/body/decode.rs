//! Decompression, never beyond its cap.

use super::{Encoding, Unread};
use crate::{
    admission::{Charge, Full},
    config::MEMORY_FACTOR,
    problem::Refusal,
};
use bytes::Bytes;
use std::io::{self, Read};

/// Largest window of zstd, as a power of two: what its own tool uses by default at the levels people use. The format allows 2 GiB.
const ZSTD_WINDOW_LOG_MAX: u32 = 23;
/// Bytes that are decompressed, and charged, at a time.
const STEP: usize = 64 << 10;

/// Why decompression ended early.
enum Stop {
    TooLarge,
    Full(Full),
    Bad,
}

/// Decompresses a body and charges the memory that it and its events take. When it cannot be, as much as could is given back, or
/// else the bytes as sent.
pub(crate) fn decode(sent: &Bytes, encoding: Encoding, max: usize, charge: &mut Charge) -> Result<Bytes, Unread> {
    let mut decoded = Vec::new();
    let result = match encoding {
        // The bytes themselves are charged already.
        Encoding::Identity => {
            return match charge.grow(sent.len() * (MEMORY_FACTOR - 1)) {
                Ok(()) => Ok(sent.clone()),
                Err(full) => Err(unread(Refusal::Overloaded(full), sent.clone())),
            };
        }
        Encoding::Gzip => fill(flate2::read::MultiGzDecoder::new(sent.as_ref()), max, &mut decoded, charge),
        Encoding::Zstd => match zstd(sent) {
            Ok(decoder) => fill(decoder, max, &mut decoded, charge),
            Err(_) => Err(Stop::Bad),
        },
    };
    let refusal = match result {
        Ok(()) => return Ok(decoded.into()),
        Err(Stop::TooLarge) => Refusal::DecodedTooLarge(max),
        Err(Stop::Full(full)) => Refusal::Overloaded(full),
        Err(Stop::Bad) => Refusal::BadEncoding,
    };
    Err(unread(refusal, if decoded.is_empty() { sent.clone() } else { decoded.into() }))
}

fn unread(refusal: Refusal, bytes: Bytes) -> Unread {
    Unread { refusal, size: bytes.len() as u64, bytes }
}

fn zstd(sent: &Bytes) -> io::Result<impl Read> {
    let mut decoder = zstd::stream::read::Decoder::with_buffer(sent.as_ref())?;
    decoder.window_log_max(ZSTD_WINDOW_LOG_MAX)?;
    Ok(decoder)
}

fn fill(mut decoder: impl Read, max: usize, into: &mut Vec<u8>, charge: &mut Charge) -> Result<(), Stop> {
    loop {
        let before = into.len();
        // One byte more than allowed tells that it is too much.
        let room = (max + 1 - before).min(STEP);
        let result = decoder.by_ref().take(room as u64).read_to_end(into);
        if into.len() > max {
            into.truncate(max);
            return Err(Stop::TooLarge);
        }
        charge.grow((into.len() - before) * MEMORY_FACTOR).map_err(Stop::Full)?;
        match result {
            Ok(0) => return Ok(()),
            Ok(_) => {}
            Err(_) => return Err(Stop::Bad),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admission::Admission;
    use std::io::Write as _;

    fn decode(sent: &Bytes, encoding: Encoding, max: usize) -> Result<Bytes, Unread> {
        let mut charge = Admission::new(1, 1 << 30).enter().expect("room");
        super::decode(sent, encoding, max, &mut charge)
    }

    const TEXT: &[u8] = b"{\"amount\": 10.99}";

    fn gzip(text: &[u8]) -> Bytes {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(text).expect("in memory");
        encoder.finish().expect("in memory").into()
    }

    fn zstd(text: &[u8]) -> Bytes {
        zstd::encode_all(text, 3).expect("in memory").into()
    }

    #[test]
    fn both_encodings_are_read() {
        for (sent, encoding) in [(gzip(TEXT), Encoding::Gzip), (zstd(TEXT), Encoding::Zstd)] {
            assert_eq!(decode(&sent, encoding, TEXT.len()).ok().as_deref(), Some(TEXT));
        }
    }

    #[test]
    fn nothing_grows_beyond_the_cap() {
        let zeros = vec![b'0'; 50 << 20];
        for (sent, encoding) in [(gzip(&zeros), Encoding::Gzip), (zstd(&zeros), Encoding::Zstd)] {
            let unread = decode(&sent, encoding, 1_000).expect_err("a bomb");
            assert_eq!((unread.refusal, unread.bytes.len()), (Refusal::DecodedTooLarge(1_000), 1_000));
        }
    }

    #[test]
    fn memory_is_charged_while_it_is_taken() {
        let admission = Admission::new(1, 1_000);
        let mut charge = admission.enter().expect("room");
        let unread = super::decode(&gzip(&[b' '; 10_000]), Encoding::Gzip, 10_000, &mut charge).expect_err("no room");
        assert_eq!(unread.refusal, Refusal::Overloaded(Full::Bytes));
    }

    #[test]
    fn what_is_cut_off_or_not_compressed_is_refused() {
        for (sent, encoding) in [(gzip(TEXT), Encoding::Gzip), (zstd(TEXT), Encoding::Zstd)] {
            let cut = sent.slice(..sent.len() - 3);
            assert_eq!(decode(&cut, encoding, 1_000).err().map(|unread| unread.refusal), Some(Refusal::BadEncoding));
            let plain = decode(&Bytes::from_static(TEXT), encoding, 1_000).expect_err("not compressed");
            assert_eq!((plain.refusal, plain.bytes.as_ref()), (Refusal::BadEncoding, TEXT));
        }
    }
}
