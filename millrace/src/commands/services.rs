//! `millrace gateway`, `millrace processor NAME`, `millrace projector NAME`: one service each, against any broker.

use crate::{config::Config, health};
use anyhow::{Context, Result};
use clap::ValueEnum;
use millrace_ingest::Gateway;
use millrace_processors::{Receipts, Scoring};
use millrace_projections::clickhouse::{ClickHouse, ClickHouseSink};
use millrace_runtime::{lifecycle, log::Log, processor, producer::EventProducer, sink, telemetry};
use std::sync::Arc;
use tokio::net::TcpListener;

/// A processor.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Processor {
    /// transactions to transaction-scores
    Scoring,
    /// receipts to purchases
    Receipts,
}

/// A projection.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Projection {
    /// Tables and rollups in ClickHouse
    Clickhouse,
}

/// Serves HTTP until it is told to stop; then finishes what it has taken in.
pub async fn gateway(config: Config) -> Result<()> {
    telemetry::log(&config.log);
    let metrics = telemetry::metrics().context("collecting metrics")?;
    let shutdown = lifecycle::shutdown_on_signals()?;
    let listen = config.gateway.listen;
    let listener = TcpListener::bind(listen)
        .await
        .with_context(|| format!("gateway.listen: {listen} cannot be listened on; is another program there?"))?;
    let log = Log::new(&config.kafka, &config.registry)?;
    let events = EventProducer::connect(&log, "gateway").await?;
    let gateway = Gateway { rules: config.rules.into(), ..Gateway::new(events, move || metrics.render()) };
    millrace_ingest::serve(config.gateway, listener, gateway, async move { shutdown.cancelled().await }).await?;
    Ok(())
}

/// Runs a processor until it is told to stop; what it decided is committed first.
pub async fn processor(config: Config, which: Processor) -> Result<()> {
    telemetry::log(&config.log);
    let shutdown = lifecycle::shutdown_on_signals()?;
    health::serve(config.worker.listen, shutdown.clone()).await?;
    let log = Log::new(&config.kafka, &config.registry)?;
    let (rules, options) = (config.rules.into(), config.processor.clone());
    match which {
        Processor::Scoring => processor::run(Scoring::new(&config.scoring)?, log, rules, options, shutdown).await?,
        Processor::Receipts => processor::run(Receipts, log, rules, options, shutdown).await?,
    }
    Ok(())
}

/// Fills a projection until it is told to stop; writes under way end first.
pub async fn projector(config: Config, which: Projection) -> Result<()> {
    telemetry::log(&config.log);
    let shutdown = lifecycle::shutdown_on_signals()?;
    health::serve(config.worker.listen, shutdown.clone()).await?;
    let log = Log::new(&config.kafka, &config.registry)?;
    match which {
        Projection::Clickhouse => {
            let schemas = log.codec().await?;
            let sink = ClickHouseSink::new(ClickHouse::new(&config.clickhouse)?, schemas.codec().clone());
            sink::run(Arc::new(sink), log, config.projector.clone(), shutdown).await?;
        }
    }
    Ok(())
}
