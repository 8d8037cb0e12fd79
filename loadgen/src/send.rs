//! Files to the gateway: in parallel, in batches, with every answer counted and kept.
//!
//! One thread reads and fills batches; each waits in the queue of a lane for its turn, so that reading never runs ahead of sending
//! by more than a few batches. Items are sent again until they have a final answer; their ids make that safe.

mod answer;
mod answers_file;
mod args;
mod batch;
mod deliver;
mod options;
mod pace;
mod progress;
mod report;
mod retry;
mod stop;
mod tally;
mod xml_answer;

use std::convert::Infallible;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures::{FutureExt, StreamExt, stream};
use tokio::sync::oneshot;

use crate::item::Kind;
use crate::mapping::{Mapping, MappingError};
use crate::read::{Format, Input, ReadError};
use batch::{Batcher, Lane};
use deliver::Deliverer;
use tally::Tally;

pub use answer::ItemStatus;
pub use args::SendArgs;
pub use options::SendOptions;
pub use report::{ItemCounts, LatencyMs, SendReport};
pub use stop::Stop;

/// Why nothing was sent at all.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// It is not said where the gateway is.
    #[error("say where to send with --gateway")]
    NoGateway,
    /// The gateway's address is not one.
    #[error("{0} is not an address of a gateway, such as http://127.0.0.1:8080")]
    Url(String),
    /// It is not known what the files hold.
    #[error("say what the files hold with --kind transactions or --kind receipts")]
    Kind,
    /// The mapping makes something else.
    #[error("the mapping makes {mapping:?}, --kind says {asked:?}")]
    KindMismatch {
        /// What the mapping says.
        mapping: Kind,
        /// What was asked for.
        asked: Kind,
    },
    /// A file cannot be read.
    #[error("cannot read {path}: {source}")]
    File {
        /// File.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The format of a file is not known.
    #[error("cannot tell the format of {0} by its name: say it with --format")]
    Format(PathBuf),
    /// The mapping cannot be used.
    #[error(transparent)]
    Mapping(#[from] MappingError),
    /// The file for answers cannot be written.
    #[error("cannot write answers to {path}: {source}")]
    Answers {
        /// File.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file could be read only in part. Sending ends with a report instead; reading alone has none.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The HTTP client could not be set up.
    #[error("cannot set up the HTTP client: {0}")]
    Client(reqwest::Error),
    /// The thread that reads could not be started.
    #[error("cannot start a thread: {0}")]
    Thread(std::io::Error),
}

/// Sends files. Ctrl-C ends the run gracefully, a second one at once; either way there is a report.
pub async fn send(options: SendOptions) -> Result<SendReport, SendError> {
    let stop = Stop::default();
    let signals = async {
        // Where no handler can be set, the system's own ends the process: there is nothing to wait for here.
        if tokio::signal::ctrl_c().await.is_ok() {
            stop.request("interrupted");
            if tokio::signal::ctrl_c().await.is_ok() {
                stop.abort("interrupted");
            }
        }
        std::future::pending::<Infallible>().await
    };
    tokio::select! {
        biased;
        report = send_until(options, stop.clone()) => report,
        never = signals => match never {},
    }
}

/// Sends files until all is sent or the run is stopped.
pub async fn send_until(options: SendOptions, stop: Stop) -> Result<SendReport, SendError> {
    let (kind, inputs, file_bytes) = inputs(&options)?;
    let tally = Arc::new(Tally::new());
    let deliverer = Deliverer::new(&options, kind, Arc::clone(&tally), stop.clone())?;
    let (batcher, lanes) = Batcher::new(&options);
    let mut reader = start_reading(inputs, batcher, Arc::clone(&tally), stop.clone())?;

    let sending = stream::iter(lanes).for_each_concurrent(None, |lane| drain(lane, &deliverer, &stop));
    if options.quiet {
        sending.await;
    } else {
        tokio::select! {
            () = sending => {}
            () = progress::show(Arc::clone(&tally), file_bytes) => {}
        }
    }
    deliverer.flush_answers();
    // Stopped early, the reader may wait for standard input for ever; otherwise it has ended before the lanes could.
    let read = if stop.is_requested() { (&mut reader).now_or_never() } else { Some(reader.await) };
    if let Some(Ok(Err(error))) = read {
        stop.request(error.to_string());
    }
    Ok(tally.report(deliverer.endpoint().to_string(), stop.reason()))
}

/// Reads files without sending: gives each item's text, a line or an element each, to `sink`.
///
/// Shows what a mapping makes of a file. Blocks.
pub fn read_all(options: &SendOptions, sink: &mut dyn FnMut(&[u8]) -> ControlFlow<()>) -> Result<(), SendError> {
    let (_, inputs, _) = inputs(options)?;
    for input in inputs {
        input.read(&Arc::default(), &mut |item| sink(&item.body))?;
    }
    Ok(())
}

/// Checks all that can be checked before the first item is read. The bytes are those of all files.
fn inputs(options: &SendOptions) -> Result<(Kind, Vec<Input>, u64), SendError> {
    let mapping = options.mapping.as_deref().map(Mapping::load).transpose()?.map(Arc::new);
    let kind = match (options.kind, mapping.as_ref().map(|mapping| mapping.kind)) {
        (Some(asked), Some(mapping)) if asked != mapping => return Err(SendError::KindMismatch { mapping, asked }),
        (asked, mapping) => asked.or(mapping).ok_or(SendError::Kind)?,
    };
    let mut bytes = 0;
    let mut inputs = Vec::with_capacity(options.files.len());
    for path in &options.files {
        let format = options.format.or_else(|| Format::of(path)).ok_or_else(|| SendError::Format(path.clone()))?;
        if format == Format::Csv && mapping.is_none() {
            return Err(MappingError::Missing.into());
        }
        if path.as_os_str() != "-" {
            bytes += std::fs::metadata(path).map_err(|source| SendError::File { path: path.clone(), source })?.len();
        }
        inputs.push(Input { path: path.clone(), format, kind, mapping: mapping.clone() });
    }
    Ok((kind, inputs, bytes))
}

/// Reads the files one after another on a thread of its own, into the lanes. A file that breaks off ends the reading.
fn start_reading(
    inputs: Vec<Input>,
    mut batcher: Batcher,
    tally: Arc<Tally>,
    stop: Stop,
) -> Result<oneshot::Receiver<Result<(), ReadError>>, SendError> {
    let (done, result) = oneshot::channel();
    let read = move || {
        let outcome = inputs.iter().try_for_each(|input| {
            let wire = input.wire();
            input.read(&tally.file_bytes, &mut |item| {
                if stop.is_requested() {
                    return ControlFlow::Break(());
                }
                tally.read.fetch_add(1, Ordering::Relaxed);
                batcher.add(wire, item)
            })
        });
        batcher.end();
        // Nobody listens any more when the run was stopped.
        let _ = done.send(outcome);
    };
    std::thread::Builder::new().name("loadgen-read".to_owned()).spawn(read).map_err(SendError::Thread)?;
    Ok(result)
}

/// Delivers what comes into a lane. Dropping the lane when the run is stopped ends the reading, too.
async fn drain(lane: Lane, deliverer: &Deliverer, stop: &Stop) {
    let Lane { batches, in_flight } = lane;
    let queue = stream::unfold(batches, |mut batches| async { batches.recv().await.map(|batch| (batch, batches)) });
    queue.take_until(stop.requested()).for_each_concurrent(in_flight, |batch| deliverer.deliver(batch)).await;
}
