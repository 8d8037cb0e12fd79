//! `millrace pause WORKER` and `millrace resume WORKER`: what an operator wants of a processor or projection.

use crate::config::{ConfigArgs, block_on};
use anyhow::Result;
use clap::ValueEnum;
use millrace_processors::{Matching, Receipts, Scoring};
use millrace_projections::clickhouse::ClickHouseSink;
use millrace_runtime::{controls, log::Log, processor::Processor as _, sink::Sink as _};
use millrace_schemas::event::ControlState;
use std::process::ExitCode;

pub const PAUSE_EXAMPLES: &str =
    "Every process of the worker commits what it has decided and reads no more, within a second and through restarts, until it
is resumed. `millrace status` says since when and why.

Examples:
  millrace pause clickhouse --reason 'the server moves to another disk'
  millrace pause scoring --config millrace.toml";

pub const RESUME_EXAMPLES: &str = "Examples:
  millrace resume clickhouse
  millrace resume scoring --config millrace.toml";

#[derive(clap::Args)]
pub struct PauseArgs {
    /// Which processor or projection
    worker: Worker,
    /// Why, for whoever looks at `millrace status`
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    #[command(flatten)]
    config: ConfigArgs,
}

#[derive(clap::Args)]
pub struct ResumeArgs {
    /// Which processor or projection
    worker: Worker,
    #[command(flatten)]
    config: ConfigArgs,
}

/// What can be paused.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Worker {
    /// The scoring processor
    Scoring,
    /// The receipts processor
    Receipts,
    /// The matching processor
    Matching,
    /// The ClickHouse projection
    Clickhouse,
}

impl Worker {
    fn name(self) -> &'static str {
        match self {
            Self::Scoring => Scoring::NAME,
            Self::Receipts => Receipts::NAME,
            Self::Matching => Matching::NAME,
            Self::Clickhouse => ClickHouseSink::NAME,
        }
    }
}

pub fn run_pause(args: PauseArgs) -> Result<ExitCode> {
    tell(&args.config, args.worker, ControlState::Paused, args.reason)?;
    println!("{} is paused; `millrace resume {0}` lets it go on", args.worker.name());
    Ok(ExitCode::SUCCESS)
}

pub fn run_resume(args: &ResumeArgs) -> Result<ExitCode> {
    tell(&args.config, args.worker, ControlState::Running, None)?;
    println!("{} goes on", args.worker.name());
    Ok(ExitCode::SUCCESS)
}

fn tell(config: &ConfigArgs, worker: Worker, state: ControlState, reason: Option<String>) -> Result<()> {
    let config = config.load()?;
    block_on(async {
        let log = Log::new(&config.kafka, &config.registry)?;
        controls::set(&log, worker.name(), state, reason).await?;
        Ok(())
    })
}
