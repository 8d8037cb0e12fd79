//! Relays: one worker that reads topics and writes for each record what it becomes into the partition of that record's own key: topics
//! are merged into one order, keyed anew, or taken apart. It remembers nothing, so what it writes is a function of one record.
//!
//! Exactly once as processors are: outputs and the group's offsets are one Kafka transaction. Of several processes the last one started
//! writes, and fences those before it, so there are no members to share partitions. [`written`] tells at a start what stands in the
//! outputs already, since offsets were lost or set back, or a transaction was torn; that is not written again.
//!
//! Where readers of the output wait for time to pass, it writes ticks into partitions in which nothing comes: their clock is the broker's.

mod ticks;
mod written;

pub use ticks::Ticks;

use crate::{
    Headers, Record, RuntimeError, SourcePosition, headers, kafka,
    lifecycle::{self, Shutdown},
    log::{Log, Schemas},
    metrics as names,
    processor::Marker,
    reader::{Ends, Read, Reader},
    sources::LastSources,
    transaction::{BETWEEN_TRANSACTIONS, Group, Outgoing, Transactions},
};
use millrace_schemas::{Event, Topic};
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};
use ticks::Clockwork;
use tokio::runtime::Handle;
use written::Written;

/// How long a look for the next record may wait.
const LOOK: Duration = Duration::from_millis(20);
/// Records of one topic that are taken before the next one is looked at.
const TURN: usize = 5_000;

/// What records become. Pure.
pub trait Relay: Send + 'static {
    /// Name of its group, its transactions and its metrics.
    const NAME: &'static str;
    /// Topics it reads, whose records Millrace itself wrote.
    const INPUTS: &'static [Topic];
    /// What it writes.
    type Out: Event;

    /// What a record becomes: nothing, one event or several, in their order. `None` when it cannot be read.
    fn relay(&mut self, record: &Record, own: &Own<'_>) -> Result<Option<Vec<Self::Out>>, RuntimeError>;

    /// When ticks are written; none are without it.
    fn ticks(&self) -> Option<Ticks> {
        None
    }

    /// Whether somebody waits for time to pass after this.
    fn begins_wait(&self, _written: &Self::Out) -> bool {
        false
    }

    /// A tick with this key, written at this time (epoch milliseconds).
    fn tick(&self, _key: &str, _at: i64) -> Option<Self::Out> {
        None
    }
}

/// Reads events that Millrace wrote.
pub struct Own<'a> {
    schemas: &'a Schemas,
    runtime: &'a Handle,
    epoch: &'a str,
}

impl Own<'_> {
    /// The event of a record; `None`, and a line in the log, when it is none.
    ///
    /// # Errors
    /// When the registry cannot be asked for its schema.
    pub fn decode<E: Event>(&self, record: &Record) -> Result<Option<E>, RuntimeError> {
        match self.schemas.decode::<E>(self.runtime, record.value.as_deref())? {
            Ok(event) => Ok(Some(event)),
            Err(error) => {
                let (topic, partition, offset) = (record.topic, record.partition, record.offset);
                tracing::error!(%topic, partition, offset, %error, "a record that Millrace did not write is passed over");
                Ok(None)
            }
        }
    }

    /// Epoch of the log, which is part of every derived id.
    pub fn epoch(&self) -> &str {
        self.epoch
    }
}

/// Runs a relay until the shutdown. Starts over, with growing pauses, after what passes; returns what does not.
///
/// # Errors
/// What does not pass.
pub async fn run<R: Relay>(new: impl Fn() -> R, log: Log, shutdown: Shutdown) -> Result<(), RuntimeError> {
    let mut is_first = true;
    lifecycle::restarting(R::NAME, &shutdown, || {
        let (relay, log, shutdown) = (new(), log.clone(), shutdown.clone());
        let is_first = std::mem::replace(&mut is_first, false);
        async move {
            log.check_topics().await?;
            log.check_settings().await?;
            let (schemas, epoch) = (log.codec().await?, log.epoch().await?);
            let partitions = log.partitions(R::Out::TOPIC).await?;
            let runtime = Handle::current();
            let work = move || {
                let start = Start { log: &log, schemas, runtime, epoch, partitions, is_first };
                Worker::start(relay, start)?.run(&shutdown)
            };
            tokio::task::spawn_blocking(work)
                .await
                .unwrap_or_else(|error| Err(RuntimeError::Fatal(format!("{} panicked: {error}", R::NAME))))
        }
    })
    .await
}

struct Start<'l> {
    log: &'l Log,
    schemas: Schemas,
    runtime: Handle,
    epoch: String,
    /// Of the output.
    partitions: i32,
    /// Whether nothing has failed yet.
    is_first: bool,
}

struct Worker<'l, R> {
    relay: R,
    start: Start<'l>,
    inputs: Vec<Input>,
    /// By topic and partition, the offset behind the last record taken.
    next: BTreeMap<(Topic, i32), i64>,
    written: Written,
    clockwork: Option<Clockwork>,
    transactions: Transactions,
    group: Group,
}

/// One of the topics, from where it is read.
struct Input {
    topic: Topic,
    reader: Reader,
    partitions: i32,
    /// By partition, what was seen last.
    sources: BTreeMap<i32, LastSources>,
}

/// What is written in one transaction.
#[derive(Default)]
struct Batch {
    outgoing: Vec<Outgoing>,
    /// The broker's time of the oldest record in it.
    oldest: Option<i64>,
    records: u64,
}

impl<'l, R: Relay> Worker<'l, R> {
    fn start(relay: R, start: Start<'l>) -> Result<Self, RuntimeError> {
        let log = start.log;
        // Whoever wrote before is fenced first: what is committed then is all there is.
        let transactions = Transactions::begin_as(log, R::NAME)?;
        let group = Group::new(log.kafka(), R::NAME)?;
        if !start.is_first {
            end_leftovers::<R>(&transactions, start.partitions)?;
        }
        let (mut inputs, mut next, mut markers) = (Vec::new(), BTreeMap::new(), Vec::new());
        for topic in R::INPUTS {
            let committed = start.runtime.block_on(log.committed(R::NAME, *topic))?;
            let partitions = committed.len() as i32;
            for at in &committed {
                at.check(&log.topic_name(*topic), &start.epoch, partitions)?;
                markers.push(at.marker.as_ref().map(|marker| marker.time));
            }
            let committed: Vec<(i32, Option<i64>)> = committed.iter().map(|at| (at.partition, at.offset)).collect();
            let from = beginnings(log, *topic, &committed)?;
            inputs.push(Input::open(log, *topic, &from)?);
            next.extend(from.into_iter().map(|(partition, offset)| ((*topic, partition), offset)));
        }
        let written = Written::read(log, R::Out::TOPIC, start.partitions, markers.into_iter().min().flatten())?;
        let clockwork = relay.ticks().map(|ticks| Clockwork::new(ticks, start.partitions));
        tracing::info!(worker = R::NAME, "relaying");
        Ok(Self { relay, start, inputs, next, written, clockwork, transactions, group })
    }

    fn run(&mut self, shutdown: &Shutdown) -> Result<(), RuntimeError> {
        while !shutdown.is_cancelled() {
            let began = Instant::now();
            let mut batch = Batch::default();
            for index in 0..self.inputs.len() {
                let wait = if index == 0 { LOOK } else { Duration::ZERO };
                self.take(index, wait, &mut batch)?;
            }
            self.tick(&mut batch)?;
            if batch.records > 0 || !batch.outgoing.is_empty() {
                self.write(&batch)?;
                std::thread::sleep(BETWEEN_TRANSACTIONS.saturating_sub(began.elapsed()));
            }
        }
        Ok(())
    }

    /// Takes some records of a topic; waits a little where there are none.
    fn take(&mut self, index: usize, mut wait: Duration, batch: &mut Batch) -> Result<(), RuntimeError> {
        for _ in 0..TURN {
            let Some((record, is_first_copy)) = self.inputs[index].next(wait)? else { break };
            wait = Duration::ZERO;
            batch.records += 1;
            self.next.insert((record.topic, record.partition), record.offset + 1);
            batch.oldest = Some(batch.oldest.map_or(record.timestamp, |oldest| oldest.min(record.timestamp)));
            if is_first_copy {
                self.relay_one(&record, batch)?;
            }
        }
        Ok(())
    }

    fn relay_one(&mut self, record: &Record, batch: &mut Batch) -> Result<(), RuntimeError> {
        let Start { schemas, runtime, epoch, .. } = &self.start;
        let Some(events) = self.relay.relay(record, &Own { schemas, runtime, epoch })? else {
            names::count(names::RELAY_UNREADABLE_TOTAL, &[("worker", R::NAME.into())], 1);
            return Ok(());
        };
        for (index, event) in (0..).zip(&events) {
            let source = SourcePosition { index, ..SourcePosition::at(record) };
            let headers = Headers::new().with(headers::SOURCE, source.to_string());
            let outgoing = self.outgoing(event, headers)?;
            let partition = outgoing.partition.unwrap_or_default();
            if !self.written.holds(partition, &source) {
                if let Some(clockwork) = &mut self.clockwork {
                    clockwork.wrote(partition, self.relay.begins_wait(event));
                }
                batch.outgoing.push(outgoing);
            }
        }
        Ok(())
    }

    /// Writes ticks where they are due.
    fn tick(&mut self, batch: &mut Batch) -> Result<(), RuntimeError> {
        let Some(clockwork) = &mut self.clockwork else { return Ok(()) };
        for (key, at) in clockwork.due() {
            if let Some(event) = self.relay.tick(&key, at) {
                batch.outgoing.push(self.outgoing(&event, Headers::new())?);
            }
        }
        Ok(())
    }

    fn outgoing(&self, event: &R::Out, headers: Headers) -> Result<Outgoing, RuntimeError> {
        let value = self.start.schemas.codec().encode(event).map_err(|error| RuntimeError::Fatal(error.to_string()))?;
        let key = event.key();
        let partition = Some(kafka::partition_of(&key, self.start.partitions));
        Ok(Outgoing { topic: R::Out::TOPIC, partition, key: Some(key), value, headers })
    }

    /// One transaction; any error ends the worker, and the next one starts from what is committed. It has the offsets of all partitions,
    /// so that what is noted beside them is never old.
    fn write(&self, batch: &Batch) -> Result<(), RuntimeError> {
        let began = Instant::now();
        lifecycle::report_oldest(R::NAME, batch.oldest);
        let time = now();
        let marker = |topic| {
            let partitions = self.inputs.iter().find(|it| it.topic == topic).map_or(0, |it| it.partitions);
            Marker { epoch: self.start.epoch.clone(), partitions, time, emitted: None }.to_string()
        };
        let offsets = self.next.iter().map(|((topic, partition), next)| (*topic, *partition, *next, marker(*topic)));
        self.transactions.write(|open| {
            open.send(&batch.outgoing)?;
            open.send_offsets(&self.group, offsets)
        })?;
        let labels = [("worker", R::NAME.into())];
        names::count(names::RELAY_RECORDS_TOTAL, &labels, batch.records);
        names::seconds(names::RELAY_COMMIT_SECONDS, &labels, began.elapsed());
        lifecycle::report_oldest(R::NAME, None);
        Ok(())
    }
}

/// Where partitions are read from: what is committed, or their beginning where nothing ever was.
fn beginnings(log: &Log, topic: Topic, committed: &[(i32, Option<i64>)]) -> Result<Vec<(i32, i64)>, RuntimeError> {
    let ends = Ends::new(log.kafka())?;
    let beginning = |(number, committed): &(i32, Option<i64>)| {
        let (low, _) = ends.range(topic, *number)?;
        match committed.filter(|committed| *committed < low) {
            Some(lost) => Err(RuntimeError::Fatal(format!(
                "{} partition {number} begins at offset {low}, and offset {lost} is the next to be read: records were deleted",
                log.topic_name(topic)
            ))),
            None => Ok((*number, committed.unwrap_or(low))),
        }
    };
    committed.iter().map(beginning).collect()
}

impl Input {
    fn open(log: &Log, topic: Topic, from: &[(i32, i64)]) -> Result<Self, RuntimeError> {
        let (reader, partitions) = (Reader::working_at(log.kafka(), topic, from)?, from.len() as i32);
        Ok(Self { topic, reader, partitions, sources: BTreeMap::new() })
    }

    /// The next record, and whether it is no second copy; waiting at most so long.
    fn next(&mut self, wait: Duration) -> Result<Option<(Box<Record>, bool)>, RuntimeError> {
        let Read::Record(record) = self.reader.next(wait)? else { return Ok(None) };
        let is_first_copy = self.sources.entry(record.partition).or_default().take(&record);
        Ok(Some((record, is_first_copy)))
    }
}

/// Ends what a broker may have forgotten to end; see `processor/leftover.rs`.
fn end_leftovers<R: Relay>(transactions: &Transactions, partitions: i32) -> Result<(), RuntimeError> {
    let touched = |partition| Outgoing {
        topic: R::Out::TOPIC,
        partition: Some(partition),
        key: None,
        value: Vec::new(),
        headers: Headers::new(),
    };
    let records: Vec<Outgoing> = (0..partitions).map(touched).collect();
    transactions.abort(|open| {
        open.send(&records)?;
        R::INPUTS.iter().try_for_each(|topic| open.touch_offsets(R::NAME, *topic))
    })
}

fn now() -> i64 {
    use crate::clock::{Clock as _, SystemClock};
    SystemClock.now_ms()
}
