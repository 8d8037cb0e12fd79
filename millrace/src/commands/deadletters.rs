//! `millrace deadletters`: what could not be processed; taking it in again after a fix, or leaving it.

mod act;
mod prepare;
mod select;
mod show;

use crate::{
    config::{Config, ConfigArgs, block_on},
    exit,
    output::Output,
};
use anyhow::Result;
use millrace_runtime::{
    letters::Shelf,
    log::{Log, Schemas},
};
use std::process::ExitCode;

pub const EXAMPLES: &str = "A replay appends the letter to its journal with its first time of receipt; the processor decides it once more. The first record
of an id wins, so a replay never makes an event count twice. Exits with 1 when a letter could not be replayed or discarded.

Examples:
  millrace deadletters list --code timestamp_in_future --since 24h
  millrace deadletters show 5f3ab1c0-7a46-8d3b-9f0e-2b1f4c6d8e92
  millrace deadletters replay --code timestamp_in_future --topic transactions
  millrace deadletters discard --id 5f3ab1c0-7a46-8d3b-9f0e-2b1f4c6d8e92 --reason 'sent again by the till' --yes";

#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    config: ConfigArgs,
    #[command(flatten)]
    output: Output,
}

/// What is done with dead letters.
#[derive(clap::Subcommand)]
enum Action {
    /// Show letters, the oldest first
    List(select::Select),
    /// Show all of one letter: every error, the payload, what was done about it
    Show {
        /// Event id of the letter
        id: String,
    },
    /// Append open letters to their journals again
    Replay(Acting),
    /// Leave open letters without effect, for good
    Discard(Acting),
}

/// Which letters are acted on, and how.
#[derive(clap::Args)]
struct Acting {
    #[command(flatten)]
    select: select::Select,
    /// Why, for those who look later
    #[arg(long)]
    reason: Option<String>,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
}

pub fn run(args: Args) -> Result<ExitCode> {
    let (config, output) = (args.config.load()?, args.output);
    block_on(async move {
        let letters = Desk::open(config).await?;
        tokio::task::spawn_blocking(move || match args.action {
            Action::List(select) => show::list(&letters, &select, output),
            Action::Show { id } => show::one(&letters, &id, output),
            Action::Replay(acting) => act::replay(&letters, &acting, output),
            Action::Discard(acting) => act::discard(&letters, &acting, output),
        })
        .await?
    })
}

/// What the actions work with.
struct Desk {
    config: Config,
    log: Log,
    shelf: Shelf,
    schemas: Schemas,
}

impl Desk {
    async fn open(config: Config) -> Result<Self> {
        let log = Log::new(&config.kafka, &config.registry)?;
        Ok(Self { shelf: Shelf::open(&log).await?, schemas: log.codec().await?, log, config })
    }
}

fn code(all_done: bool) -> ExitCode {
    if all_done { ExitCode::SUCCESS } else { ExitCode::from(exit::FAILED) }
}
