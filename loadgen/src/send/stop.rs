//! How a run ends early: gracefully, after the answers to the requests in flight, or at once.

use std::sync::{Arc, Mutex, PoisonError};

use tokio_util::sync::CancellationToken;

/// Ends a run from outside. Clones are handles to the same.
#[derive(Debug, Clone, Default)]
pub struct Stop {
    graceful: CancellationToken,
    now: CancellationToken,
    reason: Arc<Mutex<Option<String>>>,
}

impl Stop {
    /// Reads and sends nothing more; requests in flight are still answered. The first reason is kept.
    pub fn request(&self, reason: impl Into<String>) {
        self.lock().get_or_insert(reason.into());
        self.graceful.cancel();
    }

    /// Drops requests in flight, too: what became of them is unknown.
    pub fn abort(&self, reason: impl Into<String>) {
        self.request(reason);
        self.now.cancel();
    }

    /// Why the run was stopped, if it was.
    pub fn reason(&self) -> Option<String> {
        self.lock().clone()
    }

    pub(super) fn is_requested(&self) -> bool {
        self.graceful.is_cancelled()
    }

    pub(super) async fn requested(&self) {
        self.graceful.cancelled().await;
    }

    pub(super) async fn aborted(&self) {
        self.now.cancelled().await;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<String>> {
        self.reason.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
