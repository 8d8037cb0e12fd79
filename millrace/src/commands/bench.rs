//! `millrace bench`: the figures that are promised, measured on this machine.

mod machine;
mod model;
mod query;
mod score;
mod scoring;
mod visible;

use crate::config::ConfigArgs;
use anyhow::Result;
use std::process::ExitCode;

pub const EXAMPLES: &str = "Every figure is printed with the machine it was measured on. Use a release build, and leave the machine alone meanwhile.

Examples:
  millrace bench score --rate 1000 --seconds 10
  millrace bench scoring --retained 5,50,500
  millrace bench model training/bundles/default
  millrace bench query
  millrace bench visible --rate 4000
  millrace bench score --rate 200 --gateway http://127.0.0.1:8080 --json | jq '.ratio'";

#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
    #[command(flatten)]
    config: ConfigArgs,
}

#[derive(clap::Subcommand)]
enum What {
    /// How long a client waits for a score, beside a bare round trip through the same broker
    #[command(after_help = score::EXAMPLES)]
    Score(score::Args),
    /// How many transactions scoring takes per second of CPU time
    #[command(after_help = scoring::EXAMPLES)]
    Scoring(scoring::Args),
    /// How long a model takes for a score, alone and through the pool
    #[command(after_help = model::EXAMPLES)]
    Model(model::Args),
    /// How long the query API takes for what people ask of a year of receipts
    #[command(after_help = query::EXAMPLES)]
    Query(query::Args),
    /// How long it takes from sending a receipt until figures hold it
    #[command(after_help = visible::EXAMPLES)]
    Visible(visible::Args),
}

pub fn run(args: &Args) -> Result<ExitCode> {
    match &args.what {
        What::Score(score) => score::run(score, &args.config),
        What::Scoring(scoring) => scoring::run(scoring),
        What::Model(model) => model::run(model),
        What::Query(query) => query::run(query, &args.config),
        What::Visible(visible) => visible::run(visible, &args.config),
    }
}
