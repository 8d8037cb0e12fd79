//! The seam to Kafka: the gateway writes to an [`EventLog`], so its tests need no broker.

use millrace_runtime::{
    Headers,
    producer::{AppendError, Appended, EventProducer},
};
use millrace_schemas::Event;
use std::future::Future;

/// Where events are appended.
pub trait EventLog: Clone + Send + Sync + 'static {
    /// Appends an event to its topic; resolves once it is stored for good, or fails.
    ///
    /// The event has its place in the log's order, or is refused, by the first poll.
    fn append<E: Event>(
        &self,
        event: &E,
        headers: Headers,
    ) -> impl Future<Output = Result<Appended, AppendError>> + Send;

    /// `Err` with the reason as soon as events cannot be stored.
    fn health(&self) -> Result<(), String>;
}

impl EventLog for EventProducer {
    async fn append<E: Event>(&self, event: &E, headers: Headers) -> Result<Appended, AppendError> {
        self.append(event, headers).await
    }

    fn health(&self) -> Result<(), String> {
        self.health()
    }
}
