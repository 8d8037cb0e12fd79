//! `millrace bench visible`: how long it takes from sending a receipt until figures hold it.

use super::machine::Machine;
use crate::{
    config::{ConfigArgs, block_on},
    exit, output,
};
use anyhow::Result;
use clap::value_parser;
use millrace_loadgen::visible::{self, Load, Seen};
use millrace_runtime::{
    clock::{Clock as _, SystemClock},
    lifecycle,
};
use serde_json::json;
use std::{process::ExitCode, time::Duration};

pub const EXAMPLES: &str = "Receipts go to the gateway in batches at fixed times, whatever became of those before (an open loop). Of one batch in some, the
query API is asked for figures that hold its last receipt, and waits until they do. Both times count from when the batch was
due: until it was stored, and until it showed.

The receipts are of made-up places and stay in the log.

Examples:
  millrace bench visible --rate 4000 --seconds 30
  millrace bench visible --rate 100 --json | jq '.visible_ms.p99'";

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Receipts a second
    #[arg(long, default_value_t = 4_000, value_parser = value_parser!(u32).range(1..=100_000))]
    rate: u32,
    /// Seconds
    #[arg(long, default_value_t = 20, value_parser = value_parser!(u32).range(1..=3_600))]
    seconds: u32,
    /// Of the batches, of which there are 40 a second, one in so many is looked for
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = value_parser!(u32).range(1..=10_000))]
    one_in: u32,
    /// Gateway to send to; without it, the one of the configuration
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
        let during = Duration::from_secs(args.seconds.into());
        // Ids that no other run has.
        let seed = SystemClock.now_ms().unsigned_abs();
        let load = Load { rate: args.rate, during, looked_for: args.one_in, seed };
        let interrupted = lifecycle::shutdown_on_signals()?;
        let seen = tokio::select! {
            biased;
            () = interrupted.cancelled() => return Ok(ExitCode::from(exit::INTERRUPTED)),
            seen = visible::run(&gateway, load) => seen?,
        };
        print(args, &machine, &seen)?;
        Ok(ExitCode::SUCCESS)
    })
}

fn print(args: &Args, machine: &Machine, seen: &Seen) -> Result<()> {
    let (stored, shown) = (seen.acknowledged.quantiles(), seen.visible.quantiles());
    let sent_rate = seen.stored as f64 / seen.sending.as_secs_f64().max(f64::from(args.seconds));
    if args.json {
        let report = json!({
            "machine": machine, "rate": args.rate, "achieved_rate": sent_rate, "receipts": seen.stored,
            "looked_for": seen.visible.count(), "stored_ms": stored, "visible_ms": shown,
        });
        println!("{}", serde_json::to_string_pretty(&report)?);
        return Ok(());
    }
    println!("{machine}");
    println!("{} receipts at {sent_rate:.0} a second; milliseconds since a batch was due", seen.stored);
    let line = |name: &str, ms: millrace_loadgen::open_loop::Quantiles, count: u64| {
        let times = [ms.p50, ms.p90, ms.p99, ms.max].map(|ms| format!("{ms:.0}"));
        [name.to_owned()].into_iter().chain(times).chain([count.to_string()]).collect()
    };
    let lines: Vec<Vec<String>> = vec![
        line("stored in the log", stored, seen.acknowledged.count()),
        line("held by figures of the query API", shown, seen.visible.count()),
    ];
    print!("{}", output::columns(&["", "p50", "p90", "p99", "max", "batches"], &lines));
    Ok(())
}
