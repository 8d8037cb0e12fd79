//! A processor's loop: one thread polls and decides in offset order, and never waits for a transaction.

use super::{
    Basis, Processor, ProcessorConfig,
    assignment::{Assignment, Change},
    basis,
    committer::{Committer, Decided, Journal},
    decide::{Decider, In, Partition, Step, output},
    input::Inputs,
    marker::Last,
    restorer::Restorer,
    snapshots::Snapshots,
    telling::Telling,
};
use crate::{
    Record, RuntimeError,
    config::KafkaConfig,
    controls::Orders,
    kafka,
    lifecycle::Shutdown,
    metrics as names,
    reader::{passes, topic_name},
    sabotage::{self, Sabotage},
};
use millrace_schemas::{event::Derived, rules::Checked};
use rdkafka::{
    TopicPartitionList,
    consumer::{BaseConsumer, Consumer as _},
    error::KafkaError,
};
use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::{Duration, Instant},
};

/// How long a poll may wait.
const POLL: Duration = Duration::from_millis(50);
/// Longest wait for an outcome before it is looked for further records.
const WAIT_FOR_OUTCOME: Duration = Duration::from_millis(1);
/// Longest wait for many of them; what is not there by then is waited for one by one.
const WAIT_FOR_MANY: Duration = Duration::from_millis(10);
/// Most records whose outcomes are not written yet, since one before them is awaited. Few, so that a backlog does not queue for a model
/// until its deadline has passed.
pub const AWAITED_MAX: usize = 256;
/// How often it is looked whether there is a newer basis to decide by.
const LOOK_FOR_BASIS: Duration = Duration::from_millis(200);

/// What a worker is made of.
pub(super) struct Parts<P: Processor> {
    pub inputs: Inputs,
    pub decider: Decider<P>,
    pub telling: Option<Telling<P::Out>>,
    pub journal: Journal,
    pub kafka: KafkaConfig,
    pub config: ProcessorConfig,
    pub orders: Orders,
    pub beat: crate::lifecycle::Heartbeat,
}

/// A record that was decided, and what it becomes.
struct Undecided<Out> {
    record: Record,
    step: Step<Out>,
    /// Offset of the last input of the partition that has an output then.
    emitted: Option<i64>,
}

/// One start of a processor's loop.
pub(super) struct Worker<P: Processor> {
    inputs: Inputs,
    decider: Arc<Decider<P>>,
    restorer: Restorer<P>,
    snapshots: Option<Snapshots>,
    kafka: KafkaConfig,
    config: ProcessorConfig,
    journal: Journal,
    consumer: Arc<BaseConsumer<Assignment>>,
    committer: Arc<Committer>,
    telling: Option<Telling<P::Out>>,
    /// What is decided or awaited, in the order of the records; all of it behind one that is awaited.
    undecided: VecDeque<Undecided<P::Out>>,
    /// The running ones.
    partitions: BTreeMap<i32, Partition<P>>,
    /// The last input of each that was decided or committed.
    lasts: BTreeMap<i32, Last>,
    /// Offsets before which each decides as it did before it was taken over: somebody may have been told.
    told_until: BTreeMap<i32, i64>,
    orders: Orders,
    /// Whether the partitions are paused.
    is_paused: bool,
    beat: crate::lifecycle::Heartbeat,
}

impl<P: Processor> Worker<P>
where
    <P::Out as Derived>::From: Checked,
{
    pub fn start(parts: Parts<P>) -> Result<Self, RuntimeError> {
        let Parts { inputs, decider, telling, journal, kafka, config, orders, beat } = parts;
        let assignment = Assignment::new(Duration::from_millis(config.drain_timeout_ms));
        let client = if P::TELLS.is_some() { kafka::group_consumer } else { kafka::batch_consumer };
        let consumer: BaseConsumer<Assignment> =
            client(&kafka, P::NAME, config.slot)
                .create_with_context(assignment)
                .map_err(|error| RuntimeError::Fatal(format!("kafka configuration: {error}")))?;
        let consumer = Arc::new(consumer);
        let group = Arc::clone(&consumer.context().group);
        let committer = Arc::new(Committer::start(&kafka, P::NAME, config.slot, journal.clone(), group)?);
        let _ = consumer.context().committer.set(Arc::clone(&committer));
        consumer
            .subscribe(&[&topic_name(&kafka, journal.topic)])
            .map_err(|error| RuntimeError::kafka("subscribing", &error))?;
        let decider = Arc::new(decider);
        let folder = config.snapshot_folder.as_deref();
        let restorer = Restorer::start(&decider, &inputs.schemas, &inputs.runtime, &kafka, folder)?;
        let snapshots = Snapshots::start(&config)?;
        tracing::info!(processor = P::NAME, slot = config.slot, topic = %journal.topic, "processor started");
        Ok(Self {
            inputs,
            decider,
            restorer,
            snapshots,
            kafka,
            config,
            journal,
            consumer,
            committer,
            telling,
            undecided: VecDeque::new(),
            partitions: BTreeMap::new(),
            lasts: BTreeMap::new(),
            told_until: BTreeMap::new(),
            orders,
            is_paused: false,
            beat,
        })
    }

    pub fn run(mut self, shutdown: &Shutdown) -> Result<(), RuntimeError> {
        let mut last_look = Instant::now();
        let mut last_basis = Instant::now();
        while !shutdown.is_cancelled() {
            self.committer.check()?;
            self.follow_assignment()?;
            self.take_restored()?;
            self.follow_operator()?;
            if last_basis.elapsed() > LOOK_FOR_BASIS {
                last_basis = Instant::now();
                self.follow_basis()?;
            }
            self.poll()?;
            self.conclude_ready()?;
            if last_look.elapsed() > Duration::from_secs(1) {
                last_look = Instant::now();
                self.report();
                self.take_snapshot()?;
            }
        }
        tracing::info!(processor = P::NAME, "draining");
        self.conclude_all()?;
        self.committer.flush(Duration::from_millis(self.config.drain_timeout_ms))
    }

    /// Takes over what the last rebalance gave and forgets what it took.
    fn follow_assignment(&mut self) -> Result<(), RuntimeError> {
        for change in self.consumer.context().take() {
            match change {
                Change::Assigned(partitions) => {
                    if partitions.iter().any(|committed| committed.partition >= self.journal.partitions) {
                        return Err(RuntimeError::Transient(format!("{} has got more partitions", self.journal.topic)));
                    }
                    self.restorer.begin(partitions)?;
                }
                Change::Revoked => {
                    self.restorer.abandon();
                    self.snapshots.iter_mut().for_each(Snapshots::forget);
                    // Nobody was told of what is awaited; whoever gets the partitions decides it.
                    self.undecided.clear();
                    self.partitions.clear();
                    self.lasts.clear();
                    self.told_until.clear();
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
            if let Some(snapshots) = &mut self.snapshots {
                let end = self.restorer.end_of_outputs(restored.number)?;
                snapshots.begin(restored.number, &restored.partition, end);
            }
            let number = restored.number;
            self.lasts.extend(restored.last.map(|last| (number, last)));
            self.partitions.insert(number, restored.partition);
            self.go_on_by(number, restored.basis)?;
            if !self.is_paused {
                self.consumer.resume(&self.list([number])).map_err(|error| RuntimeError::kafka("resuming", &error))?;
            }
        }
        Ok(())
    }

    /// Makes a partition decide as before it was taken over; by the newest basis where that is not known any more, or was none.
    fn go_on_by(&mut self, number: i32, before: Option<(Basis, i64)>) -> Result<(), RuntimeError> {
        let Some(partition) = self.partitions.get_mut(&number) else { return Ok(()) };
        if let Some((basis, until)) = before {
            if self.decider.take_up(partition, &basis) {
                self.told_until.insert(number, until);
                return Ok(());
            }
            tracing::warn!(processor = P::NAME, number, ?basis, "what it decided by is not known any more");
        }
        self.follow_basis()
    }

    /// Whether nothing is left to decide that somebody may have been told of before a partition was taken over.
    fn is_past_told(&self, number: i32) -> bool {
        let next = self.lasts.get(&number).map_or(0, |last| last.offset + 1);
        self.told_until.get(&number).is_none_or(|until| next >= *until)
    }

    /// Takes up a newer basis at a boundary that the log tells of, before anything is decided by it.
    fn follow_basis(&mut self) -> Result<(), RuntimeError> {
        let newest = self.decider.processor.basis();
        let differs = |(number, partition): &(&i32, &Partition<P>)| {
            partition.basis() != Some(&newest) && self.is_past_told(**number)
        };
        let numbers: Vec<i32> = self.partitions.iter().filter(differs).map(|(number, _)| *number).collect();
        if newest.is_empty() || numbers.is_empty() {
            return Ok(());
        }
        let drain = Duration::from_millis(self.config.drain_timeout_ms);
        self.conclude_all()?;
        if !sabotage::is_on(Sabotage::Epochs) {
            self.committer.flush(drain)?;
            self.tell_epochs(&numbers, &newest)?;
            self.committer.flush(drain)?;
        }
        for number in &numbers {
            let taken_up =
                self.partitions.get_mut(number).is_some_and(|partition| self.decider.take_up(partition, &newest));
            if !taken_up {
                return Err(RuntimeError::Transient("what decisions stand on was replaced at this moment".into()));
            }
        }
        tracing::info!(processor = P::NAME, partitions = ?numbers, basis = ?newest, "decides by this from now on");
        Ok(())
    }

    /// Hands over the records that say from which offset on partitions decide by a basis.
    fn tell_epochs(&self, numbers: &[i32], basis: &Basis) -> Result<(), RuntimeError> {
        for number in numbers {
            let last = self.lasts.get(number).copied();
            let codec = self.inputs.schemas.codec();
            let output = basis::epoch(codec, P::NAME, &self.journal, *number, last.as_ref(), basis)
                .map_err(|error| RuntimeError::Fatal(error.to_string()))?;
            self.committer.push(Decided { partition: *number, last, output: Some(output) })?;
        }
        Ok(())
    }

    /// Stops or begins to fetch, as the operator wants it; what is decided already is committed either way. Ends to begin anew where a
    /// repair has written outcomes that this memory does not know of.
    fn follow_operator(&mut self) -> Result<(), RuntimeError> {
        if self.orders.repaired() != self.decider.repaired {
            self.committer.flush(Duration::from_millis(self.config.drain_timeout_ms))?;
            return Err(RuntimeError::Transient("missing outcomes were repaired; memory is rebuilt with them".into()));
        }
        let pauses = self.orders.is_paused();
        if pauses == self.is_paused {
            return Ok(());
        }
        let list = self.list(self.partitions.keys().copied());
        let done = if pauses { self.consumer.pause(&list) } else { self.consumer.resume(&list) };
        done.map_err(|error| RuntimeError::kafka("pausing or resuming", &error))?;
        self.is_paused = pauses;
        Ok(())
    }

    fn poll(&mut self) -> Result<(), RuntimeError> {
        let consumer = Arc::clone(&self.consumer);
        match consumer.poll(if self.undecided.is_empty() { POLL } else { Duration::ZERO }) {
            None => {
                // Nothing else to do than to wait for what was asked for.
                let _ = self.undecided.front().map(|first| first.step.is_ready_within(WAIT_FOR_OUTCOME));
                Ok(())
            }
            Some(Ok(message)) => self.decide(Record::copy(self.journal.topic, &message)),
            Some(Err(error)) if passes(&error) => {
                tracing::debug!(processor = P::NAME, error = %error, "polling meets a passing error");
                Ok(())
            }
            Some(Err(error)) => Err(poll_error(&error)),
        }
    }

    fn decide(&mut self, record: Record) -> Result<(), RuntimeError> {
        let Some(partition) = self.partitions.get_mut(&record.partition) else {
            return Err(RuntimeError::Transient(format!(
                "a record of partition {}, which is not assigned",
                record.partition
            )));
        };
        let input = self.inputs.read::<In<P>>(&record)?;
        let step = self.decider.decide(partition, &record, input)?;
        let emitted = partition.emitted().map(|(offset, _)| offset);
        self.undecided.push_back(Undecided { record, step, emitted });
        if self.undecided.len() > AWAITED_MAX { self.conclude_half() } else { Ok(()) }
    }

    /// Makes room. The outcome in the middle is waited for first: when it is there, so are most before it, and this thread was woken
    /// once instead of each time.
    fn conclude_half(&mut self) -> Result<(), RuntimeError> {
        let half = self.undecided.len() / 2;
        let _ = self.undecided.get(half).map(|middle| middle.step.is_ready_within(WAIT_FOR_MANY));
        (0..half).try_for_each(|_| self.conclude_first())
    }

    /// Writes what is known, up to the first outcome that is awaited.
    fn conclude_ready(&mut self) -> Result<(), RuntimeError> {
        while self.undecided.front().is_some_and(|first| first.step.is_ready_within(Duration::ZERO)) {
            self.conclude_first()?;
        }
        Ok(())
    }

    /// Waits for everything that is awaited, which is not for long.
    fn conclude_all(&mut self) -> Result<(), RuntimeError> {
        while !self.undecided.is_empty() {
            self.conclude_first()?;
        }
        Ok(())
    }

    /// Waits for the first outcome, tells it and hands it over.
    fn conclude_first(&mut self) -> Result<(), RuntimeError> {
        let Some(Undecided { record, step, emitted }) = self.undecided.pop_front() else { return Ok(()) };
        let outcome = step.settle();
        names::count(
            names::PROCESSOR_RECORDS_TOTAL,
            &[("processor", P::NAME.into()), ("outcome", outcome.name().into())],
            1,
        );
        if let Some(telling) = &self.telling {
            telling.tell(&record, &outcome);
        }
        let output = output(self.inputs.schemas.codec(), &record, &outcome)?;
        let last = Last::of(&record, emitted);
        self.lasts.insert(record.partition, last);
        self.committer.push(Decided { partition: record.partition, last: Some(last), output })
    }

    /// Takes a snapshot of the partition whose turn it is.
    fn take_snapshot(&mut self) -> Result<(), RuntimeError> {
        let Some(number) = self.snapshots.as_mut().and_then(|snapshots| snapshots.due(&self.partitions)) else {
            return Ok(());
        };
        // A snapshot is of what was handed over.
        self.conclude_all()?;
        let Some(snapshots) = &mut self.snapshots else { return Ok(()) };
        let end = self.restorer.end_of_outputs(number)?;
        if let Some(partition) = self.partitions.get(&number) {
            snapshots.take(self.decider.identity(number), partition, end, &self.committer);
        }
        Ok(())
    }

    /// Beats when there is nothing to do or something was done, and publishes the age of the oldest unfinished record.
    fn report(&self) {
        let oldest = self.committer.oldest();
        self.beat.progress(self.committer.settled(), oldest.is_some());
        crate::lifecycle::report_oldest(P::NAME, oldest);
    }

    fn list(&self, partitions: impl IntoIterator<Item = i32>) -> TopicPartitionList {
        let (mut list, name) = (TopicPartitionList::new(), topic_name(&self.kafka, self.journal.topic));
        for partition in partitions {
            list.add_partition(&name, partition);
        }
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
