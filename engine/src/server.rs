//! Accepts connections, routes requests, and stops in order.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::request::Parts;
use http::{Method, Request, StatusCode};
use hyper::body::{Body as _, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;

use crate::app::App;
use crate::auth;
use crate::body::{BodyLimits, drain_briefly};
use crate::config::EngineConfig;
use crate::confinement::Confinement;
use crate::database::Database;
use crate::datadir::DataDir;
use crate::error::EngineError;
use crate::exception::Exception;
use crate::flush::{FlushSignal, FlushTracked};
use crate::form;
use crate::heal::heal;
use crate::jobs::Jobs;
use crate::metrics::Metrics;
use crate::query;
use crate::request::QueryRequest;
use crate::response::{Answer, failure, ok, text};
use crate::session::Sessions;

/// How often idle sessions are looked through.
const SESSION_CHECK: Duration = Duration::from_secs(10);
/// How long cancelled statements may take to end before the stop counts as unclean.
const CANCEL_TIMEOUT: Duration = Duration::from_secs(10);
/// How often a statement that goes on is cancelled again.
const CANCEL_AGAIN: Duration = Duration::from_millis(100);
/// How long clients get to take the answers to cancelled statements.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);
/// Pause after a failed accept: file descriptors may be scarce.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Serves ClickHouse's HTTP interface on `listener` until `shutdown` completes.
///
/// One process runs one endpoint, once: the engine cannot be started a second time.
///
/// # Errors
/// The endpoint does not start (configuration, library, data directory in use or unreadable), or statements would not
/// end at shutdown.
pub async fn run(
    config: EngineConfig,
    listener: TcpListener,
    shutdown: impl Future<Output = ()>,
) -> Result<(), EngineError> {
    let listen = listener.local_addr().map_err(|source| EngineError::Listen { listen: config.listen, source })?;
    let config = EngineConfig { listen, ..config };
    config.validate()?;
    let (app, directory) = open(config).await?;
    tracing::info!(%listen, version = app.database.version(), "the ClickHouse endpoint is ready");
    serve(&app, listener, shutdown).await;
    close(app, directory).await
}

/// Opens everything, healing what an unclean stop left.
async fn open(config: EngineConfig) -> Result<(Arc<App>, DataDir), EngineError> {
    let directory = DataDir::open(&config)?;
    let metrics = Metrics::new().map_err(|error| EngineError::Engine(error.to_string()))?;
    if !directory.was_clean() {
        let healed = heal(&directory.database())?;
        metrics.healed.increment(healed.records as u64);
        tracing::warn!(
            tables = healed.tables,
            records = healed.records,
            torn_lines = healed.torn_lines,
            "the last stop was not clean: deduplication logs checked"
        );
    }
    let confinement = Arc::new(Confinement::new(&config.library, directory.path()));
    let (sessions, jobs, spool) =
        (Sessions::new(config.max_sessions), Jobs::new(config.max_concurrent_queries), directory.spool());
    let opening = Arc::clone(&confinement);
    let open = move || {
        let database = Database::open(&config, &directory)?;
        let app = App { sessions, jobs: Arc::new(jobs), metrics, confinement, spool, database, config };
        Ok((Arc::new(app), directory))
    };
    opening.run("open", open).await.map_err(|error| EngineError::Engine(error.to_string()))?
}

/// Accepts until told to stop, then lets what runs come to its end, or cancels it.
async fn serve(app: &Arc<App>, listener: TcpListener, shutdown: impl Future<Output = ()>) {
    let places = Arc::new(Semaphore::new(app.config.max_connections));
    let graceful = GracefulShutdown::new();
    let mut connections = JoinSet::new();
    let mut sessions = tokio::time::interval(SESSION_CHECK);
    tokio::pin!(shutdown);
    loop {
        tokio::select! {
            biased;
            () = &mut shutdown => break,
            Some(_) = connections.join_next() => {}
            _ = sessions.tick() => {
                let expiring = Arc::clone(app);
                let _ = app.confinement.spawn("sessions", move || expiring.sessions.expire(Instant::now()));
            }
            accepted = accept(&listener, &places) => {
                if let Some((stream, place)) = accepted {
                    connections.spawn(connection(Arc::clone(app), stream, place, graceful.watcher()));
                }
            }
        }
    }
    drop(listener);
    app.jobs.close();
    tracing::info!(running = app.jobs.len(), "stopping");
    let drained = async {
        graceful.shutdown().await;
        app.jobs.idle().await;
    };
    if tokio::time::timeout(app.config.drain_timeout, drained).await.is_err() {
        tracing::warn!(running = app.jobs.len(), "cancelling what still runs");
        // Clients get a moment to take the answers. One that does not read holds up its statement: its connection ends.
        let answered = async {
            cancel_all(app).await;
            while connections.join_next().await.is_some() {}
        };
        let _ = tokio::time::timeout(ANSWER_TIMEOUT, answered).await;
        connections.shutdown().await;
        let _ = tokio::time::timeout(CANCEL_TIMEOUT, cancel_all(app)).await;
    }
}

async fn accept(listener: &TcpListener, places: &Arc<Semaphore>) -> Option<(TcpStream, OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, _)) => Some((stream, place)),
        Err(error) => {
            tracing::warn!(%error, "a connection could not be accepted");
            tokio::time::sleep(ACCEPT_PAUSE).await;
            None
        }
    }
}

async fn connection(app: Arc<App>, stream: TcpStream, place: OwnedSemaphorePermit, watcher: Watcher) {
    let _place = place;
    let _ = stream.set_nodelay(true);
    let (stream, signal) = FlushTracked::new(stream);
    let timeout = app.config.idle_timeout;
    let service = service_fn(move |request| {
        let (app, signal) = (Arc::clone(&app), Arc::clone(&signal));
        async move { route(&app, request, signal).await }
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(timeout);
    let served = watcher.watch(builder.serve_connection(TokioIo::new(stream), service)).await;
    if let Err(error) = served {
        tracing::debug!(%error, "a connection ended early");
    }
}

async fn route(app: &Arc<App>, request: Request<Incoming>, connection: Arc<FlushSignal>) -> Answer {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path();
    let reads = parts.method == Method::GET || parts.method == Method::HEAD;
    Ok(match path {
        "/ping" | "/replicas_status" if reads => ok(),
        "/metrics" if reads => text(StatusCode::OK, PROMETHEUS, app.metrics.render(app.jobs.len())),
        "/" if reads && parts.uri.query().is_none_or(|query| !query.contains("query=")) => ok(),
        "/" | "/query" if reads || parts.method == Method::POST => match admit(app, &parts, body).await {
            Ok((request, body)) => query::answer(app, request, body, connection).await,
            Err(exception) => failure(app, "", &exception),
        },
        "/" | "/query" => text(StatusCode::NOT_IMPLEMENTED, "text/plain; charset=UTF-8", "use GET, HEAD or POST\n"),
        _ => {
            let what = "There is no handle for this path\n\nUse / or /ping for health checks.\nSend queries from your program with POST method or GET /?query=...\n";
            text(StatusCode::NOT_FOUND, "text/plain; charset=UTF-8", what)
        }
    })
}

/// Lets a request in and reads what it asks; the body is left to be read unless it is a form.
async fn admit(app: &App, parts: &Parts, body: Incoming) -> Result<(QueryRequest, Option<Incoming>), Exception> {
    let body = Some(body).filter(|body| !body.is_end_stream());
    let checked = auth::check(parts, app.config.credentials.as_ref()).and_then(|()| QueryRequest::parse(parts));
    let mut request = match checked {
        Ok(request) => request,
        Err(exception) => {
            drain_briefly(body).await;
            return Err(exception);
        }
    };
    match (form::boundary(&parts.headers), body) {
        (Some(boundary), Some(body)) => {
            let limits = BodyLimits { bytes: app.config.max_query_bytes as u64, pause: app.config.idle_timeout };
            form::read(boundary, body, &mut request, limits).await?;
            Ok((request, None))
        }
        (_, body) => Ok((request, body)),
    }
}

/// Stops every statement, again and again until none is left.
async fn cancel_all(app: &Arc<App>) {
    loop {
        let stopping = Arc::clone(app);
        let kill = move || stopping.jobs.stop_all().into_iter().for_each(|thread| stopping.database.kill(thread));
        let _ = app.confinement.run("kill", kill).await;
        if tokio::time::timeout(CANCEL_AGAIN, app.jobs.idle()).await.is_ok() {
            return;
        }
    }
}

/// Closes the engine; only then is the directory clean.
async fn close(app: Arc<App>, directory: DataDir) -> Result<(), EngineError> {
    let running = app.jobs.len();
    if running > 0 {
        return Err(EngineError::StillRunning(running));
    }
    let confinement = Arc::clone(&app.confinement);
    let close = move || {
        app.sessions.clear();
        // Tasks of closed connections may hold the last references for a moment.
        let deadline = Instant::now() + CANCEL_TIMEOUT;
        let mut app = app;
        loop {
            match Arc::try_unwrap(app) {
                Ok(app) => {
                    drop(app);
                    return directory.mark_clean();
                }
                Err(_) if Instant::now() > deadline => return Err(EngineError::StillRunning(0)),
                Err(shared) => {
                    app = shared;
                    std::thread::sleep(Duration::from_millis(5));
                }
            }
        }
    };
    confinement.run("close", close).await.map_err(|error| EngineError::Engine(error.to_string()))??;
    tracing::info!("stopped");
    Ok(())
}
