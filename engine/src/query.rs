//! From a request to its answer: run the statement, hold its first piece back, then stream the rest.

use std::io;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http::Response;
use hyper::body::Incoming;

use crate::app::App;
use crate::body::drain_briefly;
use crate::compression::{Encoder, Encoding};
use crate::database::OutputFormat;
use crate::exception::{Exception, code};
use crate::ffi::Counts;
use crate::flush::FlushSignal;
use crate::job::Outcome;
use crate::outgoing::{Gone, Outgoing, ResponseBody};
use crate::request::QueryRequest;
use crate::response::{Head, exception_block, failure, new_tag};
use crate::running::Running;
use crate::spool::Spool;

/// As on a server, so much of a result is held back: a statement that fails before gets an error status.
const HELD_BYTES: usize = 1024 * 1024;
/// Bytes read from the engine, and sent, at a time.
const PIECE_BYTES: usize = 256 * 1024;

/// Runs the request's statement and answers.
pub(crate) async fn answer(
    app: &Arc<App>,
    request: QueryRequest,
    body: Option<Incoming>,
    connection: Arc<FlushSignal>,
) -> Response<ResponseBody> {
    let reply = Reply::new(app, &request, connection);
    let query_id = reply.query_id.clone();
    let place = match app.jobs.enter() {
        Ok(place) => place,
        Err(exception) => {
            drain_briefly(body).await;
            return failure(app, &query_id, &exception);
        }
    };
    let held = match Running::start(app, place, request, body) {
        Ok(running) => reply.hold(running).await,
        Err(exception) => Err(exception),
    };
    let answer = held.and_then(|(data, state, format)| match state {
        State::Ended(outcome) => reply.whole(data, &outcome, format),
        State::Runs(running) => reply.streamed(data, running, format),
    });
    answer.unwrap_or_else(|exception| failure(app, &query_id, &exception))
}

/// What of the request its answer depends on.
struct Reply {
    app: Arc<App>,
    query_id: String,
    timezone: String,
    encoding: Option<Encoding>,
    blocks: bool,
    wait_end: bool,
    tag: String,
    connection: Arc<FlushSignal>,
}

/// Where the statement is when the beginning of its result is held.
enum State {
    Ended(Outcome),
    Runs(Running),
}

type Format = Option<OutputFormat>;

impl Reply {
    fn new(app: &Arc<App>, request: &QueryRequest, connection: Arc<FlushSignal>) -> Self {
        let of_session =
            request.settings.iter().rev().find(|(name, value)| name == "session_timezone" && !value.is_empty());
        Self {
            app: Arc::clone(app),
            query_id: request.query_id.clone(),
            timezone: of_session.map_or_else(|| app.database.timezone().to_owned(), |(_, value)| value.clone()),
            encoding: request.response_encoding,
            blocks: request.response_blocks,
            wait_end: request.wait_end,
            tag: new_tag(),
            connection,
        }
    }

    /// Reads until the statement has ended or enough has come.
    async fn hold(&self, mut running: Running) -> Result<(Spool, State, Format), Exception> {
        let limit = self.app.config.max_buffered_result_bytes;
        let mut data = Spool::default();
        let mut piece = BytesMut::with_capacity(PIECE_BYTES);
        let mut format = None;
        loop {
            let read = running.read(&mut piece).await.map_err(lost)?;
            format = format.or_else(|| running.format());
            if read == 0 {
                return Ok((data, State::Ended(running.outcome().await), format));
            }
            data.push(&piece.split());
            if data.in_memory() <= HELD_BYTES {
                continue;
            }
            if !self.wait_end {
                return Ok((data, State::Runs(running), format));
            }
            if data.len() > limit {
                let what = format!(
                    "the result is larger than the {limit} bytes that can be kept back: leave wait_end_of_query out"
                );
                return Err(Exception::new(code::TOO_MANY_ROWS_OR_BYTES, what));
            }
            data.move_to_file(&self.app.spool).await.map_err(lost)?;
        }
    }

    fn head<'a>(&'a self, format: &'a Format, encoding: Option<Encoding>, counts: Counts, seconds: f64) -> Head<'a> {
        Head {
            query_id: &self.query_id,
            format: format.as_ref(),
            timezone: &self.timezone,
            encoding,
            counts,
            seconds,
            tag: &self.tag,
        }
    }

    fn outgoing(&self) -> Result<(Outgoing, ResponseBody), Exception> {
        let encoder = Encoder::new(self.encoding, self.blocks).map_err(lost)?;
        Ok(Outgoing::new(encoder, self.app.config.idle_timeout, Arc::clone(&self.connection)))
    }

    /// The answer when the statement has ended and all of its result is here.
    fn whole(self, mut data: Spool, outcome: &Outcome, format: Format) -> Result<Response<ResponseBody>, Exception> {
        let counts = outcome.result.clone()?;
        if data.len() == 0 {
            return Ok(self
                .head(&format, None, counts, outcome.seconds)
                .into_response(&self.app, ResponseBody::Whole(None)));
        }
        let head = self.head(&format, self.encoding, counts, outcome.seconds);
        if data.has_file() {
            let (outgoing, body) = self.outgoing()?;
            tokio::spawn(send_spool(data, outgoing));
            return Ok(head.into_response(&self.app, body));
        }
        let encoded = Encoder::new(self.encoding, self.blocks).and_then(|mut encoder| {
            let begin = encoder.push(&data.take_memory())?;
            Ok(Bytes::from([begin, encoder.end()?].concat()))
        });
        Ok(head.into_response(&self.app, ResponseBody::Whole(Some(encoded.map_err(lost)?))))
    }

    /// The answer when the statement goes on.
    fn streamed(self, data: Spool, running: Running, format: Format) -> Result<Response<ResponseBody>, Exception> {
        let (outgoing, body) = self.outgoing()?;
        let response = self.head(&format, self.encoding, Counts::default(), 0.0).into_response(&self.app, body);
        tokio::spawn(self.send_rest(data, running, outgoing));
        Ok(response)
    }

    /// Sends what is held and what still comes. When the client leaves, `running` is dropped and the statement stopped.
    async fn send_rest(self, mut data: Spool, mut running: Running, mut outgoing: Outgoing) -> Result<(), Gone> {
        outgoing.push(&data.take_memory()).await?;
        let mut piece = BytesMut::with_capacity(PIECE_BYTES);
        loop {
            let read = tokio::select! {
                biased;
                () = outgoing.left() => return Err(Gone),
                read = running.read(&mut piece) => read.map_err(|_| Gone)?,
            };
            if read == 0 {
                break;
            }
            outgoing.push(&piece).await?;
            piece.clear();
        }
        match running.outcome().await.result {
            Ok(_) => outgoing.finish().await,
            Err(exception) => outgoing.fail(&exception_block(&self.app, &exception, &self.tag)).await,
        }
    }
}

async fn send_spool(mut data: Spool, mut outgoing: Outgoing) -> Result<(), Gone> {
    while let Some(piece) = data.next().await.map_err(|_| Gone)? {
        outgoing.push(&piece).await?;
    }
    outgoing.finish().await
}

fn lost(error: io::Error) -> Exception {
    Exception::new(code::LOGICAL_ERROR, format_args!("the result cannot be passed on: {error}"))
}
