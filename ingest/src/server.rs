//! Connections: accepting them, their limits, and letting them finish.

use crate::{
    app::{App, Gateway},
    config::{ConfigError, GatewayConfig, Settings},
    context::Peer,
    log::EventLog,
    metrics, routes,
};
use axum::{Router, body::Body};
use hyper::{Request, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use millrace_runtime::lifecycle::HangUp;
use std::{future::Future, io, net::SocketAddr, pin::pin, sync::Arc, time::Duration};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::ServiceExt as _;

/// How long to wait after a connection could not be accepted, which is when descriptors have run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Why a gateway cannot run.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// Its configuration is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Its socket is of no use.
    #[error("the listening socket has no address: {0}")]
    Listener(#[source] io::Error),
}

/// Serves HTTP/1.1 on a listener until `shutdown` resolves, then lets requests in flight finish.
///
/// Draining: the gateway is not ready, takes no connection, closes idle ones, and waits up to `drain_timeout_ms` for the others.
/// Whatever was acknowledged to a client is stored by then; a request that is cut off was not answered.
pub async fn serve<L: EventLog>(
    config: GatewayConfig,
    listener: TcpListener,
    gateway: Gateway<L>,
    shutdown: impl Future<Output = ()> + Send,
) -> Result<(), GatewayError> {
    let settings = Settings::new(config)?;
    let address = listener.local_addr().map_err(GatewayError::Listener)?;
    settings.check_address(address)?;
    let app = Arc::new(App::new(settings, gateway));
    let server = Server::new(&app);
    tracing::info!(%address, "the gateway listens");
    server.accept(&listener, shutdown).await;
    app.drain();
    drop(listener);
    server.drain(&app).await;
    tracing::info!("the gateway has ended");
    Ok(())
}

struct Server {
    router: Router,
    http: http1::Builder,
    slots: Arc<Semaphore>,
    connections: TaskTracker,
    /// Connections close when their request is answered.
    finish: CancellationToken,
    /// Connections close at once.
    abort: CancellationToken,
}

impl Server {
    fn new<L: EventLog>(app: &Arc<App<L>>) -> Self {
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new())
            .header_read_timeout(app.settings.header_timeout())
            .max_header_size(app.settings.config.header_max_bytes);
        Self {
            router: routes::router(Arc::clone(app)),
            http,
            slots: Arc::new(Semaphore::new(app.settings.config.connections_max.min(Semaphore::MAX_PERMITS))),
            connections: TaskTracker::new(),
            finish: CancellationToken::new(),
            abort: CancellationToken::new(),
        }
    }

    async fn accept(&self, listener: &TcpListener, shutdown: impl Future<Output = ()>) {
        let mut shutdown = pin!(shutdown);
        loop {
            let next = async {
                let slot = Arc::clone(&self.slots).acquire_owned().await.ok();
                (slot, listener.accept().await)
            };
            tokio::select! {
                biased;
                () = &mut shutdown => return,
                (slot, accepted) = next => match accepted {
                    Ok((stream, peer)) => {
                        self.connections.spawn(self.connection(stream, peer, slot));
                    }
                    Err(error) => {
                        tracing::warn!(error = %error, "a connection cannot be accepted");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                },
            }
        }
    }

    /// Serves one connection; its slot is free when it ends.
    fn connection(
        &self,
        stream: TcpStream,
        peer: SocketAddr,
        slot: Option<OwnedSemaphorePermit>,
    ) -> impl Future<Output = ()> + use<> {
        // Answers are small and each is waited for.
        let _ = stream.set_nodelay(true);
        let (router, hang_up) = (self.router.clone(), HangUp::default());
        let hung_up = hang_up.clone();
        let service = service_fn(move |request: Request<Incoming>| {
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(Peer(peer));
            request.extensions_mut().insert(hang_up.clone());
            router.clone().oneshot(request)
        });
        let connection = self.http.serve_connection(TokioIo::new(stream), service);
        let (finish, abort) = (self.finish.clone(), self.abort.clone());
        async move {
            let _slot = slot;
            let _open = metrics::Open::new();
            let mut connection = pin!(connection);
            let mut finishing = false;
            loop {
                tokio::select! {
                    biased;
                    result = connection.as_mut() => {
                        if let Err(error) = result {
                            tracing::debug!(%peer, error = %error, "a connection ended early");
                        }
                        return;
                    }
                    () = abort.cancelled() => return,
                    () = hung_up.wanted() => return,
                    () = finish.cancelled(), if !finishing => {
                        finishing = true;
                        connection.as_mut().graceful_shutdown();
                    }
                }
            }
        }
    }

    async fn drain<L>(&self, app: &App<L>) {
        self.finish.cancel();
        self.connections.close();
        app.tasks.close();
        let all = async {
            self.connections.wait().await;
            app.tasks.wait().await;
        };
        if timeout(app.settings.drain_timeout(), all).await.is_err() {
            tracing::warn!(
                connections = self.connections.len(),
                requests = app.tasks.len(),
                "requests did not finish in time and are cut off, unanswered"
            );
            self.abort.cancel();
            self.connections.wait().await;
        }
    }
}
