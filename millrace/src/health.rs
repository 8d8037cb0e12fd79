//! What workers answer: whether they live, and their metrics.

use anyhow::{Context, Result};
use axum::{Router, routing::get};
use millrace_runtime::{lifecycle::Shutdown, telemetry};
use std::net::SocketAddr;
use tokio::net::TcpListener;

/// Serves `/health/live`, `/health/ready` and `/metrics` beside the worker. A worker that cannot go on ends its process, so one
/// that answers is ready.
pub async fn serve(listen: SocketAddr, shutdown: Shutdown) -> Result<()> {
    let metrics = telemetry::metrics().context("collecting metrics")?;
    let listener = TcpListener::bind(listen)
        .await
        .with_context(|| format!("worker.listen: {listen} cannot be listened on; is another program there?"))?;
    let ok = || async { "ok\n" };
    let routes = Router::new()
        .route("/health/live", get(ok))
        .route("/health/ready", get(ok))
        .route("/metrics", get(move || std::future::ready(metrics.render())));
    tracing::info!(listen = %listener.local_addr()?, "health and metrics");
    tokio::spawn(async move {
        let served = axum::serve(listener, routes).with_graceful_shutdown(async move { shutdown.cancelled().await });
        if let Err(error) = served.await {
            tracing::error!(error = %error, "health and metrics are not served any more");
        }
    });
    Ok(())
}
