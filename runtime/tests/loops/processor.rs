//! One outcome for each offset, through restarts.

use crate::{
    counting::Worker,
    deployment::{deployment, example, read, until},
};
use millrace_runtime::{Headers, producer::EventProducer};
use millrace_schemas::{
    Event as _,
    event::{Duplicate, Journal as _, Transaction, TransactionScore},
};
use std::collections::BTreeMap;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_is_rebuilt_so_that_every_transaction_counts_once() {
    let log = deployment("counting").await;
    let producer = EventProducer::connect(&log, "test").await.expect("schemas");
    let (mut sent, customers) = (0, 5);
    for round in 0..3 {
        let worker = Worker::start(&log);
        for index in 0..200 {
            let mut transaction = example();
            transaction.customer_id = format!("customer-{}", index % customers);
            transaction.transaction_id = format!("{round}-{index}");
            producer.append(&transaction, Headers::new()).await.expect("acknowledged");
            sent += 1;
            if index % 50 == 0 {
                producer.append(&transaction, Headers::new()).await.expect("acknowledged");
            }
        }
        // In the last round everything is waited for; before, the shutdown comes while records are under way.
        if round == 2 {
            until(|| read::<TransactionScore>(&log), sent).await;
            until(|| read::<Duplicate>(&log), 12).await;
        }
        worker.stop().await;
    }
    let scores = read::<TransactionScore>(&log).await;
    assert_eq!((scores.len(), read::<Duplicate>(&log).await.len()), (sent, 12));
    let mut counts: BTreeMap<String, Vec<i32>> = BTreeMap::new();
    for score in &scores {
        counts
            .entry(score.transaction.customer_id.clone())
            .or_default()
            .push(score.windows.customer_transaction_count_3h);
        assert_eq!(score.trn_id, score.transaction.trn_id().to_string());
    }
    let expected: Vec<i32> = (1..=sent as i32 / customers).collect();
    for (customer, mut counts) in counts {
        counts.sort_unstable();
        assert_eq!(counts, expected, "{customer}");
    }
    let lag = log.lag("counting", &[Transaction::TOPIC]).await.expect("lag");
    assert_eq!(lag.total(), 0, "{lag:?}");
}
