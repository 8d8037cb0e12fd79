//! `GET /reports`: the figures people ask for as one page, drawn by the server. It needs no script, and is livelier with one.
//!
//! A page is a few questions asked at the same time through [`Analytics`], in the same turns and with the same bounds as those of the
//! API, so there is one way in which figures come about; each table links the API's answer with the same rows.
//!
//! - `asked`: what the form says, and links that say it again.
//! - `figures`: the questions of a page.
//! - `section`, `chapters`: a heading, a sentence, charts, a table; and which of them there are.
//! - `amount`, `scale`, `chart`, `table`: how numbers are written, drawn and listed.
//! - `live`: how the pipeline is doing now.
//! - `form`: what can be chosen, with what was asked for.
//! - `page`: everything together, and what is said when there is nothing to show.

mod amount;
mod asked;
mod chapters;
mod chart;
mod figures;
mod files;
mod form;
mod live;
mod page;
mod scale;
mod section;
mod table;

use super::{analytics::Analytics, at};
use axum::{
    Json, Router,
    extract::{Request, State},
    http::{HeaderValue, header},
    response::{IntoResponse as _, Response},
    routing::get,
};
use live::Live;
pub(super) use live::Now;
use std::sync::Arc;

/// Nothing but this service's own files, and no script or style in the page itself.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; \
                      form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// What pages share.
struct Reports {
    figures: Arc<Analytics>,
    live: Arc<Live>,
}

/// The routes, to be merged into those of a process.
pub(super) fn routes(figures: Arc<Analytics>) -> Router {
    let (log, clickhouse) = figures.log();
    let live = Live::new(log, clickhouse);
    Router::new()
        .merge(at("/reports", get(report)))
        .merge(at("/reports/live", get(now)))
        .route("/reports/reports.css", get(async || files::style()))
        .route("/reports/reports.js", get(async || files::script()))
        .with_state(Arc::new(Reports { figures, live }))
}

async fn report(State(reports): State<Arc<Reports>>, request: Request) -> Response {
    let (status, text) = reports.page(request.uri().query().unwrap_or_default()).await;
    let mut response = (status, text).into_response();
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if status.as_u16() == 503 {
        headers.insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
    }
    response
}

async fn now(State(reports): State<Arc<Reports>>) -> Response {
    let now = reports.now(live::PATIENCE).await.unwrap_or_else(live::Now::late);
    ([(header::CACHE_CONTROL, "no-store")], Json(now)).into_response()
}
