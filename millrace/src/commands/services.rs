//! `millrace gateway`, `millrace processor NAME`, `millrace projector NAME`, `millrace reconciler`: one service each, against any broker.

use crate::{
    config::{Config, ConfigArgs, block_on},
    health,
};
use anyhow::{Context, Result};
use clap::ValueEnum;
use millrace_ingest::{
    Gateway,
    waiting::{Lookup, Waiting},
};
use millrace_processors::{
    Matching, Receipts, Scoring,
    matching::relays::{Merging, Telling},
    merchants::tally::Tally,
};
use millrace_projections::{
    clickhouse::{self, ClickHouse},
    query,
};
use millrace_runtime::{
    gather, lifecycle, log::Log, processor, producer::EventProducer, reconcile::Journal, relay, telemetry,
};
use millrace_schemas::{Event as _, event::Derived};
use std::{process::ExitCode, sync::Arc};
use tokio::net::TcpListener;

pub const GATEWAY_EXAMPLES: &str = "Examples:
  millrace gateway --set kafka.brokers=broker:9092 --set gateway.listen=127.0.0.1:8080
  MILLRACE__KAFKA__BROKERS=broker:9092 millrace gateway";

pub const PROCESSOR_EXAMPLES: &str =
    "A second process of the same processor takes a slot of its own and shares the partitions.

Examples:
  millrace processor scoring --config millrace.toml
  millrace processor scoring --config millrace.toml --set processor.slot=1";

pub const GATHERER_EXAMPLES: &str = "Examples:
  millrace gatherer merchants --config millrace.toml
  millrace gatherer merchants --set merchants.delay_days=7";

pub const RELAY_EXAMPLES: &str = "One process of each is enough, and the last one started is the one that works.

Examples:
  millrace relay matching --config millrace.toml
  millrace relay matching --set matching.wait_ms=3600000";

pub const PROJECTOR_EXAMPLES: &str = "Examples:
  millrace projector clickhouse --config millrace.toml
  millrace projector clickhouse --set clickhouse.url=http://127.0.0.1:8123";

pub const RECONCILER_EXAMPLES: &str = "Examples:
  millrace reconciler --config millrace.toml
  millrace reconciler --set reconciler.every_ms=60000";

/// What is proven: each journal with the processor that decides it.
fn journals() -> Vec<Journal> {
    fn journal<P: processor::Processor>() -> Journal {
        let (topic, outputs) = (<P::Out as Derived>::From::TOPIC, P::Out::TOPIC);
        Journal { processor: P::NAME, topic, outputs }
    }
    vec![journal::<Scoring>(), journal::<Receipts>(), journal::<Matching>()]
}

#[derive(clap::Args)]
pub struct GatewayArgs {
    #[command(flatten)]
    config: ConfigArgs,
}

#[derive(clap::Args)]
pub struct ReconcilerArgs {
    #[command(flatten)]
    config: ConfigArgs,
}

#[derive(clap::Args)]
pub struct ProcessorArgs {
    /// Which processor
    processor: Processor,
    #[command(flatten)]
    config: ConfigArgs,
}

#[derive(clap::Args)]
pub struct GathererArgs {
    /// Which gatherer
    gatherer: Gathering,
    #[command(flatten)]
    config: ConfigArgs,
}

#[derive(clap::Args)]
pub struct RelayArgs {
    /// Which relay
    relay: Relay,
    #[command(flatten)]
    config: ConfigArgs,
}

#[derive(clap::Args)]
pub struct ProjectorArgs {
    /// Which projection
    projection: Projection,
    #[command(flatten)]
    config: ConfigArgs,
}

pub fn run_gateway(args: &GatewayArgs) -> Result<ExitCode> {
    block_on(gateway(args.config.load()?)).map(|()| ExitCode::SUCCESS)
}

pub fn run_reconciler(args: &ReconcilerArgs) -> Result<ExitCode> {
    block_on(reconciler(args.config.load()?)).map(|()| ExitCode::SUCCESS)
}

pub fn run_processor(args: &ProcessorArgs) -> Result<ExitCode> {
    block_on(processor(args.config.load()?, args.processor)).map(|()| ExitCode::SUCCESS)
}

pub fn run_gatherer(args: &GathererArgs) -> Result<ExitCode> {
    block_on(gatherer(args.config.load()?, args.gatherer)).map(|()| ExitCode::SUCCESS)
}

pub fn run_relay(args: &RelayArgs) -> Result<ExitCode> {
    block_on(relayed(args.config.load()?, args.relay)).map(|()| ExitCode::SUCCESS)
}

pub fn run_projector(args: &ProjectorArgs) -> Result<ExitCode> {
    block_on(projector(args.config.load()?, args.projection)).map(|()| ExitCode::SUCCESS)
}

/// A processor.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Processor {
    /// transactions to transaction-scores
    Scoring,
    /// receipts to purchases
    Receipts,
    /// match-input to match-steps: which transaction paid a receipt
    Matching,
}

/// A gatherer.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Gathering {
    /// transaction-scores and labels to merchant-risk
    Merchants,
}

/// A relay.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Relay {
    /// transaction-scores and purchases to match-input, and match-steps to receipt-matches
    Matching,
}

/// A projection.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Projection {
    /// Tables and rollups in ClickHouse
    Clickhouse,
}

/// Serves HTTP until it is told to stop; then finishes what it has taken in.
async fn gateway(config: Config) -> Result<()> {
    telemetry::log(&config.log);
    let metrics = telemetry::metrics().context("collecting metrics")?;
    let shutdown = lifecycle::shutdown_on_signals()?;
    let listen = config.gateway.listen;
    let listener = TcpListener::bind(listen)
        .await
        .with_context(|| format!("gateway.listen: {listen} cannot be listened on; is another program there?"))?;
    let log = Log::new(&config.kafka, &config.registry)?;
    let events = EventProducer::connect(&log, "gateway").await?;
    let mut gateway = Gateway { rules: config.rules.into(), ..Gateway::new(events, move || metrics.render()) };
    // Clients that wait at a shutdown are still told.
    let served = lifecycle::Shutdown::new();
    let _served = served.clone().drop_guard();
    let mut lookup: Option<Lookup> = None;
    if config.query.enabled {
        let scores = query::scores(&config.clickhouse, &config.query)?;
        lookup = Some(Arc::new(move |trn_id| Box::pin(scores.find(trn_id))));
        let routes = query::routes(&config.clickhouse, &config.query)?;
        let figures = query::analytics(&config.clickhouse, &config.query.analytics, log.clone())?;
        let routes = routes.merge(figures);
        let stream = query::stream(log.clone(), &config.stream, shutdown.clone());
        gateway.contracts = vec![query::contract()];
        gateway.routes = routes.merge(query::reconciliation(log.clone())).merge(stream);
    }
    gateway.waiting = Some(Waiting::follow(&log, &config.gateway, lookup, &served).await?);
    millrace_ingest::serve(config.gateway, listener, gateway, async move { shutdown.cancelled().await }).await?;
    Ok(())
}

/// Proves that nothing is lost and nothing doubled, until it is told to stop.
async fn reconciler(config: Config) -> Result<()> {
    telemetry::log(&config.log);
    let shutdown = lifecycle::shutdown_on_signals()?;
    health::serve(config.worker.listen, shutdown.clone()).await?;
    let log = Log::new(&config.kafka, &config.registry)?;
    let clickhouse = ClickHouse::new(&config.clickhouse)?;
    millrace_projections::reconciler::run(log, clickhouse, journals(), config.reconciler, shutdown).await?;
    Ok(())
}

/// Runs a processor until it is told to stop; what it decided is committed first.
async fn processor(config: Config, which: Processor) -> Result<()> {
    telemetry::log(&config.log);
    let shutdown = lifecycle::shutdown_on_signals()?;
    health::serve(config.worker.listen, shutdown.clone()).await?;
    let log = Log::new(&config.kafka, &config.registry)?;
    let (rules, options) = (config.rules.into(), config.processor.clone());
    match which {
        Processor::Scoring => {
            let scoring = Scoring::informed(&log, config.models.open(), &shutdown).await?;
            processor::run(scoring, log, rules, options, shutdown).await?;
        }
        Processor::Receipts => processor::run(Receipts, log, rules, options, shutdown).await?,
        Processor::Matching => {
            let matching = Matching::within(config.matching.checked()?);
            processor::run(matching, log, rules, options, shutdown).await?;
        }
    }
    Ok(())
}

/// Gathers until it is told to stop.
async fn gatherer(config: Config, which: Gathering) -> Result<()> {
    telemetry::log(&config.log);
    let shutdown = lifecycle::shutdown_on_signals()?;
    health::serve(config.worker.listen, shutdown.clone()).await?;
    let log = Log::new(&config.kafka, &config.registry)?;
    match which {
        Gathering::Merchants => {
            gather::run(|| Tally::new(&config.merchants), log, config.rules.into(), shutdown).await?;
        }
    }
    Ok(())
}

/// Relays until it is told to stop. When one of a pair ends, so does the other.
async fn relayed(config: Config, which: Relay) -> Result<()> {
    telemetry::log(&config.log);
    let shutdown = lifecycle::shutdown_on_signals()?;
    health::serve(config.worker.listen, shutdown.clone()).await?;
    let log = Log::new(&config.kafka, &config.registry)?;
    match which {
        Relay::Matching => {
            let limits = config.matching.checked()?;
            let merging = relay::run(|| Merging::within(limits), log.clone(), shutdown.clone());
            tokio::try_join!(merging, relay::run(|| Telling, log, shutdown.clone()))?;
        }
    }
    Ok(())
}

/// Fills a projection until it is told to stop; writes under way end first.
async fn projector(config: Config, which: Projection) -> Result<()> {
    telemetry::log(&config.log);
    let shutdown = lifecycle::shutdown_on_signals()?;
    health::serve(config.worker.listen, shutdown.clone()).await?;
    let log = Log::new(&config.kafka, &config.registry)?;
    match which {
        Projection::Clickhouse => {
            let schemas = log.codec().await?;
            let clickhouse = ClickHouse::new(&config.clickhouse)?;
            clickhouse::follow(
                clickhouse,
                schemas.codec().clone(),
                config.rules.into(),
                log,
                config.projector.clone(),
                shutdown,
            )
            .await?;
        }
    }
    Ok(())
}
