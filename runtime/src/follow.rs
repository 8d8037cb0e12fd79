//! Following a small topic that holds what a service must know before it begins, such as its configuration: all of it first, then what
//! comes, each record once and in order.

use crate::{
    Record, RuntimeError, kafka,
    lifecycle::Shutdown,
    log::{Log, Schemas},
    metrics as names,
    reader::{From, Read, Reader},
};
use millrace_schemas::Event;
use std::time::{Duration, Instant};
use tokio::runtime::Handle;

/// How long a look for the next record may wait.
const LOOK: Duration = Duration::from_millis(200);
/// Pause before a topic that could not be read is read on.
const PAUSE: Duration = Duration::from_secs(1);

/// An event of a topic that is followed, and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Followed<E> {
    /// The event.
    pub event: E,
    /// Its offset.
    pub offset: i64,
    /// The broker's time of it, epoch milliseconds.
    pub timestamp: i64,
}

/// Hands all that a topic of one partition holds to `take`, and returns; then hands it what comes, until the shutdown. What cannot be
/// decoded is logged and passed over.
///
/// # Errors
/// When the topic cannot be read to its end now, or no thread can be started.
pub async fn follow<E: Event>(
    log: &Log,
    shutdown: &Shutdown,
    mut take: impl FnMut(Followed<E>) + Send + 'static,
) -> Result<(), RuntimeError> {
    let (schemas, runtime) = (log.codec().await?, Handle::current());
    let kafka = log.kafka().clone();
    let (mut decode, shutdown) = (Decode { schemas, runtime, next: 0 }, shutdown.clone());
    let first = tokio::task::spawn_blocking({
        let kafka = kafka.clone();
        move || {
            let mut reader = Reader::new(&kafka, E::TOPIC, &[0], From::Beginning)?;
            for record in reader.read_to_end(1, kafka::request_timeout(&kafka))? {
                decode.hand(&record, &mut take)?;
            }
            let reader = Reader::following(&kafka, E::TOPIC, &[0], From::Offset(decode.next))?;
            Ok::<_, RuntimeError>((reader, decode, take))
        }
    });
    let (mut reader, mut decode, mut take) =
        first.await.map_err(|error| RuntimeError::Fatal(format!("reading {} panicked: {error}", E::TOPIC)))??;
    let run = move || {
        while let Err(error) = read_on(&mut reader, &mut decode, &mut take, &shutdown) {
            tracing::warn!(topic = %E::TOPIC, %error, "what comes by this topic is not known now; reading it again");
            names::count(names::WORKER_RESTARTS_TOTAL, &[("worker", E::TOPIC.name().into())], 1);
            while !wait(&shutdown) {
                match Reader::following(&kafka, E::TOPIC, &[0], From::Offset(decode.next)) {
                    Ok(opened) => {
                        reader = opened;
                        break;
                    }
                    Err(error) => tracing::warn!(topic = %E::TOPIC, %error, "it cannot be read"),
                }
            }
        }
    };
    std::thread::Builder::new()
        .name(format!("follow-{}", E::TOPIC))
        .spawn(run)
        .map_err(|error| RuntimeError::Fatal(format!("starting a thread: {error}")))?;
    Ok(())
}

/// All that a topic of one partition holds, in order. What cannot be decoded is logged and passed over.
///
/// # Errors
/// When it cannot be read to its end now.
pub async fn read_all<E: Event>(log: &Log) -> Result<Vec<Followed<E>>, RuntimeError> {
    let (mut decode, kafka) =
        (Decode { schemas: log.codec().await?, runtime: Handle::current(), next: 0 }, log.kafka().clone());
    let reading = tokio::task::spawn_blocking(move || {
        let mut all = Vec::new();
        for record in
            Reader::new(&kafka, E::TOPIC, &[0], From::Beginning)?.read_to_end(1, kafka::request_timeout(&kafka))?
        {
            decode.hand(&record, &mut |followed| all.push(followed))?;
        }
        Ok(all)
    });
    reading.await.map_err(|error| RuntimeError::Fatal(format!("reading {} panicked: {error}", E::TOPIC)))?
}

struct Decode {
    schemas: Schemas,
    runtime: Handle,
    /// The next offset to read.
    next: i64,
}

impl Decode {
    fn hand<E: Event>(&mut self, record: &Record, take: &mut impl FnMut(Followed<E>)) -> Result<(), RuntimeError> {
        match self.schemas.decode::<E>(&self.runtime, record.value.as_deref())? {
            Ok(event) => take(Followed { event, offset: record.offset, timestamp: record.timestamp }),
            Err(error) => tracing::error!(topic = %record.topic, offset = record.offset, %error, "it is passed over"),
        }
        self.next = record.offset + 1;
        Ok(())
    }
}

/// Returns well at the shutdown only.
fn read_on<E: Event>(
    reader: &mut Reader,
    decode: &mut Decode,
    take: &mut impl FnMut(Followed<E>),
    shutdown: &Shutdown,
) -> Result<(), RuntimeError> {
    while !shutdown.is_cancelled() {
        if let Read::Record(record) = reader.next(LOOK)? {
            decode.hand(&record, take)?;
        }
    }
    Ok(())
}

/// Waits for a moment; true at the shutdown.
fn wait(shutdown: &Shutdown) -> bool {
    let until = Instant::now() + PAUSE;
    while Instant::now() < until && !shutdown.is_cancelled() {
        std::thread::sleep(LOOK);
    }
    shutdown.is_cancelled()
}
