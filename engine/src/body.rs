//! A request's body for the thread that runs its statement: read as it arrives, never held as a whole.

use std::io::{self, Read};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes};
use futures::StreamExt;
use http_body_util::BodyExt;
use hyper::body::{Body as _, Incoming};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

/// After an error the rest of a body is read away up to this, so that the client gets to the answer.
const DRAIN_BYTES: u64 = 64 * 1024 * 1024;
const DRAIN_TIME: Duration = Duration::from_secs(5);

/// The same for a request that is refused unread.
const REFUSED_BYTES: usize = 4 * 1024 * 1024;
const REFUSED_TIME: Duration = Duration::from_secs(1);

/// Limits of a body.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BodyLimits {
    /// Bytes as they come over the network, and once more after decompression.
    pub(crate) bytes: u64,
    /// Longest pause between two pieces.
    pub(crate) pause: Duration,
}

/// Reads away a little of a body that is refused, so that a client which sends first and reads then gets the answer.
pub(crate) async fn drain_briefly(body: Option<Incoming>) {
    let Some(body) = body else { return };
    let mut left = REFUSED_BYTES;
    let mut pieces = http_body_util::BodyStream::new(body);
    let drained = async {
        while let Some(Ok(frame)) = pieces.next().await {
            left = left.saturating_sub(frame.data_ref().map_or(0, Bytes::len));
            if left == 0 {
                return;
            }
        }
    };
    let _ = tokio::time::timeout(REFUSED_TIME, drained).await;
}

/// A body that several readers take turns with: the decompression, and the one that reads the rest away.
#[derive(Clone)]
pub(crate) struct RequestBody(Arc<Mutex<Inner>>);

struct Inner {
    incoming: Incoming,
    runtime: Handle,
    stop: CancellationToken,
    limits: BodyLimits,
    received: u64,
    chunk: Bytes,
}

impl RequestBody {
    /// Must be called in the runtime that serves the connection.
    pub(crate) fn new(incoming: Incoming, limits: BodyLimits, stop: CancellationToken) -> Self {
        let inner = Inner { incoming, runtime: Handle::current(), stop, limits, received: 0, chunk: Bytes::new() };
        Self(Arc::new(Mutex::new(inner)))
    }

    /// Reads the rest away, within bounds. A connection with more than that is closed by the server.
    pub(crate) fn drain(&self) {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (deadline, start) = (Instant::now() + DRAIN_TIME, inner.received);
        while Instant::now() < deadline
            && inner.received - start < DRAIN_BYTES
            && matches!(inner.next_chunk(), Ok(true))
        {}
    }
}

impl Inner {
    /// Waits for the next piece; false at the end of the body.
    fn next_chunk(&mut self) -> io::Result<bool> {
        while !self.incoming.is_end_stream() {
            let (incoming, stop, pause) = (&mut self.incoming, &self.stop, self.limits.pause);
            let frame = self.runtime.block_on(async {
                tokio::select! {
                    biased;
                    () = stop.cancelled() => Err(io::ErrorKind::ConnectionAborted.into()),
                    frame = tokio::time::timeout(pause, incoming.frame()) => frame.map_err(|_| {
                        io::Error::new(io::ErrorKind::TimedOut, format!("no piece of the request body came for {} s", pause.as_secs()))
                    }),
                }
            })?;
            let Some(frame) = frame else { return Ok(false) };
            let frame = frame.map_err(|error| broke_off(&error))?;
            let Ok(chunk) = frame.into_data() else { continue };
            self.received += chunk.len() as u64;
            if self.received > self.limits.bytes {
                return Err(too_large(self.limits.bytes));
            }
            if !chunk.is_empty() {
                self.chunk = chunk;
                return Ok(true);
            }
        }
        Ok(false)
    }
}

impl Read for RequestBody {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if inner.chunk.is_empty() && !inner.next_chunk()? {
            return Ok(0);
        }
        let n = buf.len().min(inner.chunk.len());
        inner.chunk.copy_to_slice(&mut buf[..n]);
        Ok(n)
    }
}

/// Bounds what decompression may give: a small body can hold an enormous one.
pub(crate) struct Limited<R> {
    inner: R,
    limit: u64,
    given: u64,
}

impl<R: Read> Limited<R> {
    pub(crate) fn new(inner: R, limit: u64) -> Self {
        Self { inner, limit, given: 0 }
    }
}

impl<R: Read> Read for Limited<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buf)?;
        self.given += n as u64;
        if self.given > self.limit { Err(too_large(self.limit)) } else { Ok(n) }
    }
}

fn broke_off(error: &hyper::Error) -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionReset, format!("the request body broke off: {error}"))
}

fn too_large(limit: u64) -> io::Error {
    io::Error::new(
        io::ErrorKind::FileTooLarge,
        format!("the request body is larger than {limit} bytes: send it in several"),
    )
}
