//! `millrace setup`: topics, schemas and tables, so that services can start. Does nothing that is done already.

use crate::config::{Config, ConfigArgs, block_on};
use anyhow::Result;
use millrace_projections::clickhouse::ClickHouse;
use millrace_runtime::log::{Log, TopicState};
use std::process::ExitCode;

pub const EXAMPLES: &str = "Examples:
  millrace setup --config millrace.toml
  millrace setup --set kafka.brokers=broker:9092 --set kafka.replication_factor=3";

#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    config: ConfigArgs,
}

pub fn run(args: &Args) -> Result<ExitCode> {
    block_on(setup(args.config.load()?)).map(|()| ExitCode::SUCCESS)
}

/// Makes what is missing and says so.
async fn setup(config: Config) -> Result<()> {
    let log = Log::new(&config.kafka, &config.registry)?;
    let topics = log.create_topics().await?;
    let created = topics.iter().filter(|(_, state)| *state == TopicState::Created).count();
    println!("topics: {} in the log, {created} of them made now", topics.len());
    let schemas = log.register_schemas().await?;
    println!("schemas: {} in the log and the registry", schemas.len());
    let applied = ClickHouse::new(&config.clickhouse)?.migrate().await?;
    println!("tables: {} migrations applied now in {}", applied.len(), config.clickhouse.database);
    Ok(())
}
