//! `millrace bench query`: answers of the query API over the latest year of receipts.

use super::machine::Machine;
use crate::{
    config::{ConfigArgs, block_on},
    exit, output,
};
use anyhow::Result;
use clap::value_parser;
use millrace_loadgen::{
    open_loop::Quantiles,
    queries::{Asked, Queries},
};
use millrace_runtime::lifecycle;
use serde_json::json;
use std::process::ExitCode;

pub const EXAMPLES: &str = "Every question is asked in turn, over and over, about the latest year that has receipts. Beside them stands a path of the
gateway that asks no database, so that the machine's own share shows. Nothing is written.

A year at ten times the volume of a large online shop:
  millrace loadgen generate --count 259000 --days 365 --branches 10 | millrace loadgen send --kind receipts --format ndjson -

Examples:
  millrace bench query
  millrace bench query --rounds 200 --zone Asia/Kolkata
  millrace bench query --json | jq '.questions[] | select(.latency_ms.p99 > 100)'";

#[derive(Debug, clap::Args)]
pub struct Args {
    /// How often each question is asked
    #[arg(long, default_value_t = 100, value_parser = value_parser!(u32).range(1..=100_000))]
    rounds: u32,
    /// Rounds before that, which do not count
    #[arg(long, default_value_t = 3)]
    warm_up: u32,
    /// By whose clock days and months begin
    #[arg(long, default_value = "Europe/Berlin")]
    zone: String,
    /// Gateway to ask; without it, the one of the configuration
    #[arg(long, value_name = "URL")]
    gateway: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args, config: &ConfigArgs) -> Result<ExitCode> {
    let config = config.load()?;
    block_on(async {
        let machine = Machine::here();
        let gateway = args.gateway.clone().unwrap_or_else(|| config.gateway_address());
        let mut queries = Queries::new(&gateway, &args.zone).await?;
        let interrupted = lifecycle::shutdown_on_signals()?;
        let measured = tokio::select! {
            biased;
            () = interrupted.cancelled() => return Ok(ExitCode::from(exit::INTERRUPTED)),
            measured = rounds(args, &mut queries) => measured,
        };
        measured?;
        print(args, &machine, &queries)?;
        Ok(ExitCode::SUCCESS)
    })
}

async fn rounds(args: &Args, queries: &mut Queries) -> Result<()> {
    for _ in 0..args.warm_up {
        queries.round().await?;
    }
    queries.forget();
    for _ in 0..args.rounds {
        queries.round().await?;
    }
    Ok(())
}

fn print(args: &Args, machine: &Machine, queries: &Queries) -> Result<()> {
    let (from, to) = &queries.period;
    let all: Vec<(&Asked, Quantiles)> =
        std::iter::once(&queries.floor).chain(&queries.asked).map(|it| (it, it.latencies.quantiles())).collect();
    if args.json {
        let questions: Vec<_> = all
            .iter()
            .map(|(it, ms)| json!({"question": it.what, "url": it.url.as_str(), "rows": it.rows, "latency_ms": ms}))
            .collect();
        let report = json!({"machine": machine, "from": from, "to": to, "zone": args.zone, "rounds": args.rounds, "questions": questions});
        println!("{}", serde_json::to_string_pretty(&report)?);
        return Ok(());
    }
    let line = |(it, ms): &(&Asked, Quantiles)| {
        let times = [ms.p50, ms.p90, ms.p99, ms.max].map(|ms| format!("{ms:.1}"));
        [it.what.to_owned()].into_iter().chain(times).chain([it.rows.to_string()]).collect()
    };
    let lines: Vec<Vec<String>> = all.iter().map(line).collect();
    println!("{machine}");
    println!(
        "receipts from {from} to {to}, by the clock of {}; each asked {} times; milliseconds",
        args.zone, args.rounds
    );
    print!("{}", output::columns(&["question", "p50", "p90", "p99", "max", "rows"], &lines));
    Ok(())
}
