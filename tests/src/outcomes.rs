//! What became of each record of a journal, read from the log alone: every offset has exactly one outcome.

use crate::{Deployment, deployment::SOON};
use millrace_runtime::{
    Record,
    reader::{From, Reader},
};
use millrace_schemas::{
    Event, Topic,
    event::{DeadLetter, Derived, Duplicate},
    wire::Codec,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Debug,
};

/// Partition and offset of a journal record.
pub type Position = (i32, i64);

/// What became of a journal record.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome<Out> {
    /// The processor's output.
    Output(Box<Out>),
    /// A duplicate of the record at this offset of the same partition.
    Duplicate(i64),
    /// A dead letter with this code.
    DeadLetter(String),
}

/// Everything committed of a topic, by partition and offset.
pub async fn records(deployment: &Deployment, topic: Topic) -> BTreeMap<Position, Record> {
    let kafka = deployment.kafka.clone();
    let partitions: Vec<i32> = (0..deployment.log.partitions(topic).await.expect("topic")).collect();
    let read = tokio::task::spawn_blocking(move || {
        let mut reader = Reader::new(&kafka, topic, &partitions, From::Beginning).expect("reader");
        reader.read_to_end(partitions.len(), SOON).expect("records")
    });
    let records = read.await.expect("reading");
    records.into_iter().map(|record| ((record.partition, record.offset), record)).collect()
}

/// Everything committed of an event's topic, decoded with the log's schemas.
pub async fn events<E: Event>(deployment: &Deployment) -> BTreeMap<Position, E> {
    let codec = Codec::reader(&deployment.log.schemas().await.expect("schemas")).expect("codec");
    let decode = |record: &Record| codec.decode(record.value.as_deref()).expect("own events decode");
    let records = records(deployment, E::TOPIC).await;
    records.iter().map(|(position, record)| (*position, decode(record))).collect()
}

/// The outcomes of a processor's journal. Panics when an offset has two, or when one is not in its input's own partition.
pub async fn outcomes<Out: Derived + Debug>(deployment: &Deployment) -> BTreeMap<Position, Outcome<Out>> {
    let journal = <Out::From as Event>::TOPIC.name();
    let mut all = Outcomes(BTreeMap::new());
    for ((partition, _), output) in events::<Out>(deployment).await {
        let source = output.source().clone();
        all.add(partition, (source.partition, source.offset), Outcome::Output(Box::new(output)));
    }
    for ((partition, _), duplicate) in events::<Duplicate>(deployment).await {
        if duplicate.source.topic == journal {
            let position = (duplicate.source.partition, duplicate.source.offset);
            all.add(partition, position, Outcome::Duplicate(duplicate.first_offset));
        }
    }
    for ((partition, _), letter) in events::<DeadLetter>(deployment).await {
        if letter.source_topic.as_deref() == Some(journal) {
            let source = letter.source_partition.zip(letter.source_offset).expect("a whole source");
            all.add(partition, source, Outcome::DeadLetter(letter.code));
        }
    }
    all.0
}

struct Outcomes<Out>(BTreeMap<Position, Outcome<Out>>);

impl<Out: Debug> Outcomes<Out> {
    fn add(&mut self, partition: i32, source: Position, outcome: Outcome<Out>) {
        assert_eq!(partition, source.0, "an outcome in another partition than its input {source:?}");
        if let Some(other) = self.0.insert(source, outcome) {
            panic!("{source:?} has two outcomes; one is {other:?}");
        }
    }
}

/// Panics unless exactly the records of the journal have an outcome.
pub fn assert_complete<E, Out>(journal: &BTreeMap<Position, E>, outcomes: &BTreeMap<Position, Outcome<Out>>) {
    let records: BTreeSet<Position> = journal.keys().copied().collect();
    let decided: BTreeSet<Position> = outcomes.keys().copied().collect();
    let missing: Vec<&Position> = records.difference(&decided).take(10).collect();
    let made_up: Vec<&Position> = decided.difference(&records).take(10).collect();
    assert!(
        records == decided,
        "{} records, {} outcomes; without one: {missing:?}...; without record: {made_up:?}...",
        records.len(),
        decided.len()
    );
}
