//! The formats of figures, and which one a caller wants.

use axum::http::{HeaderMap, header};
use std::str::FromStr;

/// A format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// A page of rows in an object that says what they are of.
    Json,
    /// A row in each line.
    Ndjson,
    Csv,
    Parquet,
    /// Arrow's format for streams.
    ArrowStream,
    /// Arrow's format for files.
    Arrow,
}

impl Format {
    pub const ALL: [Self; 6] = [Self::Json, Self::Ndjson, Self::Csv, Self::Parquet, Self::ArrowStream, Self::Arrow];

    /// As `format=` names it, and the ending of files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Ndjson => "ndjson",
            Self::Csv => "csv",
            Self::Parquet => "parquet",
            Self::ArrowStream => "arrows",
            Self::Arrow => "arrow",
        }
    }

    /// Whether answers are pages that say what they are of.
    pub fn is_page(self) -> bool {
        self == Self::Json
    }

    pub fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Ndjson => "application/x-ndjson",
            Self::Csv => "text/csv",
            Self::Parquet => "application/vnd.apache.parquet",
            Self::ArrowStream => "application/vnd.apache.arrow.stream",
            Self::Arrow => "application/vnd.apache.arrow.file",
        }
    }

    /// The server's name of it.
    pub fn of_server(self) -> &'static str {
        match self {
            Self::Json | Self::Ndjson => "JSONEachRow",
            Self::Csv => "CSVWithNames",
            Self::Parquet => "Parquet",
            Self::ArrowStream => "ArrowStream",
            Self::Arrow => "Arrow",
        }
    }

    /// What `Accept` prefers; JSON when it says nothing, `None` when nothing of it is to be had.
    pub fn accepted(headers: &HeaderMap) -> Option<Self> {
        let values = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
        let mut best: Option<(Self, f32)> = None;
        let mut said = false;
        for range in values.flat_map(|value| value.split(',')).map(str::trim).filter(|range| !range.is_empty()) {
            said = true;
            let mut parts = range.split(';').map(str::trim);
            let media = parts.next().unwrap_or_default().to_ascii_lowercase();
            let weight = parts.find_map(|part| part.strip_prefix("q=")?.parse().ok()).unwrap_or(1.0);
            let format = match media.as_str() {
                "*/*" | "application/*" | "application/problem+json" => Some(Self::Json),
                "text/*" => Some(Self::Csv),
                "application/parquet" | "application/x-parquet" => Some(Self::Parquet),
                "application/ndjson" | "application/jsonl" => Some(Self::Ndjson),
                other => Self::ALL.into_iter().find(|format| format.media_type() == other),
            };
            if let Some(format) = format
                && weight > 0.0
                && best.is_none_or(|(_, heaviest)| weight > heaviest)
            {
                best = Some((format, weight));
            }
        }
        if said { best.map(|(format, _)| format) } else { Some(Self::Json) }
    }
}

impl FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let names = Self::ALL.map(Self::name).join(", ");
        Self::ALL
            .into_iter()
            .find(|format| format.name() == text)
            .ok_or_else(|| format!("format must be one of {names}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    #[test]
    fn the_heaviest_that_is_to_be_had_is_taken() {
        for (accept, format) in [
            ("text/csv", Some(Format::Csv)),
            ("text/html, */*;q=0.1", Some(Format::Json)),
            ("application/json;q=0.5, application/vnd.apache.parquet", Some(Format::Parquet)),
            ("application/vnd.apache.arrow.stream", Some(Format::ArrowStream)),
            ("image/png", None),
            ("text/csv;q=0", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, HeaderValue::from_static(accept));
            assert_eq!(Format::accepted(&headers), format, "{accept}");
        }
        assert_eq!(Format::accepted(&HeaderMap::new()), Some(Format::Json));
    }
}
