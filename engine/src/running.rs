//! A statement that runs, seen from the request that waits for it.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use hyper::body::Incoming;
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use crate::app::App;
use crate::body::{BodyLimits, RequestBody};
use crate::database::OutputFormat;
use crate::exception::{Exception, code};
use crate::job::{Job, Outcome, widen};
use crate::jobs::{Control, Place};
use crate::request::QueryRequest;

/// Pauses before a statement that nobody waits for is told to stop once more.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LAST_PAUSE: Duration = Duration::from_secs(1);
/// Bytes of an unwanted result taken away at a time.
const DRAIN_BYTES: usize = 256 * 1024;

/// A running statement. Dropped before its end, it is stopped: the client has left.
pub(crate) struct Running {
    inner: Option<Inner>,
}

struct Inner {
    app: Arc<App>,
    control: Arc<Control>,
    output: pipe::Receiver,
    format: oneshot::Receiver<OutputFormat>,
    outcome: oneshot::Receiver<Outcome>,
}

impl Running {
    /// Starts the statement's thread.
    pub(crate) fn start(
        app: &Arc<App>,
        place: Place,
        request: QueryRequest,
        body: Option<Incoming>,
    ) -> Result<Self, Exception> {
        let control = Arc::clone(&place.control);
        let failed = |error: io::Error| {
            Exception::new(code::LOGICAL_ERROR, format_args!("the statement cannot be started: {error}"))
        };
        let (reader, writer) = io::pipe().map_err(failed)?;
        widen(&reader);
        let output = pipe::Receiver::from_owned_fd(OwnedFd::from(reader)).map_err(failed)?;
        let (format_tx, format) = oneshot::channel();
        let (outcome_tx, outcome) = oneshot::channel();
        let limits = BodyLimits { bytes: app.config.max_body_bytes, pause: app.config.idle_timeout };
        let body = body.map(|body| RequestBody::new(body, limits, control.stop.clone()));
        let job =
            Job { app: Arc::clone(app), request, body, output: writer, place, format: format_tx, outcome: outcome_tx };
        job.spawn().map_err(failed)?;
        Ok(Self { inner: Some(Inner { app: Arc::clone(app), control, output, format, outcome }) })
    }

    /// Reads a piece of the result; zero when the statement has ended.
    pub(crate) async fn read(&mut self, into: &mut BytesMut) -> io::Result<usize> {
        match &mut self.inner {
            Some(inner) => inner.output.read_buf(into).await,
            None => Ok(0),
        }
    }

    /// The result's format, once a piece of it has been read; `None` for a statement without result.
    pub(crate) fn format(&mut self) -> Option<OutputFormat> {
        self.inner.as_mut().and_then(|inner| inner.format.try_recv().ok())
    }

    /// How the statement ended; to be asked when [`read`](Self::read) gave zero.
    pub(crate) async fn outcome(mut self) -> Outcome {
        let lost = || Outcome {
            result: Err(Exception::new(code::LOGICAL_ERROR, "the statement's thread failed")),
            seconds: 0.0,
        };
        match self.inner.take() {
            Some(inner) => inner.outcome.await.unwrap_or_else(|_| lost()),
            None => lost(),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let (Some(inner), Ok(runtime)) = (self.inner.take(), Handle::try_current()) {
            runtime.spawn(inner.abandon());
        }
    }
}

impl Inner {
    /// Stops the statement and takes its output away until it has stopped: a thread that waits for room in the pipe
    /// notices nothing, and at a closed pipe the engine goes on.
    async fn abandon(self) {
        let Self { app, control, mut output, .. } = self;
        control.stop.cancel();
        let drained = async {
            let mut ignored = BytesMut::with_capacity(DRAIN_BYTES);
            while output.read_buf(&mut ignored).await.is_ok_and(|read| read > 0) {
                ignored.clear();
            }
        };
        tokio::select! {
            () = drained => {}
            () = keep_stopping(&app, &control) => {}
        }
    }
}

/// Tells the engine to stop the statement, and again: the first time may come before it has begun. Never returns.
async fn keep_stopping(app: &Arc<App>, control: &Control) {
    let mut pause = FIRST_PAUSE;
    loop {
        if let Some(thread) = control.disposable_thread() {
            let stopping = Arc::clone(app);
            let _ = app.confinement.run("kill", move || stopping.database.kill(thread)).await;
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LAST_PAUSE);
    }
}
