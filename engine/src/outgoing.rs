//! A response's body: whole, or piece by piece while the statement runs.
//!
//! A body in pieces is whole only when its end was sent. Whatever else ends it, an exception after a part of the result
//! or a failure here, also ends the connection without the mark of a complete body.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::sync::mpsc;

use crate::compression::Encoder;
use crate::flush::FlushSignal;

/// Pieces that wait for a slow client.
const WAITING: usize = 4;

/// A response's body.
pub(crate) enum ResponseBody {
    /// All of it.
    Whole(Option<Bytes>),
    /// Piece by piece.
    Pieces(Pieces),
}

/// The receiving end of [`Outgoing`].
pub(crate) struct Pieces {
    pieces: mpsc::Receiver<Piece>,
    connection: Arc<FlushSignal>,
    cut: bool,
}

enum Piece {
    Data(Bytes),
    /// The body is whole.
    End,
}

/// Makes hyper end the connection.
#[derive(Debug, thiserror::Error)]
#[error("the statement failed after a part of its result had been sent")]
pub(crate) struct CutShort;

impl Pieces {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, CutShort>>> {
        if !self.cut {
            match std::task::ready!(self.pieces.poll_recv(context)) {
                Some(Piece::Data(data)) => return Poll::Ready(Some(Ok(Frame::data(data)))),
                Some(Piece::End) => return Poll::Ready(None),
                None => self.cut = true,
            }
        }
        // What was sent before must reach the client: it tells what happened.
        self.connection.poll_flushed(context).map(|()| Some(Err(CutShort)))
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = CutShort;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, CutShort>>> {
        match self.get_mut() {
            Self::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Pieces(pieces) => pieces.poll(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(None))
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            Self::Pieces(_) => SizeHint::default(),
        }
    }
}

/// The client no longer takes the body.
#[derive(Debug)]
pub(crate) struct Gone;

/// Sends a body piece by piece, compressed. Dropped before [`finish`](Self::finish), the body is cut short.
pub(crate) struct Outgoing {
    sender: mpsc::Sender<Piece>,
    encoder: Encoder,
    /// Longest wait for a client to take a piece.
    wait: Duration,
}

impl Outgoing {
    /// Both ends of a body that goes over `connection`.
    pub(crate) fn new(encoder: Encoder, wait: Duration, connection: Arc<FlushSignal>) -> (Self, ResponseBody) {
        let (sender, pieces) = mpsc::channel(WAITING);
        (Self { sender, encoder, wait }, ResponseBody::Pieces(Pieces { pieces, connection, cut: false }))
    }

    /// Completes when the client has left.
    pub(crate) async fn left(&self) {
        self.sender.closed().await;
    }

    /// Sends data.
    pub(crate) async fn push(&mut self, data: &[u8]) -> Result<(), Gone> {
        let ready = self.encoder.push(data);
        self.send(ready).await
    }

    /// Ends the body as whole.
    pub(crate) async fn finish(mut self) -> Result<(), Gone> {
        let rest = self.encoder.end();
        self.send(rest).await?;
        self.sender.send(Piece::End).await.map_err(|_| Gone)
    }

    /// Sends a last text, in one piece since clients look for it at the end of one, and cuts the body short.
    pub(crate) async fn fail(mut self, text: &[u8]) -> Result<(), Gone> {
        let last = self.encoder.push(text).and_then(|text| Ok(Bytes::from([text, self.encoder.end()?].concat())));
        self.send(last).await
    }

    async fn send(&self, data: io::Result<Bytes>) -> Result<(), Gone> {
        let data = data.map_err(|_| Gone)?;
        if data.is_empty() {
            return Ok(());
        }
        let sent = tokio::time::timeout(self.wait, self.sender.send(Piece::Data(data))).await;
        sent.map_err(|_| Gone)?.map_err(|_| Gone)
    }
}
