//! How many transactions scoring takes per second of CPU time: an encoded record in, an encoded score out, on one thread.
//!
//! `cargo run --release --example scoring_throughput -p millrace-processors [EVENTS]`

use millrace_processors::{Scoring, ScoringConfig, scoring::windows::RETENTION_MS};
use millrace_runtime::processor::{Context, Memory, Processor};
use millrace_schemas::{
    Topic,
    event::{SchemaRecord, Source, TimeResolution, Transaction},
    wire::Codec,
};
use nix::time::{ClockId, clock_gettime};
use std::{collections::BTreeMap, error::Error, hint::black_box, time::Duration};

const START: i64 = 1_764_000_000_000;
/// Transactions that 48 hours hold of each customer, in the runs.
const RETAINED: [i64; 5] = [5, 50, 500, 5_000, 200_000];
/// Transactions retained of all customers together.
const RETAINED_OF_ALL: i64 = 200_000;

fn main() -> Result<(), Box<dyn Error>> {
    let events: i64 = std::env::args().nth(1).map_or(Ok(400_000), |text| text.parse())?;
    let codec = Codec::new(&schemas())?;
    println!("events per CPU-second on one thread, {events} events a run");
    println!("{:>12} {:>10} {:>12} {:>12} {:>12}", "a customer's", "all", "decode only", "score only", "encode only");
    for retained in RETAINED {
        let [all, decode, score, encode] = run(&codec, events, retained)?;
        println!("{retained:>12} {all:>10.0} {decode:>12.0} {score:>12.0} {encode:>12.0}");
    }
    Ok(())
}

/// Rates of everything and of each part alone.
fn run(codec: &Codec, events: i64, retained: i64) -> Result<[f64; 4], Box<dyn Error>> {
    let mut whole = Scoring::new(&ScoringConfig::default())?.memory();
    let mut alone = whole.clone();
    let mut times = [Duration::ZERO; 4];
    // In batches, so that reading the clock does not count.
    for first in (0..RETAINED_OF_ALL + events).step_by(1_000) {
        let transactions: Vec<Transaction> =
            (first..first + 1_000).map(|number| transaction(number, RETAINED_OF_ALL / retained)).collect();
        let records = transactions.iter().map(|each| codec.encode(each)).collect::<Result<Vec<_>, _>>()?;
        let all = timed(|| {
            (first..).zip(&records).try_for_each(|(offset, record)| {
                let score = whole.process(&codec.decode(Some(record))?, &context(offset));
                black_box(codec.encode(&score)?);
                Ok(())
            })
        })?;
        let decode = timed(|| {
            records.iter().try_for_each(|record| {
                black_box(codec.decode::<Transaction>(Some(record))?);
                Ok(())
            })
        })?;
        let mut last = None;
        let score = timed(|| {
            for (offset, transaction) in (first..).zip(&transactions) {
                last = Some(alone.process(transaction, &context(offset)));
            }
            Ok(())
        })?;
        let last = last.ok_or("a batch is never empty")?;
        let encode = timed(|| {
            (0..1_000).try_for_each(|_| {
                black_box(codec.encode(&last)?);
                Ok(())
            })
        })?;
        if first >= RETAINED_OF_ALL {
            times.iter_mut().zip([all, decode, score, encode]).for_each(|(sum, time)| *sum += time);
        }
    }
    assert!(whole == alone, "the same transactions are remembered the same");
    Ok(times.map(|time| events as f64 / time.as_secs_f64()))
}

/// The CPU time that work takes.
fn timed(work: impl FnOnce() -> Result<(), Box<dyn Error>>) -> Result<Duration, Box<dyn Error>> {
    let before = clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID)?;
    work()?;
    Ok(Duration::from(clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID)?) - Duration::from(before))
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
    let at = START + number * RETENTION_MS / RETAINED_OF_ALL;
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
