//! `millrace config`: what is configured, and whether it can be used.

use crate::config::{Config, ConfigArgs};
use anyhow::{Context, Result};
use millrace_projections::clickhouse::ClickHouse;
use std::process::ExitCode;

pub const EXAMPLES: &str =
    "Values come from defaults, then the file, then variables MILLRACE__SECTION__KEY, then --set.

Examples:
  millrace config defaults > millrace.toml
  millrace config check --config millrace.toml
  MILLRACE__KAFKA__BROKERS=broker:9092 millrace config check";

#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    config: ConfigArgs,
}

pub fn run(args: &Args) -> Result<ExitCode> {
    let loaded = match args.action {
        Action::Check => args.config.load()?,
        Action::Defaults => Config::default(),
    };
    config(&loaded, args.action)?;
    Ok(ExitCode::SUCCESS)
}

/// What can be done with the configuration.
#[derive(Debug, Clone, Copy, clap::Subcommand)]
pub enum Action {
    /// Check every section and print the whole configuration, secrets redacted
    Check,
    /// Print every key with its default, as a file to begin with
    Defaults,
}

/// Runs `millrace config`. `check` looks at values only; nothing is connected to.
fn config(config: &Config, action: Action) -> Result<()> {
    if let Action::Check = action {
        config.gateway.check()?;
        ClickHouse::new(&config.clickhouse).context("clickhouse")?;
    }
    print!("{}", toml::to_string_pretty(config)?);
    Ok(())
}
