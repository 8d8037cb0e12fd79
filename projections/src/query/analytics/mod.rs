//! Figures over HTTP: the views of `clickhouse/analytics.sql` and those of `grading.sql`, by the same rules for all.
//!
//! A question is read from the query string and checked, becomes a statement of this program's own names with every value bound, and is
//! answered as a page in JSON or as a file that the server writes. It takes a turn among a bounded number, and has bounds of time, rows
//! and memory; who leaves, ends it.
//!
//! - `resource`, `column`: what can be asked for, and what its columns mean; OpenAPI is made of the same.
//! - `parameters`, `period`, `cursor`, `format`: what is asked.
//! - `statement`: the question to the server.
//! - `settled`, `as_of`: as of when figures are, and waiting for one's own writes.
//! - `turn`: whose turn it is.
//! - `answer`, `question`, `together`: pages, files, and answers of several parts.
//!
//! The report page asks the same questions from inside, through `Analytics` itself.

mod answer;
mod as_of;
pub(super) mod column;
mod cursor;
mod format;
pub(super) mod parameters;
pub(super) mod period;
mod question;
pub(super) mod resource;
mod settled;
mod statement;
mod together;
mod turn;

use super::{Problem, at};
use crate::clickhouse::{ClickHouse, ClickHouseConfig, ClickHouseError, figures::Bounds};
pub(super) use answer::Page;
use as_of::Lags;
pub(super) use as_of::{Lag, standing};
use axum::{
    Router,
    extract::{Path, Request, State, rejection::PathRejection},
    response::Response,
    routing::get,
};
pub(super) use column::Column;
use millrace_runtime::log::Log;
pub(super) use resource::{Resource, Takes};
use serde::{Deserialize, Serialize};
use settled::Settled;
pub(super) use statement::zone_name;
use std::{sync::Arc, time::Duration};
pub(super) use together::{Overview, Place};
use turn::Turns;

/// The section `[query.analytics]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AnalyticsConfig {
    /// Most questions for figures asked of the server at a time.
    pub concurrent_max: usize,
    /// Most that wait for their turn; more are answered 503 at once.
    pub waiting_max: usize,
    /// How long one waits for its turn, and how long the server may take for a page.
    pub timeout_ms: u64,
    /// How long a file may take.
    pub file_timeout_ms: u64,
    /// How long a caller may wait for what it sent a moment ago.
    pub wait_max_ms: u64,
    /// Most rows of a page.
    pub page_rows_max: u64,
    /// Most rows of a file.
    pub file_rows_max: u64,
    /// Longest period, in days.
    pub range_max_days: i64,
    /// Most rows of tables that a question may read.
    pub rows_read_max: u64,
    /// Most memory the server gives to a question.
    pub memory_max_bytes: u64,
}

impl Default for AnalyticsConfig {
    fn default() -> Self {
        Self {
            concurrent_max: 4,
            waiting_max: 32,
            timeout_ms: 10_000,
            file_timeout_ms: 120_000,
            wait_max_ms: 10_000,
            page_rows_max: 10_000,
            file_rows_max: 1_000_000,
            range_max_days: 3_660,
            rows_read_max: 200_000_000,
            memory_max_bytes: 1 << 30,
        }
    }
}

/// Every format.
pub(super) const FORMATS: [format::Format; 6] = format::Format::ALL;

/// Rows of a page when nobody says how many.
const PAGE_ROWS: u64 = 1_000;

/// What questions for figures share.
pub(super) struct Analytics {
    clickhouse: ClickHouse,
    config: AnalyticsConfig,
    turns: Turns,
    lag: Arc<Lags>,
    settled: Settled,
}

impl Analytics {
    /// What asks figures of a server. The log tells how much of it they hold.
    ///
    /// # Errors
    /// When the database's name is not a plain identifier.
    pub fn new(clickhouse: &ClickHouseConfig, config: &AnalyticsConfig, log: Log) -> Result<Self, ClickHouseError> {
        let clickhouse =
            ClickHouse::new(&ClickHouseConfig { query_timeout_ms: config.timeout_ms, ..clickhouse.clone() })?;
        let patience = Duration::from_millis(config.timeout_ms);
        Ok(Self {
            lag: Lags::new(log.clone(), clickhouse.clone()),
            settled: Settled::new(log, clickhouse.clone()),
            clickhouse,
            config: *config,
            turns: Turns::new(config.concurrent_max, config.waiting_max, patience),
        })
    }

    /// What tells how far the tables are behind the log.
    pub fn log(&self) -> (Log, ClickHouse) {
        (self.lag.log().clone(), self.clickhouse.clone())
    }

    fn bounds(&self, time_max: Duration, rows_answered_max: u64) -> Bounds {
        let AnalyticsConfig { rows_read_max, memory_max_bytes, .. } = self.config;
        Bounds { time_max, rows_read_max, rows_answered_max, memory_max_bytes }
    }
}

/// The routes, to be merged into those of a process.
pub(super) fn routes(analytics: Arc<Analytics>) -> Router {
    let of = |resource: &'static Resource| {
        get(move |State(analytics): State<Arc<Analytics>>, request: Request| async move {
            analytics.answer(resource, None, request).await
        })
    };
    Router::new()
        .merge(at("/api/v1/places", of(&resource::DIRECTORY)))
        .merge(at("/api/v1/places/{id}", get(place)))
        .merge(at("/api/v1/analytics/places", of(&resource::PLACES)))
        .merge(at("/api/v1/analytics/categories", of(&resource::CATEGORIES)))
        .merge(at("/api/v1/analytics/taxes-and-tips", get(taxes_and_tips)))
        .merge(at("/api/v1/analytics/load", of(&resource::LOAD)))
        .merge(at("/api/v1/analytics/transactions", of(&resource::TRANSACTIONS)))
        .merge(at("/api/v1/analytics/customers/{id}", get(customer)))
        .merge(at("/api/v1/analytics/model", get(model)))
        .merge(at("/api/consumer/places", of(&resource::DIRECTORY)))
        .merge(at("/api/consumer/analytics", get(overview)))
        .with_state(analytics)
}

/// Totals, or by means of payment, or lines by rate of VAT.
async fn taxes_and_tips(State(analytics): State<Arc<Analytics>>, request: Request) -> Response {
    analytics.answer_by("by", resource::TAXES_AND_TIPS_BY, request).await
}

/// How well scores tell fraud, by section.
async fn model(State(analytics): State<Arc<Analytics>>, request: Request) -> Response {
    analytics.answer_by("section", resource::SECTIONS, request).await
}

async fn customer(
    State(analytics): State<Arc<Analytics>>,
    id: Result<Path<String>, PathRejection>,
    request: Request,
) -> Response {
    match id {
        Ok(Path(id)) => analytics.answer(&resource::CUSTOMER, Some(("customer_id", id)), request).await,
        Err(rejection) => Problem::bad_parameter(rejection.body_text()).respond(request.headers()),
    }
}

async fn place(
    State(analytics): State<Arc<Analytics>>,
    id: Result<Path<String>, PathRejection>,
    request: Request,
) -> Response {
    match id {
        Ok(Path(id)) => analytics.place(id, request).await,
        Err(rejection) => Problem::bad_parameter(rejection.body_text()).respond(request.headers()),
    }
}

async fn overview(State(analytics): State<Arc<Analytics>>, request: Request) -> Response {
    analytics.overview(request).await
}
