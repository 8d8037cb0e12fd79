//! Kafka transactions by hand, one at a time: for relays, for what an operator does to the log, and to end what was left open.

use crate::{Headers, RuntimeError, config::KafkaConfig, kafka, log::Log, producer::Appended, reader::topic_name};
use millrace_schemas::Topic;
use rdkafka::{
    ClientContext, Message as _, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer as _},
    error::{KafkaError, RDKafkaErrorCode},
    message::DeliveryResult,
    producer::{BaseProducer, BaseRecord, Producer as _, ProducerContext},
};
use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// Longest a call of a transaction may take.
const CALL_TIMEOUT: Duration = Duration::from_secs(12);

/// Least time between two transactions. Each costs the broker as much as many records do, and back to back they meet
/// CONCURRENT_TRANSACTIONS, for which librdkafka waits longer. Clients that wait for a score have their reply before the commit.
pub(crate) const BETWEEN_TRANSACTIONS: Duration = Duration::from_millis(100);

/// Pause between two looks for what the broker acknowledged.
const LOOK: Duration = Duration::from_micros(500);

/// Takes what the broker has acknowledged, and rests a moment where it was nothing. Polling with a timeout would last as long as that
/// whatever comes, and spin in its last millisecond, which the library cuts to none.
pub(crate) fn serve<C: ProducerContext>(producer: &BaseProducer<C>) {
    let before = producer.in_flight_count();
    producer.poll(Duration::ZERO);
    if producer.in_flight_count() >= before {
        std::thread::sleep(LOOK);
    }
}

/// Waits until the broker has acknowledged everything. `commit_transaction` would too, in steps of 100 ms.
pub(crate) fn delivered<C: ProducerContext>(producer: &BaseProducer<C>) -> Result<(), RuntimeError> {
    let until = Instant::now() + CALL_TIMEOUT;
    while producer.in_flight_count() > 0 {
        serve(producer);
        if Instant::now() > until {
            return Err(RuntimeError::Transient("the broker does not acknowledge what is written".into()));
        }
    }
    Ok(())
}

/// A record to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Outgoing {
    pub(crate) topic: Topic,
    /// The key's own partition where there is none.
    pub(crate) partition: Option<i32>,
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) value: Vec<u8>,
    pub(crate) headers: Headers,
}

/// Writes in transactions under an id that only one process has at a time: whoever takes it over fences the one before, whose open
/// transaction is ended first. So what is read after the start is all that was ever committed under the id, and stays so until
/// this one's own commit, or that commit fails.
pub(crate) struct Transactions {
    producer: BaseProducer<Deliveries>,
    kafka: KafkaConfig,
    id: String,
}

/// Where the records of the open transaction were stored, by their number, or what went wrong.
#[derive(Default)]
struct Deliveries(Mutex<(BTreeMap<usize, Appended>, Option<String>)>);

impl ClientContext for Deliveries {}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, number: usize) {
        let mut deliveries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match result {
            Ok(stored) => {
                let timestamp = stored.timestamp().to_millis().unwrap_or(0);
                let at = Appended { partition: stored.partition(), offset: stored.offset(), timestamp };
                deliveries.0.insert(number, at);
            }
            Err((error, message)) => {
                deliveries.1.get_or_insert(format!("writing to {}: {error}", message.topic()));
            }
        }
    }
}

/// A group that nobody joins: its offsets are committed with transactions, whose fencing is all there is against a second writer.
pub(crate) struct Group(BaseConsumer);

impl Group {
    pub(crate) fn new(config: &KafkaConfig, name: &str) -> Result<Self, RuntimeError> {
        let consumer = kafka::reader(config, name).set("group.id", kafka::group_id(config, name)).create();
        consumer.map(Self).map_err(|error| RuntimeError::Fatal(format!("kafka configuration: {error}")))
    }
}

impl Transactions {
    /// Takes over a transactional id.
    pub(crate) fn begin_as(log: &Log, id: &str) -> Result<Self, RuntimeError> {
        Self::in_slot(log, id, 0)
    }

    /// Takes over the transactional id of a slot.
    pub(crate) fn in_slot(log: &Log, id: &str, slot: u32) -> Result<Self, RuntimeError> {
        let kafka = log.kafka().clone();
        let producer: BaseProducer<Deliveries> =
            kafka::transactional_producer(&kafka, id, slot, 4 * kafka.max_message_bytes)
                .create_with_context(Deliveries::default())
                .map_err(|error| RuntimeError::Fatal(format!("kafka configuration: {error}")))?;
        producer.init_transactions(CALL_TIMEOUT).map_err(|error| RuntimeError::kafka("init_transactions", &error))?;
        Ok(Self { producer, kafka, id: id.to_owned() })
    }

    /// Does some work in one transaction; what it wrote is committed when it succeeds and aborted when it fails.
    pub(crate) fn write<T>(&self, work: impl FnOnce(&Self) -> Result<T, RuntimeError>) -> Result<T, RuntimeError> {
        let done = self.begin().and_then(|()| work(self)).and_then(|done| self.commit().map(|()| done));
        done.map_err(|error| {
            if let Some((_, reason)) = self.producer.client().fatal_error() {
                let id = &self.id;
                return RuntimeError::Fenced(format!("another process does the same ({id}) and took over: {reason}"));
            }
            // What cannot be aborted now is by whoever takes the id over, or by the broker in a while.
            let _ = self.producer.abort_transaction(CALL_TIMEOUT);
            error
        })
    }

    /// Does some work in one transaction, of which nothing stays.
    pub(crate) fn abort(&self, work: impl FnOnce(&Self) -> Result<(), RuntimeError>) -> Result<(), RuntimeError> {
        self.begin()?;
        let worked = work(self);
        let aborted = self.producer.abort_transaction(CALL_TIMEOUT);
        worked.and(aborted.map_err(|error| RuntimeError::kafka("abort_transaction", &error)))
    }

    /// Brings the offsets of a group into the open transaction, which must be aborted: what it would commit means nothing.
    pub(crate) fn touch_offsets(&self, group: &str, topic: Topic) -> Result<(), RuntimeError> {
        self.send_offsets(&Group::new(&self.kafka, group)?, [(topic, 0, 0, String::new())].into_iter())
    }

    /// Commits offsets of a group without members with the open transaction: topic, partition, the next offset to be read, and what is
    /// noted beside it.
    pub(crate) fn send_offsets(
        &self,
        group: &Group,
        offsets: impl Iterator<Item = (Topic, i32, i64, String)>,
    ) -> Result<(), RuntimeError> {
        let failed = |error| RuntimeError::kafka("naming an offset", &error);
        let mut list = TopicPartitionList::new();
        for (topic, partition, next, note) in offsets {
            let mut element = list.add_partition(&topic_name(&self.kafka, topic), partition);
            element.set_offset(Offset::Offset(next)).map_err(failed)?;
            element.set_metadata(note);
        }
        let nobody = group
            .0
            .group_metadata()
            .ok_or_else(|| RuntimeError::Fatal(format!("the client of {} does not name its group", self.id)))?;
        let until = Instant::now() + CALL_TIMEOUT;
        loop {
            match self.producer.send_offsets_to_transaction(&list, &nobody, CALL_TIMEOUT) {
                Ok(()) => return Ok(()),
                Err(KafkaError::Transaction(error)) if error.is_retriable() && Instant::now() < until => {
                    std::thread::sleep(Duration::from_millis(20));
                }
                Err(error) => return Err(RuntimeError::kafka("send_offsets_to_transaction", &error)),
            }
        }
    }

    fn begin(&self) -> Result<(), RuntimeError> {
        self.producer.begin_transaction().map_err(|error| RuntimeError::kafka("begin_transaction", &error))
    }

    fn commit(&self) -> Result<(), RuntimeError> {
        let until = Instant::now() + CALL_TIMEOUT;
        loop {
            match self.producer.commit_transaction(CALL_TIMEOUT) {
                Ok(()) => return Ok(()),
                Err(KafkaError::Transaction(error)) if error.is_retriable() && Instant::now() < until => {}
                Err(error) => return Err(RuntimeError::kafka("commit_transaction", &error)),
            }
        }
    }

    /// Writes records into the open transaction and waits until the broker has them; says where, in their order.
    pub(crate) fn send(&self, records: &[Outgoing]) -> Result<Vec<Appended>, RuntimeError> {
        *self.deliveries() = Default::default();
        for (number, record) in records.iter().enumerate() {
            self.send_one(number, record)?;
        }
        delivered(&self.producer)?;
        let (stored, failure) = std::mem::take(&mut *self.deliveries());
        match failure {
            Some(reason) => Err(RuntimeError::Transient(reason)),
            None => Ok(stored.into_values().collect()),
        }
    }

    fn send_one(&self, number: usize, record: &Outgoing) -> Result<(), RuntimeError> {
        let name = topic_name(&self.kafka, record.topic);
        let mut outgoing = BaseRecord::<[u8], [u8], usize>::with_opaque_to(&name, number)
            .payload(&record.value)
            .headers(record.headers.to_kafka());
        outgoing.partition = record.partition;
        outgoing.key = record.key.as_deref();
        let until = Instant::now() + CALL_TIMEOUT;
        loop {
            match self.producer.send(outgoing) {
                Ok(()) => return Ok(()),
                Err((error, back))
                    if error.rdkafka_error_code() == Some(RDKafkaErrorCode::QueueFull) && Instant::now() < until =>
                {
                    serve(&self.producer);
                    outgoing = back;
                }
                Err((error, _)) => return Err(RuntimeError::kafka(&format!("writing to {name}"), &error)),
            }
        }
    }

    fn deliveries(&self) -> std::sync::MutexGuard<'_, (BTreeMap<usize, Appended>, Option<String>)> {
        self.producer.context().0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
