//! `millrace trace ID`: where one event is, hop by hop, with the time of each.

use crate::{
    config::{Config, ConfigArgs, block_on},
    exit,
    output::columns,
};
use anyhow::{Context, Result};
use millrace_projections::clickhouse::{ClickHouse, lookup::Found};
use millrace_runtime::{
    Record, headers,
    log::Log,
    reader::{From, Read, Reader},
};
use millrace_schemas::{Topic, time::format_instant, wire::Codec};
use serde::Serialize;
use serde_json::Value as Json;
use std::{
    process::ExitCode,
    time::{Duration, Instant},
};

/// Topics an event can be in before it is in any table.
const IN_LOG: [Topic; 6] =
    [Topic::Transactions, Topic::Receipts, Topic::Labels, Topic::DeadLetters, Topic::Duplicates, Topic::Requests];

pub const EXAMPLES: &str = "Exits with 1 when the id is not found.

Examples:
  millrace trace txn_1774787400000_0042
  millrace trace 628f5a84-bf58-5573-ad50-e157f8addb72 --json";

#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    trace: Trace,
    #[command(flatten)]
    config: ConfigArgs,
}

pub fn run(args: Args) -> Result<ExitCode> {
    match block_on(trace(args.config.load()?, args.trace))? {
        Traced::Found => Ok(ExitCode::SUCCESS),
        Traced::Unknown => Ok(ExitCode::from(exit::FAILED)),
    }
}

/// What to trace.
#[derive(Debug, Clone, clap::Args)]
pub struct Trace {
    /// A trn_id, the client's id of a transaction or receipt, a request id, or a dead letter's event id
    pub id: String,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// How long the log is searched, in seconds, when no table has it yet
    #[arg(long, default_value_t = 60, value_name = "SECONDS")]
    pub search: u64,
}

/// One place an event was seen at.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
struct Hop {
    /// Epoch milliseconds by the clock of whoever was there.
    at: i64,
    /// What happened.
    what: &'static str,
    /// `topic/partition/offset`, or the table.
    place: String,
    /// What came of it.
    detail: String,
}

/// Whether the event was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Traced {
    /// At least one hop is known.
    Found,
    /// Neither a table nor the log knows the id.
    Unknown,
}

/// Prints every hop in order of time.
async fn trace(config: Config, options: Trace) -> Result<Traced> {
    let log = Log::new(&config.kafka, &config.registry)?;
    let codec = Codec::reader(&log.schemas().await?)?;
    let rows = ClickHouse::new(&config.clickhouse)?.find(&options.id).await.context("looking in ClickHouse")?;
    let mut hops = Vec::new();
    for row in &rows {
        hops.extend(of_row(row));
        if let Some(record) = journal_record(&config, row).await? {
            hops.push(of_journal(&codec, &record));
        }
    }
    if rows.is_empty() {
        let log = log.clone();
        let (id, kafka, limit) = (options.id.clone(), config.kafka.clone(), Duration::from_secs(options.search));
        let mut partitions = Vec::new();
        for topic in IN_LOG {
            partitions.push((topic, log.partitions(topic).await?));
        }
        hops = tokio::task::spawn_blocking(move || search(&kafka, &codec, &id, &partitions, limit)).await??;
    }
    hops.sort();
    hops.dedup();
    if hops.is_empty() {
        eprintln!("{} is in no table, and was not found in the log within {} s", options.id, options.search);
        return Ok(Traced::Unknown);
    }
    print(&hops, options.json)?;
    Ok(Traced::Found)
}

fn print(hops: &[Hop], json: bool) -> Result<()> {
    if json {
        println!("{}", serde_json::to_string_pretty(hops)?);
        return Ok(());
    }
    let began = hops.first().map_or(0, |hop| hop.at);
    let line = |hop: &Hop| {
        vec![
            format_instant(hop.at),
            format!("+{} ms", hop.at - began),
            hop.what.to_owned(),
            hop.place.clone(),
            hop.detail.clone(),
        ]
    };
    let lines: Vec<Vec<String>> = hops.iter().map(line).collect();
    print!("{}", columns(&["time", "after", "what", "where", "detail"], &lines));
    Ok(())
}

/// What a row tells: when the event was taken in, when its record was written, and when the row was.
fn of_row(row: &Found) -> Vec<Hop> {
    let record = format!("{}/{}/{}", row.topic, row.partition, row.offset);
    let (received, written) = match row.table.as_str() {
        "requests" => ("request received", "request recorded"),
        "dead_letters" => ("received", "dead letter written"),
        "duplicates" => ("received", "duplicate recorded"),
        "receipts" => ("received", "split"),
        "receipt_matches" => ("receipt received", "receipt settled"),
        "labels" => ("label received", "labelled"),
        _ => ("received", "scored"),
    };
    // Both tables of transactions are filled from one record; the score tells more of it.
    let told_by_the_score = row.table == "transactions";
    let hops = [
        Hop { at: row.received_at, what: received, place: row.owner.clone(), detail: row.business_id.clone() },
        Hop { at: row.timestamp, what: written, place: record, detail: row.outcome.clone() },
        Hop {
            at: row.stored_at,
            what: "row stored",
            place: format!("ClickHouse {}", row.table),
            detail: row.trn_id.clone(),
        },
    ];
    hops.into_iter().filter(|hop| !(told_by_the_score && hop.what == written)).collect()
}

/// The journal record a row comes from.
async fn journal_record(config: &Config, row: &Found) -> Result<Option<Record>> {
    let mut parts = row.source.split('/');
    let (Some(topic), Some(partition), Some(offset)) = (parts.next(), parts.next(), parts.next()) else {
        return Ok(None);
    };
    let (topic, partition, offset): (Topic, i32, i64) = (topic.parse()?, partition.parse()?, offset.parse()?);
    let kafka = config.kafka.clone();
    tokio::task::spawn_blocking(move || {
        let mut reader = Reader::new(&kafka, topic, &[partition], From::Offset(offset))?;
        let until = Instant::now() + Duration::from_secs(10);
        while Instant::now() < until {
            match reader.next(Duration::from_millis(200))? {
                Read::Record(record) => return Ok(Some(*record).filter(|record| record.offset == offset)),
                Read::End(_) => return Ok(None),
                Read::Idle => {}
            }
        }
        Ok(None)
    })
    .await?
}

fn of_journal(codec: &Codec, record: &Record) -> Hop {
    let request = record.headers.text(headers::REQUEST_ID).map_or_else(String::new, |id| format!("request {id} "));
    let client = record.headers.text(headers::CLIENT).map_or_else(String::new, |client| format!("from {client} "));
    let undecoded =
        codec.decode_json(record.value.as_deref()).err().map_or_else(String::new, |error| error.to_string());
    Hop {
        at: record.timestamp,
        what: "acknowledged by the broker",
        place: format!("{}/{}/{}", record.topic, record.partition, record.offset),
        detail: format!("{request}{client}{undecoded}").trim_end().to_owned(),
    }
}

/// Reads the log for an id, from its beginning, for as long as is allowed.
fn search(
    kafka: &millrace_runtime::config::KafkaConfig,
    codec: &Codec,
    id: &str,
    partitions: &[(Topic, i32)],
    limit: Duration,
) -> Result<Vec<Hop>> {
    let until = Instant::now() + limit;
    let mut hops = Vec::new();
    for (topic, count) in partitions {
        let all: Vec<i32> = (0..*count).collect();
        let mut reader = Reader::new(kafka, *topic, &all, From::Beginning)?;
        let mut ended = 0;
        while ended < all.len() && Instant::now() < until {
            match reader.next(Duration::from_millis(200))? {
                Read::Record(record) if mentions(codec, &record, id) => hops.push(of_journal(codec, &record)),
                Read::Record(_) | Read::Idle => {}
                Read::End(_) => ended += 1,
            }
        }
    }
    Ok(hops)
}

fn mentions(codec: &Codec, record: &Record, id: &str) -> bool {
    if record.headers.text(headers::REQUEST_ID) == Some(id) {
        return true;
    }
    let Ok((_, value)) = codec.decode_json(record.value.as_deref()) else { return false };
    let is = |name: &str| value.get(name).and_then(Json::as_str) == Some(id);
    let trn_id = || {
        let (owner, business) =
            (value.get("customer_id").or_else(|| value.get("place_id"))?, value.get("transaction_id")?);
        Some(millrace_schemas::ids::trn_id(record.topic, owner.as_str()?, business.as_str()?).to_string())
    };
    ["transaction_id", "event_id", "trn_id", "request_id"].into_iter().any(is) || trn_id().as_deref() == Some(id)
}
