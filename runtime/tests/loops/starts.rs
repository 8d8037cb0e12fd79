//! What changed while nobody looked is noticed at the start: refused in words, or nothing is lost and nothing doubled.

use crate::{
    counting::Worker,
    deployment::{deployment, example, read, until},
    operators,
    recording::{Projector, Recording},
};
use millrace_runtime::{Headers, log::Log, producer::EventProducer};
use millrace_schemas::{
    Topic,
    event::{DeadLetter, Duplicate, Transaction, TransactionScore},
};
use std::{collections::BTreeMap, sync::Arc};

/// Appends transactions of one customer with these numbers, each twice, and after each one that breaks a rule.
async fn append(log: &Log, numbers: std::ops::Range<usize>) {
    let producer = EventProducer::connect(log, "test").await.expect("schemas");
    for number in numbers {
        let good = Transaction { customer_id: "customer".into(), transaction_id: number.to_string(), ..example() };
        let bad = Transaction { amount: -1, ..good.clone() };
        for transaction in [&good, &good, &bad] {
            producer.append(transaction, Headers::new()).await.expect("acknowledged");
        }
    }
}

/// Outcomes by journal offset and how many there are of each; waits for the scores, duplicates and dead letters of so many numbers.
async fn outcomes(log: &Log, numbers: usize) -> BTreeMap<i64, usize> {
    let scores = until(|| read::<TransactionScore>(log), numbers).await;
    let duplicates = until(|| read::<Duplicate>(log), numbers).await;
    let letters = until(|| read::<DeadLetter>(log), numbers).await;
    let mut outcomes = BTreeMap::new();
    let offsets = scores.iter().map(|score| score.source.offset);
    let offsets = offsets.chain(duplicates.iter().map(|duplicate| duplicate.source.offset));
    for offset in offsets.chain(letters.iter().filter_map(|letter| letter.source_offset)) {
        *outcomes.entry(offset).or_default() += 1;
    }
    outcomes
}

/// A deployment whose processor has decided ten numbers and is stopped.
pub async fn decided(name: &str) -> (Log, i32) {
    let log = deployment(name).await;
    append(&log, 0..10).await;
    let worker = Worker::start(&log);
    outcomes(&log, 10).await;
    worker.stop().await;
    let partition = read::<TransactionScore>(&log).await[0].source.partition;
    (log, partition)
}

pub async fn assert_goes_on_without_a_second_outcome(log: &Log) {
    append(log, 10..15).await;
    let worker = Worker::start(log);
    let outcomes = outcomes(log, 15).await;
    worker.stop().await;
    assert_eq!(outcomes, (0..45).map(|offset| (offset, 1)).collect::<BTreeMap<_, _>>());
    let scores = read::<TransactionScore>(log).await;
    let counts: Vec<i32> = scores.iter().map(|score| score.windows.customer_transaction_count_3h).collect();
    assert_eq!(counts, (1..=15).collect::<Vec<_>>());
    assert_eq!(log.lag("counting", &[Topic::Transactions]).await.expect("lag").total(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_processor_whose_group_was_deleted_writes_nothing_twice() {
    let (log, _) = decided("no-group").await;
    operators::delete_group(&log, "counting").await;
    assert_goes_on_without_a_second_outcome(&log).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_processor_whose_offsets_were_set_back_writes_nothing_twice() {
    let (log, partition) = decided("set-back").await;
    // Between the second number's score and its duplicate.
    operators::set_offset(&log, "counting", Topic::Transactions, partition, 4).await;
    assert_goes_on_without_a_second_outcome(&log).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_processor_whose_offsets_point_behind_the_journal_refuses_to_start() {
    let (log, partition) = decided("behind").await;
    operators::set_offset(&log, "counting", Topic::Transactions, partition, 1_000).await;
    let refused = Worker::start(&log).fails().await;
    assert!(refused.contains("the committed offset is not in the log any more"), "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_processor_refuses_a_journal_that_was_made_anew() {
    let (log, partition) = decided("anew").await;
    operators::make_anew(&log, Topic::Transactions).await;
    let shorter = Worker::start(&log).fails().await;
    assert!(shorter.contains("the journal was made anew or has lost records"), "{shorter}");
    assert!(
        shorter.contains(&format!("partition {partition} holds what became of transactions offset 27")),
        "{shorter}"
    );
    append(&log, 0..20).await;
    let longer = Worker::start(&log).fails().await;
    assert!(longer.contains("the journal's record at that offset is of time"), "{longer}");
    assert_eq!(read::<TransactionScore>(&log).await.len(), 10, "nothing was decided");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_processor_refuses_outputs_that_were_made_anew() {
    let (log, partition) = decided("outputs").await;
    operators::make_anew(&log, Topic::TransactionScores).await;
    let refused = Worker::start(&log).fails().await;
    let expected = format!(
        "transaction-scores partition {partition} should hold what became of transactions up to offset 27 but holds nothing"
    );
    assert!(refused.contains(&expected), "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_processor_refuses_a_journal_with_more_partitions_than_it_had() {
    let (log, _) = decided("more").await;
    operators::set_partitions(&log, &[Topic::Transactions], 4).await;
    let refused = Worker::start(&log).fails().await;
    assert!(refused.contains("must have equal partition counts but have"), "{refused}");
    let others: Vec<Topic> = Topic::ALL
        .iter()
        .copied()
        .filter(|topic| topic.spec().group.as_deref() == Some("flow") && *topic != Topic::Transactions)
        .collect();
    operators::set_partitions(&log, &others, 4).await;
    let refused = Worker::start(&log).fails().await;
    assert!(refused.contains("had 3 partitions when its offsets were committed and has 4 now"), "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings_that_lose_records_are_refused_with_the_command_that_mends_them() {
    let log = deployment("settings").await;
    operators::set(&log, Topic::Transactions, "retention.ms", "3600000").await;
    let refused = Worker::start(&log).fails().await;
    let name = log.topic_name(Topic::Transactions);
    assert!(
        refused.contains(&format!("topic {name} has retention.ms=3600000, so old records are deleted")),
        "{refused}"
    );
    assert!(refused.contains(&format!("--alter --topic {name} --add-config retention.ms=-1")), "{refused}");
}

/// A deployment whose scores a store has, and whose projector is stopped.
async fn stored(name: &str) -> (Log, i32, Arc<Recording>) {
    let (log, partition) = decided(name).await;
    let store = Arc::<Recording>::default();
    let projector = Projector::start(&store, &log);
    until(async || store.records(), 10).await;
    projector.stop().await;
    (log, partition, store)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_projector_whose_offsets_are_not_its_own_refuses_to_start() {
    let (log, partition, store) = stored("store").await;
    operators::set_offset(&log, "recording", Topic::TransactionScores, partition, 3).await;
    let refused = Projector::start(&store, &log).fails().await;
    assert!(refused.contains("the committed offset 3 has no marker of a projector beside it"), "{refused}");
    operators::delete_group(&log, "recording").await;
    let refused = Projector::start(&store, &log).fails().await;
    assert!(refused.contains("but the consumer group has no offset") && refused.contains("rebuild"), "{refused}");
    assert_eq!(store.records().len(), 10);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_projector_refuses_a_topic_that_was_made_anew() {
    let (log, _, store) = stored("store-anew").await;
    operators::make_anew(&log, Topic::TransactionScores).await;
    let refused = Projector::start(&store, &log).fails().await;
    assert!(refused.contains("made anew"), "{refused}");
    assert_eq!(store.records().len(), 10);
}
