//! A processor's loop: one thread polls and decides in offset order, and never waits for a transaction.

use super::{
    Processor,
    committer::{Committer, Decided, GroupMetadata},
    decide::{Decider, Partition, output},
    restore::Restorer,
};
use crate::{
    Record, RuntimeError,
    config::KafkaConfig,
    kafka,
    lifecycle::Shutdown,
    log::Log,
    metrics as names,
    reader::{passes, topic_name},
};
use millrace_schemas::{Event, Topic, event::Derived, rules::Checked, rules::Rules, time::DAY_MS};
use rdkafka::{
    ClientContext, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer as _, ConsumerContext, ConsumerGroupMetadata, Rebalance},
    error::KafkaError,
    topic_partition_list::TopicPartitionListElem,
    types::RDKafkaRespErr,
};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::{Duration, Instant},
};
use tokio::runtime::Handle;

/// How long a poll may wait.
const POLL: Duration = Duration::from_millis(50);

/// What a processor's process is told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ProcessorConfig {
    /// Number of this process among those of the same processor. A restart in the same slot is quick, and fences what was before.
    pub slot: u32,
    /// How long an id is remembered, in milliseconds of the broker's time; an id that comes again later is a new event.
    pub dedup_horizon_ms: i64,
    /// A worker that commits nothing for this long although it has work ends its process, for the supervisor to start it again.
    pub stall_max_ms: u64,
    /// How long a shutdown or rebalance waits for what is decided to be committed.
    pub drain_timeout_ms: u64,
}

impl Default for ProcessorConfig {
    fn default() -> Self {
        Self { slot: 0, dedup_horizon_ms: DAY_MS, stall_max_ms: 60_000, drain_timeout_ms: 10_000 }
    }
}

/// Runs a processor until the shutdown. Starts over, with growing pauses, after what passes; returns what does not.
pub async fn run<P>(
    processor: P,
    log: Log,
    rules: Rules,
    config: ProcessorConfig,
    shutdown: Shutdown,
) -> Result<(), RuntimeError>
where
    P: Processor + Clone,
    <P::Out as Derived>::From: Checked,
{
    crate::lifecycle::restarting(P::NAME, &shutdown, || {
        let worker = Start {
            processor: processor.clone(),
            log: log.clone(),
            rules,
            config: config.clone(),
            shutdown: shutdown.clone(),
        };
        worker.run_once()
    })
    .await
}

struct Start<P: Processor> {
    processor: P,
    log: Log,
    rules: Rules,
    config: ProcessorConfig,
    shutdown: Shutdown,
}

impl<P: Processor> Start<P>
where
    <P::Out as Derived>::From: Checked,
{
    async fn run_once(self) -> Result<(), RuntimeError> {
        self.log.check_topics().await?;
        let input = <P::Out as Derived>::From::TOPIC;
        let decider = Decider {
            schemas: self.log.codec().await?,
            runtime: Handle::current(),
            rules: self.rules,
            epoch: self.log.epoch().await?,
            partitions: self.log.partitions(input).await?,
            horizon_ms: self.config.dedup_horizon_ms,
            input_max_bytes: self.log.kafka().max_message_bytes,
            processor: self.processor,
        };
        let (kafka, config, shutdown) = (self.log.kafka().clone(), self.config, self.shutdown);
        let stall_max = Duration::from_millis(config.stall_max_ms);
        let beat = crate::lifecycle::Heartbeat::default();
        let beating = beat.clone();
        let thread =
            tokio::task::spawn_blocking(move || Worker::start(decider, kafka, config, input, beating)?.run(&shutdown));
        beat.watch(thread, stall_max).await
    }
}

struct Worker<P: Processor> {
    decider: Arc<Decider<P>>,
    restorer: Restorer<P>,
    kafka: KafkaConfig,
    config: ProcessorConfig,
    input: Topic,
    consumer: Arc<BaseConsumer<Assignment>>,
    committer: Arc<Committer>,
    /// The running ones.
    partitions: BTreeMap<i32, Partition<P>>,
    beat: crate::lifecycle::Heartbeat,
}

impl<P: Processor> Worker<P>
where
    <P::Out as Derived>::From: Checked,
{
    fn start(
        decider: Decider<P>,
        kafka: KafkaConfig,
        config: ProcessorConfig,
        input: Topic,
        beat: crate::lifecycle::Heartbeat,
    ) -> Result<Self, RuntimeError> {
        let assignment = Assignment { drain: Duration::from_millis(config.drain_timeout_ms), ..Assignment::default() };
        let consumer: BaseConsumer<Assignment> = kafka::group_consumer(&kafka, P::NAME, config.slot)
            .create_with_context(assignment)
            .map_err(|error| RuntimeError::Fatal(format!("kafka configuration: {error}")))?;
        let consumer = Arc::new(consumer);
        let group = Arc::clone(&consumer.context().group);
        let committer = Arc::new(Committer::start(&kafka, P::NAME, config.slot, input, group)?);
        let _ = consumer.context().committer.set(Arc::clone(&committer));
        consumer
            .subscribe(&[&topic_name(&kafka, input)])
            .map_err(|error| RuntimeError::kafka("subscribing", &error))?;
        let decider = Arc::new(decider);
        let restorer = Restorer::start(&decider, &kafka)?;
        tracing::info!(processor = P::NAME, slot = config.slot, topic = %input, "processor started");
        Ok(Self { decider, restorer, kafka, config, input, consumer, committer, partitions: BTreeMap::new(), beat })
    }

    fn run(mut self, shutdown: &Shutdown) -> Result<(), RuntimeError> {
        let mut last_look = Instant::now();
        while !shutdown.is_cancelled() {
            self.committer.check()?;
            self.follow_assignment()?;
            self.take_restored()?;
            self.poll()?;
            if last_look.elapsed() > Duration::from_secs(1) {
                last_look = Instant::now();
                self.report();
            }
        }
        tracing::info!(processor = P::NAME, "draining");
        self.committer.flush(Duration::from_millis(self.config.drain_timeout_ms))
    }

    /// Takes over what the last rebalance gave and forgets what it took.
    fn follow_assignment(&mut self) -> Result<(), RuntimeError> {
        for change in self.consumer.context().take() {
            match change {
                Change::Assigned(partitions) => self.restorer.begin(&partitions)?,
                Change::Revoked => {
                    self.restorer.abandon();
                    self.partitions.clear();
                }
                Change::Failed(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Begins to poll the partitions whose memory is rebuilt.
    fn take_restored(&mut self) -> Result<(), RuntimeError> {
        while let Some(restored) = self.restorer.finished()? {
            tracing::info!(
                processor = P::NAME,
                partition = restored.number,
                outputs = restored.outputs,
                took_ms = restored.took.as_millis() as u64,
                "memory rebuilt"
            );
            self.consumer
                .resume(&self.list(restored.number))
                .map_err(|error| RuntimeError::kafka("resuming", &error))?;
            self.partitions.insert(restored.number, restored.partition);
        }
        Ok(())
    }

    fn poll(&mut self) -> Result<(), RuntimeError> {
        let consumer = Arc::clone(&self.consumer);
        match consumer.poll(POLL) {
            None => Ok(()),
            Some(Ok(message)) => self.decide(&Record::copy(self.input, &message)),
            Some(Err(error)) if passes(&error) => {
                tracing::debug!(processor = P::NAME, error = %error, "polling meets a passing error");
                Ok(())
            }
            Some(Err(error)) => Err(poll_error(&error)),
        }
    }

    fn decide(&mut self, record: &Record) -> Result<(), RuntimeError> {
        let Some(partition) = self.partitions.get_mut(&record.partition) else {
            return Err(RuntimeError::Transient(format!(
                "a record of partition {}, which is not assigned",
                record.partition
            )));
        };
        let outcome = self.decider.decide(partition, record)?;
        names::count(
            names::PROCESSOR_RECORDS_TOTAL,
            &[("processor", P::NAME.into()), ("outcome", outcome.name().into())],
            1,
        );
        let output = output(self.decider.schemas.codec(), record, &outcome)?;
        self.committer.push(Decided {
            partition: record.partition,
            offset: record.offset,
            timestamp: record.timestamp,
            output,
        })
    }

    /// Beats when there is nothing to do or something was done, and publishes the age of the oldest unfinished record.
    fn report(&self) {
        let oldest = self.committer.oldest();
        self.beat.progress(self.committer.settled(), oldest.is_some());
        crate::lifecycle::report_oldest(P::NAME, oldest);
    }

    fn list(&self, partition: i32) -> TopicPartitionList {
        let mut list = TopicPartitionList::new();
        list.add_partition(&topic_name(&self.kafka, self.input), partition);
        list
    }
}

pub(crate) fn poll_error(error: &KafkaError) -> RuntimeError {
    use rdkafka::error::RDKafkaErrorCode as Code;
    match error.rdkafka_error_code() {
        Some(Code::FencedInstanceId | Code::Fatal) => RuntimeError::Fenced(error.to_string()),
        Some(Code::AutoOffsetReset | Code::OffsetOutOfRange) => RuntimeError::Fatal(format!(
            "the committed offset is not in the log any more: {error}; records were deleted or the topic was made anew"
        )),
        _ => RuntimeError::kafka("polling", error),
    }
}

enum Change {
    Assigned(Vec<i32>),
    Revoked,
    Failed(RuntimeError),
}

/// Serves rebalances inside `poll`: begins new partitions paused and at an explicit offset, and gives none away before what was
/// decided of it is committed.
#[derive(Default)]
struct Assignment {
    committer: OnceLock<Arc<Committer>>,
    group: GroupMetadata,
    drain: Duration,
    changes: Mutex<Vec<Change>>,
}

impl Assignment {
    fn take(&self) -> Vec<Change> {
        std::mem::take(&mut self.changes.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Who the committer commits for from now on.
    fn member(&self, metadata: Option<ConsumerGroupMetadata>) {
        *self.group.lock().unwrap_or_else(PoisonError::into_inner) = metadata.map(Arc::new);
    }

    fn note(&self, change: Change) {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner).push(change);
    }

    fn assign(&self, consumer: &BaseConsumer<Self>, list: &TopicPartitionList) -> Result<Vec<i32>, KafkaError> {
        let positions = starting_positions(consumer, list)?;
        consumer.assign(&positions)?;
        consumer.pause(&positions)?;
        self.member(consumer.group_metadata());
        Ok(positions.elements().iter().map(TopicPartitionListElem::partition).collect())
    }
}

/// Committed offsets; the beginning where nothing was ever committed, since a group that has begun never resets.
pub(crate) fn starting_positions<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    list: &TopicPartitionList,
) -> Result<TopicPartitionList, KafkaError> {
    let mut positions = consumer.committed_offsets(list.clone(), Duration::from_secs(10))?;
    positions.elements().iter().try_for_each(TopicPartitionListElem::error)?;
    let unset: Vec<(String, i32)> = positions
        .elements()
        .iter()
        .filter(|element| !matches!(element.offset(), Offset::Offset(_)))
        .map(|element| (element.topic().to_owned(), element.partition()))
        .collect();
    for (topic, partition) in unset {
        positions.set_partition_offset(&topic, partition, Offset::Beginning)?;
    }
    Ok(positions)
}

impl ClientContext for Assignment {}

impl ConsumerContext for Assignment {
    fn rebalance(&self, consumer: &BaseConsumer<Self>, error: RDKafkaRespErr, list: &mut TopicPartitionList) {
        if error == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS {
            match self.assign(consumer, list) {
                Ok(partitions) => self.note(Change::Assigned(partitions)),
                Err(error) => self.note(Change::Failed(RuntimeError::kafka("taking over partitions", &error))),
            }
            return;
        }
        if consumer.assignment_lost() {
            self.note(Change::Failed(RuntimeError::Transient("the partitions were lost to another member".into())));
        } else if let Some(committer) = self.committer.get()
            && let Err(error) = committer.flush(self.drain)
        {
            self.note(Change::Failed(error));
        }
        self.member(None);
        self.note(Change::Revoked);
        if let Err(error) = consumer.unassign() {
            self.note(Change::Failed(RuntimeError::kafka("giving partitions away", &error)));
        }
    }

    fn pre_rebalance(&self, _: &BaseConsumer<Self>, _: &Rebalance<'_>) {}
}
