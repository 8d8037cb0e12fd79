//! Clients under load that lose nothing: what is not acknowledged is sent again under the same ids, and books are kept of what is.
//!
//! - [`items`]: what is sent: new items, and repeats, contradictions and nonsense on purpose.
//! - [`books`]: the file in which everything sent and answered stands.
//! - [`sender`]: one client over HTTP, which goes on until each item is answered for good.
//! - [`direct`]: a client on Kafka, in Python.

pub mod books;
pub mod direct;
pub mod items;
pub mod sender;

use crate::load::{
    books::Books,
    items::Items,
    sender::{BATCH, Sender},
};
use millrace_runtime::lifecycle::Shutdown;
use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::task::JoinHandle;

/// Clients that send transactions, and that send receipts.
const TRANSACTION_SENDERS: u64 = 6;
const RECEIPT_SENDERS: u64 = 2;
/// Clients that send one transaction after another and wait for its score, and how often.
const WAITING_SENDERS: u64 = 2;
const WAITING_PACE: Duration = Duration::from_millis(50);

/// What is sent, how fast, and to whom.
#[derive(Debug, Clone)]
pub struct LoadPlan {
    /// Bases of the gateways; a client that gets no answer from one asks another.
    pub gateways: Vec<String>,
    /// Items a second, over all clients that send batches, when nothing is in their way.
    pub rate: u64,
    /// What items are made from.
    pub seed: u64,
    /// Whether every item is new and right, so that each one that is acknowledged takes effect; else some are on purpose not.
    pub only_new: bool,
}

/// What clients share.
#[derive(Debug, Default)]
pub struct Shared {
    /// How far the times they state are moved, milliseconds.
    pub clock: AtomicI64,
    acknowledged: AtomicU64,
    failed: AtomicU64,
}

/// Clients that go on until they are stopped.
pub struct Load {
    stop: Shutdown,
    shared: Arc<Shared>,
    senders: Vec<JoinHandle<()>>,
}

impl Load {
    /// Begins to send.
    pub fn start(plan: &LoadPlan, books: &Books) -> Self {
        let (stop, shared) = (Shutdown::new(), Arc::<Shared>::default());
        let pace =
            Duration::from_secs_f64((TRANSACTION_SENDERS + RECEIPT_SENDERS) as f64 * BATCH as f64 / plan.rate as f64);
        let batches = TRANSACTION_SENDERS + RECEIPT_SENDERS;
        let spawn = |number: u64| {
            let (seed, waits) = (plan.seed.wrapping_mul(1_000) + number, number >= batches);
            let items = match number.checked_sub(TRANSACTION_SENDERS).filter(|_| !waits) {
                None => Items::transactions(seed, number, Arc::clone(&shared)),
                Some(number) => Items::receipts(seed, number),
            };
            let items = if plan.only_new || waits { items.only_new() } else { items };
            let sender = Sender::new(plan.gateways.clone(), number as usize, books.clone(), Arc::clone(&shared));
            let (sender, pace) = if waits { (sender.waiting(), WAITING_PACE) } else { (sender, pace) };
            tokio::spawn(sender.run(items, pace, stop.clone()))
        };
        let senders = (0..batches + WAITING_SENDERS).map(spawn).collect();
        Self { stop, shared, senders }
    }

    /// Items acknowledged so far.
    pub fn acknowledged(&self) -> u64 {
        self.shared.acknowledged.load(Ordering::Relaxed)
    }

    /// Requests so far that were not answered, or answered that nothing was stored.
    pub fn failed(&self) -> u64 {
        self.shared.failed.load(Ordering::Relaxed)
    }

    /// Moves the times that clients state.
    pub fn jump(&self, by_ms: i64) {
        self.shared.clock.fetch_add(by_ms, Ordering::Relaxed);
    }

    /// Stops; every client first gets an answer for what it has begun to send. The number of all items acknowledged.
    pub async fn stop(self) -> u64 {
        self.stop.cancel();
        for sender in self.senders {
            sender.await.expect("a client panicked");
        }
        self.shared.acknowledged.load(Ordering::Relaxed)
    }
}
