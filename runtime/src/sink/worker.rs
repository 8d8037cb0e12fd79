//! A sink's loop: polls on one thread, writes batches of each partition one after another on async tasks.

use super::{
    Sink, again,
    assignment::{Assignment, Change, Position},
    cut::Cut,
    group::KafkaGroup,
    intent::Piece,
    partition::{Limits, Partition, Start},
    write::{Stored, Writer},
};
use crate::{
    Record, RuntimeError,
    config::KafkaConfig,
    controls::Orders,
    kafka,
    lifecycle::{Heartbeat, Shutdown},
    log::Log,
    processor::poll_error,
    producer::EventProducer,
    reader::{passes, topic_name},
};
use millrace_schemas::Topic;
use rdkafka::{
    TopicPartitionList,
    consumer::{BaseConsumer, Consumer as _},
    message::Message as _,
};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{runtime::Handle, sync::OnceCell, task::JoinHandle};

/// How long a poll may wait; also how late a batch may be noticed to be old enough.
const POLL: Duration = Duration::from_millis(20);

/// What a sink's process is told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SinkConfig {
    /// Number of this process among those of the same projection.
    pub slot: u32,
    /// A batch has at most this many records, and is written when as many wait in a partition,
    pub batch_records_max: usize,
    /// or this many bytes (it has at most so many, but for a larger record),
    pub batch_bytes_max: usize,
    /// or a partition's first record has waited this long.
    pub batch_age_max_ms: u64,
    /// Batches written at the same time, over all topics.
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
            batch_age_max_ms: 250,
            writes_max: 4,
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
    /// Writes under way, and what of.
    writes: Vec<(Topic, JoinHandle<Result<Stored, RuntimeError>>)>,
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
            writes: Vec::new(),
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
                    self.begin(starts)?;
                }
                Change::Revoked => {
                    self.partitions.clear();
                    self.writes.clear();
                }
                Change::Failed(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Begins with partitions: what an earlier process was writing of them first.
    fn begin(&mut self, positions: Vec<Position>) -> Result<(), RuntimeError> {
        let mut starts: BTreeMap<Topic, BTreeMap<i32, Start>> = BTreeMap::new();
        for (name, number, offset, metadata) in positions {
            let Some(topic) = self.topics.get(&name).copied() else { continue };
            let stored = self.runtime.block_on(self.writer.position(topic, number))?;
            let start = Start::check(&self.epoch, number, offset, &metadata, stored)
                .map_err(|reason| RuntimeError::Fatal(format!("{name} partition {number}: {reason}")))?;
            starts.entry(topic).or_default().insert(number, start);
            self.beat.beat();
        }
        for (topic, mut starts) in starts {
            let read = |piece: &Piece| again::read(&self.kafka, topic, piece);
            self.runtime.block_on(self.writer.resolve(topic, &mut starts, self.assignment, read))?;
            self.beat.beat();
            for (number, start) in starts {
                self.partitions.insert((topic, number), Partition::new(start));
                if !self.is_paused {
                    self.resume(topic, number)?;
                }
            }
        }
        Ok(())
    }

    fn resume(&self, topic: Topic, number: i32) -> Result<(), RuntimeError> {
        let resumed = self.consumer.resume(&list(&topic_name(&self.kafka, topic), number));
        resumed.map_err(|error| RuntimeError::kafka("resuming", &error))
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
        while let Some(ended) = self.writes.iter().position(|(_, write)| write.is_finished()) {
            let (topic, write) = self.writes.swap_remove(ended);
            let ended = self
                .runtime
                .block_on(write)
                .unwrap_or_else(|error| Err(RuntimeError::Fatal(format!("a write panicked: {error}"))));
            self.written += 1;
            for (number, stored) in ended? {
                let Some(partition) = self.partitions.get_mut(&(topic, number)) else { continue };
                partition.written(stored);
                if partition.paused && !partition.is_half_full(&self.limits) {
                    partition.paused = false;
                    if !self.is_paused {
                        self.resume(topic, number)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Begins to write what waits in each topic's partitions of which nothing is being written.
    fn begin_writes(&mut self) {
        for topic in self.topics.values().copied() {
            let of_topic = self.partitions.range_mut((topic, i32::MIN)..=(topic, i32::MAX));
            let idle = of_topic.filter(|(_, partition)| !partition.is_writing()).map(|((_, number), partition)| {
                partition.until = self.writer.until(topic, *number);
                (*number, partition)
            });
            if let Some(cut) = Cut::of_waiting(topic, &self.epoch, &self.limits, idle) {
                let (writer, assignment) = (Arc::clone(&self.writer), self.assignment);
                let write = self.runtime.spawn(async move { writer.write(cut, assignment).await });
                self.writes.push((topic, write));
            }
        }
    }

    /// Waits for the writes under way; what is only collected is read again by whoever comes next.
    fn drain(&mut self) -> Result<(), RuntimeError> {
        let until = Instant::now() + Duration::from_millis(self.config.drain_timeout_ms);
        while !self.writes.is_empty() {
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

fn list(topic: &str, partition: i32) -> TopicPartitionList {
    let mut list = TopicPartitionList::new();
    list.add_partition(topic, partition);
    list
}
