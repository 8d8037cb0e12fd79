//! A gateway over HTTP on a free port, and a log in memory.

mod client;
mod log;

pub use client::{Answer, Client};
pub use log::{DEFECT_KEY, MemoryLog, Mode, payload};

use axum::Router;
use millrace_ingest::{Gateway, GatewayConfig, GatewayError, serve};
use millrace_runtime::clock::Clock;
use serde_json::{Value as Json, json};
use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};
use tokio::{net::TcpListener, sync::oneshot, task::JoinHandle};

/// 2026-11-20T12:00:00Z, which every test's clock says until it is set.
pub const NOW: i64 = 1_795_176_000_000;

/// A card number that passes the Luhn check and belongs to nobody.
pub const CARD: &str = "4111111111111111";

pub struct TestClock(AtomicI64);

impl TestClock {
    pub fn set(&self, now: i64) {
        self.0.store(now, Ordering::Relaxed);
    }
}

impl Clock for TestClock {
    fn now_ms(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A gateway that runs until it is stopped.
pub struct Running {
    pub address: SocketAddr,
    pub log: MemoryLog,
    pub clock: Arc<TestClock>,
    pub client: Client,
    shutdown: Option<oneshot::Sender<()>>,
    task: JoinHandle<Result<(), GatewayError>>,
}

impl Running {
    pub async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    pub async fn start_with(change: impl FnOnce(&mut GatewayConfig)) -> Self {
        Self::start_beside(Router::new(), change).await
    }

    /// With further routes.
    pub async fn start_beside(routes: Router, change: impl FnOnce(&mut GatewayConfig)) -> Self {
        let mut config = GatewayConfig { zone: "Europe/Berlin".into(), ..GatewayConfig::default() };
        change(&mut config);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let (log, clock) = (MemoryLog::default(), Arc::new(TestClock(AtomicI64::new(NOW))));
        let mut gateway = Gateway::new(log.clone(), || "scraped 1\n".to_owned());
        gateway.clock = Arc::clone(&clock) as Arc<dyn Clock>;
        gateway.routes = routes;
        let (shutdown, stopped) = oneshot::channel();
        let task = tokio::spawn(serve(config, listener, gateway, async {
            let _ = stopped.await;
        }));
        Self { address, log, clock, client: Client::new(address), shutdown: Some(shutdown), task }
    }

    /// Asks the gateway to end, without waiting.
    pub fn begin_stop(&mut self) {
        if let Some(shutdown) = self.shutdown.take() {
            let _ = shutdown.send(());
        }
    }

    /// Ends the gateway and waits for it.
    pub async fn stop(mut self) {
        self.begin_stop();
        drop(self.client);
        self.task.await.expect("the gateway does not panic").expect("the gateway ends well");
    }
}

pub fn transaction() -> Json {
    json!({
        "customer_id": "c-1", "transaction_id": "t-1", "amount": 10.99, "currency": "EUR", "type": 55, "merchant_id": "m-1",
        "card_bin": "411111", "ip_address": "10.0.0.1", "device_id": "d-1", "location": "Berlin", "channel": "online",
        "timestamp": "2026-11-20T12:00:00Z",
    })
}

/// The receipt that the predecessor documents.
pub fn receipt() -> Json {
    json!({
        "transaction_id": "r-1", "timestamp": "2026-11-20T12:00:00", "place_id": "p-1", "place_name": "Corner shop",
        "items": [
            {"product_id": "a", "quantity": 2, "price": 10.99, "category": "groceries"},
            {"product_id": "b", "quantity": 1, "price": 5.49, "category": "electronics"},
        ],
        "total_amount": 27.47, "nds_amount": 2.47, "tips_amount": 3.00, "payment_method": "credit_card",
    })
}

pub fn label() -> Json {
    json!({
        "customer_id": "c-1", "transaction_id": "t-1", "label": "chargeback", "source": "issuer-feed",
        "decided_at": "2026-11-20T12:00:00Z",
    })
}

/// With some fields set, or removed where `null`.
pub fn with(mut record: Json, fields: Json) -> Json {
    let record_fields = record.as_object_mut().expect("an object");
    for (name, value) in fields.as_object().expect("an object") {
        if value.is_null() {
            record_fields.remove(name);
        } else {
            record_fields.insert(name.clone(), value.clone());
        }
    }
    record
}

/// The `number`th of many different transactions.
pub fn numbered(number: usize) -> Json {
    with(transaction(), json!({"transaction_id": format!("t-{number}")}))
}

/// A record as an element of its kind; lists hold `item`s.
pub fn xml(element: &str, record: &Json) -> String {
    match record {
        Json::Object(fields) => {
            let inner: String = fields.iter().map(|(name, value)| xml(name, value)).collect();
            format!("<{element}>{inner}</{element}>")
        }
        Json::Array(entries) => {
            let inner: String = entries.iter().map(|entry| xml("item", entry)).collect();
            format!("<{element}>{inner}</{element}>")
        }
        Json::String(text) => format!("<{element}>{text}</{element}>"),
        other => format!("<{element}>{other}</{element}>"),
    }
}
