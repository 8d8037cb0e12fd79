//! What the tables answer over HTTP: read-only routes, which the gateway's process serves beside its own.
//!
//! The gateway gives every request an id and a trace in its headers before it comes here. A question takes one of a bounded number
//! of permits and a bounded time, so that readers cannot take the server from the projector.
//!
//! - [`mod@analytics`]: `GET /api/v1/places`, `/api/v1/analytics/...` and the paths of the predecessor's consumer.
//! - [`reconciliation`](mod@reconciliation): `GET /api/v1/reconciliation`.
//! - [`mod@reports`]: `GET /reports` and `GET /reports/live`.
//! - [`requests`]: `GET /api/v1/requests/{request_id}`.
//! - [`statistics`]: `GET /api/v1/customers/{id}/statistics`.
//! - [`mod@stream`]: `GET /api/v1/stream`.
//! - [`transactions`]: `GET /api/v1/transactions/{id}` and `/api/v1/transactions/{id}/score`.

mod analytics;
mod contract;
mod problem;
mod reconciliation;
mod reports;
mod requests;
mod statistics;
mod stream;
mod transactions;

use crate::clickhouse::{ClickHouse, ClickHouseConfig, ClickHouseError};
pub use analytics::AnalyticsConfig;
pub use contract::contract;
pub use stream::{StreamConfig, routes as stream};

use axum::{
    Router,
    routing::{MethodRouter, get},
};
use millrace_runtime::log::Log;
use millrace_schemas::event::Score;
use problem::Problem;
use serde::{Deserialize, Serialize};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{
    sync::Semaphore,
    time::{sleep, timeout},
};
use uuid::Uuid;

/// First pause before a waiting caller's question is asked again.
const PAUSE_MIN: Duration = Duration::from_millis(50);
/// Longest such pause.
const PAUSE_MAX: Duration = Duration::from_millis(500);

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
    /// Questions for figures.
    pub analytics: AnalyticsConfig,
}

impl Default for QueryConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            concurrent_max: 8,
            timeout_ms: 5_000,
            wait_max_ms: 10_000,
            analytics: AnalyticsConfig::default(),
        }
    }
}

/// The routes, to be merged into those of a process.
///
/// # Errors
/// When the database's name is not a plain identifier.
pub fn routes(clickhouse: &ClickHouseConfig, config: &QueryConfig) -> Result<Router, ClickHouseError> {
    let state = Arc::new(Questions::new(clickhouse, config)?);
    Ok(Router::new()
        .merge(at("/api/v1/requests/{request_id}", get(requests::answer)))
        .merge(at("/api/v1/transactions/{id}", get(transactions::transaction)))
        .merge(at("/api/v1/transactions/{id}/score", get(transactions::score)))
        .merge(at("/api/v1/customers/{id}/statistics", get(statistics::answer)))
        .with_state(state))
}

/// Finds scores for the gateway itself, under limits like those of the routes.
///
/// # Errors
/// As [`routes`].
pub fn scores(clickhouse: &ClickHouseConfig, config: &QueryConfig) -> Result<Scores, ClickHouseError> {
    Questions::new(clickhouse, config).map(|questions| Scores(Arc::new(questions)))
}

/// Scores by id.
#[derive(Clone)]
pub struct Scores(Arc<Questions>);

impl Scores {
    /// The score of a transaction by its id across systems; `None` when it is not in the tables, or they cannot be read now.
    pub fn find(&self, trn_id: Uuid) -> impl Future<Output = Option<Score>> + Send + use<> {
        let questions = Arc::clone(&self.0);
        async move { questions.ask(questions.clickhouse.score(trn_id)).await.ok().flatten().map(Score::from) }
    }
}

/// The routes of figures and the report page, which ask the same questions in the same turns; to be merged like [`routes`]. The log
/// tells how much of it figures hold.
///
/// # Errors
/// As [`routes`].
pub fn analytics(clickhouse: &ClickHouseConfig, config: &AnalyticsConfig, log: Log) -> Result<Router, ClickHouseError> {
    let figures = Arc::new(analytics::Analytics::new(clickhouse, config, log)?);
    Ok(analytics::routes(Arc::clone(&figures)).merge(reports::routes(figures)))
}

/// The route of what is proven, read from the log; to be merged like [`routes`].
pub fn reconciliation(log: Log) -> Router {
    at("/api/v1/reconciliation", get(reconciliation::answer)).with_state(Arc::new(reconciliation::Proofs::new(log)))
}

/// A trailing slash makes no difference.
fn at<S: Clone + Send + Sync + 'static>(path: &str, method: MethodRouter<S>) -> Router<S> {
    Router::new().route(path, method.clone()).route(&format!("{path}/"), method)
}

/// What questions share.
struct Questions {
    clickhouse: ClickHouse,
    permits: Semaphore,
    config: QueryConfig,
}

impl Questions {
    fn new(clickhouse: &ClickHouseConfig, config: &QueryConfig) -> Result<Self, ClickHouseError> {
        let clickhouse = ClickHouseConfig { query_timeout_ms: config.timeout_ms, ..clickhouse.clone() };
        Ok(Self {
            clickhouse: ClickHouse::new(&clickhouse)?,
            permits: Semaphore::new(config.concurrent_max.clamp(1, Semaphore::MAX_PERMITS)),
            config: *config,
        })
    }

    /// Asks the server, when it is this question's turn; several statements for one question have its time together.
    async fn ask<T>(&self, question: impl Future<Output = Result<T, ClickHouseError>>) -> Result<T, Problem> {
        let patience = Duration::from_millis(self.config.timeout_ms);
        let Ok(Ok(_permit)) = timeout(patience, self.permits.acquire()).await else { return Err(Problem::busy()) };
        match timeout(patience, question).await {
            Ok(answer) => answer.map_err(|error| Problem::of(&error)),
            Err(_) => {
                let waited = self.config.timeout_ms;
                Err(Problem::of(&ClickHouseError::Unreachable(format!("a question took longer than {waited} ms"))))
            }
        }
    }

    /// Asks again and again, with growing pauses, until the answer is final or the caller's time is up; then as it is.
    async fn patiently<T, A>(
        &self,
        wait_ms: u64,
        ask: impl Fn() -> A,
        is_final: impl Fn(&T) -> bool,
    ) -> Result<T, Problem>
    where
        A: Future<Output = Result<T, Problem>>,
    {
        let until = Instant::now() + Duration::from_millis(wait_ms.min(self.config.wait_max_ms));
        let mut pause = PAUSE_MIN;
        loop {
            let answer = ask().await?;
            if is_final(&answer) || Instant::now() + pause > until {
                return Ok(answer);
            }
            sleep(pause).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }
}
