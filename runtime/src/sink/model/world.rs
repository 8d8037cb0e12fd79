//! Two simulated partitions of a topic, one projector for both or one for each, and one that was replaced and does not know it.

use super::store::{POISON, Services};
use crate::{
    Headers, Record, RuntimeError, SourcePosition, headers,
    sabotage::Sabotage,
    sink::{
        SinkConfig,
        cut::Cut,
        intent::Piece,
        partition::{Limits, Partition, Start},
        write::{Stored, Writer},
    },
};
use millrace_schemas::Topic;
use std::{
    collections::BTreeMap,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

const TOPIC: Topic = Topic::TransactionScores;
/// The topic's partitions.
pub(super) const PARTITIONS: [i32; 2] = [0, 1];
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

/// What happens next. `who` is a projector's place among those there are.
#[derive(Debug, Clone)]
pub(super) enum Step {
    Append {
        of: usize,
        kind: Kind,
        gap: bool,
    },
    /// A projector takes so many records of each of its partitions.
    Take {
        who: usize,
        count: usize,
    },
    /// It writes a batch; it may die before or after any of the calls that takes, and those of its start.
    Write {
        who: usize,
        fails_at: Option<u8>,
    },
    /// It stops in the middle of a write and is replaced.
    WriteStalls {
        who: usize,
        split: bool,
    },
    /// The one that stopped goes on.
    ZombieGoesOn,
    /// All begin anew: one for both partitions, or one for each.
    Rebalance {
        split: bool,
    },
}

type Write = Pin<Box<dyn Future<Output = Result<Stored, RuntimeError>>>>;

struct Projector {
    services: Services,
    writer: Arc<Writer<Services, Services>>,
    partitions: BTreeMap<i32, Partition>,
    /// Next offset to read of each.
    next: BTreeMap<i32, i64>,
    assignment: u64,
}

pub(super) struct World {
    pub(super) log: Vec<Record>,
    sources: i64,
    pub(super) services: Services,
    /// Whether each partition has a projector of its own.
    split: bool,
    projectors: [Option<Projector>; 2],
    zombie: Option<(Services, Write)>,
}

impl World {
    pub(super) fn new(without: Option<Sabotage>) -> Self {
        let services = Services::new(without);
        Self { log: Vec::new(), sources: 0, services, split: false, projectors: [None, None], zombie: None }
    }

    pub(super) fn run(&mut self, step: &Step) -> Result<(), String> {
        match *step {
            Step::Append { of, kind, gap } => self.append(PARTITIONS[of], kind, gap),
            Step::Take { who, count } => self.take(who, count)?,
            Step::Write { who, fails_at } => self.write(who, fails_at)?,
            Step::WriteStalls { who, split } => self.write_stalls(who, split)?,
            Step::ZombieGoesOn => self.zombie_goes_on(),
            Step::Rebalance { split } => self.rebalance(split),
        }
        Ok(())
    }

    /// No more faults: everything that is in the log is taken and written.
    pub(super) fn come_to_rest(&mut self) -> Result<(), String> {
        self.zombie_goes_on();
        self.rebalance(self.split);
        for _ in 0..=self.log.len() + 1 {
            for who in 0..2 {
                self.take(who, usize::MAX)?;
                self.write(who, None)?;
            }
            let durable = self.services.durable();
            let is_at_end = |partition: &i32| {
                let committed = durable.committed.get(partition).map_or(0, |(offset, _)| *offset);
                committed == self.end(*partition)
            };
            if PARTITIONS.iter().all(is_at_end) {
                return Ok(());
            }
        }
        Err("it does not come to an end".into())
    }

    fn of(&self, partition: i32) -> impl DoubleEndedIterator<Item = &Record> {
        self.log.iter().filter(move |record| record.partition == partition)
    }

    fn end(&self, partition: i32) -> i64 {
        self.of(partition).next_back().map_or(0, |record| record.offset + 1)
    }

    fn append(&mut self, partition: i32, kind: Kind, gap: bool) {
        let offset = self.end(partition) + i64::from(gap);
        let earlier = |back: usize| self.of(partition).nth_back(back - 1).cloned();
        let record = match kind {
            Kind::Copy(back) if earlier(back).is_some() => Record { offset, ..earlier(back).expect("it is there") },
            Kind::OfNoSource => derived(partition, offset, None, b""),
            Kind::Poison => derived(partition, offset, Some(self.next_source()), POISON),
            Kind::New | Kind::Copy(_) => derived(partition, offset, Some(self.next_source()), b""),
        };
        self.log.push(record);
    }

    fn next_source(&mut self) -> i64 {
        self.sources += 1;
        self.sources
    }

    /// Whoever was there knows nothing of it, and finds out when it commits.
    fn rebalance(&mut self, split: bool) {
        (self.split, self.projectors) = (split, [None, None]);
        self.services.durable().assignment += 1;
    }

    /// The projector at a place, which may start now and die of it; `None` where it did, or nobody is.
    fn projector(&mut self, who: usize, fails_at: Option<u8>) -> Result<Option<Projector>, String> {
        if let Some(projector) = self.projectors[who].take() {
            projector.services.fail_at(fails_at);
            return Ok(Some(projector));
        }
        let owned: &[i32] = match (self.split, who) {
            (false, 0) => &PARTITIONS,
            (false, _) => return Ok(None),
            (true, who) => &PARTITIONS[who..=who],
        };
        let services = self.services.new_process();
        services.fail_at(fails_at);
        let config = SinkConfig { retry_timeout_ms: 0, ..SinkConfig::default() };
        let writer = Arc::new(Writer::new(Arc::new(services.clone()), services.clone(), "epoch".into(), &config));
        let (mut starts, assignment) = (BTreeMap::new(), services.durable().assignment);
        for partition in owned {
            let durable = services.durable();
            let (committed, metadata) = durable.committed.get(partition).cloned().unzip();
            let metadata = metadata.unwrap_or_default();
            starts.insert(
                *partition,
                Start::check("epoch", *partition, committed, &metadata, durable.highest(*partition))?,
            );
        }
        let read = |piece: &Piece| {
            let between = |record: &&Record| (piece.first..=piece.last).contains(&record.offset);
            Ok(self.of(piece.partition).filter(between).cloned().collect())
        };
        let resolved = poll(&mut Box::pin(writer.resolve(TOPIC, &mut starts, assignment, read)));
        match resolved {
            Poll::Ready(Ok(())) => {}
            Poll::Ready(Err(_)) if fails_at.is_some() => {
                self.rebalance(self.split);
                return Ok(None);
            }
            Poll::Ready(Err(error)) => return Err(error.to_string()),
            Poll::Pending => return Err("a start waits for nothing".into()),
        }
        let next = starts.iter().map(|(partition, start)| (*partition, start.next)).collect();
        let partitions = starts.into_iter().map(|(partition, start)| (partition, Partition::new(start))).collect();
        Ok(Some(Projector { services, writer, partitions, next, assignment }))
    }

    fn take(&mut self, who: usize, count: usize) -> Result<(), String> {
        let Some(mut projector) = self.projector(who, None)? else { return Ok(()) };
        for (number, partition) in &mut projector.partitions {
            let next = projector.next.entry(*number).or_default();
            let from = *next;
            for record in self.of(*number).filter(|record| record.offset >= from).take(count) {
                partition.take(record.clone())?;
                *next = record.offset + 1;
            }
        }
        self.projectors[who] = Some(projector);
        Ok(())
    }

    fn write(&mut self, who: usize, fails_at: Option<u8>) -> Result<(), String> {
        let Some(mut projector) = self.projector(who, fails_at)? else { return Ok(()) };
        if let Some(mut write) = begin(&mut projector) {
            match poll(&mut write) {
                Poll::Ready(Ok(stored)) => {
                    for (number, stored) in stored {
                        projector.partitions.get_mut(&number).expect("its own").written(stored);
                    }
                }
                Poll::Ready(Err(_)) if fails_at.is_some() => {
                    self.rebalance(self.split);
                    return Ok(());
                }
                Poll::Ready(Err(error)) => return Err(error.to_string()),
                Poll::Pending => return Err("a write waits for nothing".into()),
            }
        }
        projector.services.fail_at(None);
        self.projectors[who] = Some(projector);
        Ok(())
    }

    fn write_stalls(&mut self, who: usize, split: bool) -> Result<(), String> {
        let Some(mut projector) = self.projector(who, None)? else { return Ok(()) };
        projector.services.stall(true);
        if let Some(mut write) = begin(&mut projector)
            && poll(&mut write).is_pending()
        {
            self.zombie = Some((projector.services, write));
        }
        // Whoever comes next has the partitions, before the zombie goes on.
        self.rebalance(split);
        for who in 0..2 {
            self.projectors[who] = self.projector(who, None)?;
        }
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
    let partitions = projector.partitions.iter_mut().map(|(number, partition)| (*number, partition));
    let cut = Cut::of_waiting(TOPIC, "epoch", &LIMITS, partitions)?;
    let (writer, assignment) = (Arc::clone(&projector.writer), projector.assignment);
    Some(Box::pin(async move { writer.write(cut, assignment).await }))
}

fn poll<T>(work: &mut Pin<Box<impl Future<Output = T> + ?Sized>>) -> Poll<T> {
    work.as_mut().poll(&mut Context::from_waker(Waker::noop()))
}

fn derived(partition: i32, offset: i64, source: Option<i64>, value: &'static [u8]) -> Record {
    let source = source.map(|offset| SourcePosition { topic: Topic::Transactions, partition, offset, index: 0 });
    let headers = source.iter().fold(Headers::new(), |all, source| all.with(headers::SOURCE, source.to_string()));
    Record { topic: TOPIC, partition, offset, timestamp: 0, key: None, value: Some(value.into()), headers }
}
