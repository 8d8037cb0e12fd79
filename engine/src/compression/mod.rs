//! Compression of requests and responses: HTTP's own (`Content-Encoding`) and ClickHouse's blocks (`compress=1`,
//! `decompress=1`), which may be nested.

mod block;
mod decode;
mod encode;

pub(crate) use decode::decoder;
pub(crate) use encode::Encoder;

/// A `Content-Encoding`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    Gzip,
    Deflate,
    Zstd,
    /// LZ4 frames, which ClickHouse's clients ask for; not registered with IANA.
    Lz4,
}

impl Encoding {
    /// In the order of preference.
    const ALL: [Self; 4] = [Self::Zstd, Self::Lz4, Self::Gzip, Self::Deflate];

    /// Its name in headers.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Deflate => "deflate",
            Self::Zstd => "zstd",
            Self::Lz4 => "lz4",
        }
    }

    /// Reads a `Content-Encoding`: `Ok(None)` is no compression, `Err` one that is not known.
    pub(crate) fn of_request(header: &str) -> Result<Option<Self>, ()> {
        let name = header.trim().to_ascii_lowercase();
        match name.as_str() {
            "" | "identity" => Ok(None),
            "x-gzip" => Ok(Some(Self::Gzip)),
            _ => Self::ALL.into_iter().find(|encoding| encoding.name() == name).map(Some).ok_or(()),
        }
    }

    /// Chooses from an `Accept-Encoding`; an encoding with `q=0` is not acceptable.
    pub(crate) fn accepted(header: &str) -> Option<Self> {
        let acceptable = |encoding: &Self| {
            header.split(',').any(|item| {
                let mut fields = item.split(';').map(str::trim);
                let named = fields.next().is_some_and(|name| name.eq_ignore_ascii_case(encoding.name()));
                let refused = fields.any(|q| matches!(q, "q=0" | "q=0.0" | "q=0.00" | "q=0.000"));
                named && !refused
            })
        };
        Self::ALL.into_iter().find(acceptable)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn the_preferred_acceptable_encoding_is_chosen() {
        assert_eq!(Encoding::accepted("gzip, deflate, br, zstd"), Some(Encoding::Zstd));
        assert_eq!(Encoding::accepted("gzip;q=1.0, zstd;q=0"), Some(Encoding::Gzip));
        assert_eq!(Encoding::accepted("br, *"), None);
        assert_eq!(Encoding::accepted("LZ4"), Some(Encoding::Lz4));
    }

    #[test]
    fn what_is_encoded_in_pieces_decodes_to_the_same() {
        let text: Vec<u8> = (0..700_000_u32).flat_map(|n| (n / 7).to_le_bytes()).collect();
        let encodings =
            [None, Some(Encoding::Gzip), Some(Encoding::Deflate), Some(Encoding::Zstd), Some(Encoding::Lz4)];
        for (encoding, blocks) in encodings.into_iter().flat_map(|e| [(e, false), (e, true)]) {
            let mut encoder = Encoder::new(encoding, blocks).unwrap();
            let mut encoded = Vec::new();
            for piece in text.chunks(100_003) {
                encoded.extend_from_slice(&encoder.push(piece).unwrap());
            }
            encoded.extend_from_slice(&encoder.end().unwrap());
            let mut decoded = Vec::new();
            decoder(std::io::Cursor::new(encoded), encoding, blocks).unwrap().read_to_end(&mut decoded).unwrap();
            assert!(decoded == text, "{encoding:?}, blocks: {blocks}");
        }
    }
}
