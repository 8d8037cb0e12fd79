//! kill -9 of everything, each in turn under load: nothing acknowledged is lost, nothing counts twice, and the lag returns to zero.

use millrace_local::{Part, Sandbox};
use millrace_projections::clickhouse::tables;
use millrace_schemas::{
    Topic,
    event::{Purchase, Receipt, Transaction, TransactionScore},
    money::parse_money,
};
use millrace_tests::{
    Deployment, Service, Services,
    load::{Entry, Ledger, Load},
    outcomes::{Outcome, assert_complete, events, outcomes},
    rollups,
    wait::until,
};
use serde_json::Value as Json;
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};
use tokio::task::block_in_place;

/// How long the pipeline may take to come back after any fault. Far more than on an idle machine.
const BACK_WITHIN: Duration = Duration::from_secs(60);

/// What is killed.
#[derive(Debug, Clone, Copy)]
enum Victim {
    Service(Service),
    Part(Part),
}

const VICTIMS: [Victim; 6] = [
    Victim::Service(Service::Gateway),
    Victim::Service(Service::Scoring),
    Victim::Service(Service::Receipts),
    Victim::Service(Service::Projector),
    Victim::Part(Part::ClickHouse),
    Victim::Part(Part::Kafka),
];

struct Pipeline {
    deployment: Deployment,
    services: Services,
    sandbox: Sandbox,
}

impl Pipeline {
    fn kill(&self, victim: Victim) {
        match victim {
            Victim::Service(service) => self.services.kill(service),
            Victim::Part(part) => block_in_place(|| self.sandbox.kill(part)).expect("it is killed"),
        }
    }

    fn start_again(&self, victim: Victim) {
        match victim {
            Victim::Service(service) => self.services.start_again(service),
            Victim::Part(part) => block_in_place(|| self.sandbox.restart(part)).expect("it starts again"),
        }
    }

    /// Items of the journals that are queryable.
    async fn queryable(&self) -> u64 {
        let sql = "SELECT (SELECT count() FROM transaction_scores) + (SELECT count() FROM receipts)";
        self.deployment.value(sql).await.parse().expect("a number")
    }

    /// Offsets of the log that its readers have not finished, over all groups.
    async fn lag(&self) -> Option<i64> {
        let mut total = 0;
        let groups: [(&str, &[Topic]); 3] =
            [("scoring", &[Topic::Transactions]), ("receipts", &[Topic::Receipts]), ("clickhouse", &tables::topics())];
        for (group, topics) in groups {
            total += self.deployment.log.lag(group, topics).await.ok()?.total();
        }
        Some(total)
    }

    /// Everything that was acknowledged before now is in the tables, and nobody ended who was not killed.
    async fn wait_queryable(&self, load: &Load) {
        let acknowledged = load.acknowledged();
        let look = || async { (self.queryable().await, self.services.ended()) };
        let done = |(count, ended): &(u64, Vec<Service>)| *count >= acknowledged || !ended.is_empty();
        let (_, ended) = until("what was acknowledged to be queryable", BACK_WITHIN, look, done).await;
        assert_eq!(ended, [], "ended although nobody killed them");
    }

    /// Kills a process under load, keeps it down until that is felt, starts it again, and waits until all is well.
    async fn suffer(&self, victim: Victim, load: &Load) {
        let before = load.acknowledged();
        until("load", BACK_WITHIN, || async { load.acknowledged() - before }, |count| *count >= 200).await;
        self.wait_queryable(load).await;
        let (acknowledged, failed) = (load.acknowledged(), load.failed());
        self.kill(victim);
        let felt = || async { (load.acknowledged() - acknowledged, load.failed() - failed) };
        // Without a gateway or a broker nothing is acknowledged; otherwise a backlog grows.
        until("the fault to be felt", BACK_WITHIN, felt, |(stored, failed)| *stored >= 500 || *failed >= 3).await;
        let began = Instant::now();
        self.start_again(victim);
        let started = began.elapsed();
        self.wait_queryable(load).await;
        eprintln!("{victim:?}: started again in {:.1?}, all queryable after {:.1?}", started, began.elapsed());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_of_anything_under_load_loses_nothing_and_counts_nothing_twice() {
    let sandbox = block_in_place(Sandbox::start).expect("a sandbox");
    let deployment = Deployment::within(&sandbox, "faults").await;
    let services = Services::of(&deployment, &[]);
    services.start(&Service::ALL);
    let load = Load::start(&services.url(Service::Gateway));
    let pipeline = Pipeline { deployment, services, sandbox };
    for victim in VICTIMS {
        pipeline.suffer(victim, &load).await;
    }
    let ledger = load.stop().await;
    until("the lag to be zero", BACK_WITHIN, || pipeline.lag(), |lag| *lag == Some(0)).await;

    let Pipeline { deployment, .. } = &pipeline;
    assert_tables(deployment, &ledger).await;
    rollups::assert_exact(deployment).await;
    let transactions = events::<Transaction>(deployment).await;
    let scored = outcomes::<TransactionScore>(deployment).await;
    assert_complete(&transactions, &scored);
    let receipts = events::<Receipt>(deployment).await;
    let split = outcomes::<Purchase>(deployment).await;
    assert_complete(&receipts, &split);
    assert_eq!(outputs(&scored), ledger.transactions.len());
    assert_eq!(outputs(&split), ledger.receipts.len());
    let duplicates = transactions.len() + receipts.len() - ledger.transactions.len() - ledger.receipts.len();
    let stored = deployment.value("SELECT count() FROM duplicates").await;
    assert_eq!(stored, duplicates.to_string(), "what was sent again and stored twice");
    assert_eq!(deployment.value("SELECT count() FROM dead_letters").await, "0");
    eprintln!(
        "{} transactions, {} receipts, {duplicates} of them came twice",
        ledger.transactions.len(),
        ledger.receipts.len()
    );
}

fn outputs<Out>(outcomes: &BTreeMap<(i32, i64), Outcome<Out>>) -> usize {
    outcomes.values().filter(|outcome| matches!(outcome, Outcome::Output(_))).count()
}

/// Every acknowledged item stands in the tables once, with its amounts, and nothing else does.
async fn assert_tables(deployment: &Deployment, ledger: &Ledger) {
    for table in ["transactions", "transaction_scores"] {
        let sql = format!(
            "SELECT customer_id AS owner, transaction_id AS id, currency, [toInt64(amount * 10000)] AS amounts, '0' AS lines
             FROM {table} ORDER BY owner, id"
        );
        assert_entries(table, &deployment.query(&sql).await, &ledger.transactions);
    }
    let receipts = "SELECT place_id AS owner, transaction_id AS id, any(currency) AS currency,
         [sum(total), sum(nds), sum(tips)] AS amounts, sum(lines) AS lines FROM (
             SELECT place_id, transaction_id, currency, toInt64(total_amount * 10000) AS total,
                 toInt64(nds_amount * 10000) AS nds, toInt64(tips_amount * 10000) AS tips, 0 AS lines FROM receipts
             UNION ALL SELECT place_id, transaction_id, currency, 0, 0, 0, 1 FROM receipt_items)
         GROUP BY owner, id ORDER BY owner, id";
    assert_entries("receipts and receipt_items", &deployment.query(receipts).await, &ledger.receipts);
    assert_eq!(deployment.value("SELECT count() FROM receipts").await, ledger.receipts.len().to_string());
    assert_sums(deployment, "transactions", "amount", &ledger.transactions, 0).await;
    for (index, column) in ["total_amount", "nds_amount", "tips_amount"].into_iter().enumerate() {
        assert_sums(deployment, "receipts", column, &ledger.receipts, index).await;
    }
}

fn assert_entries(table: &str, rows: &[Json], ledger: &[Entry]) {
    let number = |value: &Json| value.as_str().and_then(|text| text.parse::<i64>().ok()).expect("a number");
    let text = |value: &Json| value.as_str().expect("a text").to_owned();
    let entry = |row: &Json| Entry {
        owner: text(&row["owner"]),
        id: text(&row["id"]),
        currency: text(&row["currency"]),
        amounts: row["amounts"].as_array().expect("amounts").iter().map(number).collect(),
        lines: number(&row["lines"]) as usize,
    };
    for (row, expected) in rows.iter().zip(ledger) {
        assert_eq!(entry(row), *expected, "{table}");
    }
    assert_eq!(rows.len(), ledger.len(), "{table}");
}

/// The sums of money by currency are those of the client's own books.
async fn assert_sums(deployment: &Deployment, table: &str, column: &str, ledger: &[Entry], amount: usize) {
    let sql = format!("SELECT currency, sum({column}) AS units FROM {table} GROUP BY currency ORDER BY currency");
    let stored = deployment.query(&sql).await.into_iter().map(|row| {
        let text = |name: &str| row[name].as_str().expect("a text").to_owned();
        (text("currency"), parse_money(&text("units")).expect("a sum"))
    });
    let mut sums: BTreeMap<String, i64> = BTreeMap::new();
    for entry in ledger {
        *sums.entry(entry.currency.clone()).or_default() += entry.amounts[amount];
    }
    assert_eq!(stored.collect::<BTreeMap<_, _>>(), sums, "{table}.{column}");
}
