//! Writing what was decided: outputs and offsets in one Kafka transaction, on a thread of its own, so that deciding never waits.

use super::{decide::Output, marker::Last};
use crate::{
    RuntimeError,
    config::KafkaConfig,
    kafka, metrics as names, reader,
    sabotage::{self, Sabotage},
    transaction::{BETWEEN_TRANSACTIONS, delivered, serve},
};
use millrace_schemas::Topic;
use rdkafka::{
    ClientConfig, ClientContext, Message as _, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer as _, ConsumerGroupMetadata},
    error::{KafkaError, RDKafkaErrorCode},
    message::DeliveryResult,
    producer::{BaseProducer, BaseRecord, Producer as _, ProducerContext},
};
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicI64, AtomicUsize, Ordering},
        mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, TrySendError, channel, sync_channel},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

/// Most records of one transaction.
const RECORDS_MAX: usize = 10_000;
/// Most decided records that wait for their transaction.
const QUEUE_RECORDS: usize = 20_000;
/// Most bytes of outputs that wait for their transaction.
const QUEUE_BYTES: usize = 64 << 20;
/// Longest a call of a transaction may take before the worker starts over.
const CALL_TIMEOUT: Duration = Duration::from_secs(12);

/// One input that was decided, or what else is said of a partition at that place.
pub(super) struct Decided {
    pub(super) partition: i32,
    /// The input, as the last of its transaction; `None` where no input of the partition was ever decided.
    pub(super) last: Option<Last>,
    pub(super) output: Option<Output>,
}

/// Hears of a commit; fails when the committer ends before it.
pub(super) type Committed = Receiver<()>;

/// The journal whose offsets are committed.
#[derive(Debug, Clone)]
pub(super) struct Journal {
    pub(super) topic: Topic,
    /// Epoch of the log.
    pub(super) epoch: String,
    pub(super) partitions: i32,
}

enum Work {
    Decided(Decided),
    /// Answered when all before it is committed.
    Flush(Sender<()>),
}

/// The worker's side of the committer thread.
pub(super) struct Committer {
    queue: Option<SyncSender<Work>>,
    thread: Option<JoinHandle<()>>,
    shared: Arc<Shared>,
}

/// What both threads see.
#[derive(Default)]
struct Shared {
    waiting_bytes: AtomicUsize,
    /// Inputs handed over, and those of them that are committed.
    pushed: AtomicUsize,
    settled: AtomicUsize,
    /// Broker's time of the first input of the transaction under way, or of the last one committed.
    oldest: AtomicI64,
    failure: Mutex<Option<RuntimeError>>,
}

/// The member whose offsets are committed with the outputs, as it was when it got its partitions; nothing while it has none. The
/// broker refuses what is committed for a member that has lost them since.
pub(super) type GroupMetadata = Arc<Mutex<Option<Arc<ConsumerGroupMetadata>>>>;

impl Committer {
    /// Fences whoever wrote as this transactional id before, and begins to take work.
    pub(super) fn start(
        config: &KafkaConfig,
        name: &str,
        slot: u32,
        input: Journal,
        group: GroupMetadata,
    ) -> Result<Self, RuntimeError> {
        let shared = Arc::<Shared>::default();
        let group = if sabotage::is_on(Sabotage::Fencing) { nobody(config, name)? } else { group };
        let largest = 4 * config.max_message_bytes;
        let producer = kafka::transactional_producer(config, name, slot, largest);
        let outside = sabotage::is_on(Sabotage::Transaction).then(|| producer.clone());
        let producer = create(&producer)?;
        let outside = outside.map(|mut plain| create(plain.remove("transactional.id"))).transpose()?;
        producer.init_transactions(CALL_TIMEOUT).map_err(|error| transaction_error("init_transactions", &error))?;
        let (queue, work) = sync_channel(QUEUE_RECORDS);
        let names = Topic::ALL.iter().map(|topic| (*topic, reader::topic_name(config, *topic))).collect();
        let writer = Writer {
            producer,
            outside,
            names,
            input: reader::topic_name(config, input.topic),
            epoch: input.epoch,
            partitions: input.partitions,
            group,
            label: name.to_owned(),
            shared: Arc::clone(&shared),
        };
        let thread = std::thread::Builder::new()
            .name(format!("{name}-committer"))
            .spawn(move || writer.run(&work))
            .map_err(|error| RuntimeError::Fatal(format!("starting a thread: {error}")))?;
        Ok(Self { queue: Some(queue), thread: Some(thread), shared })
    }

    /// Hands over one decided input; waits while too much is waiting already. Fails as soon as the committer has.
    pub(super) fn push(&self, mut decided: Decided) -> Result<(), RuntimeError> {
        let bytes = decided.output.as_ref().map_or(0, |output| output.value.len() + output.key.len());
        loop {
            self.check()?;
            if self.shared.waiting_bytes.load(Ordering::Relaxed) < QUEUE_BYTES {
                let Some(queue) = &self.queue else {
                    return Err(RuntimeError::Transient("the committer has ended".into()));
                };
                self.shared.waiting_bytes.fetch_add(bytes, Ordering::Relaxed);
                self.shared.pushed.fetch_add(1, Ordering::Relaxed);
                match queue.try_send(Work::Decided(decided)) {
                    Ok(()) => return Ok(()),
                    Err(TrySendError::Full(Work::Decided(back))) => {
                        self.shared.waiting_bytes.fetch_sub(bytes, Ordering::Relaxed);
                        self.shared.pushed.fetch_sub(1, Ordering::Relaxed);
                        decided = back;
                    }
                    Err(_) => {
                        self.check()?;
                        return Err(RuntimeError::Transient("the committer has ended".into()));
                    }
                }
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Waits until everything handed over is committed.
    pub(super) fn flush(&self, deadline: Duration) -> Result<(), RuntimeError> {
        self.check()?;
        let (done, wait) = channel();
        let until = Instant::now() + deadline;
        let mut flush = Work::Flush(done);
        while let Some(queue) = &self.queue {
            match queue.try_send(flush) {
                Ok(()) if wait.recv_timeout(until.saturating_duration_since(Instant::now())).is_ok() => return Ok(()),
                Err(TrySendError::Full(back)) if Instant::now() < until => flush = back,
                _ => break,
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        self.check()?;
        Err(RuntimeError::Transient(format!("what was decided is not committed after {} s", deadline.as_secs())))
    }

    /// Hears when everything handed over is committed; `None` when too much waits to ask now.
    pub(super) fn when_committed(&self) -> Option<Committed> {
        let (done, wait) = channel();
        self.queue.as_ref()?.try_send(Work::Flush(done)).ok().map(|()| wait)
    }

    /// The failure that ended the committer, if one did.
    pub(super) fn check(&self) -> Result<(), RuntimeError> {
        let failure = self.shared.failure.lock().unwrap_or_else(PoisonError::into_inner).take();
        failure.map_or(Ok(()), Err)
    }

    /// Inputs committed so far; with [`Self::oldest`], what a watchdog looks at.
    pub(super) fn settled(&self) -> usize {
        self.shared.settled.load(Ordering::Relaxed)
    }

    /// Broker's time of about the oldest input that waits, epoch milliseconds; `None` when none does.
    pub(super) fn oldest(&self) -> Option<i64> {
        let waits = self.shared.pushed.load(Ordering::Relaxed) != self.shared.settled.load(Ordering::Relaxed);
        waits.then(|| self.shared.oldest.load(Ordering::Relaxed)).filter(|oldest| *oldest != 0)
    }
}

impl Drop for Committer {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Notes deliveries that failed: the transaction cannot be committed then.
#[derive(Default)]
struct Failures(Mutex<Option<String>>);

impl ClientContext for Failures {}

impl ProducerContext for Failures {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if let Err((error, message)) = result {
            let text = format!("writing to {}: {error}", message.topic());
            self.0.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(text);
        }
    }
}

/// A member of no generation, whose commits the broker does not compare with who holds the partitions.
fn nobody(config: &KafkaConfig, name: &str) -> Result<GroupMetadata, RuntimeError> {
    let mut client = kafka::reader(config, name);
    let consumer: BaseConsumer = client
        .set("group.id", kafka::group_id(config, name))
        .create()
        .map_err(|error| RuntimeError::Fatal(format!("kafka configuration: {error}")))?;
    Ok(Arc::new(Mutex::new(consumer.group_metadata().map(Arc::new))))
}

fn create(config: &ClientConfig) -> Result<BaseProducer<Failures>, RuntimeError> {
    config
        .create_with_context(Failures::default())
        .map_err(|error| RuntimeError::Fatal(format!("kafka configuration: {error}")))
}

struct Writer {
    producer: BaseProducer<Failures>,
    /// Writes outputs outside of transactions, under sabotage.
    outside: Option<BaseProducer<Failures>>,
    names: BTreeMap<Topic, String>,
    input: String,
    epoch: String,
    partitions: i32,
    group: GroupMetadata,
    label: String,
    shared: Arc<Shared>,
}

impl Writer {
    fn run(self, work: &Receiver<Work>) {
        if let Err(error) = self.commit_all(work) {
            *self.shared.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
        }
    }

    fn commit_all(&self, work: &Receiver<Work>) -> Result<(), RuntimeError> {
        let mut last_commit = Instant::now().checked_sub(BETWEEN_TRANSACTIONS).unwrap_or_else(Instant::now);
        loop {
            let first = match work.recv_timeout(Duration::from_millis(100)) {
                Ok(first) => first,
                Err(RecvTimeoutError::Timeout) => continue,
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            };
            std::thread::sleep(BETWEEN_TRANSACTIONS.saturating_sub(last_commit.elapsed()));
            let mut batch = Vec::new();
            let mut flushes = Vec::new();
            for work in std::iter::once(first).chain(work.try_iter().take(RECORDS_MAX)) {
                match work {
                    Work::Decided(decided) => batch.push(decided),
                    Work::Flush(done) => flushes.push(done),
                }
            }
            if !batch.is_empty() {
                self.commit(&batch)?;
                last_commit = Instant::now();
            }
            for done in flushes {
                // Whoever asked may have given up.
                let _ = done.send(());
            }
        }
    }

    /// One transaction. Any error ends the committer: the worker drops its memory and starts over from what is committed.
    fn commit(&self, batch: &[Decided]) -> Result<(), RuntimeError> {
        let began = Instant::now();
        if let Some(last) = &batch[0].last {
            self.shared.oldest.store(last.time, Ordering::Relaxed);
        }
        // A transaction that fails is aborted by the init_transactions of the next incarnation.
        self.transaction(batch)?;
        let bytes =
            batch.iter().filter_map(|decided| decided.output.as_ref()).map(|o| o.value.len() + o.key.len()).sum();
        self.shared.waiting_bytes.fetch_sub(bytes, Ordering::Relaxed);
        self.shared.settled.fetch_add(batch.len(), Ordering::Relaxed);
        let labels = [("processor", self.label.clone())];
        names::count(names::PROCESSOR_COMMITS_TOTAL, &labels, 1);
        names::seconds(names::PROCESSOR_COMMIT_SECONDS, &labels, began.elapsed());
        Ok(())
    }

    fn transaction(&self, batch: &[Decided]) -> Result<(), RuntimeError> {
        self.producer.begin_transaction().map_err(|error| transaction_error("begin_transaction", &error))?;
        let mut next = BTreeMap::new();
        for decided in batch {
            if let Some(output) = &decided.output {
                self.send(output)?;
            }
            if let Some(last) = &decided.last {
                next.insert(decided.partition, last);
            }
        }
        self.drain()?;
        let mut offsets = TopicPartitionList::new();
        for (partition, last) in next {
            let mut element = offsets.add_partition(&self.input, partition);
            let set = element.set_offset(Offset::Offset(last.offset + 1));
            set.map_err(|error| RuntimeError::kafka("collecting offsets", &error))?;
            element.set_metadata(last.marker(&self.epoch, self.partitions).to_string());
        }
        if offsets.count() > 0 {
            self.send_offsets(&offsets)?;
        }
        retried("commit_transaction", || self.producer.commit_transaction(CALL_TIMEOUT))
    }

    fn send_offsets(&self, offsets: &TopicPartitionList) -> Result<(), RuntimeError> {
        let group = self.group.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let group = group.ok_or_else(|| RuntimeError::Transient("the partitions were taken away".into()))?;
        retried("send_offsets_to_transaction", || {
            self.producer.send_offsets_to_transaction(offsets, &group, CALL_TIMEOUT)
        })
    }

    /// What outputs are written with.
    fn outputs(&self) -> &BaseProducer<Failures> {
        self.outside.as_ref().unwrap_or(&self.producer)
    }

    fn send(&self, output: &Output) -> Result<(), RuntimeError> {
        let until = Instant::now() + CALL_TIMEOUT;
        let mut record = BaseRecord::<[u8], [u8]>::to(&self.names[&output.topic])
            .partition(output.partition)
            .key(&output.key)
            .payload(&output.value)
            .headers(output.headers.to_kafka());
        loop {
            match self.outputs().send(record) {
                Ok(()) => return Ok(()),
                Err((error, back))
                    if error.rdkafka_error_code() == Some(RDKafkaErrorCode::QueueFull) && Instant::now() < until =>
                {
                    serve(self.outputs());
                    record = back;
                }
                Err((error, _)) => return Err(RuntimeError::kafka(&format!("writing to {}", output.topic), &error)),
            }
        }
    }

    /// Waits for all deliveries.
    fn drain(&self) -> Result<(), RuntimeError> {
        delivered(self.outputs())?;
        let failed = self.outputs().context().0.lock().unwrap_or_else(PoisonError::into_inner).take();
        failed.map_or(Ok(()), |reason| Err(RuntimeError::Transient(reason)))
    }
}

/// Calls again what librdkafka says may be called again, until the deadline of one call has passed twice.
fn retried(name: &str, call: impl Fn() -> Result<(), KafkaError>) -> Result<(), RuntimeError> {
    let until = Instant::now() + 2 * CALL_TIMEOUT;
    loop {
        match call() {
            Ok(()) => return Ok(()),
            Err(KafkaError::Transaction(error)) if error.is_retriable() && Instant::now() < until => {
                std::thread::sleep(Duration::from_millis(20));
            }
            Err(error) => return Err(transaction_error(name, &error)),
        }
    }
}

/// Being fenced passes too: the coordinator does it by itself to a producer that was silent for long. Whether another process
/// runs in this slot is for the consumer's instance id to say.
fn transaction_error(call: &str, error: &KafkaError) -> RuntimeError {
    RuntimeError::kafka(call, error)
}
