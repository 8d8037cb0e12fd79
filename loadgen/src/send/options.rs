//! What a run of sending is told.

use std::path::PathBuf;
use std::time::Duration;

use clap::value_parser;

use crate::item::Kind;
use crate::read::Format;

/// Where to send which files, and how.
#[derive(Debug, Clone, clap::Args)]
pub struct SendOptions {
    /// Files to send: .json, .ndjson or .jsonl, .xml, .csv, each also as .gz or .zst; - is standard input (with --format).
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,

    /// Gateway to send to; without it, the one of the configuration.
    #[arg(long, alias = "url", value_name = "URL")]
    pub gateway: Option<reqwest::Url>,

    /// What the files hold; with --mapping it is what the mapping says.
    #[arg(long, value_enum)]
    pub kind: Option<Kind>,

    /// Format of all files, instead of telling by their names.
    #[arg(long, value_enum)]
    pub format: Option<Format>,

    /// How rows of CSV become transactions or receipts (TOML; see data/mappings).
    #[arg(long, value_name = "FILE")]
    pub mapping: Option<PathBuf>,

    /// Items in one request, at most; 1 sends each on its own.
    #[arg(long, default_value_t = 100, value_parser = value_parser!(u32).range(1..=10_000))]
    pub batch: u32,

    /// Bytes in one request, at most, unless a single item has more.
    #[arg(long, default_value_t = 1 << 20, value_name = "BYTES")]
    pub batch_bytes: usize,

    /// Requests in flight at once.
    #[arg(long, default_value_t = 4, value_parser = value_parser!(u32).range(1..=256))]
    pub parallel: u32,

    /// Keep the order of each customer's transactions or each place's receipts: no two requests in flight have items of the same key.
    /// An item that the gateway could not store goes out again after the rest of its request.
    #[arg(long)]
    pub ordered: bool,

    /// Items a second, at most.
    #[arg(long, value_name = "N", value_parser = value_parser!(u32).range(1..))]
    pub rate: Option<u32>,

    /// Keep every answer beside its request in this file (NDJSON); an existing file is replaced.
    #[arg(long, value_name = "FILE")]
    pub answers: Option<PathBuf>,

    /// Keep each item as it was sent beside its answer, too.
    #[arg(long, requires = "answers")]
    pub answers_with_items: bool,

    /// Stop when the gateway has stored nothing of a request for so many seconds of retrying.
    #[arg(long, default_value_t = 120, value_name = "SECONDS")]
    pub retry_seconds: u64,

    /// First wait before a retry; it doubles up to 5 seconds. What the gateway asks for in Retry-After goes before.
    #[arg(long, default_value_t = 200, value_name = "MS", value_parser = value_parser!(u64).range(1..=60_000))]
    pub backoff_ms: u64,

    /// Wait so many seconds for an answer before the request is sent again.
    #[arg(long, default_value_t = 30, value_name = "SECONDS", value_parser = value_parser!(u64).range(1..=3_600))]
    pub timeout_seconds: u64,

    /// Show no progress.
    #[arg(long, short)]
    pub quiet: bool,
}

impl SendOptions {
    /// The defaults of the command line, without progress.
    pub fn new(gateway: reqwest::Url, files: Vec<PathBuf>) -> Self {
        SendOptions {
            files,
            gateway: Some(gateway),
            kind: None,
            format: None,
            mapping: None,
            batch: 100,
            batch_bytes: 1 << 20,
            parallel: 4,
            ordered: false,
            rate: None,
            answers: None,
            answers_with_items: false,
            retry_seconds: 120,
            backoff_ms: 200,
            timeout_seconds: 30,
            quiet: true,
        }
    }

    pub(super) fn timeout(&self) -> Duration {
        Duration::from_secs(self.timeout_seconds)
    }
}
