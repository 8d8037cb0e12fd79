//! The body of a request: what it is, and its text within limits.

mod decode;
mod media;

pub(crate) use decode::decode;
pub(crate) use media::{Encoding, Media};

use crate::{admission::Charge, problem::Refusal};
use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use hyper::body::Body as _;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// How much of a body that is too large is read and dropped, so that the client gets to read its answer.
const DROPPED_MAX: u64 = 64 << 20;
/// How long that may take.
const DROPPING_MAX: Duration = Duration::from_secs(5);

/// A body that was not taken, and as much of it as was read.
pub(crate) struct Unread {
    pub refusal: Refusal,
    pub bytes: Bytes,
    /// Size by what the client says, or else what was read.
    pub size: u64,
}

/// Reads a body as it was sent. Its memory is charged as it arrives.
pub(crate) async fn read(mut body: Body, max: usize, timeout: Duration, charge: &mut Charge) -> Result<Bytes, Unread> {
    let declared = body.size_hint().lower();
    if declared > max as u64 {
        drop_rest(body).await;
        return Err(Unread { refusal: Refusal::BodyTooLarge(max), bytes: Bytes::new(), size: declared });
    }
    let deadline = Instant::now() + timeout;
    let mut read = Read::default();
    loop {
        let refusal = match timeout_at(deadline, body.frame()).await {
            Ok(None) => return Ok(read.finish()),
            Ok(Some(Ok(frame))) => match frame.into_data() {
                Ok(data) if read.len() + data.len() > max => {
                    read.push(data.slice(..max - read.len()));
                    drop_rest(body).await;
                    Refusal::BodyTooLarge(max)
                }
                Ok(data) => match charge.grow(data.len()) {
                    Ok(()) => {
                        read.push(data);
                        continue;
                    }
                    Err(full) => {
                        drop_rest(body).await;
                        Refusal::Overloaded(full)
                    }
                },
                // Trailers say nothing here.
                Err(_) => continue,
            },
            Ok(Some(Err(_))) => Refusal::BodyCutOff,
            Err(_) => Refusal::BodyTimeout(timeout),
        };
        let bytes = read.finish();
        return Err(Unread { refusal, size: declared.max(bytes.len() as u64), bytes });
    }
}

/// Most bodies come in one piece, which is then not copied.
#[derive(Default)]
struct Read {
    first: Bytes,
    all: BytesMut,
}

impl Read {
    fn len(&self) -> usize {
        if self.all.is_empty() { self.first.len() } else { self.all.len() }
    }

    fn push(&mut self, data: Bytes) {
        if self.len() == 0 {
            self.first = data;
            return;
        }
        if self.all.is_empty() {
            self.all.extend_from_slice(&self.first);
        }
        self.all.extend_from_slice(&data);
    }

    fn finish(self) -> Bytes {
        if self.all.is_empty() { self.first } else { self.all.freeze() }
    }
}

/// Reads and drops what is left of a body, within bounds: a connection that is closed while its client still sends loses the answer
/// on its way.
pub(crate) async fn drop_rest(mut body: Body) {
    let deadline = Instant::now() + DROPPING_MAX;
    let mut dropped = 0;
    while let Ok(Some(Ok(frame))) = timeout_at(deadline, body.frame()).await {
        dropped += frame.data_ref().map_or(0, |data| data.len() as u64);
        if dropped > DROPPED_MAX {
            break;
        }
    }
}
