//! A paused worker reads nothing, through restarts, until it is resumed.

use crate::{
    counting::Worker,
    deployment::{deployment, example, read, until},
    recording::{Projector, Recording},
};
use millrace_runtime::{Headers, controls, log::Log, producer::EventProducer};
use millrace_schemas::{
    Topic,
    event::{ControlState, Transaction, TransactionScore},
};
use std::{sync::Arc, time::Duration};

/// How soon a worker obeys, by its contract.
const OBEYS: Duration = Duration::from_secs(1);
/// Long enough for a worker that does not obey to show it.
const SHOWS: Duration = Duration::from_secs(1);

async fn append(log: &Log, prefix: &str) {
    let producer = EventProducer::connect(log, "test").await.expect("schemas");
    for number in 0..20 {
        let transaction = Transaction {
            customer_id: format!("customer-{number}"),
            transaction_id: format!("{prefix}-{number}"),
            ..example()
        };
        producer.append(&transaction, Headers::new()).await.expect("acknowledged");
    }
}

async fn tell(log: &Log, worker: &str, state: ControlState) {
    let said = controls::set(log, worker, state, Some("a test".into())).await.expect("appended");
    assert_eq!(controls::read(log).await.expect("controls")[worker], said);
    tokio::time::sleep(OBEYS).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paused_processor_decides_nothing_until_it_is_resumed() {
    let log = deployment("pause").await;
    append(&log, "before").await;
    let worker = Worker::start(&log);
    until(|| read::<TransactionScore>(&log), 20).await;
    tell(&log, "counting", ControlState::Paused).await;
    tell(&log, "another", ControlState::Running).await;
    append(&log, "meanwhile").await;
    tokio::time::sleep(SHOWS).await;
    assert_eq!(read::<TransactionScore>(&log).await.len(), 20);
    worker.stop().await;
    let worker = Worker::start(&log);
    tokio::time::sleep(2 * SHOWS).await;
    assert_eq!(read::<TransactionScore>(&log).await.len(), 20, "a restart does not resume");
    tell(&log, "counting", ControlState::Running).await;
    assert_eq!(until(|| read::<TransactionScore>(&log), 40).await.len(), 40);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paused_projector_stores_nothing_until_it_is_resumed() {
    let (log, store) = (deployment("pause-store").await, Arc::<Recording>::default());
    let (worker, projector) = (Worker::start(&log), Projector::start(&store, &log));
    append(&log, "before").await;
    until(async || store.records(), 20).await;
    tell(&log, "recording", ControlState::Paused).await;
    append(&log, "meanwhile").await;
    until(|| read::<TransactionScore>(&log), 40).await;
    tokio::time::sleep(SHOWS).await;
    assert_eq!(store.records().len(), 20);
    assert!(log.lag("recording", &[Topic::TransactionScores]).await.expect("lag").total() >= 20);
    tell(&log, "recording", ControlState::Running).await;
    until(async || store.records(), 40).await;
    projector.stop().await;
    worker.stop().await;
    assert_eq!(store.records().len(), 40);
}
