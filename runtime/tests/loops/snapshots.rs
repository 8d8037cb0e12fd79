//! A restart from a snapshot remembers what one from all outputs does.

use crate::{
    counting::Worker,
    deployment::{deployment, example, read, records, until},
    operators,
};
use millrace_runtime::{Headers, log::Log, processor::ProcessorConfig, producer::EventProducer};
use millrace_schemas::{
    Topic,
    event::{Duplicate, Transaction, TransactionScore},
};
use std::{
    ops::Range,
    path::{Path, PathBuf},
    time::SystemTime,
};

async fn append(log: &Log, numbers: Range<usize>) {
    let producer = EventProducer::connect(log, "test").await.expect("schemas");
    for number in numbers {
        let id = number.to_string();
        let transaction = Transaction { customer_id: "customer".into(), transaction_id: id, ..example() };
        producer.append(&transaction, Headers::new()).await.expect("acknowledged");
    }
}

fn start(log: &Log, folder: &Path) -> Worker {
    let snapshot_folder = Some(folder.to_owned());
    Worker::start_with(log, ProcessorConfig { snapshot_folder, snapshot_every_ms: 100, ..ProcessorConfig::default() })
}

fn written(file: &Path) -> Option<SystemTime> {
    file.metadata().and_then(|metadata| metadata.modified()).ok()
}

/// Decides twenty numbers in rounds, with a snapshot of each: the last one goes on reading behind the outputs of the first round,
/// since the one before was taken after they were committed. Gives the file.
async fn with_snapshots(log: &Log, folder: &Path) -> PathBuf {
    let worker = start(log, folder);
    let (mut file, mut before) = (PathBuf::new(), None);
    for round in [0..10, 10..12, 12..14, 14..20] {
        append(log, round.clone()).await;
        let scores = until(|| read::<TransactionScore>(log), round.end).await;
        file = folder.join(format!("counting-{}.snapshot", scores[0].source.partition));
        until(async || written(&file).filter(|at| Some(*at) != before).into_iter().collect::<Vec<_>>(), 1).await;
        before = written(&file);
    }
    worker.stop().await;
    file
}

/// Decides five numbers that came before and five new ones.
async fn assert_remembers_everything(log: &Log, folder: &Path) {
    append(log, 15..25).await;
    let worker = start(log, folder);
    let duplicates = until(|| read::<Duplicate>(log), 5).await;
    let newest = async || read::<TransactionScore>(log).await.into_iter().filter(is_new).collect::<Vec<_>>();
    let scores: Vec<TransactionScore> = until(newest, 5).await;
    worker.stop().await;
    assert_eq!((duplicates.len(), scores.len()), (5, 5));
    let counts: Vec<i32> = scores.iter().map(|score| score.windows.customer_transaction_count_3h).collect();
    assert_eq!(counts, [21, 22, 23, 24, 25]);
}

fn is_new(score: &TransactionScore) -> bool {
    score.transaction.transaction_id.parse::<usize>().is_ok_and(|number| number >= 20)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_goes_on_from_a_snapshot_and_does_not_need_the_outputs_before_it() {
    let (log, folder) = (deployment("snapshot").await, tempfile::tempdir().expect("a folder"));
    with_snapshots(&log, folder.path()).await;
    let tenth = records(&log, Topic::TransactionScores).await.swap_remove(9);
    operators::delete_records(&log, Topic::TransactionScores, tenth.partition, tenth.offset).await;
    assert_remembers_everything(&log, folder.path()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snapshot_that_is_damaged_is_passed_over() {
    let (log, folder) = (deployment("damaged").await, tempfile::tempdir().expect("a folder"));
    let file = with_snapshots(&log, folder.path()).await;
    let mut bytes = std::fs::read(&file).expect("a snapshot");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0xff;
    std::fs::write(&file, bytes).expect("damaged");
    assert_remembers_everything(&log, folder.path()).await;
}
