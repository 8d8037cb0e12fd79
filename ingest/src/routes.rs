//! Paths, and what is done for every request whatever its path.

use crate::{
    answer::stored_receipt,
    app::App,
    context::{Context, TRACEPARENT, X_REQUEST_ID},
    contract,
    intake::{self, Style},
    log::EventLog,
    metrics,
    patience::patience,
    problem::Refusal,
    respond::{self, Render, Root},
};
use axum::{
    Router,
    extract::{MatchedPath, Path, Request, State},
    middleware::{self, Next},
    response::{IntoResponse as _, Redirect, Response},
    routing::{get, post},
};
use http::{HeaderName, HeaderValue, StatusCode, header};
use millrace_schemas::event::{Label, Receipt, Transaction};
use serde_json::{Value as Json, json};
use std::{sync::Arc, time::Instant};

/// What existing clients of the scoring service read at `/`.
const GREETING: &str = "Микросервис оценки финансовых транзакций запущен";

type Shared<L> = State<Arc<App<L>>>;

/// Every path of the gateway. A trailing slash makes no difference.
pub(crate) fn router<L: EventLog>(app: Arc<App<L>>) -> Router {
    let identified = middleware::from_fn_with_state(Arc::clone(&app), identify::<L>);
    let further = app.gateway.routes.clone().layer(identified);
    Router::new()
        .route("/", get(|| async { answer(StatusCode::OK, &json!({"message": GREETING})) }))
        .route("/health", get(|| async { answer(StatusCode::OK, &json!({"status": "healthy"})) }))
        .route("/health/live", get(|| async { answer(StatusCode::OK, &json!({"status": "live"})) }))
        .route("/health/ready", get(ready::<L>))
        .route("/metrics", get(scrape::<L>))
        .route("/api/v1/transactions", post(transactions::<L>))
        .route("/api/v1/transactions/", post(transactions::<L>))
        .route("/api/v1/receipts", post(receipts::<L>))
        .route("/api/v1/receipts/", post(receipts::<L>))
        .route("/api/v1/labels", post(labels::<L>))
        .route("/api/v1/labels/", post(labels::<L>))
        .route("/api/producer/checks", post(checks::<L>))
        .route("/api/producer/checks/", post(checks::<L>))
        .route("/api/openapi.json", get(openapi::<L>))
        .route("/apidocs", get(async || Redirect::permanent("/apidocs/")))
        .route("/apidocs/", get(async || contract::page("")))
        .route("/apidocs/{*file}", get(async |Path(file): Path<String>| contract::page(&file)))
        .route("/api/producer/swagger", get(async || Redirect::permanent("/apidocs/")))
        .route("/api/producer/swagger/", get(async || Redirect::permanent("/apidocs/")))
        .route("/api/consumer/swagger", get(async || Redirect::permanent("/apidocs/")))
        .route("/api/consumer/swagger/", get(async || Redirect::permanent("/apidocs/")))
        .merge(further.with_state(()))
        .fallback(not_found::<L>)
        .method_not_allowed_fallback(method_not_allowed::<L>)
        .layer(middleware::from_fn(observe))
        .with_state(app)
}

async fn transactions<L: EventLog>(State(app): Shared<L>, request: Request) -> Response {
    let patience = patience(request.uri(), request.headers(), &app.settings);
    let is_async = patience == Ok(None);
    let style = patience.map(|patience| patience.map_or(Style::Accepted, Style::Scored));
    let mut response = intake::take_in::<Transaction, L>(app, style, request).await;
    if is_async && response.status() == StatusCode::ACCEPTED {
        let applied = (HeaderName::from_static("preference-applied"), HeaderValue::from_static("respond-async"));
        response.headers_mut().extend([applied]);
    }
    response
}

async fn receipts<L: EventLog>(State(app): Shared<L>, request: Request) -> Response {
    intake::take_in::<Receipt, L>(app, Ok(Style::Accepted), request).await
}

async fn labels<L: EventLog>(State(app): Shared<L>, request: Request) -> Response {
    intake::take_in::<Label, L>(app, Ok(Style::Accepted), request).await
}

async fn checks<L: EventLog>(State(app): Shared<L>, request: Request) -> Response {
    intake::take_in::<Receipt, L>(app, Ok(Style::Created(Root::Receipt, stored_receipt)), request).await
}

/// The contract of this process.
async fn openapi<L: EventLog>(State(app): Shared<L>) -> Response {
    answer(StatusCode::OK, &contract::document(&app.settings.config, &app.gateway.contracts))
}

/// Red while draining and as soon as events cannot be acknowledged.
async fn ready<L: EventLog>(State(app): Shared<L>) -> Response {
    match readiness(&app) {
        Ok(()) => answer(StatusCode::OK, &json!({"status": "ready"})),
        Err(reason) => {
            let mut response =
                answer(StatusCode::SERVICE_UNAVAILABLE, &json!({"status": "not ready", "reason": reason}));
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(app.settings.config.retry_after_s));
            response
        }
    }
}

fn readiness<L: EventLog>(app: &App<L>) -> Result<(), String> {
    if app.is_draining() { Err("shutting down".into()) } else { app.gateway.log.health() }
}

async fn scrape<L: EventLog>(State(app): Shared<L>) -> Response {
    metrics::state(app.admission.bytes_in_flight(), readiness(&app).is_ok());
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], (app.gateway.scrape)()).into_response()
}

/// Gives a request of further routes the id and the trace that requests of the intake have, and its answer too.
async fn identify<L: EventLog>(State(app): Shared<L>, mut request: Request, next: Next) -> Response {
    let context = Context::of(&request, app.gateway.ids.as_ref(), app.now());
    for (name, text) in [(X_REQUEST_ID, &context.request_id), (TRACEPARENT, &context.traceparent)] {
        if let Ok(value) = HeaderValue::from_str(text) {
            request.headers_mut().insert(HeaderName::from_static(name), value);
        }
    }
    respond::finish(next.run(request).await, &context, app.settings.config.retry_after_s)
}

async fn not_found<L: EventLog>(State(app): Shared<L>, request: Request) -> Response {
    refuse(&app, &Refusal::NotFound, &request)
}

async fn method_not_allowed<L: EventLog>(State(app): Shared<L>, request: Request) -> Response {
    refuse(&app, &Refusal::MethodNotAllowed, &request)
}

fn refuse<L: EventLog>(app: &App<L>, refusal: &Refusal, request: &Request) -> Response {
    let context = Context::of(request, app.gateway.ids.as_ref(), app.now());
    let response = respond::refuse(refusal, Render::negotiate(request.headers(), None), &context);
    respond::finish(response, &context, app.settings.config.retry_after_s)
}

fn answer(status: StatusCode, body: &Json) -> Response {
    respond::respond(status, Render::Json, Root::Health, body)
}

/// Counts and times every request by its route, so that labels are bounded.
async fn observe(request: Request, next: Next) -> Response {
    let began = Instant::now();
    let active = metrics::Active::new();
    let endpoint = request.extensions().get::<MatchedPath>().cloned();
    let method = request.method().clone();
    let response = next.run(request).await;
    let endpoint = endpoint.as_ref().map_or("unmatched", MatchedPath::as_str);
    let endpoint = if endpoint.len() > 1 { endpoint.trim_end_matches('/') } else { endpoint };
    metrics::answered(&method, endpoint, response.status(), began.elapsed());
    drop(active);
    response
}
