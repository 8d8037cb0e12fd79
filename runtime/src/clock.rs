//! Time and new ids, injected so that tests decide them. Processors have neither.

use std::time::{SystemTime, UNIX_EPOCH};
use uuid::Uuid;

/// The wall clock.
pub trait Clock: Send + Sync + 'static {
    /// Milliseconds since 1970-01-01T00:00:00Z.
    fn now_ms(&self) -> i64;
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now_ms(&self) -> i64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    }
}

/// Where new ids come from.
pub trait Ids: Send + Sync + 'static {
    /// A new event's id.
    fn event_id(&self) -> Uuid;
    /// A new request's id.
    fn request_id(&self) -> Uuid;
}

/// Version-7 UUIDs: unique, and sorted by time.
#[derive(Debug, Clone, Copy, Default)]
pub struct RandomIds;

impl Ids for RandomIds {
    fn event_id(&self) -> Uuid {
        Uuid::now_v7()
    }

    fn request_id(&self) -> Uuid {
        Uuid::now_v7()
    }
}
