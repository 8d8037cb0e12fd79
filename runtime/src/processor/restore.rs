//! Rebuilding memories from the processor's own committed outputs, on threads of their own, so that running partitions go on.

use super::{
    Processor,
    decide::{Decider, Partition},
};
use crate::{
    Record, RuntimeError,
    config::KafkaConfig,
    headers, kafka,
    reader::{Ends, From, Read, Reader},
    sabotage::{self, Sabotage},
};
use millrace_schemas::{Event, event::Derived, rules::Checked};
use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, Sender, channel},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

/// Partitions restored at the same time.
const THREADS_MAX: usize = 4;
/// How long a read may wait before it is looked whether the restore is still wanted.
const WAIT: Duration = Duration::from_millis(100);
/// How long a transaction at the end of the outputs may stay open: its timeout, and until the broker notices that it has passed.
const OPEN_MAX: Duration = Duration::from_secs(kafka::TRANSACTION_TIMEOUT.as_secs() + 30);

/// A partition whose memory was rebuilt.
pub(super) struct Restored<P: Processor> {
    pub(super) number: i32,
    pub(super) partition: Partition<P>,
    /// Outputs read.
    pub(super) outputs: u64,
    pub(super) took: Duration,
}

/// Restores what it is given, a few partitions at a time.
pub(super) struct Restorer<P: Processor> {
    jobs: Option<Sender<Job>>,
    results: Receiver<(u64, Result<Restored<P>, RuntimeError>)>,
    threads: Vec<JoinHandle<()>>,
    /// Counts assignments; what was begun for an earlier one is given up.
    assignment: Arc<AtomicU64>,
}

/// A partition to restore, and the assignment it is of.
struct Job {
    number: i32,
    assignment: u64,
}

impl<P: Processor> Restorer<P>
where
    <P::Out as Derived>::From: Checked,
{
    pub(super) fn start(decider: &Arc<Decider<P>>, kafka: &KafkaConfig) -> Result<Self, RuntimeError> {
        let (jobs, waiting) = channel();
        let (done, results) = channel();
        let waiting = Arc::new(Mutex::new(waiting));
        let assignment = Arc::<AtomicU64>::default();
        let ends = Arc::new(Ends::new(kafka)?);
        let count = std::thread::available_parallelism().map_or(1, usize::from).min(THREADS_MAX);
        let thread = |number: usize| {
            let restore = Restore {
                decider: Arc::clone(decider),
                kafka: kafka.clone(),
                ends: Arc::clone(&ends),
                assignment: Arc::clone(&assignment),
            };
            let (waiting, done) = (Arc::clone(&waiting), done.clone());
            std::thread::Builder::new()
                .name(format!("{}-restore-{number}", P::NAME))
                .spawn(move || restore.run(&waiting, &done))
                .map_err(|error| RuntimeError::Fatal(format!("starting a thread: {error}")))
        };
        let threads = (0..count).map(thread).collect::<Result<_, _>>()?;
        Ok(Self { jobs: Some(jobs), results, threads, assignment })
    }

    /// Begins to restore partitions.
    pub(super) fn begin(&self, numbers: &[i32]) -> Result<(), RuntimeError> {
        let assignment = self.assignment.load(Ordering::Relaxed);
        numbers.iter().try_for_each(|number| {
            let sent = self.jobs.as_ref().is_some_and(|jobs| jobs.send(Job { number: *number, assignment }).is_ok());
            if sent { Ok(()) } else { Err(RuntimeError::Fatal("the threads that restore memory have ended".into())) }
        })
    }

    /// Gives up what was begun: the partitions are gone.
    pub(super) fn abandon(&self) {
        self.assignment.fetch_add(1, Ordering::Relaxed);
    }

    /// A partition that is finished, if one is.
    pub(super) fn finished(&self) -> Result<Option<Restored<P>>, RuntimeError> {
        let current = self.assignment.load(Ordering::Relaxed);
        match self.results.try_iter().find(|(assignment, _)| *assignment == current) {
            Some((_, result)) => result.map(Some),
            None => Ok(None),
        }
    }
}

impl<P: Processor> Drop for Restorer<P> {
    fn drop(&mut self) {
        self.jobs = None;
        self.assignment.fetch_add(1, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

/// What a thread restores with.
struct Restore<P: Processor> {
    decider: Arc<Decider<P>>,
    kafka: KafkaConfig,
    ends: Arc<Ends>,
    assignment: Arc<AtomicU64>,
}

impl<P: Processor> Restore<P>
where
    <P::Out as Derived>::From: Checked,
{
    fn run(self, waiting: &Mutex<Receiver<Job>>, done: &Sender<(u64, Result<Restored<P>, RuntimeError>)>) {
        loop {
            let next = waiting.lock().unwrap_or_else(PoisonError::into_inner).recv();
            let Ok(job) = next else { return };
            if let Some(result) = self.restore(&job).transpose()
                && done.send((job.assignment, result)).is_err()
            {
                return;
            }
        }
    }

    fn is_wanted(&self, job: &Job) -> bool {
        self.assignment.load(Ordering::Relaxed) == job.assignment
    }

    /// Takes back every committed output of a partition; `None` when it is not wanted any more.
    fn restore(&self, job: &Job) -> Result<Option<Restored<P>>, RuntimeError> {
        let (began, mut outputs) = (Instant::now(), 0);
        let mut partition = self.decider.partition();
        if !sabotage::is_on(Sabotage::Restore) {
            if !self.wait_until_readable(job)? {
                return Ok(None);
            }
            let mut reader = Reader::new(&self.kafka, P::Out::TOPIC, &[job.number], From::Beginning)?;
            loop {
                if !self.is_wanted(job) {
                    return Ok(None);
                }
                match reader.next(WAIT)? {
                    Read::Record(record) => {
                        self.take_back(&mut partition, &record)?;
                        outputs += 1;
                    }
                    Read::End(_) => break,
                    Read::Idle => {}
                }
            }
        }
        Ok(Some(Restored { number: job.number, partition, outputs, took: began.elapsed() }))
    }

    /// Waits until everything that stands in the output partition now is decided to be committed or aborted. A former owner's last
    /// transaction may be committed for the offsets while its marker is not in the output partition yet, where readers stop.
    fn wait_until_readable(&self, job: &Job) -> Result<bool, RuntimeError> {
        let until = Instant::now() + OPEN_MAX;
        let end = self.ends.of_all(P::Out::TOPIC, job.number)?;
        while self.ends.of_readable(P::Out::TOPIC, job.number)? < end {
            if !self.is_wanted(job) {
                return Ok(false);
            }
            if Instant::now() > until {
                return Err(RuntimeError::Transient(format!(
                    "a transaction at the end of {} partition {} has been open for more than {} s",
                    P::Out::TOPIC,
                    job.number,
                    OPEN_MAX.as_secs()
                )));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(true)
    }

    fn take_back(&self, partition: &mut Partition<P>, record: &Record) -> Result<(), RuntimeError> {
        let decoded = self.decider.schemas.decode::<P::Out>(&self.decider.runtime, record.value.as_deref())?;
        let output = decoded.map_err(|error| {
            let at = format!("{} {}/{}", record.topic, record.partition, record.offset);
            RuntimeError::Fatal(format!("own output at {at}: {error}"))
        })?;
        let is_repair = record.headers.get(headers::REPAIR).is_some();
        self.decider.restore(partition, &output, is_repair)
    }
}
