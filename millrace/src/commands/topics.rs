//! `millrace topics` and `millrace schemas`: what the log is made of.

use crate::{
    config::{Config, ConfigArgs, block_on},
    output::Output,
};
use anyhow::Result;
use millrace_runtime::log::{Log, TopicState};
use serde::Serialize;
use std::process::ExitCode;

pub const TOPICS_EXAMPLES: &str = "Examples:
  millrace topics list
  millrace topics create --set kafka.brokers=broker:9092 --set kafka.partitions=12";

pub const SCHEMAS_EXAMPLES: &str = "Examples:
  millrace schemas list
  millrace schemas show 1";

#[derive(clap::Args)]
pub struct TopicsArgs {
    #[command(subcommand)]
    action: Topics,
    #[command(flatten)]
    config: ConfigArgs,
    #[command(flatten)]
    output: Output,
}

#[derive(clap::Args)]
pub struct SchemasArgs {
    #[command(subcommand)]
    action: Schemas,
    #[command(flatten)]
    config: ConfigArgs,
    #[command(flatten)]
    output: Output,
}

pub fn run_topics(args: &TopicsArgs) -> Result<ExitCode> {
    block_on(topics(args.config.load()?, args.action, args.output)).map(|()| ExitCode::SUCCESS)
}

pub fn run_schemas(args: &SchemasArgs) -> Result<ExitCode> {
    block_on(schemas(args.config.load()?, args.action, args.output)).map(|()| ExitCode::SUCCESS)
}

/// What can be done with topics.
#[derive(Debug, Clone, Copy, clap::Subcommand)]
pub enum Topics {
    /// Show every topic: purpose, key, partitions, offsets
    List,
    /// Make the topics that are missing and register the schemas
    Create,
}

/// What can be done with schemas.
#[derive(Debug, Clone, Copy, clap::Subcommand)]
pub enum Schemas {
    /// Show every schema used in the log: id, subject
    List,
    /// Print one schema
    Show {
        /// Id in the Confluent wire format
        id: i32,
    },
    /// Register this program's schemas, and give a registry that lost its data the log's
    Register,
}

async fn topics(config: Config, action: Topics, output: Output) -> Result<()> {
    let log = Log::new(&config.kafka, &config.registry)?;
    match action {
        Topics::List => {
            let topics = log.topics().await?;
            output.table(&topics, &["topic", "partitions", "offsets", "key", "purpose"], |topic| {
                vec![
                    topic.name.clone(),
                    topic.partitions.to_string(),
                    topic.offsets.to_string(),
                    topic.key.clone(),
                    topic.purpose.clone(),
                ]
            })
        }
        Topics::Create => {
            #[derive(Serialize)]
            struct Made {
                topic: String,
                state: TopicState,
            }
            let states = log.create_topics().await?;
            log.register_schemas().await?;
            let made: Vec<Made> =
                states.into_iter().map(|(topic, state)| Made { topic: log.topic_name(topic), state }).collect();
            output.table(&made, &["topic", "state"], |made| {
                let state = match made.state {
                    TopicState::Created => "created",
                    TopicState::Existing => "existing",
                };
                vec![made.topic.clone(), state.to_owned()]
            })
        }
    }
}

async fn schemas(config: Config, action: Schemas, output: Output) -> Result<()> {
    let log = Log::new(&config.kafka, &config.registry)?;
    let records = match action {
        Schemas::Register => log.register_schemas().await?,
        Schemas::List | Schemas::Show { .. } => log.schemas().await?,
    };
    if let Schemas::Show { id } = action {
        let record = records.into_iter().find(|record| record.id == id);
        let record = record
            .ok_or_else(|| anyhow::anyhow!("the log has no schema {id}; `millrace schemas list` shows what it has"))?;
        println!("{}", record.schema);
        return Ok(());
    }
    output.table(&records, &["id", "subject", "bytes"], |record| {
        vec![record.id.to_string(), record.subject.clone(), record.schema.len().to_string()]
    })
}
