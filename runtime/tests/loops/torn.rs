//! What a torn transaction leaves takes no effect.

use crate::{
    counting::Worker,
    deployment::{self, deployment, example, read, records, until},
    recording::{Projector, Recording},
};
use millrace_runtime::{Headers, Record, SourcePosition, headers, log::Log, producer::EventProducer};
use millrace_schemas::{
    Topic,
    event::{Derived as _, Source, Transaction, TransactionScore},
};
use std::{collections::BTreeMap, ops::Range, sync::Arc, time::Duration};

/// Derived records of journal offsets, as a processor writes them.
fn derived(offsets: Range<i64>) -> Vec<Record> {
    let one = |offset| {
        let source = SourcePosition { topic: Topic::Transactions, partition: 1, offset, index: 0 };
        Record {
            topic: Topic::TransactionScores,
            partition: 1,
            offset: 0,
            timestamp: 0,
            key: Some("key".into()),
            value: Some(format!("of {offset}").into()),
            headers: Headers::new().with(headers::SOURCE, source.to_string()),
        }
    };
    offsets.map(one).collect()
}

fn write(log: &Log, records: &[Record]) {
    let transaction = deployment::Transaction::begin(log);
    transaction.write(log, records);
    transaction.commit();
}

fn sources(records: &[Record]) -> Vec<i64> {
    records.iter().map(|record| SourcePosition::of(record).expect("a source").offset).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_takes_the_first_copy_of_what_is_in_the_log_twice() {
    let (log, store) = (deployment("copies").await, Arc::<Recording>::default());
    for range in [0..10, 5..10, 10..15] {
        write(&log, &derived(range));
    }
    let projector = Projector::start(&store, &log);
    until(async || store.records(), 15).await;
    projector.stop().await;
    // The next projector knows from the group what was seen before it.
    for range in [12..15, 0..2, 15..18] {
        write(&log, &derived(range));
    }
    let projector = Projector::start(&store, &log);
    until(async || store.records(), 18).await;
    projector.stop().await;
    assert_eq!(sources(&store.records()), (0..18).collect::<Vec<_>>());
    assert_eq!(records(&log, Topic::TransactionScores).await.len(), 28, "the copies are in the log");
    assert_eq!(log.lag("recording", &[Topic::TransactionScores]).await.expect("lag").total(), 0);
}

/// Appends transactions of one customer with these numbers.
async fn append(producer: &EventProducer, numbers: Range<usize>) {
    for number in numbers {
        let transaction = transaction(number);
        producer.append(&transaction, Headers::new()).await.expect("acknowledged");
    }
}

fn transaction(number: usize) -> Transaction {
    Transaction { customer_id: "customer".into(), transaction_id: number.to_string(), ..example() }
}

/// The customer's count at each journal offset; panics when an offset has two scores.
fn counts(scores: &[TransactionScore]) -> BTreeMap<i64, i32> {
    let mut counts = BTreeMap::new();
    for score in scores {
        let before = counts.insert(score.source.offset, score.windows.customer_transaction_count_3h);
        assert_eq!(before, None, "offset {} has two scores", score.source.offset);
    }
    counts
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_output_that_is_in_the_log_twice_is_taken_back_once() {
    let log = deployment("twice").await;
    let producer = EventProducer::connect(&log, "test").await.expect("schemas");
    append(&producer, 0..30).await;
    let worker = Worker::start(&log);
    until(|| read::<TransactionScore>(&log), 30).await;
    worker.stop().await;
    write(&log, &records(&log, Topic::TransactionScores).await[10..]);
    append(&producer, 30..40).await;
    let worker = Worker::start(&log);
    let scores = until(|| read::<TransactionScore>(&log), 60).await;
    worker.stop().await;
    let (first, copies, last) = (&scores[..30], &scores[30..50], &scores[50..]);
    assert_eq!(copies, &first[10..]);
    let counts = counts(&[first, last].concat());
    assert_eq!(counts.into_values().collect::<Vec<_>>(), (1..=40).collect::<Vec<_>>());
}

/// The last transaction of a former owner may be committed for the offsets, its marker still on the way to the outputs: an open
/// transaction, to whoever reads them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_waits_for_outputs_whose_transaction_is_not_decided() {
    let log = deployment("undecided").await;
    let producer = EventProducer::connect(&log, "test").await.expect("schemas");
    append(&producer, 0..20).await;
    let worker = Worker::start(&log);
    let scores = until(|| read::<TransactionScore>(&log), 20).await;
    worker.stop().await;

    let stored = producer.append(&transaction(20), Headers::new()).await.expect("acknowledged");
    let last = records(&log, Topic::TransactionScores).await.pop().expect("a record");
    let score = TransactionScore { transaction: transaction(20), ..scores[19].clone() };
    let score = TransactionScore {
        source: Source { offset: 20, timestamp: stored.timestamp, ..score.source.clone() },
        ..score
    };
    let value = producer.schemas().codec().encode(&score).expect("encodes");
    let open = deployment::Transaction::begin(&log);
    open.write(&log, &[Record { value: Some(value.into()), ..last }]);

    let worker = Worker::start(&log);
    // Long enough that a worker that does not wait would have written a score of its own.
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(log.lag("counting", &[Topic::Transactions]).await.expect("lag").total(), 1);
    open.commit();
    append(&producer, 21..22).await;
    let scores = until(|| read::<TransactionScore>(&log), 22).await;
    worker.stop().await;
    let by_hand = scores[20].source();
    assert_eq!((by_hand.offset, scores.len()), (20, 22));
    let counts = counts(&scores);
    assert_eq!(counts[&21], 22, "the output that was waited for counts");
}
