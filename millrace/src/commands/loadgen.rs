//! `millrace loadgen`: sending what others wrote, and making what nobody wrote.

use crate::config::{ConfigArgs, block_on};
use anyhow::{Context as _, Result};
use millrace_loadgen::{
    SendArgs,
    receipts::{self, Receipts},
};
use std::{
    io::{BufWriter, Write as _, stdout},
    process::ExitCode,
};

pub const EXAMPLES: &str = "Examples:
  millrace loadgen send data/sample/receipts-generated.ndjson --kind receipts
  millrace loadgen generate --seed 7 --count 10000 > receipts.ndjson
  millrace loadgen generate --count 259000 --days 365 --branches 10 | millrace loadgen send --kind receipts --format ndjson -
  millrace loadgen send online_retail.csv.gz --mapping data/mappings/online-retail.toml --answers answers.ndjson";

#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(clap::Subcommand)]
enum Action {
    /// Send files of transactions or receipts to the gateway, and keep its answers
    ///
    /// Exit codes: 0 when every item has a final answer (a refusal is one), 1 when anything was left unread or unsent, 2 when nothing
    /// could be sent at all.
    Send {
        #[command(flatten)]
        send: Box<SendArgs>,
        #[command(flatten)]
        config: ConfigArgs,
    },
    /// Print receipts made up from a seed, one JSON object a line: VAT, tips, decimal quantities, nine currencies
    Generate {
        /// The same seed gives the same receipts
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// How many
        #[arg(long, default_value_t = 1_000)]
        count: usize,
        /// Days over which they are spread, from September 2025; otherwise there are some 270 a day
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
        days: Option<u16>,
        /// Branches of each place
        #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
        branches: u16,
    },
}

pub fn run(args: Args) -> Result<ExitCode> {
    match args.action {
        Action::Send { mut send, config } => {
            if send.options.gateway.is_none() && !send.dry_run {
                let address = config.load()?.gateway_address();
                send.options.gateway =
                    Some(address.parse().with_context(|| format!("the gateway's address {address}"))?);
            }
            block_on(async { Ok(ExitCode::from(send.run().await?)) })
        }
        Action::Generate { seed, count, days, branches } => {
            let mut out = BufWriter::new(stdout().lock());
            let mut made = Receipts::new(seed).with_branches(branches.into());
            if let Some(days) = days {
                made = made.spread(count, days.into());
            }
            receipts::write(made.take(count), &mut out)?;
            out.flush()?;
            Ok(ExitCode::SUCCESS)
        }
    }
}
