//! Tells a response's body when all that was given to the connection has left it.
//!
//! A result that fails half-way ends with the exception's text and a connection cut short, so that no client takes it
//! for whole. The cut must not overtake the text, which may still lie in hyper's buffer.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};

use futures::task::AtomicWaker;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

const NOT_ASKED: u8 = 0;
const ASKED: u8 = 1;
const FLUSHED: u8 = 2;

/// Shared by a connection and the bodies that go over it.
#[derive(Default)]
pub(crate) struct FlushSignal {
    state: AtomicU8,
    waker: AtomicWaker,
}

impl FlushSignal {
    /// Ready once the connection has been flushed after the first call.
    pub(crate) fn poll_flushed(&self, context: &mut Context<'_>) -> Poll<()> {
        self.waker.register(context.waker());
        if self.state.load(Ordering::Acquire) == FLUSHED {
            return Poll::Ready(());
        }
        let _ = self.state.compare_exchange(NOT_ASKED, ASKED, Ordering::AcqRel, Ordering::Acquire);
        Poll::Pending
    }

    fn flushed(&self) {
        if self.state.compare_exchange(ASKED, FLUSHED, Ordering::AcqRel, Ordering::Acquire).is_ok() {
            self.waker.wake();
        }
    }
}

/// A stream that reports its flushes.
pub(crate) struct FlushTracked<S> {
    inner: S,
    signal: Arc<FlushSignal>,
}

impl<S> FlushTracked<S> {
    pub(crate) fn new(inner: S) -> (Self, Arc<FlushSignal>) {
        let signal = Arc::new(FlushSignal::default());
        (Self { inner, signal: Arc::clone(&signal) }, signal)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for FlushTracked<S> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(context, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for FlushTracked<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(context, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(context, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.inner).poll_flush(context);
        if matches!(flushed, Poll::Ready(Ok(()))) {
            self.signal.flushed();
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}
