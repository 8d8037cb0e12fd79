//! Restoring partitions from the broker, on threads of their own, so that running partitions go on.

use super::{
    Basis, Processor, basis,
    decide::{Decider, Partition},
    marker::{Committed, Last},
    restore::{At, Past, Stop, restore},
    snapshot::{self, Snapshot},
};
use crate::{
    Record, RuntimeError, SourcePosition,
    config::KafkaConfig,
    headers, kafka,
    log::Schemas,
    reader::{Ends, From, Read, Reader},
};
use millrace_schemas::{Event, Topic, event::Derived};
use std::{
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, Sender, channel},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};
use tokio::runtime::Handle;

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
    /// The last input that was committed.
    pub(super) last: Option<Last>,
    /// What it was decided by last, as the log says, and offset behind the last input that may have been decided so.
    pub(super) basis: Option<(Basis, i64)>,
    /// Outputs read.
    pub(super) outputs: u64,
    pub(super) took: Duration,
}

/// Restores what it is given, a few partitions at a time.
pub(super) struct Restorer<P: Processor> {
    jobs: Option<Sender<Job>>,
    results: Receiver<(u64, Result<Restored<P>, RuntimeError>)>,
    threads: Vec<JoinHandle<()>>,
    ends: Arc<Ends>,
    /// Counts assignments; what was begun for an earlier one is given up.
    assignment: Arc<AtomicU64>,
}

/// A partition to restore, and the assignment it is of.
struct Job {
    committed: Committed,
    assignment: u64,
}

impl<P: Processor> Restorer<P> {
    pub(super) fn start(
        decider: &Arc<Decider<P>>,
        schemas: &Schemas,
        runtime: &Handle,
        kafka: &KafkaConfig,
        snapshots: Option<&Path>,
    ) -> Result<Self, RuntimeError> {
        let (jobs, waiting) = channel();
        let (done, results) = channel();
        let waiting = Arc::new(Mutex::new(waiting));
        let assignment = Arc::<AtomicU64>::default();
        let ends = Arc::new(Ends::new(kafka)?);
        let count = std::thread::available_parallelism().map_or(1, usize::from).min(THREADS_MAX);
        let thread = |number: usize| {
            let restore = Thread {
                decider: Arc::clone(decider),
                schemas: schemas.clone(),
                runtime: runtime.clone(),
                kafka: kafka.clone(),
                ends: Arc::clone(&ends),
                snapshots: snapshots.map(Path::to_owned),
                assignment: Arc::clone(&assignment),
            };
            let (waiting, done) = (Arc::clone(&waiting), done.clone());
            std::thread::Builder::new()
                .name(format!("{}-restore-{number}", P::NAME))
                .spawn(move || restore.run(&waiting, &done))
                .map_err(|error| RuntimeError::Fatal(format!("starting a thread: {error}")))
        };
        let threads = (0..count).map(thread).collect::<Result<_, _>>()?;
        Ok(Self { jobs: Some(jobs), results, threads, ends, assignment })
    }

    /// Begins to restore partitions.
    pub(super) fn begin(&self, partitions: Vec<Committed>) -> Result<(), RuntimeError> {
        let assignment = self.assignment.load(Ordering::Relaxed);
        partitions.into_iter().try_for_each(|committed| {
            let sent = self.jobs.as_ref().is_some_and(|jobs| jobs.send(Job { committed, assignment }).is_ok());
            if sent { Ok(()) } else { Err(RuntimeError::Fatal("the threads that restore memory have ended".into())) }
        })
    }

    /// Where a partition's outputs end now, to whoever reads them.
    pub(super) fn end_of_outputs(&self, number: i32) -> Result<i64, RuntimeError> {
        self.ends.of_readable(P::Out::TOPIC, number)
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
struct Thread<P: Processor> {
    decider: Arc<Decider<P>>,
    schemas: Schemas,
    runtime: Handle,
    kafka: KafkaConfig,
    ends: Arc<Ends>,
    /// Folder with snapshots.
    snapshots: Option<PathBuf>,
    assignment: Arc<AtomicU64>,
}

impl<P: Processor> Thread<P> {
    fn run(self, waiting: &Mutex<Receiver<Job>>, done: &Sender<(u64, Result<Restored<P>, RuntimeError>)>) {
        loop {
            let next = waiting.lock().unwrap_or_else(PoisonError::into_inner).recv();
            let Ok(job) = next else { return };
            let began = Instant::now();
            let past = KafkaPast { thread: &self, job: &job };
            let restored = restore(&self.decider, &job.committed, &past)
                .and_then(|(partition, outputs)| past.basis().map(|basis| (partition, outputs, basis)));
            let result = match restored {
                Ok((partition, outputs, basis)) => Ok(Restored {
                    number: job.committed.partition,
                    partition,
                    last: Last::committed(&job.committed),
                    basis,
                    outputs,
                    took: began.elapsed(),
                }),
                Err(Stop::Failed(error)) => Err(error),
                Err(Stop::Unwanted) => continue,
            };
            if done.send((job.assignment, result)).is_err() {
                return;
            }
        }
    }
}

/// One partition's past, read from the broker.
struct KafkaPast<'a, P: Processor> {
    thread: &'a Thread<P>,
    job: &'a Job,
}

impl<P: Processor> KafkaPast<'_, P> {
    fn still_wanted(&self) -> Result<(), Stop> {
        let is_current = self.thread.assignment.load(Ordering::Relaxed) == self.job.assignment;
        if is_current { Ok(()) } else { Err(Stop::Unwanted) }
    }

    /// Gives every committed record of a topic, to the end.
    fn records(
        &self,
        topic: Topic,
        from: From,
        each: &mut dyn FnMut(&Record) -> Result<(), RuntimeError>,
    ) -> Result<(), Stop> {
        self.records_of(topic, self.job.committed.partition, from, each)
    }

    fn records_of(
        &self,
        topic: Topic,
        number: i32,
        from: From,
        each: &mut dyn FnMut(&Record) -> Result<(), RuntimeError>,
    ) -> Result<(), Stop> {
        self.wait_until_readable(topic, number)?;
        let mut reader = Reader::new(&self.thread.kafka, topic, &[number], from)?;
        loop {
            self.still_wanted()?;
            match reader.next(WAIT)? {
                Read::Record(record) => each(&record)?,
                Read::End(_) => return Ok(()),
                Read::Idle => {}
            }
        }
    }

    /// What the partition was decided by last, as the log says, and offset behind the last input that is there: up to it, somebody
    /// may have been told what was decided by that and is not committed.
    fn basis(&self) -> Result<Option<(Basis, i64)>, Stop> {
        let Thread { decider, schemas, runtime, .. } = self.thread;
        let mut last = None;
        if !decider.processor.basis().is_empty() {
            self.records_of(Topic::ProcessorEpochs, basis::PARTITION, From::Beginning, &mut |record| {
                let found = basis::of_record(schemas, runtime, record, P::NAME, self.job.committed.partition)?;
                last = found.or_else(|| last.take());
                Ok(())
            })?;
        }
        last.map(|basis| Ok((basis, self.end_of_inputs()?))).transpose()
    }

    /// Offset behind the last input that is there and not committed; 0 when there is none. Behind it may stand what is no record: ends
    /// of transactions.
    fn end_of_inputs(&self) -> Result<i64, Stop> {
        let (topic, number) = (<P::Out as Derived>::From::TOPIC, self.job.committed.partition);
        let (begin, end) = self.thread.ends.range(topic, number)?;
        let begin = begin.max(self.job.committed.offset.unwrap_or(0));
        let mut looked = 1;
        loop {
            let from = begin.max(end - looked);
            if from >= end {
                return Ok(0);
            }
            let mut last = None;
            self.records_of(topic, number, From::Offset(from), &mut |record| {
                last = Some(record.offset + 1);
                Ok(())
            })?;
            match last {
                Some(last) => return Ok(last),
                None if from == begin => return Ok(0),
                None => looked *= 2,
            }
        }
    }

    /// The first record from an offset on.
    fn first(&self, topic: Topic, offset: i64) -> Result<Option<Record>, Stop> {
        let number = self.job.committed.partition;
        let mut reader = Reader::new(&self.thread.kafka, topic, &[number], From::Offset(offset))?;
        loop {
            self.still_wanted()?;
            match reader.next(WAIT)? {
                Read::Record(record) => return Ok(Some(*record)),
                Read::End(_) => return Ok(None),
                Read::Idle => {}
            }
        }
    }

    fn output(&self, record: &Record) -> Result<P::Out, RuntimeError> {
        let Thread { schemas, runtime, .. } = self.thread;
        schemas.decode::<P::Out>(runtime, record.value.as_deref())?.map_err(|error| {
            let at = format!("{} {}/{}", record.topic, record.partition, record.offset);
            RuntimeError::Fatal(format!("own output at {at}: {error}"))
        })
    }

    /// Waits until everything that stands in the partition now is decided to be committed or aborted. A former owner's last
    /// transaction may be committed for the offsets while its marker is not in this partition yet, where readers stop.
    fn wait_until_readable(&self, topic: Topic, number: i32) -> Result<(), Stop> {
        let (ends, until) = (&self.thread.ends, Instant::now() + OPEN_MAX);
        let end = ends.of_all(topic, number)?;
        while ends.of_readable(topic, number)? < end {
            self.still_wanted()?;
            if Instant::now() > until {
                return Err(Stop::Failed(RuntimeError::Transient(format!(
                    "a transaction at the end of {topic} partition {number} has been open for more than {} s",
                    OPEN_MAX.as_secs()
                ))));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }
}

impl<P: Processor> Past<P::Out> for KafkaPast<'_, P> {
    fn snapshot(&self) -> Option<Snapshot> {
        let identity = self.thread.decider.identity(self.job.committed.partition);
        let read = snapshot::read(self.thread.snapshots.as_deref()?, &identity);
        read.unwrap_or_else(|why| {
            tracing::warn!(processor = P::NAME, partition = identity.partition, why, "a snapshot is passed over");
            None
        })
    }

    fn outputs(
        &self,
        from: Option<i64>,
        each: &mut dyn FnMut(&P::Out, bool) -> Result<(), RuntimeError>,
    ) -> Result<(), Stop> {
        let from = from.map_or(From::Beginning, From::Offset);
        self.records(P::Out::TOPIC, from, &mut |record| {
            each(&self.output(record)?, record.headers.get(headers::REPAIR).is_some())
        })
    }

    fn first_source(&self, offset: i64) -> Result<Option<i64>, Stop> {
        let (begin, end) = self.thread.ends.range(P::Out::TOPIC, self.job.committed.partition)?;
        if !(begin..end).contains(&offset) {
            return Ok(None);
        }
        let record = self.first(P::Out::TOPIC, offset)?;
        Ok(record.map(|record| self.output(&record)).transpose()?.map(|output| output.source().offset))
    }

    fn sources(&self, topic: Topic, since: Option<i64>, each: &mut dyn FnMut(SourcePosition)) -> Result<(), Stop> {
        let number = self.job.committed.partition;
        self.records(topic, since.map_or(From::Beginning, From::Time), &mut |record| {
            SourcePosition::of(record).filter(|source| source.partition == number).into_iter().for_each(&mut *each);
            Ok(())
        })
    }

    fn journal_at(&self, offset: i64) -> Result<At, Stop> {
        let (topic, number) = (<P::Out as Derived>::From::TOPIC, self.job.committed.partition);
        let (begin, end) = self.thread.ends.range(topic, number)?;
        if offset >= end {
            return Ok(At::Beyond(end));
        }
        if offset < begin {
            return Ok(At::Nothing);
        }
        let found = self.first(topic, offset)?.filter(|record| record.offset == offset);
        Ok(found.map_or(At::Nothing, |record| At::Record(record.timestamp)))
    }
}
