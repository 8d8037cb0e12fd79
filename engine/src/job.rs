//! One request's statement on a thread of its own: the engine's calls block, and need a deep stack.

use std::io::{self, PipeWriter, Read, Write};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::oneshot;

use crate::app::App;
use crate::body::{Limited, RequestBody};
use crate::compression::decoder;
use crate::connection::Prepared;
use crate::database::OutputFormat;
use crate::exception::{Exception, code};
use crate::ffi::{Connection, Counts};
use crate::jobs::Place;
use crate::metrics::Kind;
use crate::request::QueryRequest;
use crate::sql::Statement;
use crate::statement::{Request, Rows, Source};

/// Rows are handed to the engine in pieces of this size; it queues up to 16.
const ROWS_CHUNK: usize = 256 * 1024;
/// Format of results for which neither statement nor request names one.
const DEFAULT_FORMAT: &str = "TabSeparated";

/// What a statement's thread needs.
pub(crate) struct Job {
    pub(crate) app: Arc<App>,
    pub(crate) request: QueryRequest,
    pub(crate) body: Option<RequestBody>,
    /// Results go here. Closed when the statement has ended.
    pub(crate) output: PipeWriter,
    pub(crate) place: Place,
    /// Told before the first byte of a result.
    pub(crate) format: oneshot::Sender<OutputFormat>,
    pub(crate) outcome: oneshot::Sender<Outcome>,
}

/// How a statement ended.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) result: Result<Counts, Exception>,
    pub(crate) seconds: f64,
}

impl Job {
    /// Starts the thread.
    pub(crate) fn spawn(self) -> io::Result<()> {
        let app = Arc::clone(&self.app);
        app.confinement.spawn("query", move || self.run())
    }

    fn run(self) {
        let Self { app, request, body, output, place, format, outcome } = self;
        let started = Instant::now();
        place.control.runs_here();
        let mut run = Run {
            app: &app,
            request: &request,
            output: &output,
            place: &place,
            format: Some(format),
            kind: Kind::Other,
        };
        let result = run.all(body.clone());
        let kind = run.kind;
        if let (Err(_), Some(body)) = (&result, body) {
            body.drain();
        }
        let seconds = started.elapsed().as_secs_f64();
        app.metrics.ended(
            kind,
            seconds,
            result.as_ref().copied().unwrap_or_default(),
            result.as_ref().err().map(Exception::code),
        );
        log(&request.query_id, kind, seconds, &result);
        // The place is free again before the client knows that the statement has ended.
        drop(place);
        let _ = outcome.send(Outcome { result, seconds });
        drop(output);
    }
}

/// One line for each statement. Exceptions quote data, so of them only the code is logged.
fn log(query_id: &str, kind: Kind, seconds: f64, result: &Result<Counts, Exception>) {
    let kind = kind.name();
    match result {
        Ok(c) => tracing::debug!(
            query_id,
            kind,
            seconds,
            read_rows = c.read_rows,
            written_rows = c.written_rows,
            result_rows = c.result_rows,
            result_bytes = c.result_bytes,
            "statement"
        ),
        Err(exception) => tracing::warn!(query_id, kind, seconds, code = exception.code(), "statement failed"),
    }
}

struct Run<'a> {
    app: &'a App,
    request: &'a QueryRequest,
    output: &'a PipeWriter,
    place: &'a Place,
    format: Option<oneshot::Sender<OutputFormat>>,
    kind: Kind,
}

impl Run<'_> {
    fn all(&mut self, body: Option<RequestBody>) -> Result<Counts, Exception> {
        let limits = &self.app.config;
        let body = match body {
            None => None,
            Some(body) => {
                let plain = decoder(body, self.request.body_encoding, self.request.body_blocks)?;
                Some(Box::new(Limited::new(plain, limits.max_body_bytes)) as Box<dyn Read + Send>)
            }
        };
        match Source::new(&self.request.query, body).read(limits.max_query_bytes)? {
            Request::Insert { sql, format, rows } => {
                self.kind = Kind::Insert;
                if self.request.read_only {
                    return Err(read_only());
                }
                self.prepared(|run, connection| run.insert(connection, sql, &format, rows))
            }
            Request::Whole(sql) => {
                let statement = Statement::parse(&sql)?;
                self.prepared(|run, connection| run.statement(connection, &statement))
            }
        }
    }

    /// Runs `work` on a connection with the request's database and settings.
    fn prepared(
        &mut self,
        work: impl FnOnce(&mut Self, &mut Connection) -> Result<Counts, Exception>,
    ) -> Result<Counts, Exception> {
        let app = self.app;
        let mut prepared = Prepared::new(&app.database, &app.sessions, self.request)?;
        let connection = prepared
            .connection()
            .ok_or_else(|| Exception::new(code::LOGICAL_ERROR, "the session has no connection"))?;
        let result = work(self, connection);
        prepared.release();
        result
    }

    fn insert(
        &mut self,
        connection: &mut Connection,
        mut sql: Vec<u8>,
        format: &str,
        rows: Rows,
    ) -> Result<Counts, Exception> {
        // The engine appends the format to a statement that may end in a comment.
        sql.push(b'\n');
        let stream = connection.insert(&sql, format, &self.request.parameters);
        let mut stream = stream.map_err(|text| Exception::from_engine(&text))?;
        let mut taken = rows.first.chunks(ROWS_CHUNK).all(|chunk| stream.append(chunk));
        if let Some(mut rest) = rows.rest {
            let mut chunk = Vec::with_capacity(ROWS_CHUNK);
            while taken {
                chunk.clear();
                // On an error the stream is dropped, and with it the block that was being built.
                (&mut rest).take(ROWS_CHUNK as u64).read_to_end(&mut chunk)?;
                if chunk.is_empty() {
                    break;
                }
                taken = stream.append(&chunk);
            }
        }
        let result = stream.finish();
        result.error().map_or_else(|| Ok(result.counts()), |text| Err(Exception::from_engine(&text)))
    }

    fn statement(&mut self, connection: &mut Connection, statement: &Statement) -> Result<Counts, Exception> {
        let analysis = connection.analyse(&statement.text);
        match analysis.statements {
            // Run only for the engine's explanation of what is wrong with it.
            0 => {
                let error = connection.query(&statement.text, DEFAULT_FORMAT, &self.request.parameters).error();
                return Err(error.map_or_else(
                    || Exception::new(code::SYNTAX_ERROR, "Syntax error: the text is not a statement"),
                    |text| Exception::from_engine(&text),
                ));
            }
            1 => {}
            _ => return Err(Exception::new(code::SYNTAX_ERROR, "Syntax error: Multi-statements are not allowed")),
        }
        if !analysis.is_read_only() && self.request.read_only {
            return Err(read_only());
        }
        let format = statement.format.as_deref().or(self.request.default_format.as_deref()).unwrap_or(DEFAULT_FORMAT);
        let format = self.app.database.format(format)?.clone();
        let name = format.name.clone();
        if analysis.is_read_only() {
            self.kind = Kind::Select;
            if let Some(sender) = self.format.take() {
                let _ = sender.send(format);
            }
            self.place.control.make_disposable();
        }
        if analysis.is_read_only() && statement.is_select {
            self.stream(connection, statement, &name)
        } else {
            let result = connection.query(&statement.text, &name, &self.request.parameters);
            let counts =
                result.error().map_or_else(|| Ok(result.counts()), |text| Err(Exception::from_engine(&text)))?;
            self.write(result.bytes())?;
            Ok(counts)
        }
    }

    /// Lets the engine write the result into the pipe, in whatever format, as fast as it is read. The engine's own
    /// streaming calls give each block as a document of its own, with its own header.
    fn stream(&self, connection: &mut Connection, statement: &Statement, format: &str) -> Result<Counts, Exception> {
        let path = format!("/proc/self/fd/{}", self.output.as_raw_fd());
        let result = connection.query(&statement.with_outfile(&path, format), format, &self.request.parameters);
        result.error().map_or_else(|| Ok(result.counts()), |text| Err(Exception::from_engine(&text)))
    }

    fn write(&self, bytes: &[u8]) -> Result<(), Exception> {
        let mut output = self.output;
        output.write_all(bytes).map_err(|_| Exception::new(code::QUERY_WAS_CANCELLED, "Query was cancelled"))
    }
}

fn read_only() -> Exception {
    let what = "Cannot execute query in readonly mode. For queries over HTTP, method GET implies readonly. \
                You should use method POST for modifying queries";
    Exception::new(code::READONLY, what)
}

/// Asks for a larger pipe, so that engine and network wait less for each other; the system may refuse.
pub(crate) fn widen(pipe: &impl std::os::fd::AsFd) {
    const BYTES: i32 = 1024 * 1024;
    let _ = nix::fcntl::fcntl(pipe, nix::fcntl::FcntlArg::F_SETPIPE_SZ(BYTES));
}
