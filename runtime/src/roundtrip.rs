//! The fastest way through the broker and back: what any answer that goes by way of the log is measured against.
//!
//! A record is produced to one topic, consumed, produced to another and consumed again, with nothing in between. Both topics are made
//! for the measurement under the deployment's prefix and deleted after it.

use crate::{
    RuntimeError,
    config::KafkaConfig,
    kafka::{self, client, event_producer, request_timeout},
    log::Log,
    reader::passes,
};
use rdkafka::{
    Message as _, Offset, TopicPartitionList,
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    client::DefaultClientContext,
    consumer::{BaseConsumer, Consumer as _},
    error::KafkaError,
    producer::{BaseRecord, DefaultProducerContext, ThreadedProducer},
};
use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    time::{Duration, Instant},
};

/// Bytes of a record: about those of a transaction and of its score's reply.
const RECORD_BYTES: usize = 512;
/// How long the last records of a round may take to come back, and the first one to go round.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a thread waits for records until it looks whether it is to end.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Records that came back and were not counted yet.
const BACK_MAX: usize = 65_536;
/// How long the broker keeps records should the topics stay, because this process was killed.
const RETENTION: Duration = Duration::from_secs(3_600);

/// Two topics and what moves records between them.
pub struct RoundTrip {
    kafka: KafkaConfig,
    topics: [String; 2],
    producer: ThreadedProducer<DefaultProducerContext>,
    /// Times in records count from here.
    origin: Instant,
    next_number: AtomicU64,
    back: Mutex<Receiver<Back>>,
    ended: Arc<AtomicBool>,
}

/// A record's number and the time since it was due, or why no more will come.
type Back = Result<(u64, Duration), RuntimeError>;

/// What came back of a round.
#[derive(Debug, Clone, Default)]
pub struct Round {
    /// From the time each record was due to when it was back.
    pub latencies: Vec<Duration>,
    /// From the time each was due to when it went out.
    pub lateness: Vec<Duration>,
    /// Records that did not come back.
    pub lost: u64,
    /// How long sending took, from the first time due to the last record that went out.
    pub sending: Duration,
}

impl RoundTrip {
    /// Makes the topics and waits until a record has gone round. [`close`](Self::close) deletes them.
    ///
    /// # Errors
    /// When the broker does not make the topics, or no record comes back; no topic is left then.
    pub async fn open(log: &Log) -> Result<Self, RuntimeError> {
        let id = uuid::Uuid::new_v4();
        let kafka = log.kafka().clone();
        let topics = ["there", "back"].map(|way| format!("{}bench-{id}-{way}", kafka.topic_prefix));
        make(&kafka, &topics).await?;
        let opened = tokio::task::spawn_blocking({
            let (kafka, topics) = (kafka.clone(), topics.clone());
            move || {
                let trip = Self::connect(kafka, topics)?;
                let first = trip.round(std::iter::once_with(Instant::now))?;
                if first.lost == 0 { Ok(trip) } else { Err(RuntimeError::Transient("no record comes back".into())) }
            }
        });
        let opened =
            opened.await.unwrap_or_else(|error| Err(RuntimeError::Fatal(format!("a thread panicked: {error}"))));
        if opened.is_err() {
            delete(&kafka, &topics).await?;
        }
        opened
    }

    fn connect(kafka: KafkaConfig, topics: [String; 2]) -> Result<Self, RuntimeError> {
        let ended = Arc::new(AtomicBool::new(false));
        let origin = Instant::now();
        let [there, back] = [0, 1].map(|way: usize| consumer(&kafka, &topics[way]));
        let (sender, receiver) = sync_channel(BACK_MAX);
        echo(there?, producer(&kafka)?, topics[1].clone(), sender.clone(), Arc::clone(&ended));
        collect(back?, origin, sender, Arc::clone(&ended));
        let producer = producer(&kafka)?;
        Ok(Self { kafka, topics, producer, origin, next_number: AtomicU64::new(0), back: Mutex::new(receiver), ended })
    }

    /// Sends a record whenever `due` gives the time that one was due, and waits until all are back. Blocks; one round at a time.
    ///
    /// # Errors
    /// When the client cannot take more records, or a consumer cannot go on.
    pub fn round(&self, due: impl Iterator<Item = Instant>) -> Result<Round, RuntimeError> {
        let back = self.back.lock().unwrap_or_else(PoisonError::into_inner);
        let first = self.next_number.load(Ordering::Relaxed);
        let (mut round, mut sent, mut begin) = (Round::default(), 0, None);
        for time in due.take_while(|_| !self.ended.load(Ordering::Relaxed)) {
            begin.get_or_insert(time);
            self.send(first + sent, time)?;
            sent += 1;
            round.lateness.push(time.elapsed());
            while let Ok(record) = back.try_recv() {
                round.add(first, record?);
            }
        }
        round.sending = begin.map_or(Duration::ZERO, |begin| begin.elapsed());
        self.next_number.store(first + sent, Ordering::Relaxed);
        let until = Instant::now() + PATIENCE;
        while (round.latencies.len() as u64) < sent && !self.ended.load(Ordering::Relaxed) {
            match back.recv_timeout(until.saturating_duration_since(Instant::now()).min(LOOK_EVERY)) {
                Ok(record) => round.add(first, record?),
                Err(_) if Instant::now() < until => {}
                Err(_) => break,
            }
        }
        round.lost = sent - round.latencies.len() as u64;
        Ok(round)
    }

    fn send(&self, number: u64, due: Instant) -> Result<(), RuntimeError> {
        let mut payload = [0; RECORD_BYTES];
        let due = due.saturating_duration_since(self.origin).as_nanos() as u64;
        payload[..8].copy_from_slice(&number.to_le_bytes());
        payload[8..16].copy_from_slice(&due.to_le_bytes());
        // The rest is as hard to compress as ids and amounts are.
        for (at, byte) in payload.iter_mut().enumerate().skip(16) {
            *byte = (number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (at % 57)) as u8 ^ at as u8;
        }
        produce(&self.producer, &self.topics[0], &payload)
    }

    /// Ends what runs and deletes the topics. A round that runs in another thread ends within a tenth of a second.
    ///
    /// # Errors
    /// When the broker does not delete them; the message names them.
    pub async fn close(&self) -> Result<(), RuntimeError> {
        self.ended.store(true, Ordering::Relaxed);
        delete(&self.kafka, &self.topics).await
    }
}

impl Drop for RoundTrip {
    /// The threads end, whatever happened. Topics are [`close`](Self::close)'s: deleting them takes an answer of the broker.
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
    }
}

impl Round {
    /// Takes in a record of this round; one that an earlier round has given up is none.
    fn add(&mut self, first: u64, (number, latency): (u64, Duration)) {
        if number >= first {
            self.latencies.push(latency);
        }
    }
}

/// As the gateway appends, but for its millisecond of waiting for more: the way is as fast as the broker lets it be.
fn producer(config: &KafkaConfig) -> Result<ThreadedProducer<DefaultProducerContext>, RuntimeError> {
    let mut producer = event_producer(config, "bench");
    producer.set("linger.ms", "0");
    producer.create().map_err(|error| RuntimeError::Fatal(format!("kafka configuration: {error}")))
}

fn produce(
    producer: &ThreadedProducer<DefaultProducerContext>,
    topic: &str,
    payload: &[u8],
) -> Result<(), RuntimeError> {
    let record = BaseRecord::<(), [u8]>::to(topic).partition(0).payload(payload);
    producer.send(record).map_err(|(error, _)| RuntimeError::kafka(&format!("producing to {topic}"), &error))
}

fn consumer(config: &KafkaConfig, topic: &str) -> Result<BaseConsumer, RuntimeError> {
    let failed = |error: KafkaError| RuntimeError::kafka(&format!("reading {topic}"), &error);
    let mut consumer = kafka::reader(config, "bench");
    consumer.set("enable.partition.eof", "false");
    let consumer: BaseConsumer = consumer.create().map_err(failed)?;
    // A consumer that does not know the partition's leader yet looks for it again only after half a second.
    consumer.fetch_metadata(Some(topic), request_timeout(config)).map_err(failed)?;
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(topic, 0, Offset::Beginning).map_err(failed)?;
    consumer.assign(&list).map_err(failed)?;
    Ok(consumer)
}

/// Sends back what comes.
fn echo(
    consumer: BaseConsumer,
    producer: ThreadedProducer<DefaultProducerContext>,
    back: String,
    failures: SyncSender<Back>,
    ended: Arc<AtomicBool>,
) {
    std::thread::spawn(move || {
        let outcome = each(&consumer, &ended, |payload| produce(&producer, &back, payload));
        outcome.or_else(|error| failures.send(Err(error)))
    });
}

/// Tells what comes back, and when.
fn collect(consumer: BaseConsumer, origin: Instant, back: SyncSender<Back>, ended: Arc<AtomicBool>) {
    std::thread::spawn(move || {
        let outcome = each(&consumer, &ended, |payload| {
            let now = origin.elapsed();
            let number =
                |at: usize| payload.get(at..at + 8).and_then(|bytes| bytes.try_into().ok()).map(u64::from_le_bytes);
            let (Some(record), Some(due)) = (number(0), number(8)) else { return Ok(()) };
            // Nobody listens any more: the trip is over.
            let _ = back.send(Ok((record, now.saturating_sub(Duration::from_nanos(due)))));
            Ok(())
        });
        outcome.or_else(|error| back.send(Err(error)))
    });
}

/// Does something with each record until the trip is over.
fn each(
    consumer: &BaseConsumer,
    ended: &AtomicBool,
    mut with: impl FnMut(&[u8]) -> Result<(), RuntimeError>,
) -> Result<(), RuntimeError> {
    while !ended.load(Ordering::Relaxed) {
        match consumer.poll(LOOK_EVERY) {
            Some(Ok(message)) => with(message.payload().unwrap_or_default())?,
            Some(Err(error)) if !passes(&error) => return Err(RuntimeError::kafka("reading what came back", &error)),
            _ => {}
        }
    }
    Ok(())
}

fn admin(config: &KafkaConfig) -> Result<AdminClient<DefaultClientContext>, RuntimeError> {
    client(config, "bench").create().map_err(|error| RuntimeError::Fatal(format!("kafka configuration: {error}")))
}

async fn make(config: &KafkaConfig, topics: &[String; 2]) -> Result<(), RuntimeError> {
    let retention = RETENTION.as_millis().to_string();
    let new = topics.each_ref().map(|name| {
        let replicas = TopicReplication::Fixed(config.replication_factor);
        NewTopic::new(name, 1, replicas).set("retention.ms", &retention)
    });
    let options = AdminOptions::new().operation_timeout(Some(request_timeout(config)));
    let answers = admin(config)?.create_topics(&new, &options).await;
    let answers = answers.map_err(|error| RuntimeError::kafka("making topics for the round trip", &error))?;
    let refused = answers.into_iter().find_map(Result::err);
    match refused {
        None => Ok(()),
        Some((name, code)) => {
            delete(config, topics).await?;
            Err(RuntimeError::Fatal(format!("the broker does not make the topic {name} for the round trip: {code}")))
        }
    }
}

async fn delete(config: &KafkaConfig, topics: &[String; 2]) -> Result<(), RuntimeError> {
    use rdkafka::error::RDKafkaErrorCode::UnknownTopicOrPartition;
    let left = |reason: String| {
        RuntimeError::Transient(format!("the topics {} and {} could not be deleted: {reason}", topics[0], topics[1]))
    };
    let options = AdminOptions::new().operation_timeout(Some(request_timeout(config)));
    let answers = admin(config)?.delete_topics(&topics.each_ref().map(String::as_str), &options).await;
    let answers = answers.map_err(|error| left(error.to_string()))?;
    match answers.into_iter().filter_map(Result::err).find(|(_, code)| *code != UnknownTopicOrPartition) {
        Some((_, code)) => Err(left(code.to_string())),
        None => Ok(()),
    }
}
