//! A sink's loop: polls on one thread, writes batches of each partition one after another on async tasks.

use super::{
    Sink,
    group::KafkaGroup,
    partition::{Limits, Partition, Start},
    write::Writer,
};
use crate::{
    Record, RuntimeError,
    config::KafkaConfig,
    controls::Orders,
    kafka,
    lifecycle::{Heartbeat, Shutdown},
    log::Log,
    processor::{poll_error, starting_positions},
    producer::EventProducer,
    reader::{passes, topic_name},
};
use millrace_schemas::Topic;
use rdkafka::{
    ClientContext, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer as _, ConsumerContext, Rebalance},
    error::KafkaError,
    message::Message as _,
    types::RDKafkaRespErr,
};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::{Duration, Instant},
};
use tokio::{runtime::Handle, sync::OnceCell};

/// How long a poll may wait; also how late a batch may be noticed to be old enough.
const POLL: Duration = Duration::from_millis(20);

/// What a sink's process is told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SinkConfig {
    /// Number of this process among those of the same projection.
    pub slot: u32,
    /// A batch is written when it has this many records,
    pub batch_records_max: usize,
    /// or this many bytes,
    pub batch_bytes_max: usize,
    /// or its first record has waited this long.
    pub batch_age_max_ms: u64,
    /// Batches written at the same time, over all partitions.
    pub writes_max: usize,
    /// How long one batch is tried again before the worker starts over.
    pub retry_timeout_ms: u64,
    /// A worker that finishes nothing for this long although it has work ends its process.
    pub stall_max_ms: u64,
    /// How long a shutdown or rebalance waits for writes under way.
    pub drain_timeout_ms: u64,
}

impl Default for SinkConfig {
    fn default() -> Self {
        Self {
            slot: 0,
            batch_records_max: 50_000,
            batch_bytes_max: 32 << 20,
            batch_age_max_ms: 500,
            writes_max: 2,
            retry_timeout_ms: 60_000,
            stall_max_ms: 120_000,
            drain_timeout_ms: 10_000,
        }
    }
}

/// Runs a sink until the shutdown. Starts over, with growing pauses, after what passes; returns what does not.
pub async fn run<S: Sink>(sink: Arc<S>, log: Log, config: SinkConfig, shutdown: Shutdown) -> Result<(), RuntimeError> {
    let orders = OnceCell::new();
    crate::lifecycle::restarting(S::NAME, &shutdown, || {
        run_once(Arc::clone(&sink), log.clone(), config.clone(), &orders, shutdown.clone())
    })
    .await
}

async fn run_once<S: Sink>(
    sink: Arc<S>,
    log: Log,
    config: SinkConfig,
    orders: &OnceCell<Orders>,
    shutdown: Shutdown,
) -> Result<(), RuntimeError> {
    log.check_topics().await?;
    log.check_settings().await?;
    let orders = orders.get_or_try_init(|| Orders::follow(&log, S::NAME, &shutdown)).await?.clone();
    let epoch = log.epoch().await?;
    let dead_letters = EventProducer::connect(&log, S::NAME).await?;
    let beat = Heartbeat::default();
    let (kafka, beating, stall_max) = (log.kafka().clone(), beat.clone(), Duration::from_millis(config.stall_max_ms));
    let thread = tokio::task::spawn_blocking(move || {
        Worker::start(sink, &kafka, config, epoch, dead_letters, orders, beating)?.run(&shutdown)
    });
    beat.watch(thread, stall_max).await
}

type Key = (Topic, i32);

struct Worker<S: Sink> {
    consumer: Arc<BaseConsumer<Assignment>>,
    kafka: KafkaConfig,
    topics: BTreeMap<String, Topic>,
    partitions: BTreeMap<Key, Partition>,
    writer: Arc<Writer<S, KafkaGroup>>,
    limits: Limits,
    config: SinkConfig,
    epoch: String,
    runtime: Handle,
    orders: Orders,
    /// Whether an operator has the partitions paused.
    is_paused: bool,
    beat: Heartbeat,
    written: usize,
    /// Which assignment the partitions are of.
    assignment: u64,
}

impl<S: Sink> Worker<S> {
    fn start(
        sink: Arc<S>,
        kafka: &KafkaConfig,
        config: SinkConfig,
        epoch: String,
        dead_letters: EventProducer,
        orders: Orders,
        beat: Heartbeat,
    ) -> Result<Self, RuntimeError> {
        let consumer: BaseConsumer<Assignment> = kafka::batch_consumer(kafka, &sink.group(), config.slot)
            .create_with_context(Assignment::default())
            .map_err(|error| RuntimeError::Fatal(format!("kafka configuration: {error}")))?;
        let consumer = Arc::new(consumer);
        let topics: BTreeMap<String, Topic> =
            sink.topics().into_iter().map(|topic| (topic_name(kafka, topic), topic)).collect();
        let names: Vec<&str> = topics.keys().map(String::as_str).collect();
        consumer.subscribe(&names).map_err(|error| RuntimeError::kafka("subscribing", &error))?;
        let limits = Limits {
            records: config.batch_records_max,
            bytes: config.batch_bytes_max,
            age: Duration::from_millis(config.batch_age_max_ms),
        };
        let group = KafkaGroup { consumer: Arc::clone(&consumer), dead_letters, kafka: kafka.clone() };
        let writer = Arc::new(Writer::new(sink, group, epoch.clone(), &config));
        tracing::info!(sink = S::NAME, slot = config.slot, "projector started");
        Ok(Self {
            consumer,
            kafka: kafka.clone(),
            topics,
            partitions: BTreeMap::new(),
            writer,
            limits,
            config,
            epoch,
            runtime: Handle::current(),
            orders,
            is_paused: false,
            beat,
            written: 0,
            assignment: 0,
        })
    }

    fn run(mut self, shutdown: &Shutdown) -> Result<(), RuntimeError> {
        let mut last_look = Instant::now();
        while !shutdown.is_cancelled() {
            self.follow_assignment()?;
            self.follow_operator()?;
            self.poll()?;
            self.follow_assignment()?;
            self.finish_writes()?;
            self.begin_writes();
            if last_look.elapsed() > Duration::from_secs(1) {
                last_look = Instant::now();
                self.report();
            }
        }
        tracing::info!(sink = S::NAME, "draining");
        self.drain()
    }

    fn follow_assignment(&mut self) -> Result<(), RuntimeError> {
        for change in self.consumer.context().take() {
            match change {
                Change::Assigned(starts) => {
                    self.assignment = self.consumer.context().held();
                    for (name, number, offset, metadata) in starts {
                        let Some(topic) = self.topics.get(&name).copied() else { continue };
                        let stored = self.runtime.block_on(self.writer.position(topic, number))?;
                        let start = Start::check(&self.epoch, offset, &metadata, stored)
                            .map_err(|reason| RuntimeError::Fatal(format!("{name} partition {number}: {reason}")))?;
                        self.partitions.insert((topic, number), Partition::new(start));
                        if !self.is_paused {
                            self.consumer
                                .resume(&list(&name, number))
                                .map_err(|error| RuntimeError::kafka("resuming", &error))?;
                        }
                        self.beat.beat();
                    }
                }
                Change::Revoked => self.partitions.clear(),
                Change::Failed(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Stops or begins to fetch, as the operator wants it. What was taken already is written either way.
    fn follow_operator(&mut self) -> Result<(), RuntimeError> {
        let pauses = self.orders.is_paused();
        if pauses == self.is_paused {
            return Ok(());
        }
        let mut list = TopicPartitionList::new();
        for ((topic, number), _) in self.partitions.iter().filter(|(_, partition)| !partition.paused) {
            list.add_partition(&topic_name(&self.kafka, *topic), *number);
        }
        let done = if pauses { self.consumer.pause(&list) } else { self.consumer.resume(&list) };
        done.map_err(|error| RuntimeError::kafka("pausing or resuming", &error))?;
        self.is_paused = pauses;
        Ok(())
    }

    /// Takes what the client has fetched, up to a batch.
    fn poll(&mut self) -> Result<(), RuntimeError> {
        let consumer = Arc::clone(&self.consumer);
        let mut wait = POLL;
        for _ in 0..self.limits.records {
            match consumer.poll(wait) {
                None => break,
                Some(Ok(message)) => {
                    let Some(topic) = self.topics.get(message.topic()).copied() else { continue };
                    self.take(Record::copy(topic, &message), message.topic())?;
                }
                Some(Err(error)) if passes(&error) => {
                    tracing::debug!(sink = S::NAME, error = %error, "polling meets a passing error");
                    break;
                }
                Some(Err(error)) => return Err(poll_error(&error)),
            }
            wait = Duration::ZERO;
        }
        Ok(())
    }

    fn take(&mut self, record: Record, name: &str) -> Result<(), RuntimeError> {
        let key = (record.topic, record.partition);
        let Some(partition) = self.partitions.get_mut(&key) else {
            return Err(RuntimeError::Transient(format!(
                "a record of {name} partition {}, which is not assigned",
                key.1
            )));
        };
        partition
            .take(record)
            .map_err(|reason| RuntimeError::Fatal(format!("{name} partition {}: {reason}", key.1)))?;
        if partition.is_full(&self.limits) && !partition.paused {
            self.consumer.pause(&list(name, key.1)).map_err(|error| RuntimeError::kafka("pausing", &error))?;
            partition.paused = true;
        }
        Ok(())
    }

    /// Settles writes that have ended.
    fn finish_writes(&mut self) -> Result<(), RuntimeError> {
        for (key, partition) in &mut self.partitions {
            let Some(write) = partition.writing.take_if(|write| write.is_finished()) else { continue };
            let ended = self
                .runtime
                .block_on(write)
                .unwrap_or_else(|error| Err(RuntimeError::Fatal(format!("a write panicked: {error}"))));
            partition.stored = ended?;
            self.written += 1;
            if partition.paused && !partition.is_half_full(&self.limits) {
                let name = self.topics.iter().find(|(_, topic)| **topic == key.0).map_or("", |(name, _)| name);
                if !self.is_paused {
                    self.consumer
                        .resume(&list(name, key.1))
                        .map_err(|error| RuntimeError::kafka("resuming", &error))?;
                }
                partition.paused = false;
            }
        }
        Ok(())
    }

    /// Begins a write for every partition that has a batch ready and none under way.
    fn begin_writes(&mut self) {
        for (key, partition) in &mut self.partitions {
            if partition.writing.is_some() {
                continue;
            }
            partition.until = self.writer.until(key.0, key.1);
            if let Some(cut) = partition.batch(*key, &self.epoch, &self.limits) {
                let writer = Arc::clone(&self.writer);
                let (stored, unresolved, assignment) = (partition.stored, partition.resolve(), self.assignment);
                partition.writing =
                    Some(self.runtime.spawn(async move { writer.write(cut, stored, unresolved, assignment).await }));
            }
        }
    }

    /// Waits for the writes under way; what is only collected is read again by whoever comes next.
    fn drain(&mut self) -> Result<(), RuntimeError> {
        let until = Instant::now() + Duration::from_millis(self.config.drain_timeout_ms);
        while self.partitions.values().any(|partition| partition.writing.is_some()) {
            self.finish_writes()?;
            if Instant::now() > until {
                return Err(RuntimeError::Transient("writes under way did not end in time".into()));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    fn report(&self) {
        let oldest = self.partitions.values().filter_map(Partition::oldest).min();
        self.beat.progress(self.written, oldest.is_some());
        crate::lifecycle::report_oldest(S::NAME, oldest);
    }
}

pub(super) fn list(topic: &str, partition: i32) -> TopicPartitionList {
    let mut list = TopicPartitionList::new();
    list.add_partition(topic, partition);
    list
}

enum Change {
    /// Topic, partition, committed offset (`None`: never) and its metadata.
    Assigned(Vec<(String, i32, Option<i64>, String)>),
    Revoked,
    Failed(RuntimeError),
}

/// Serves rebalances inside `poll`: begins new partitions paused, at an explicit offset.
#[derive(Default)]
pub(super) struct Assignment {
    changes: Mutex<Vec<Change>>,
    /// Counts assignments; a write belongs to one and commits only under it. Held for reading while a commit is under way, so
    /// that a partition is not given away meanwhile.
    held: RwLock<u64>,
}

impl Assignment {
    fn take(&self) -> Vec<Change> {
        std::mem::take(&mut self.changes.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Which assignment holds now.
    fn held(&self) -> u64 {
        *self.held.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something only while an assignment holds; it is not taken away before that is done. `None` when it was.
    pub(super) fn while_held<T>(&self, assignment: u64, work: impl FnOnce() -> T) -> Option<T> {
        let held = self.held.read().unwrap_or_else(PoisonError::into_inner);
        (*held == assignment).then(work)
    }

    fn note(&self, change: Change) {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner).push(change);
    }

    fn assign(consumer: &BaseConsumer<Self>, assigned: &TopicPartitionList) -> Result<Change, KafkaError> {
        let positions = starting_positions(consumer, assigned)?;
        consumer.assign(&positions)?;
        consumer.pause(&positions)?;
        let start = |element: &rdkafka::topic_partition_list::TopicPartitionListElem<'_>| {
            let offset = match element.offset() {
                Offset::Offset(offset) => Some(offset),
                _ => None,
            };
            (element.topic().to_owned(), element.partition(), offset, element.metadata().to_owned())
        };
        Ok(Change::Assigned(positions.elements().iter().map(start).collect()))
    }
}

impl ClientContext for Assignment {}

impl ConsumerContext for Assignment {
    fn rebalance(&self, consumer: &BaseConsumer<Self>, error: RDKafkaRespErr, list: &mut TopicPartitionList) {
        if error == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS {
            match Self::assign(consumer, list) {
                Ok(change) => self.note(change),
                Err(error) => self.note(Change::Failed(RuntimeError::kafka("taking over partitions", &error))),
            }
            return;
        }
        // A write under way may end in the store but not in the group: its intent stands beside the group's offset, and whoever
        // comes next writes the same batch with the same token.
        *self.held.write().unwrap_or_else(PoisonError::into_inner) += 1;
        self.note(Change::Revoked);
        if let Err(error) = consumer.unassign() {
            self.note(Change::Failed(RuntimeError::kafka("giving partitions away", &error)));
        }
    }

    fn pre_rebalance(&self, _: &BaseConsumer<Self>, _: &Rebalance<'_>) {}
}
