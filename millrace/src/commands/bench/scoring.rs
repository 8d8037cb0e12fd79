//! `millrace bench scoring`: an encoded record in, an encoded score out, on one thread, with nothing else around it.

use super::machine::Machine;
use crate::output::columns;
use anyhow::{Context as _, Result};
use clap::value_parser;
use millrace_local::Parts;
use millrace_processors::{
    Scoring,
    scoring::{
        model::{Bundle, PoolOptions, Runtime},
        rules::RuleSet,
        running::Models,
        windows::RETENTION_MS,
    },
};
use millrace_runtime::processor::{AWAITED_MAX, Context, Made, Memory as _, Processor as _};
use millrace_schemas::{
    Topic,
    event::{
        ConfigurationAction, ConfigurationChange, ConfigurationKind, SchemaRecord, Source, TimeResolution, Transaction,
        TransactionScore,
    },
    wire::Codec,
};
use nix::time::{ClockId, clock_gettime};
use serde::Serialize;
use std::{
    collections::{BTreeMap, VecDeque},
    hint::black_box,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

pub const EXAMPLES: &str = "Transactions of many customers in turn are decoded, scored by the built-in rules with all windows and features, and the scores
encoded, on one thread. Counted is the CPU time that this takes, so that what else runs matters less. What each customer has
within the 48 hours that windows are kept for matters most, and is given for each line. With a model, its threads' time is counted too;
transactions are seen while those before them wait for it, as the processor does it.

Examples:
  millrace bench scoring
  millrace bench scoring --retained 5 --events 2000000
  millrace bench scoring --model training/bundles/default --threads 1
  millrace bench scoring --json | jq '.runs[] | {retained, all}'";

/// 2025-11-24T16:00:00Z.
const START: i64 = 1_764_000_000_000;
/// Transactions retained of all customers together.
const RETAINED_OF_ALL: u32 = 200_000;
/// Transactions between two looks at the clock.
const BATCH: usize = 1_000;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Transactions that are retained of each customer; a run for each number
    #[arg(long, value_delimiter = ',', default_values_t = [5, 50, 500], value_parser = value_parser!(u32).range(1..=i64::from(RETAINED_OF_ALL)))]
    retained: Vec<u32>,
    /// Transactions measured in each run; 200,000 before them fill the customers' windows
    #[arg(long, default_value_t = 400_000, value_parser = value_parser!(u32).range(1_000..))]
    events: u32,
    /// Measure with this model, too: the folder of a bundle, or a file that it is packed in
    #[arg(long, value_name = "FOLDER")]
    model: Option<PathBuf>,
    /// The model's threads
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report {
    machine: Machine,
    /// Transactions measured in each run.
    events: u32,
    model: Option<String>,
    runs: Vec<Run>,
}

/// Events per second of CPU time.
#[derive(Serialize)]
struct Run {
    /// Transactions retained of each customer.
    retained: u32,
    /// From encoded record to encoded score.
    all: f64,
    /// The same with the model.
    with_model: Option<f64>,
    decode_only: f64,
    score_only: f64,
    encode_only: f64,
}

pub fn run(args: &Args) -> Result<ExitCode> {
    let codec = Codec::new(&schemas())?;
    let machine = Machine::here();
    let modelled = args.model.as_deref().map(|bundle| modelled(bundle, args.threads)).transpose()?;
    let measured = |retained: &u32| measure(&codec, modelled.as_ref(), args.events, *retained);
    let runs = args.retained.iter().map(measured).collect::<Result<_>>()?;
    let model = modelled.and_then(|scoring| Some(scoring.active_model()?.version()));
    let report = Report { machine, events: args.events, model, runs };
    if args.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
        return Ok(ExitCode::SUCCESS);
    }
    let lines = report.runs.iter().map(|run| {
        let rate = |rate: Option<f64>| rate.map_or_else(String::new, |rate| format!("{rate:.0}"));
        let parts = [run.decode_only, run.score_only, run.encode_only].map(Some);
        let rates = [Some(run.all), run.with_model].into_iter().chain(parts).map(rate);
        [run.retained.to_string()].into_iter().chain(rates).collect()
    });
    println!("events per CPU-second, {} a run\n{}\n", report.events, report.machine);
    if let Some(model) = &report.model {
        println!("with the model {model} on {} threads\n", args.threads);
    }
    let heads = ["retained of a customer", "all", "with the model", "decode only", "score only", "encode only"];
    print!("{}", columns(&heads, &lines.collect::<Vec<_>>()));
    Ok(ExitCode::SUCCESS)
}

/// Scoring by a model from a bundle.
fn modelled(bundle: &Path, threads: usize) -> Result<Scoring> {
    let bundle = Bundle::open(bundle)?;
    let options = PoolOptions { threads, ..PoolOptions::default() };
    let models = Models::run_by(Runtime::open(&Parts::onnxruntime()?), options);
    let scoring = Scoring::with_models(RuleSet::built_in(), models);
    let change = |action, name, content| ConfigurationChange {
        event_id: "0198f0de-7a50-7b3c-9d3e-3f1f0f6b7c11".to_owned(),
        kind: ConfigurationKind::Model,
        action,
        name,
        version: bundle.version(),
        content,
        decided_at: START,
        reason: None,
    };
    scoring.configure(&change(ConfigurationAction::Apply, None, bundle.to_bytes()?))?;
    scoring.configure(&change(ConfigurationAction::Activate, Some(bundle.version()), Vec::new()))?;
    Ok(scoring)
}

/// Rates of everything, and then of each part alone, so that neither finds the processor's caches full of the other's customers.
fn measure(codec: &Codec, modelled: Option<&Scoring>, events: u32, retained: u32) -> Result<Run> {
    let [mut whole, mut alone] = [(), ()].map(|()| Scoring::with_rules(RuleSet::built_in()).memory());
    let traffic = Traffic { codec, events: i64::from(events), customers: i64::from(RETAINED_OF_ALL / retained) };
    let all = traffic.rate(|first, _, records| {
        timed(|| {
            (first..).zip(records).try_for_each(|(offset, record)| {
                let score = whole.process(codec.decode(Some(record))?, context(offset));
                black_box(codec.encode(&score)?);
                Ok(())
            })
        })
    })?;
    let with_model = modelled.map(|scoring| measure_with_model(&traffic, scoring)).transpose()?;
    let decode_only = traffic.rate(|_, _, records| {
        timed(|| {
            records.iter().try_for_each(|record| {
                black_box(codec.decode::<Transaction>(Some(record))?);
                Ok(())
            })
        })
    })?;
    let mut last = None;
    let score_only = traffic.rate(|first, transactions, _| {
        timed(|| {
            for (offset, transaction) in (first..).zip(transactions) {
                last = Some(alone.process(transaction, context(offset)));
            }
            Ok(())
        })
    })?;
    anyhow::ensure!(whole == alone, "the same transactions are remembered differently: a defect");
    let last = last.context("there is a batch")?;
    let encode_only = traffic.rate(|_, _, _| {
        timed(|| {
            (0..BATCH).try_for_each(|_| {
                black_box(codec.encode(&last)?);
                Ok(())
            })
        })
    })?;
    Ok(Run { retained, all, with_model, decode_only, score_only, encode_only })
}

fn measure_with_model(traffic: &Traffic<'_>, scoring: &Scoring) -> Result<f64> {
    let mut memory = scoring.memory();
    let conclude = |awaited: &mut VecDeque<Made<TransactionScore>>| {
        let Some(first) = awaited.pop_front() else { return Ok(()) };
        let score = first.finish();
        let cause = score.default_cause.as_deref();
        anyhow::ensure!(cause.is_none(), "a score is the default: {}", cause.unwrap_or_default());
        black_box(traffic.codec.encode(&score)?);
        Ok(())
    };
    traffic.rate(|first, _, records| {
        timed(|| {
            let mut awaited = VecDeque::new();
            for (offset, record) in (first..).zip(records) {
                awaited.push_back(memory.begin(traffic.codec.decode(Some(record))?, context(offset)));
                if awaited.len() > AWAITED_MAX {
                    let half = awaited.len() / 2;
                    awaited[half].is_ready_within(Duration::from_millis(10));
                    (0..half).try_for_each(|_| conclude(&mut awaited))?;
                }
            }
            while !awaited.is_empty() {
                conclude(&mut awaited)?;
            }
            Ok(())
        })
    })
}

/// The same transactions for every part.
struct Traffic<'c> {
    codec: &'c Codec,
    events: i64,
    customers: i64,
}

impl Traffic<'_> {
    /// Events per CPU-second of what is done with a batch, which is told its first offset, the transactions and their records, and
    /// tells its CPU time.
    fn rate(&self, mut with: impl FnMut(i64, Vec<Transaction>, &[Vec<u8>]) -> Result<Duration>) -> Result<f64> {
        let (mut measured, mut took) = (0, Duration::ZERO);
        for first in (0..i64::from(RETAINED_OF_ALL) + self.events).step_by(BATCH) {
            let transactions: Vec<Transaction> =
                (first..).take(BATCH).map(|number| transaction(number, self.customers)).collect();
            let records = transactions.iter().map(|each| self.codec.encode(each)).collect::<Result<Vec<_>, _>>()?;
            let batch = with(first, transactions, &records)?;
            if first >= i64::from(RETAINED_OF_ALL) {
                measured += BATCH;
                took += batch;
            }
        }
        Ok(measured as f64 / took.as_secs_f64())
    }
}

/// The CPU time that work takes, on whatever threads.
fn timed(work: impl FnOnce() -> Result<()>) -> Result<Duration> {
    let now = || clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID).map(Duration::from);
    let before = now()?;
    work()?;
    Ok(now()? - before)
}

fn context(offset: i64) -> Context {
    let topic = Topic::Transactions.name().to_owned();
    Context {
        source: Source { topic, partition: 0, offset, index: 0, timestamp: START },
        event_id: "d3c3d4c5-544f-8f8a-bd2e-ac8679cf42ed".to_owned(),
        trn_id: "628f5a84-bf58-5573-ad50-e157f8addb72".to_owned(),
    }
}

fn schemas() -> Vec<SchemaRecord> {
    (1..)
        .zip(Topic::ALL)
        .map(|(id, topic)| SchemaRecord { id, subject: format!("{topic}-value"), schema: topic.schema().to_owned() })
        .collect()
}

/// The transactions of all customers in turn, evenly over time.
fn transaction(number: i64, customers: i64) -> Transaction {
    let at = START + number * RETENTION_MS / i64::from(RETAINED_OF_ALL);
    // Scattered, and the same in every run.
    let scattered = number.unsigned_abs().wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 20;
    let customer = number % customers;
    Transaction {
        event_id: "0198f0de-7a50-7b3c-9d3e-3f1f0f6b7c11".to_owned(),
        occurred_at: at,
        received_at: at,
        customer_id: format!("customer-{customer:08}"),
        transaction_id: format!("txn_{at}_{number}"),
        amount: 10_000 + (scattered % 2_000_000).cast_signed(),
        currency: ["USD", "EUR", "GBP"][(scattered % 3) as usize].to_owned(),
        transaction_type: 55,
        merchant_id: format!("merchant-{:04}", scattered % 1_000),
        card_bin: "411111".to_owned(),
        ip_address: "192.0.2.17".to_owned(),
        device_id: format!("device-{customer:08}-{}", scattered % 2),
        location: "Berlin".to_owned(),
        channel: "online".to_owned(),
        is_fraud: None,
        merchant_risk_score: Some(0.125),
        card_risk_score: Some(0.25),
        customer_risk_score: Some(0.5),
        is_velocity_alert: Some(false),
        is_location_alert: Some(false),
        is_device_alert: Some(false),
        customer_segments: vec!["gold".to_owned()],
        transaction_category: Some("groceries".to_owned()),
        is_high_value: Some(false),
        card_id: None,
        latitude: None,
        longitude: None,
        merchant_category: None,
        time_zone: None,
        time_resolution: TimeResolution::Exact,
        extra: BTreeMap::new(),
    }
}
