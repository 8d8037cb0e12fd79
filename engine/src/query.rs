//! From a request to its answer: run the statement, hold its first piece back, then stream the rest.

use std::io::{self, Read, Seek, Write};
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http::Response;
use hyper::body::Incoming;
use tokio::sync::mpsc;

use crate::app::App;
use crate::compression::Encoder;
use crate::exception::{Exception, code};
use crate::ffi::Counts;
use crate::flush::FlushSignal;
use crate::job::Outcome;
use crate::request::QueryRequest;
use crate::response::{Head, Piece, ResponseBody, exception_block, failure, new_tag};
use crate::running::Running;

/// As on a server, so much of a result is held back: a statement that fails before gets an error status.
const HELD_BYTES: usize = 1024 * 1024;
/// Bytes read from the engine, and sent, at a time.
const PIECE_BYTES: usize = 256 * 1024;
/// Pieces that wait for a slow client.
const PIECES: usize = 4;

/// Runs the request's statement and answers.
pub(crate) async fn answer(
    app: &Arc<App>,
    request: QueryRequest,
    body: Option<Incoming>,
    connection: Arc<FlushSignal>,
) -> Response<ResponseBody> {
    let reply = Reply::new(app, &request);
    let running = match Running::start(app, request, body) {
        Ok(running) => running,
        Err(exception) => return failure(app, &reply.query_id, &exception),
    };
    match reply.hold(running).await {
        Ok(Held::Ended { data, outcome, format }) => reply.whole(data, outcome, format, connection),
        Ok(Held::Goes { data, running, format }) => reply.streamed(data, running, format, connection),
        Err(exception) => failure(app, &reply.query_id, &exception),
    }
}

/// What of the request its answer depends on.
struct Reply {
    app: Arc<App>,
    query_id: String,
    timezone: String,
    encoding: Option<crate::compression::Encoding>,
    blocks: bool,
    wait_end: bool,
    tag: String,
}

type Format = Option<crate::database::OutputFormat>;

/// The held back beginning of a result.
enum Held {
    /// All of it: the statement has ended.
    Ended { data: Spool, outcome: Outcome, format: Format },
    /// There is more.
    Goes { data: Spool, running: Running, format: Format },
}

impl Reply {
    fn new(app: &Arc<App>, request: &QueryRequest) -> Self {
        let session_timezone =
            request.settings.iter().rev().find(|(name, value)| name == "session_timezone" && !value.is_empty());
        Self {
            app: Arc::clone(app),
            query_id: request.query_id.clone(),
            timezone: session_timezone.map_or_else(|| app.database.timezone().to_owned(), |(_, value)| value.clone()),
            encoding: request.response_encoding,
            blocks: request.response_blocks,
            wait_end: request.wait_end,
            tag: new_tag(),
        }
    }

    /// Reads until the statement has ended or enough has come.
    async fn hold(&self, mut running: Running) -> Result<Held, Exception> {
        let lost =
            |error: io::Error| Exception::new(code::LOGICAL_ERROR, format_args!("the result cannot be read: {error}"));
        let mut data = Spool::default();
        let mut piece = BytesMut::with_capacity(PIECE_BYTES);
        let mut format = None;
        loop {
            let read = running.read(&mut piece).await.map_err(lost)?;
            format = format.or_else(|| running.format());
            if read == 0 {
                return Ok(Held::Ended { data, outcome: running.outcome().await, format });
            }
            if data.memory.len() + piece.len() > HELD_BYTES {
                if !self.wait_end {
                    data.memory.unsplit(piece.split());
                    return Ok(Held::Goes { data, running, format });
                }
                data.move_to_file(&self.app).await.map_err(lost)?;
            }
            data.memory.extend_from_slice(&piece.split());
            if data.in_file + data.memory.len() as u64 > self.app.config.max_buffered_result_bytes {
                let limit = self.app.config.max_buffered_result_bytes;
                let what = format!(
                    "the result is larger than the {limit} bytes that can be kept back: leave wait_end_of_query out"
                );
                return Err(Exception::new(code::TOO_MANY_ROWS_OR_BYTES, what));
            }
        }
    }

    fn head<'a>(&'a self, format: &'a Format, counts: Counts, seconds: f64) -> Head<'a> {
        Head {
            query_id: &self.query_id,
            format: format.as_ref(),
            timezone: &self.timezone,
            encoding: self.encoding,
            counts,
            seconds,
            tag: &self.tag,
        }
    }

    /// The statement has ended with all of its result still here.
    fn whole(
        self,
        mut data: Spool,
        outcome: Outcome,
        format: Format,
        connection: Arc<FlushSignal>,
    ) -> Response<ResponseBody> {
        let counts = match &outcome.result {
            Ok(counts) => *counts,
            Err(exception) => return failure(&self.app, &self.query_id, exception),
        };
        if data.file.is_some() {
            let (sender, body) = pieces(connection);
            let response = self.head(&format, counts, outcome.seconds).into_response(&self.app, body);
            tokio::spawn(async move {
                // An error means that the client has left.
                let _ = self.send_spool(data, sender).await;
            });
            return response;
        }
        let empty = data.memory.is_empty();
        let encoded = Encoder::new(self.encoding, self.blocks).and_then(|mut encoder| {
            let mut all = BytesMut::from(encoder.push(&data.memory.split())?);
            all.unsplit(BytesMut::from(encoder.finish()?));
            Ok(all.freeze())
        });
        match encoded {
            Ok(_) if empty => {
                let head = Head { encoding: None, ..self.head(&format, counts, outcome.seconds) };
                head.into_response(&self.app, ResponseBody::Whole(None))
            }
            Ok(all) => {
                self.head(&format, counts, outcome.seconds).into_response(&self.app, ResponseBody::Whole(Some(all)))
            }
            Err(error) => failure(&self.app, &self.query_id, &cannot_encode(&error)),
        }
    }

    /// The beginning is here and the statement goes on.
    fn streamed(
        self,
        data: Spool,
        running: Running,
        format: Format,
        connection: Arc<FlushSignal>,
    ) -> Response<ResponseBody> {
        let (sender, body) = pieces(connection);
        let response = self.head(&format, Counts::default(), 0.0).into_response(&self.app, body);
        tokio::spawn(async move {
            // An error means that the client has left; the statement was stopped when `running` was dropped.
            let _ = self.send_rest(data, running, sender).await;
        });
        response
    }

    async fn send_spool(self, mut data: Spool, sender: mpsc::Sender<Piece>) -> Result<(), Gone> {
        let mut encoder = Encoder::new(self.encoding, self.blocks).map_err(|_| Gone)?;
        while let Some(piece) = data.next().await.map_err(|_| Gone)? {
            send(&sender, encoder.push(&piece)).await?;
        }
        send(&sender, encoder.finish()).await
    }

    async fn send_rest(self, mut data: Spool, mut running: Running, sender: mpsc::Sender<Piece>) -> Result<(), Gone> {
        let mut encoder = Encoder::new(self.encoding, self.blocks).map_err(|_| Gone)?;
        send(&sender, encoder.push(&data.memory.split())).await?;
        let mut piece = BytesMut::with_capacity(PIECE_BYTES);
        loop {
            let read = tokio::select! {
                biased;
                () = sender.closed() => return Err(Gone),
                read = running.read(&mut piece) => read.map_err(|_| Gone)?,
            };
            if read == 0 {
                break;
            }
            send(&sender, encoder.push(&piece)).await?;
            piece.clear();
        }
        match running.outcome().await.result {
            Ok(_) => send(&sender, encoder.finish()).await,
            Err(exception) => {
                // In one piece: clients look for the exception at the end of one.
                let block = encoder.push(&exception_block(&self.app, &exception, &self.tag));
                let block = block.and_then(|block| Ok(Bytes::from([block, encoder.finish()?].concat())));
                send(&sender, block).await?;
                sender.send(Piece::Cut).await.map_err(|_| Gone)
            }
        }
    }
}

/// The client no longer takes the result.
struct Gone;

fn pieces(connection: Arc<FlushSignal>) -> (mpsc::Sender<Piece>, ResponseBody) {
    let (sender, pieces) = mpsc::channel(PIECES);
    (sender, ResponseBody::Pieces { pieces, connection, cut: false })
}

async fn send(sender: &mpsc::Sender<Piece>, data: io::Result<Bytes>) -> Result<(), Gone> {
    match data {
        Ok(data) if data.is_empty() => Ok(()),
        Ok(data) => sender.send(Piece::Data(data)).await.map_err(|_| Gone),
        Err(_) => sender.send(Piece::Cut).await.map_err(|_| Gone),
    }
}

fn cannot_encode(error: &io::Error) -> Exception {
    Exception::new(code::LOGICAL_ERROR, format_args!("the result cannot be compressed: {error}"))
}

/// A result that is kept back: in memory, and once that is full in a file without a name.
#[derive(Default)]
struct Spool {
    memory: BytesMut,
    file: Option<std::fs::File>,
    in_file: u64,
    rewound: bool,
}

impl Spool {
    /// Moves what is in memory to the file.
    async fn move_to_file(&mut self, app: &Arc<App>) -> io::Result<()> {
        let (file, data, app) = (self.file.take(), self.memory.split().freeze(), Arc::clone(app));
        self.in_file += data.len() as u64;
        let write = move || {
            let mut file = file.map_or_else(|| tempfile::tempfile_in(&app.spool), Ok)?;
            file.write_all(&data).map(|()| file)
        };
        self.file = Some(tokio::task::spawn_blocking(write).await??);
        Ok(())
    }

    /// Reads it back piece by piece.
    async fn next(&mut self) -> io::Result<Option<Bytes>> {
        if let Some(mut file) = self.file.take() {
            let rewound = std::mem::replace(&mut self.rewound, true);
            let read = move || {
                if !rewound {
                    file.rewind()?;
                }
                let mut piece = Vec::with_capacity(PIECE_BYTES);
                (&file).take(PIECE_BYTES as u64).read_to_end(&mut piece)?;
                io::Result::Ok((file, piece))
            };
            let (file, piece) = tokio::task::spawn_blocking(read).await??;
            if !piece.is_empty() {
                self.file = Some(file);
                return Ok(Some(piece.into()));
            }
        }
        Ok(Some(self.memory.split().freeze()).filter(|rest| !rest.is_empty()))
    }
}
