//! What requests share.

use crate::{admission::Admission, config::Settings, idempotency::Memory, waiting::Waiting};
use axum::Router;
use millrace_runtime::clock::{Clock, Ids, RandomIds, SystemClock};
use millrace_schemas::rules::Rules;
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};
use tokio_util::task::TaskTracker;

/// What a gateway stands on.
pub struct Gateway<L> {
    /// Where events go.
    pub log: L,
    /// Limits of the rules. Processors must be given the same.
    pub rules: Rules,
    /// The wall clock.
    pub clock: Arc<dyn Clock>,
    /// Where new ids come from.
    pub ids: Arc<dyn Ids>,
    /// Renders the process's metrics in Prometheus' text format.
    pub scrape: Arc<dyn Fn() -> String + Send + Sync>,
    /// Clients that wait for scores; replies are handed to it. Without it, single transactions are answered once they are stored.
    pub waiting: Option<Arc<Waiting>>,
    /// Further routes of this process, without a fallback. Their requests come with an id and a trace in the headers
    /// `x-request-id` and `traceparent`, and are counted, logged and answered as the gateway's own.
    pub routes: Router,
    /// What those routes answer, as parts of an OpenAPI document.
    pub contracts: Vec<serde_json::Value>,
}

impl<L> Gateway<L> {
    /// A gateway by the machine's clock, with the default rules and random ids.
    pub fn new(log: L, scrape: impl Fn() -> String + Send + Sync + 'static) -> Self {
        Self {
            log,
            rules: Rules::default(),
            clock: Arc::new(SystemClock),
            ids: Arc::new(RandomIds),
            scrape: Arc::new(scrape),
            waiting: None,
            routes: Router::new(),
            contracts: Vec::new(),
        }
    }
}

/// A running gateway.
pub(crate) struct App<L> {
    pub settings: Settings,
    pub gateway: Gateway<L>,
    pub admission: Admission,
    pub memory: Memory,
    /// Requests being worked on; they finish even when their client leaves.
    pub tasks: TaskTracker,
    draining: AtomicBool,
}

impl<L> App<L> {
    pub fn new(settings: Settings, gateway: Gateway<L>) -> Self {
        let config = &settings.config;
        Self {
            admission: Admission::new(config.requests_max, config.in_flight_max_bytes),
            memory: Memory::new(config.remembered_ids_max, config.remembered_ms),
            tasks: TaskTracker::new(),
            draining: AtomicBool::new(false),
            settings,
            gateway,
        }
    }

    /// Epoch milliseconds.
    pub fn now(&self) -> i64 {
        self.gateway.clock.now_ms()
    }

    /// From now on the gateway is not ready.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }
}
