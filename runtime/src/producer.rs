//! Appending events one by one, each with its acknowledgement. What the gateway stands on.

use crate::{
    Headers, RuntimeError,
    config::KafkaConfig,
    kafka,
    log::{Log, Schemas},
    metrics as names,
};
use millrace_schemas::{Event, Topic, wire::EncodeError};
use rdkafka::{
    error::{KafkaError, RDKafkaErrorCode},
    producer::{FutureProducer, FutureRecord, Producer as _},
};
use std::{
    collections::BTreeMap,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

/// How often the broker is asked whether it is there.
const PROBE_EVERY: Duration = Duration::from_millis(500);
/// How long the broker may be silent before the client is made anew: librdkafka can lose all brokers from its view for good.
const RENEW_AFTER: Duration = Duration::from_secs(30);

/// Where an event was stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// Partition.
    pub partition: i32,
    /// Offset.
    pub offset: i64,
    /// Epoch milliseconds: the broker's append time where the topic has it.
    pub timestamp: i64,
}

/// Why an event is not known to be stored.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// No acknowledgement in time, or no room to wait for one. The event may be stored: try again with the same id.
    #[error("the broker does not acknowledge: {0}")]
    Unavailable(String),
    /// Larger than the broker takes.
    #[error("the event has {bytes} bytes; at most {max} are taken")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The limit.
        max: usize,
    },
    /// A defect of the program.
    #[error(transparent)]
    Encode(#[from] EncodeError),
}

impl AppendError {
    fn outcome(&self) -> &'static str {
        match self {
            Self::Unavailable(_) => "unavailable",
            Self::TooLarge { .. } => "too_large",
            Self::Encode(_) => "encode",
        }
    }
}

/// Appends events and says when they are stored. Cheap to clone.
#[derive(Clone)]
pub struct EventProducer {
    inner: Arc<Inner>,
}

struct Inner {
    config: KafkaConfig,
    client_id: String,
    schemas: Schemas,
    names: BTreeMap<Topic, String>,
    client: RwLock<FutureProducer>,
    reachable: AtomicBool,
}

impl EventProducer {
    /// Makes a producer of the log's events and begins to watch the broker. The log's schemas must be there.
    pub async fn connect(log: &Log, client_id: &str) -> Result<Self, RuntimeError> {
        let schemas = log.codec().await?;
        let client = create(log.kafka(), client_id)?;
        let names = Topic::ALL.iter().map(|topic| (*topic, log.topic_name(*topic))).collect();
        let inner = Arc::new(Inner {
            config: log.kafka().clone(),
            client_id: client_id.to_owned(),
            schemas,
            names,
            client: RwLock::new(client),
            reachable: AtomicBool::new(true),
        });
        watch(&inner);
        Ok(Self { inner })
    }

    /// Appends an event to its topic. Resolves when it is stored on all in-sync replicas, or fails by the configured deadline.
    ///
    /// The event is in the client's queue, in the order of calls, when this function has been polled once.
    pub async fn append<E: Event>(&self, event: &E, headers: Headers) -> Result<Appended, AppendError> {
        self.counted(None, event, &headers).await
    }

    /// Appends an event to a partition: that of the record it is derived from.
    pub(crate) async fn append_to<E: Event>(
        &self,
        partition: i32,
        event: &E,
        headers: Headers,
    ) -> Result<Appended, AppendError> {
        self.counted(Some(partition), event, &headers).await
    }

    async fn counted<E: Event>(
        &self,
        partition: Option<i32>,
        event: &E,
        headers: &Headers,
    ) -> Result<Appended, AppendError> {
        let result = self.send(partition, event, headers).await;
        let outcome = result.as_ref().map_or_else(AppendError::outcome, |_| "ok");
        names::count(
            names::PRODUCER_EVENTS_TOTAL,
            &[("topic", E::TOPIC.name().into()), ("outcome", outcome.into())],
            1,
        );
        result
    }

    async fn send<E: Event>(
        &self,
        partition: Option<i32>,
        event: &E,
        headers: &Headers,
    ) -> Result<Appended, AppendError> {
        let value = self.inner.schemas.codec().encode(event)?;
        let key = event.key();
        let max = self.inner.config.max_message_bytes;
        let bytes = value.len() + key.len();
        if bytes > max {
            return Err(AppendError::TooLarge { bytes, max });
        }
        let mut record =
            FutureRecord::to(&self.inner.names[&E::TOPIC]).key(&key).payload(&value).headers(headers.to_kafka());
        record.partition = partition;
        let delivery = self.client().send_result(record).map_err(|(error, _)| failed(&error, bytes, max))?;
        match delivery.await {
            Ok(Ok(stored)) => Ok(Appended {
                partition: stored.partition,
                offset: stored.offset,
                timestamp: stored.timestamp.to_millis().unwrap_or(0),
            }),
            Ok(Err((error, _))) => Err(failed(&error, bytes, max)),
            Err(_) => Err(AppendError::Unavailable("the producer was made anew".into())),
        }
    }

    /// `Err` with the reason as soon as writes cannot be acknowledged.
    pub fn health(&self) -> Result<(), String> {
        if self.inner.reachable.load(Ordering::Relaxed) { Ok(()) } else { Err("the broker does not answer".into()) }
    }

    /// The codec events are written with.
    pub fn schemas(&self) -> &Schemas {
        &self.inner.schemas
    }

    fn client(&self) -> FutureProducer {
        self.inner.client.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn create(config: &KafkaConfig, client_id: &str) -> Result<FutureProducer, RuntimeError> {
    kafka::event_producer(config, client_id)
        .create()
        .map_err(|error| RuntimeError::Fatal(format!("kafka configuration: {error}")))
}

fn failed(error: &KafkaError, bytes: usize, max: usize) -> AppendError {
    match error.rdkafka_error_code() {
        Some(RDKafkaErrorCode::MessageSizeTooLarge) => AppendError::TooLarge { bytes, max },
        Some(RDKafkaErrorCode::QueueFull) => {
            AppendError::Unavailable("the queue of unacknowledged events is full".into())
        }
        _ => AppendError::Unavailable(error.to_string()),
    }
}

/// Asks the broker for a topic's leaders again and again; ends when the last producer is dropped.
fn watch(inner: &Arc<Inner>) {
    let weak = Arc::downgrade(inner);
    std::thread::spawn(move || {
        let mut silent_since: Option<Instant> = None;
        while let Some(inner) = weak.upgrade() {
            let reachable = probe(&inner);
            if inner.reachable.swap(reachable, Ordering::Relaxed) != reachable {
                tracing::warn!(reachable, "the broker {}", if reachable { "answers again" } else { "does not answer" });
            }
            let silent = silent_since.get_or_insert_with(Instant::now);
            if reachable {
                silent_since = None;
            } else if silent.elapsed() > RENEW_AFTER {
                silent_since = None;
                renew(&inner);
            }
            drop(inner);
            std::thread::sleep(PROBE_EVERY);
        }
    });
}

fn probe(inner: &Inner) -> bool {
    let client = inner.client.read().unwrap_or_else(PoisonError::into_inner).clone();
    if let Some((_, reason)) = client.client().fatal_error() {
        tracing::error!(reason, "the client cannot go on and is made anew");
        renew(inner);
        return false;
    }
    let topic = &inner.names[&Topic::Transactions];
    client.client().fetch_metadata(Some(topic), Duration::from_secs(1)).is_ok_and(|metadata| {
        metadata
            .topics()
            .iter()
            .all(|topic| !topic.partitions().is_empty() && topic.partitions().iter().all(|p| p.leader() >= 0))
    })
}

fn renew(inner: &Inner) {
    match create(&inner.config, &inner.client_id) {
        Ok(client) => {
            tracing::warn!("the broker has not answered for {} s; the client is made anew", RENEW_AFTER.as_secs());
            *inner.client.write().unwrap_or_else(PoisonError::into_inner) = client;
        }
        Err(error) => tracing::error!(error = %error, "the client cannot be made anew"),
    }
}
