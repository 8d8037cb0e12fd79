//! A simulated partition of a topic, a projector, and one that was replaced and does not know it.

use super::store::{POISON, Services};
use crate::{
    Headers, Record, RuntimeError, SourcePosition, headers,
    sabotage::Sabotage,
    sink::{
        SinkConfig,
        partition::{Limits, Partition, Start},
        write::Writer,
    },
};
use millrace_schemas::Topic;
use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

const KEY: (Topic, i32) = (Topic::TransactionScores, 0);
const LIMITS: Limits = Limits { records: 3, bytes: 1 << 20, age: Duration::ZERO };

/// A record that is appended.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    /// Derived from the next source.
    New,
    /// A second copy of an earlier one, so many back, as a torn transaction leaves it.
    Copy(usize),
    /// One that the store can never take.
    Poison,
    /// One that nothing was derived for.
    OfNoSource,
}

/// What happens next.
#[derive(Debug, Clone)]
pub(super) enum Step {
    Append {
        kind: Kind,
        gap: bool,
    },
    /// The projector takes so many records.
    Take(usize),
    /// It writes a batch; it may die before or after any of the calls that takes.
    Write {
        fails_at: Option<u8>,
    },
    /// It stops in the middle of a write and is replaced.
    WriteStalls,
    /// The one that stopped goes on.
    ZombieGoesOn,
    Crash,
}

type Write = Pin<Box<dyn Future<Output = Result<Option<i64>, RuntimeError>>>>;

struct Projector {
    services: Services,
    writer: Arc<Writer<Services, Services>>,
    partition: Partition,
    /// Next offset to read.
    next: i64,
    assignment: u64,
}

pub(super) struct World {
    pub(super) log: Vec<Record>,
    sources: i64,
    pub(super) services: Services,
    projector: Option<Projector>,
    zombie: Option<(Services, Write)>,
}

impl World {
    pub(super) fn new(without: Option<Sabotage>) -> Self {
        Self { log: Vec::new(), sources: 0, services: Services::new(without), projector: None, zombie: None }
    }

    pub(super) fn run(&mut self, step: &Step) -> Result<(), String> {
        match *step {
            Step::Append { kind, gap } => self.append(kind, gap),
            Step::Take(count) => self.take(count)?,
            Step::Write { fails_at } => self.write(fails_at)?,
            Step::WriteStalls => self.write_stalls()?,
            Step::ZombieGoesOn => self.zombie_goes_on(),
            Step::Crash => self.projector = None,
        }
        Ok(())
    }

    /// No more faults: everything that is in the log is taken and written.
    pub(super) fn come_to_rest(&mut self) -> Result<(), String> {
        self.zombie_goes_on();
        self.projector = None;
        self.take(usize::MAX)?;
        let end = self.log.last().map_or(0, |record| record.offset + 1);
        for _ in 0..=self.log.len() {
            if self.services.durable().committed.as_ref().map_or(0, |(offset, _)| *offset) == end {
                return Ok(());
            }
            self.write(None)?;
        }
        Err("it does not come to an end".into())
    }

    fn append(&mut self, kind: Kind, gap: bool) {
        let offset = self.log.last().map_or(0, |record| record.offset + 1) + i64::from(gap);
        let record = match kind {
            Kind::Copy(back) if back <= self.log.len() => Record { offset, ..self.log[self.log.len() - back].clone() },
            Kind::OfNoSource => derived(offset, None, b""),
            Kind::Poison => derived(offset, Some(self.next_source()), POISON),
            Kind::New | Kind::Copy(_) => derived(offset, Some(self.next_source()), b""),
        };
        self.log.push(record);
    }

    fn next_source(&mut self) -> i64 {
        self.sources += 1;
        self.sources
    }

    fn projector(&mut self) -> Result<Projector, String> {
        if let Some(projector) = self.projector.take() {
            return Ok(projector);
        }
        let services = self.services.new_process();
        let config = SinkConfig { retry_timeout_ms: 0, ..SinkConfig::default() };
        let writer = Arc::new(Writer::new(Arc::new(services.clone()), services.clone(), "epoch".into(), &config));
        let mut durable = services.durable();
        durable.assignment += 1;
        let (committed, metadata) = durable.committed.clone().unzip();
        let in_store = durable.rows.iter().copied().max();
        let start = Start::check("epoch", committed, &metadata.unwrap_or_default(), in_store)?;
        let (partition, next, assignment) = (Partition::new(start), committed.unwrap_or(0), durable.assignment);
        drop(durable);
        Ok(Projector { services, writer, partition, next, assignment })
    }

    fn take(&mut self, count: usize) -> Result<(), String> {
        let mut projector = self.projector()?;
        let next = projector.next;
        for record in self.log.iter().filter(|record| record.offset >= next).take(count) {
            projector.partition.take(record.clone())?;
            projector.next = record.offset + 1;
        }
        self.projector = Some(projector);
        Ok(())
    }

    fn write(&mut self, fails_at: Option<u8>) -> Result<(), String> {
        let mut projector = self.projector()?;
        let Some(mut write) = begin(&mut projector) else {
            self.projector = Some(projector);
            return Ok(());
        };
        projector.services.fail_at(fails_at);
        match poll(&mut write) {
            Poll::Ready(Ok(stored)) => {
                projector.services.fail_at(None);
                projector.partition.stored = stored;
                self.projector = Some(projector);
                Ok(())
            }
            Poll::Ready(Err(_)) if fails_at.is_some() => Ok(()),
            Poll::Ready(Err(error)) => Err(error.to_string()),
            Poll::Pending => Err("a write waits for nothing".into()),
        }
    }

    fn write_stalls(&mut self) -> Result<(), String> {
        let mut projector = self.projector()?;
        projector.services.stall(true);
        let Some(mut write) = begin(&mut projector) else { return Ok(()) };
        if poll(&mut write).is_pending() {
            self.zombie = Some((projector.services, write));
        }
        // Whoever comes next has the partition, before the zombie goes on.
        self.projector = Some(self.projector()?);
        Ok(())
    }

    fn zombie_goes_on(&mut self) {
        if let Some((services, mut write)) = self.zombie.take() {
            services.stall(false);
            // Nobody hears how it ends.
            let _ = poll(&mut write);
        }
    }
}

fn begin(projector: &mut Projector) -> Option<Write> {
    let cut = projector.partition.batch(KEY, "epoch", &LIMITS)?;
    let (stored, unresolved, assignment) =
        (projector.partition.stored, projector.partition.resolve(), projector.assignment);
    let writer = Arc::clone(&projector.writer);
    Some(Box::pin(async move { writer.write(cut, stored, unresolved, assignment).await }))
}

fn poll(write: &mut Write) -> Poll<Result<Option<i64>, RuntimeError>> {
    write.as_mut().poll(&mut Context::from_waker(Waker::noop()))
}

fn derived(offset: i64, source: Option<i64>, value: &'static [u8]) -> Record {
    let source = source.map(|offset| SourcePosition { topic: Topic::Transactions, partition: 0, offset, index: 0 });
    let headers = source.iter().fold(Headers::new(), |all, source| all.with(headers::SOURCE, source.to_string()));
    Record { topic: KEY.0, partition: KEY.1, offset, timestamp: 0, key: None, value: Some(value.into()), headers }
}
