//! `millrace config`: what is configured, and whether it can be used.

use crate::config::Config;
use anyhow::{Context, Result};
use millrace_ingest::GatewayConfig;
use millrace_processors::Scoring;
use millrace_projections::clickhouse::ClickHouse;

/// What can be done with the configuration.
#[derive(Debug, Clone, Copy, clap::Subcommand)]
pub enum Action {
    /// Check every section and print the whole configuration, secrets redacted
    Check,
    /// Print every key with its default, as a file to begin with
    Defaults,
}

/// Runs `millrace config`. `check` looks at values only; nothing is connected to.
pub fn config(config: &Config, action: Action) -> Result<()> {
    if let Action::Check = action {
        GatewayConfig::check(&config.gateway)?;
        Scoring::new(&config.scoring).context("scoring")?;
        ClickHouse::new(&config.clickhouse).context("clickhouse")?;
    }
    print!("{}", toml::to_string_pretty(config)?);
    Ok(())
}
