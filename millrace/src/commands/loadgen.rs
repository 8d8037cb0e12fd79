//! `millrace loadgen`: sending what others wrote, and making what nobody wrote.

use crate::config::block_on;
use anyhow::Result;
use millrace_loadgen::{SendArgs, receipts};
use std::{
    io::{BufWriter, Write as _, stdout},
    process::ExitCode,
};

pub const EXAMPLES: &str = "Examples:
  millrace loadgen send data/sample/receipts-generated.ndjson --kind receipts
  millrace loadgen generate --seed 7 --count 10000 > receipts.ndjson
  millrace loadgen send online_retail.csv.gz --mapping data/mappings/online-retail.toml --answers answers.ndjson";

#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(clap::Subcommand)]
enum Action {
    Send(Box<SendArgs>),
    /// Print receipts made up from a seed, one JSON object a line: VAT, tips, decimal quantities, nine currencies
    Generate {
        /// The same seed gives the same receipts
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// How many
        #[arg(long, default_value_t = 1_000)]
        count: usize,
    },
}

pub fn run(args: Args) -> Result<ExitCode> {
    match args.action {
        Action::Send(send) => block_on(async { Ok(ExitCode::from(send.run().await?)) }),
        Action::Generate { seed, count } => {
            let mut out = BufWriter::new(stdout().lock());
            receipts::write(seed, count, &mut out)?;
            out.flush()?;
            Ok(ExitCode::SUCCESS)
        }
    }
}
