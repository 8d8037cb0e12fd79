//! `millrace bench score`: answers of a gateway, and bare round trips through its broker, in turns.

mod report;

use super::machine::Machine;
use crate::{
    config::{ConfigArgs, block_on},
    exit,
};
use anyhow::{Result, bail};
use clap::value_parser;
use millrace_loadgen::open_loop::{Answers, Latencies, Schedule, Target, Transactions};
use millrace_runtime::{
    clock::{Clock as _, SystemClock},
    lifecycle,
    log::Log,
    roundtrip::{Round, RoundTrip},
};
use report::Report;
use std::{
    process::ExitCode,
    sync::Arc,
    time::{Duration, Instant},
};

pub const EXAMPLES: &str = "Single transactions go to the gateway at fixed times, whatever became of those before (an open loop), and each waits for its
score. Latency counts from when a request was due, so that a stall is charged for everyone whom it kept waiting. In turns
with that, a second each, records go at the same rate from producer to broker to consumer to producer to broker to consumer,
with nothing in between: the least that any answer by way of the log can take on this machine at this time. What the
machine does meanwhile hits both alike, and neither is a load on the other.

The transactions are of made-up customers (bench-customer-00000 to -09999) and stay in the log. The two topics of the round
trip are deleted afterwards, also when the run is interrupted.

Exits with 1 when an answer is missing or refused, or a record is lost.

Examples:
  millrace bench score --rate 1000 --seconds 10
  millrace bench score --rate 200 --gateway http://127.0.0.1:8080
  millrace bench score --seconds 60 --json | jq '.ratio[\"p99\"]'";

/// One turn of either.
const TURN: Duration = Duration::from_secs(1);

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Transactions a second, and records a second on the round trip
    #[arg(long, default_value_t = 1_000, value_parser = value_parser!(u32).range(1..=100_000))]
    rate: u32,
    /// Seconds that each of the two is measured for
    #[arg(long, default_value_t = 10, value_parser = value_parser!(u32).range(1..=3_600))]
    seconds: u32,
    /// Seconds of each before that, which do not count
    #[arg(long, default_value_t = 2, value_parser = value_parser!(u32).range(0..=600))]
    warm_up: u32,
    /// Gateway to send to; without it, the one of the configuration
    #[arg(long, value_name = "URL")]
    gateway: Option<String>,
    /// Connections to the gateway, at most
    #[arg(long, default_value_t = 256, value_parser = value_parser!(u32).range(1..=10_000))]
    connections: u32,
    /// The same seed gives the same transactions, but for their ids and times
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What was measured of either.
#[derive(Default)]
struct Measured {
    answers: Answers,
    trips: Trips,
}

/// Rounds of the bare round trip.
#[derive(Default)]
struct Trips {
    latencies: Latencies,
    lateness: Latencies,
    lost: u64,
    sending: Duration,
}

pub fn run(args: &Args, config: &ConfigArgs) -> Result<ExitCode> {
    let config = config.load()?;
    block_on(async {
        let machine = Machine::here();
        let gateway = args.gateway.clone().unwrap_or_else(|| config.gateway_address());
        let target = Target::new(&gateway, args.connections as usize)?;
        target.check_ready().await?;
        let interrupted = lifecycle::shutdown_on_signals()?;
        let log = Log::new(&config.kafka, &config.registry)?;
        // Not given up half-way: topics that are made are deleted.
        let trip = Arc::new(RoundTrip::open(&log).await?);
        let measured = tokio::select! {
            biased;
            () = interrupted.cancelled() => None,
            measured = in_turns(args, &target, &trip) => Some(measured),
        };
        trip.close().await?;
        let Some(measured) = measured.transpose()? else { return Ok(ExitCode::from(exit::INTERRUPTED)) };
        if measured.answers.statuses.is_empty() {
            bail!("the gateway at {gateway} answered no request");
        }
        let report = Report::new(args.rate, args.seconds, gateway, machine, &measured);
        if args.json {
            println!("{}", serde_json::to_string_pretty(&report)?);
        } else {
            print!("{report}");
        }
        Ok(if report.is_complete() { ExitCode::SUCCESS } else { ExitCode::from(exit::FAILED) })
    })
}

/// A turn of one, a turn of the other, until both have had all of theirs.
async fn in_turns(args: &Args, target: &Target, trip: &Arc<RoundTrip>) -> Result<Measured> {
    // Ids that no other run has.
    let run = format!("{:x}-{:x}", SystemClock.now_ms(), std::process::id());
    let mut transactions = Transactions::new(args.seed, &run);
    let mut measured = Measured::default();
    for turn in 0..args.warm_up + args.seconds {
        let answers;
        (answers, transactions) = target.run(schedule(args), &transactions).await;
        let (trip, schedule) = (Arc::clone(trip), schedule(args));
        let round = tokio::task::spawn_blocking(move || trip.round(schedule.due())).await??;
        if turn >= args.warm_up {
            measured.answers.merge(answers);
            measured.trips.add(&round);
        }
    }
    Ok(measured)
}

fn schedule(args: &Args) -> Schedule {
    Schedule::new(Instant::now() + Duration::from_millis(5), args.rate, TURN)
}

impl Trips {
    fn add(&mut self, round: &Round) {
        round.latencies.iter().for_each(|latency| self.latencies.add(*latency));
        round.lateness.iter().for_each(|lateness| self.lateness.add(*lateness));
        self.lost += round.lost;
        self.sending += round.sending;
    }
}
