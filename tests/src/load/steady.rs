//! A client whose items all take effect, for tests that ask what the tables hold: what is not acknowledged is sent again under the same
//! ids, and a ledger is kept of what is.

use crate::made_up;
use millrace_runtime::lifecycle::Shutdown;
use millrace_schemas::{money::parse_money, time::DAY_MS};
use rand::{SeedableRng as _, rngs::StdRng};
use serde_json::Value as Json;
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{
    task::JoinHandle,
    time::{Instant, MissedTickBehavior, interval, sleep},
};

/// Items of one request.
const BATCH: usize = 20;
/// A sender begins a request this often, when the last one is done.
const PACE: Duration = Duration::from_millis(60);
/// Pause before a request is sent again.
const AGAIN_AFTER: Duration = Duration::from_millis(100);
/// How long a client goes on trying one batch; more than any fault lasts.
const PATIENCE: Duration = Duration::from_secs(60);
/// A client hears nothing of a gateway that was killed behind a proxy; here the answer is given up sooner.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// An item as the client keeps it in its books. Amounts are ten-thousandths of the currency unit.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// Customer or place.
    pub owner: String,
    /// Id, unique within the owner.
    pub id: String,
    /// Currency of the amounts.
    pub currency: String,
    /// A transaction's amount; a receipt's total, VAT and tips.
    pub amounts: Vec<i64>,
    /// Lines of a receipt; 0 of a transaction.
    pub lines: usize,
}

/// What was acknowledged, sorted.
#[derive(Debug)]
pub struct Ledger {
    /// Every transaction.
    pub transactions: Vec<Entry>,
    /// Every receipt.
    pub receipts: Vec<Entry>,
}

/// Senders that go on until they are stopped.
pub struct Load {
    stop: Shutdown,
    acknowledged: Arc<AtomicU64>,
    failed: Arc<AtomicU64>,
    transactions: Vec<JoinHandle<Vec<Entry>>>,
    receipts: JoinHandle<Vec<Entry>>,
}

impl Load {
    /// Begins to send to a gateway: two senders of transactions and one of receipts, in batches, at a steady pace.
    pub fn start(gateway: &str) -> Self {
        let (stop, acknowledged, failed) = (Shutdown::new(), Arc::<AtomicU64>::default(), Arc::<AtomicU64>::default());
        let sender = |path: &str| Sender {
            client: client(),
            url: format!("{gateway}{path}"),
            stop: stop.clone(),
            acknowledged: Arc::clone(&acknowledged),
            failed: Arc::clone(&failed),
        };
        let transactions = (0..2).map(|number| tokio::spawn(sender("/api/v1/transactions").run(transactions(number))));
        let transactions = transactions.collect();
        let receipts = tokio::spawn(sender("/api/v1/receipts").run(receipts()));
        Self { stop, acknowledged, failed, transactions, receipts }
    }

    /// Items acknowledged so far.
    pub fn acknowledged(&self) -> u64 {
        self.acknowledged.load(Ordering::Relaxed)
    }

    /// Requests so far that were not answered, or answered that nothing was stored.
    pub fn failed(&self) -> u64 {
        self.failed.load(Ordering::Relaxed)
    }

    /// Stops; every sender first gets an acknowledgement for what it has begun to send.
    pub async fn stop(self) -> Ledger {
        self.stop.cancel();
        let mut ledger = Ledger { transactions: Vec::new(), receipts: Vec::new() };
        for sender in self.transactions {
            ledger.transactions.extend(sender.await.expect("a sender panicked"));
        }
        ledger.receipts.extend(self.receipts.await.expect("a sender panicked"));
        ledger.transactions.sort();
        ledger.receipts.sort();
        ledger
    }
}

fn client() -> reqwest::Client {
    // The machine's proxy is not for the loopback address, whatever its settings say.
    reqwest::Client::builder().no_proxy().timeout(ANSWER_WITHIN).build().expect("a client")
}

/// An item on its way.
struct Item {
    body: String,
    entry: Entry,
}

struct Sender {
    client: reqwest::Client,
    url: String,
    stop: Shutdown,
    acknowledged: Arc<AtomicU64>,
    failed: Arc<AtomicU64>,
}

impl Sender {
    async fn run(self, mut items: impl Iterator<Item = Item>) -> Vec<Entry> {
        let mut books = Vec::new();
        let mut beat = interval(PACE);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !self.stop.is_cancelled() {
            beat.tick().await;
            let batch: Vec<Item> = items.by_ref().take(BATCH).collect();
            self.deliver(&batch).await;
            self.acknowledged.fetch_add(batch.len() as u64, Ordering::Relaxed);
            books.extend(batch.into_iter().map(|item| item.entry));
        }
        books
    }

    /// Sends items again and again until each of them is acknowledged.
    async fn deliver(&self, batch: &[Item]) {
        let until = Instant::now() + PATIENCE;
        let mut open: Vec<&Item> = batch.iter().collect();
        while !open.is_empty() {
            assert!(Instant::now() < until, "{}: nothing acknowledged for {} s", self.url, PATIENCE.as_secs());
            let before = open.len();
            if let Some(results) = self.post(&open).await {
                assert_eq!(results.len(), open.len(), "one result for each item");
                let mut results = results.iter();
                open.retain(|item| !is_stored(item, results.next().and_then(|result| result["status"].as_str())));
            }
            if open.len() == before {
                self.failed.fetch_add(1, Ordering::Relaxed);
                sleep(AGAIN_AFTER).await;
            }
        }
    }

    /// The results of the items; `None` when there is no answer, or one that says nothing of them.
    async fn post(&self, items: &[&Item]) -> Option<Vec<Json>> {
        let bodies: Vec<&str> = items.iter().map(|item| item.body.as_str()).collect();
        let request = self.client.post(&self.url).header("content-type", "application/json");
        let answer = request.body(format!("[{}]", bodies.join(","))).send().await.ok()?;
        let status = answer.status();
        let body: Json = answer.json().await.ok()?;
        let results = body["results"].as_array().cloned();
        assert!(results.is_some() || status.is_server_error(), "{status} {body}");
        results
    }
}

/// Whether a result says that the item is stored. Panics when it says that it never will be: nothing sent is wrong.
fn is_stored(item: &Item, status: Option<&str>) -> bool {
    match status {
        Some("accepted" | "duplicate") => true,
        Some("retry") => false,
        other => panic!("{other:?} of {}", item.body),
    }
}

/// Endless transactions of one sender's own customers.
fn transactions(sender: u64) -> impl Iterator<Item = Item> + Send {
    let mut random = StdRng::seed_from_u64(sender);
    (0_i64..).map(move |number| {
        let customer = format!("load-{sender}-{}", number % 30);
        let made = made_up::transaction(&customer, &format!("t{number}"), number * 400 % DAY_MS, &mut random);
        let entry = Entry {
            owner: customer,
            id: made.id,
            currency: made.currency.to_owned(),
            amounts: vec![made.amount],
            lines: 0,
        };
        Item { body: made.body, entry }
    })
}

/// Endless receipts.
fn receipts() -> impl Iterator<Item = Item> + Send {
    millrace_loadgen::receipts::Receipts::new(3).map(|receipt| {
        let text = |name: &str| receipt[name].as_str().unwrap_or_default().to_owned();
        let money = |name: &str| parse_money(&receipt[name].to_string()).expect("an amount");
        let entry = Entry {
            owner: text("place_id"),
            id: text("transaction_id"),
            // What the gateway takes for receipts without one.
            currency: receipt["currency"].as_str().unwrap_or("RUB").to_owned(),
            amounts: ["total_amount", "nds_amount", "tips_amount"].map(money).to_vec(),
            lines: receipt["items"].as_array().map_or(0, Vec::len),
        };
        Item { body: receipt.to_string(), entry }
    })
}
