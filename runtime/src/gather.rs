//! Gathering: one worker that reads a derived topic and a journal from their beginnings, and writes from time to time what it makes of
//! all that, each version in one Kafka transaction with the offsets it was made from.
//!
//! It has no group and no offsets of its own: what it knows is a function of the two topics up to the places it has read to, which stand
//! in the version. After a restart it reads all again and goes on from the last version. Of several processes the last one started
//! writes, and fences those before it.

use crate::{
    Headers, Record, RuntimeError, kafka,
    lifecycle::{self, Shutdown},
    log::{Log, Schemas},
    metrics as names,
    processor::input::Inputs,
    reader::{Ends, From, Read, Reader},
    sources::LastSources,
    transaction::{Outgoing, Transactions},
};
use millrace_schemas::{
    Event, Topic,
    event::{Derived, Journal},
    rules::{Checked, Rules},
};
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};
use tokio::runtime::Handle;

/// How long a look for the next record may wait.
const LOOK: Duration = Duration::from_millis(50);
/// Records of one topic that are taken before the other is looked at.
const TURN: usize = 1000;
/// How long a version waits for what stands in the topics when it is due; it is made of what was read until then.
const CATCH_UP: Duration = Duration::from_secs(30);

/// The places up to which two topics were read: by partition, the offset behind the last record taken.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Until {
    /// Of the derived topic.
    pub first: Vec<i64>,
    /// Of the journal.
    pub second: Vec<i64>,
}

/// What is made of two topics. Pure: a function of what it was handed.
pub trait Gatherer: Send + 'static {
    /// Name of its transactions and metrics.
    const NAME: &'static str;
    /// The derived topic.
    type First: Derived;
    /// The journal.
    type Second: Journal + Checked;
    /// What it writes, to a topic of one partition.
    type Out: Event;

    /// Takes in an event of the derived topic, with the broker's time of it.
    fn first(&mut self, event: Self::First, timestamp: i64);

    /// Takes in an event of the journal that keeps every rule, with the broker's time of it.
    fn second(&mut self, event: Self::Second, timestamp: i64);

    /// Takes in what was written: before anything else all that an earlier process wrote, then each version of its own.
    fn written(&mut self, event: Self::Out);

    /// Whether it is time for another version.
    fn is_due(&self) -> bool;

    /// The next version, made of what was taken in up to these places. Empty when there is none after all.
    fn gathered(&mut self, until: Until) -> Vec<Self::Out>;
}

/// Runs a gatherer until the shutdown. Starts over, with growing pauses, after what passes; returns what does not.
///
/// # Errors
/// What does not pass.
pub async fn run<G: Gatherer>(
    new: impl Fn() -> G,
    log: Log,
    rules: Rules,
    shutdown: Shutdown,
) -> Result<(), RuntimeError> {
    lifecycle::restarting(G::NAME, &shutdown, || {
        let (gatherer, log, shutdown) = (new(), log.clone(), shutdown.clone());
        async move {
            log.check_topics().await?;
            log.check_settings().await?;
            let (first, second) = (log.partitions(G::First::TOPIC).await?, log.partitions(G::Second::TOPIC).await?);
            let schemas = log.codec().await?;
            let (max_bytes, runtime) = (log.kafka().max_message_bytes, Handle::current());
            let inputs =
                Inputs { schemas: schemas.clone(), runtime: runtime.clone(), rules, partitions: second, max_bytes };
            let work = move || {
                let mut worker = Worker::start(gatherer, &log, inputs, schemas, runtime, first, second)?;
                worker.run(&shutdown)
            };
            tokio::task::spawn_blocking(work)
                .await
                .unwrap_or_else(|error| Err(RuntimeError::Fatal(format!("{} panicked: {error}", G::NAME))))
        }
    })
    .await
}

struct Worker<G> {
    gatherer: G,
    inputs: Inputs,
    schemas: Schemas,
    runtime: Handle,
    first: Input,
    second: Input,
    ends: Ends,
    transactions: Transactions,
}

/// One of the topics, as far as it was read.
struct Input {
    topic: Topic,
    reader: Reader,
    places: BTreeMap<i32, Place>,
}

#[derive(Default)]
struct Place {
    /// Offset behind the last record taken.
    next: i64,
    /// Nothing is left to read, as far as the client knows.
    is_at_end: bool,
    sources: LastSources,
}

impl Input {
    fn open(log: &Log, topic: Topic, partitions: i32) -> Result<Self, RuntimeError> {
        let numbers: Vec<i32> = (0..partitions).collect();
        let reader = Reader::working(log.kafka(), topic, &numbers, From::Beginning)?;
        let places = numbers.into_iter().map(|number| (number, Place::default())).collect();
        Ok(Self { topic, reader, places })
    }

    /// The next record that is no second copy, waiting at most so long.
    fn next(&mut self, wait: Duration) -> Result<Option<Box<Record>>, RuntimeError> {
        match self.reader.next(wait)? {
            Read::Record(record) => {
                let place = self.places.entry(record.partition).or_default();
                (place.next, place.is_at_end) = (record.offset + 1, false);
                Ok(place.sources.take(&record).then_some(record))
            }
            Read::End(partition) => {
                self.places.entry(partition).or_default().is_at_end = true;
                Ok(None)
            }
            Read::Idle => Ok(None),
        }
    }

    /// Begins to look whether all up to these ends is read. What was seen to be an end before may be none any more, and what is between
    /// the last record and the end may be no record, so the client looks again.
    fn look_again(&mut self, ends: &BTreeMap<i32, i64>) -> Result<(), RuntimeError> {
        for (number, place) in &mut self.places {
            place.is_at_end = ends.get(number).is_none_or(|end| place.next >= *end);
            if !place.is_at_end {
                self.reader.seek(*number, place.next)?;
            }
        }
        Ok(())
    }

    fn is_read(&self, ends: &BTreeMap<i32, i64>) -> bool {
        let is_read =
            |(number, place): (&i32, &Place)| place.is_at_end || ends.get(number).is_none_or(|end| place.next >= *end);
        self.places.iter().all(is_read)
    }

    fn until(&self) -> Vec<i64> {
        self.places.values().map(|place| place.next).collect()
    }
}

impl<G: Gatherer> Worker<G> {
    fn start(
        mut gatherer: G,
        log: &Log,
        inputs: Inputs,
        schemas: Schemas,
        runtime: Handle,
        first: i32,
        second: i32,
    ) -> Result<Self, RuntimeError> {
        // Whoever wrote before is fenced first: what is read then is all there is.
        let transactions = Transactions::begin_as(log, G::NAME)?;
        let mut before = Reader::new(log.kafka(), G::Out::TOPIC, &[0], From::Beginning)?;
        for record in before.read_to_end(1, kafka::request_timeout(log.kafka()).max(CATCH_UP))? {
            gatherer.written(own::<G::Out>(&schemas, &runtime, &record)?);
        }
        tracing::info!(worker = G::NAME, "gathering");
        let ends = Ends::new(log.kafka())?;
        let (first, second) = (Input::open(log, G::First::TOPIC, first)?, Input::open(log, G::Second::TOPIC, second)?);
        Ok(Self { gatherer, inputs, schemas, runtime, first, second, ends, transactions })
    }

    fn run(&mut self, shutdown: &Shutdown) -> Result<(), RuntimeError> {
        while !shutdown.is_cancelled() {
            self.turn()?;
            if self.gatherer.is_due() {
                self.catch_up(shutdown)?;
                self.write()?;
            }
        }
        Ok(())
    }

    /// Takes some records of both topics; waits a little where there are none.
    fn turn(&mut self) -> Result<(), RuntimeError> {
        let mut wait = LOOK;
        for _ in 0..TURN {
            let Some(record) = self.first.next(wait)? else { break };
            let event = own::<G::First>(&self.schemas, &self.runtime, &record)?;
            self.gatherer.first(event, record.timestamp);
            wait = Duration::ZERO;
        }
        for _ in 0..TURN {
            let Some(record) = self.second.next(Duration::ZERO)? else { break };
            // What breaks a rule is nobody's statement.
            if let Ok(event) = self.inputs.read::<G::Second>(&record)? {
                self.gatherer.second(event, record.timestamp);
            }
        }
        Ok(())
    }

    /// Reads what stands in both topics at this moment.
    fn catch_up(&mut self, shutdown: &Shutdown) -> Result<(), RuntimeError> {
        let until = Instant::now() + CATCH_UP;
        let [first, second] = [&self.first, &self.second].map(|input| {
            let end = |number: &i32| Ok((*number, self.ends.of_readable(input.topic, *number)?));
            input.places.keys().map(end).collect::<Result<BTreeMap<i32, i64>, RuntimeError>>()
        });
        let (first, second) = (first?, second?);
        self.first.look_again(&first)?;
        self.second.look_again(&second)?;
        while !(self.first.is_read(&first) && self.second.is_read(&second)) {
            if shutdown.is_cancelled() || Instant::now() > until {
                break;
            }
            self.turn()?;
        }
        Ok(())
    }

    fn write(&mut self) -> Result<(), RuntimeError> {
        let began = Instant::now();
        let version = self.gatherer.gathered(Until { first: self.first.until(), second: self.second.until() });
        if version.is_empty() {
            return Ok(());
        }
        let outgoing = |event: &G::Out| {
            let value = self.schemas.codec().encode(event).map_err(|error| RuntimeError::Fatal(error.to_string()))?;
            let (topic, key) = (G::Out::TOPIC, Some(event.key()));
            Ok(Outgoing { topic, partition: Some(0), key, value, headers: Headers::new() })
        };
        let records = version.iter().map(outgoing).collect::<Result<Vec<_>, RuntimeError>>()?;
        self.transactions.write(|open| open.send(&records))?;
        names::count(names::GATHERED_VERSIONS_TOTAL, &[("worker", G::NAME.into())], 1);
        let took_ms = began.elapsed().as_millis() as u64;
        tracing::info!(worker = G::NAME, records = records.len(), took_ms, "a version is written");
        version.into_iter().for_each(|event| self.gatherer.written(event));
        Ok(())
    }
}

/// An event that Millrace wrote itself.
fn own<E: Event>(schemas: &Schemas, runtime: &Handle, record: &Record) -> Result<E, RuntimeError> {
    schemas.decode::<E>(runtime, record.value.as_deref())?.map_err(|error| {
        RuntimeError::Fatal(format!("own record at {} {}/{}: {error}", record.topic, record.partition, record.offset))
    })
}
