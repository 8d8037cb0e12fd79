//! `millrace watch TOPIC`: decoded events as they arrive.

use crate::config::{Config, ConfigArgs, block_on};
use anyhow::{Context, Result, bail};
use millrace_runtime::{
    Record, lifecycle,
    log::Log,
    reader::{From, Read, Reader},
};
use millrace_schemas::{Topic, time::format_instant, wire::Codec};
use serde_json::{Map, Value as Json, json};
use std::{io::Write as _, process::ExitCode, time::Duration};

pub const EXAMPLES: &str = "Examples:
  millrace watch transaction-scores
  millrace watch dead-letters --from beginning --until-end
  millrace watch transactions --key customer-17 --from beginning --json | jq .value.amount";

#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    watch: Watch,
    #[command(flatten)]
    config: ConfigArgs,
}

pub fn run(args: Args) -> Result<ExitCode> {
    block_on(watch(args.config.load()?, args.watch)).map(|()| ExitCode::SUCCESS)
}

/// What to watch.
#[derive(Debug, Clone, clap::Args)]
pub struct Watch {
    /// Topic, such as transactions or transaction-scores; `millrace topics list` shows them
    pub topic: Topic,
    /// Where to begin: `beginning`, `end`, or an offset
    #[arg(long, default_value = "end", value_parser = parse_from)]
    pub from: From,
    /// Only records with this key
    #[arg(long)]
    pub key: Option<String>,
    /// Only this partition
    #[arg(long)]
    pub partition: Option<i32>,
    /// Stop after this many records
    #[arg(long, value_name = "N")]
    pub count: Option<u64>,
    /// Stop when everything that is there was shown, instead of waiting for more
    #[arg(long)]
    pub until_end: bool,
    /// Print one JSON object a line
    #[arg(long)]
    pub json: bool,
}

fn parse_from(text: &str) -> Result<From, String> {
    match text {
        "beginning" => Ok(From::Beginning),
        "end" => Ok(From::End),
        offset => offset.parse().map(From::Offset).map_err(|_| "takes `beginning`, `end` or an offset".to_owned()),
    }
}

/// Shows records until it is stopped.
async fn watch(config: Config, options: Watch) -> Result<()> {
    let log = Log::new(&config.kafka, &config.registry)?;
    let shutdown = lifecycle::shutdown_on_signals()?;
    let partitions: Vec<i32> = match (log.partitions(options.topic).await?, options.partition) {
        (count, Some(partition)) if !(0..count).contains(&partition) => {
            bail!("{} has partitions 0 to {}, not {partition}", options.topic, count - 1)
        }
        (_, Some(partition)) => vec![partition],
        (count, None) => (0..count).collect(),
    };
    // What is in the log can be decoded from the log alone; the registry is not asked.
    let codec = Codec::reader(&log.schemas().await?)?;
    let mut reader = Reader::new(&config.kafka, options.topic, &partitions, options.from)?;
    tokio::task::spawn_blocking(move || {
        let (mut shown, mut ended) = (0, std::collections::BTreeSet::new());
        while !shutdown.is_cancelled() && options.count.is_none_or(|count| shown < count) {
            match reader.next(Duration::from_millis(200))? {
                Read::Record(record) if wanted(&record, &options) => {
                    let mut out = std::io::stdout().lock();
                    let written = if options.json {
                        writeln!(out, "{}", as_json(&codec, &record))
                    } else {
                        write!(out, "{}", as_text(&codec, &record))
                    };
                    if written.is_err() {
                        return Ok(()); // Whoever reads has seen enough.
                    }
                    shown += 1;
                }
                Read::Record(_) | Read::Idle => {}
                Read::End(partition) => {
                    ended.insert(partition);
                    if options.until_end && ended.len() == partitions.len() {
                        return Ok(());
                    }
                }
            }
        }
        Ok(())
    })
    .await
    .context("watching")?
}

fn wanted(record: &Record, options: &Watch) -> bool {
    options.key.as_deref().is_none_or(|key| record.key.as_deref() == Some(key.as_bytes()))
}

fn headers(record: &Record) -> Map<String, Json> {
    record
        .headers
        .iter()
        .map(|(name, value)| (name.to_owned(), Json::String(String::from_utf8_lossy(value).into_owned())))
        .collect()
}

fn value(codec: &Codec, record: &Record) -> Json {
    match codec.decode_json(record.value.as_deref()) {
        Ok((_, value)) => value,
        Err(error) => {
            json!({ "undecoded": error.to_string(), "bytes": record.value.as_ref().map_or(0, bytes::Bytes::len) })
        }
    }
}

/// One record as JSON.
fn as_json(codec: &Codec, record: &Record) -> Json {
    json!({
        "topic": record.topic.name(),
        "partition": record.partition,
        "offset": record.offset,
        "timestamp": format_instant(record.timestamp),
        "key": record.key.as_deref().map(String::from_utf8_lossy),
        "headers": headers(record),
        "value": value(codec, record),
    })
}

/// One record for people: a head line, then its value.
fn as_text(codec: &Codec, record: &Record) -> String {
    let key = record.key.as_deref().map_or_else(|| "no key".into(), String::from_utf8_lossy);
    let headers: Vec<String> = headers(record)
        .into_iter()
        .map(|(name, value)| format!("{name}={}", value.as_str().unwrap_or_default()))
        .collect();
    let value = serde_json::to_string_pretty(&value(codec, record)).unwrap_or_default();
    format!(
        "{} {}/{} {} key={key} {}\n{value}\n",
        format_instant(record.timestamp),
        record.partition,
        record.offset,
        record.topic,
        headers.join(" ")
    )
}
