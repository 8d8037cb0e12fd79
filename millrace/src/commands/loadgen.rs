//! `millrace loadgen`: sending what others wrote, and making what nobody wrote.

use crate::config::block_on;
use anyhow::Result;
use millrace_loadgen::SendArgs;
use std::process::ExitCode;

pub const EXAMPLES: &str = "Examples:
  millrace loadgen send data/sample/receipts-generated.ndjson --kind receipts
  millrace loadgen send online_retail.csv.gz --mapping data/mappings/online-retail.toml --answers answers.ndjson";

#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(clap::Subcommand)]
enum Action {
    Send(Box<SendArgs>),
}

pub fn run(args: Args) -> Result<ExitCode> {
    let Action::Send(send) = args.action;
    block_on(async { Ok(ExitCode::from(send.run().await?)) })
}
