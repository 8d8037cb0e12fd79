//! What the headers say of a body: format, charset, content encoding.

use crate::{problem::Refusal, tree::Format};
use http::{HeaderMap, header};

/// How a body is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    Identity,
    Gzip,
    Zstd,
}

/// Format and compression of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Media {
    pub format: Format,
    pub encoding: Encoding,
}

impl Media {
    /// Reads `Content-Type` and `Content-Encoding`.
    pub fn of(headers: &HeaderMap) -> Result<Self, Refusal> {
        let format = format(headers)?;
        Ok(Self { format, encoding: encoding(headers)? })
    }
}

fn format(headers: &HeaderMap) -> Result<Format, Refusal> {
    let Some(value) = headers.get(header::CONTENT_TYPE) else { return Err(Refusal::NoMediaType) };
    let value = value.to_str().map_err(|_| Refusal::MediaType)?;
    let mut parts = value.split(';').map(str::trim);
    let essence = parts.next().unwrap_or_default().to_ascii_lowercase();
    let format = match essence.as_str() {
        "application/json" | "text/json" => Format::Json,
        "application/x-ndjson" | "application/ndjson" | "application/jsonl" | "application/x-jsonlines" => {
            Format::Ndjson
        }
        "application/xml" | "text/xml" => Format::Xml,
        other if other.starts_with("application/") && other.ends_with("+json") => Format::Json,
        other if other.starts_with("application/") && other.ends_with("+xml") => Format::Xml,
        _ => return Err(Refusal::MediaType),
    };
    match parts.filter_map(|part| part.split_once('=')).find(|(name, _)| name.trim().eq_ignore_ascii_case("charset")) {
        None => Ok(format),
        Some((_, charset)) if is_utf8(charset.trim().trim_matches('"')) => Ok(format),
        Some(_) => Err(Refusal::Charset),
    }
}

/// ASCII is UTF-8 too.
fn is_utf8(charset: &str) -> bool {
    ["utf-8", "utf8", "us-ascii"].iter().any(|known| charset.eq_ignore_ascii_case(known))
}

fn encoding(headers: &HeaderMap) -> Result<Encoding, Refusal> {
    let mut encodings = headers.get_all(header::CONTENT_ENCODING).iter();
    let Some(value) = encodings.next() else { return Ok(Encoding::Identity) };
    let value = value.to_str().map_err(|_| Refusal::ContentEncoding)?.trim().to_ascii_lowercase();
    match (value.as_str(), encodings.next()) {
        ("identity" | "", None) => Ok(Encoding::Identity),
        ("gzip" | "x-gzip", None) => Ok(Encoding::Gzip),
        ("zstd", None) => Ok(Encoding::Zstd),
        _ => Err(Refusal::ContentEncoding),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn media(content_type: &'static str, content_encoding: Option<&'static str>) -> Result<Media, Refusal> {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        if let Some(encoding) = content_encoding {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(encoding));
        }
        Media::of(&headers)
    }

    #[test]
    fn types_charsets_and_encodings_are_known_by_their_usual_names() {
        for (content_type, format) in [
            ("application/json", Format::Json),
            ("Application/JSON; charset=UTF-8", Format::Json),
            ("application/vnd.shop+json", Format::Json),
            ("application/x-ndjson", Format::Ndjson),
            ("text/xml;charset=\"utf-8\"", Format::Xml),
        ] {
            assert_eq!(media(content_type, None), Ok(Media { format, encoding: Encoding::Identity }), "{content_type}");
        }
        assert_eq!(media("text/xml", Some("GZIP")).map(|media| media.encoding), Ok(Encoding::Gzip));
    }

    #[test]
    fn others_are_refused() {
        assert_eq!(media("text/plain", None), Err(Refusal::MediaType));
        assert_eq!(media("application/json; charset=utf-16", None), Err(Refusal::Charset));
        assert_eq!(media("application/json", Some("br")), Err(Refusal::ContentEncoding));
        assert_eq!(media("application/json", Some("gzip, zstd")), Err(Refusal::ContentEncoding));
        assert_eq!(Media::of(&HeaderMap::new()), Err(Refusal::NoMediaType));
    }
}
