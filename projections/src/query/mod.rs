//! What the tables answer over HTTP: read-only routes, which the gateway's process serves beside its own.
//!
//! The gateway gives every request an id and a trace in its headers before it comes here. A question takes one of a bounded number
//! of permits and a bounded time, so that readers cannot take the server from the projector.
//!
//! - [`reconciliation`](mod@reconciliation): `GET /api/v1/reconciliation`.
//! - [`requests`]: `GET /api/v1/requests/{request_id}`.

mod problem;
mod reconciliation;
mod requests;

use crate::clickhouse::{ClickHouse, ClickHouseConfig, ClickHouseError};
use axum::{Router, routing::get};
use millrace_runtime::log::Log;
use problem::Problem;
use serde::{Deserialize, Serialize};
use std::{sync::Arc, time::Duration};
use tokio::{sync::Semaphore, time::timeout};

/// The section `[query]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct QueryConfig {
    /// Whether the gateway's process answers questions from ClickHouse.
    pub enabled: bool,
    /// Most questions asked of the server at a time; more wait, as long as a question may take.
    pub concurrent_max: usize,
    /// How long a question may take before it is answered 503.
    pub timeout_ms: u64,
    /// How long a caller may have its answer wait until it is final.
    pub wait_max_ms: u64,
}

impl Default for QueryConfig {
    fn default() -> Self {
        Self { enabled: true, concurrent_max: 8, timeout_ms: 5_000, wait_max_ms: 10_000 }
    }
}

/// The routes, to be merged into those of a process.
///
/// # Errors
/// When the database's name is not a plain identifier.
pub fn routes(clickhouse: &ClickHouseConfig, config: &QueryConfig) -> Result<Router, ClickHouseError> {
    let clickhouse = ClickHouseConfig { query_timeout_ms: config.timeout_ms, ..clickhouse.clone() };
    let state = Arc::new(Questions {
        clickhouse: ClickHouse::new(&clickhouse)?,
        permits: Semaphore::new(config.concurrent_max.clamp(1, Semaphore::MAX_PERMITS)),
        config: *config,
    });
    let path = "/api/v1/requests/{request_id}";
    Ok(Router::new()
        .route(path, get(requests::answer))
        .route(&format!("{path}/"), get(requests::answer))
        .with_state(state))
}

/// The route of what is proven, read from the log; to be merged like [`routes`].
pub fn reconciliation(log: Log) -> Router {
    let path = "/api/v1/reconciliation";
    Router::new()
        .route(path, get(reconciliation::answer))
        .route(&format!("{path}/"), get(reconciliation::answer))
        .with_state(Arc::new(reconciliation::Proofs::new(log)))
}

/// What questions share.
struct Questions {
    clickhouse: ClickHouse,
    permits: Semaphore,
    config: QueryConfig,
}

impl Questions {
    /// Asks the server, when it is this question's turn.
    async fn ask<T>(&self, question: impl Future<Output = Result<T, ClickHouseError>>) -> Result<T, Problem> {
        let patience = Duration::from_millis(self.config.timeout_ms);
        let Ok(Ok(_permit)) = timeout(patience, self.permits.acquire()).await else { return Err(Problem::busy()) };
        question.await.map_err(|error| Problem::of(&error))
    }
}
