//! Whose turn it is: a bounded number of questions at a time, and a bounded number that wait.

use super::Analytics;
use crate::{clickhouse::ClickHouseError, query::Problem};
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

/// Turns, and who waits for one.
pub(super) struct Turns {
    permits: Arc<Semaphore>,
    waiting: AtomicUsize,
    waiting_max: usize,
    patience: Duration,
}

/// One that waits; not any more when it is dropped.
struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Turns {
    pub fn new(concurrent_max: usize, waiting_max: usize, patience: Duration) -> Self {
        let permits = Arc::new(Semaphore::new(concurrent_max.clamp(1, Semaphore::MAX_PERMITS)));
        Self { permits, waiting: AtomicUsize::new(0), waiting_max, patience }
    }

    /// Waits for a turn, which lasts until it is dropped.
    ///
    /// # Errors
    /// When too many wait already, or it takes too long.
    pub async fn take(&self) -> Result<OwnedSemaphorePermit, Problem> {
        if let Ok(permit) = Arc::clone(&self.permits).try_acquire_owned() {
            return Ok(permit);
        }
        let waiting = Waiting(&self.waiting);
        if self.waiting.fetch_add(1, Ordering::AcqRel) >= self.waiting_max {
            return Err(Problem::busy());
        }
        let permit = timeout(self.patience, Arc::clone(&self.permits).acquire_owned()).await;
        drop(waiting);
        permit.ok().and_then(Result::ok).ok_or_else(Problem::busy)
    }
}

impl Analytics {
    /// Asks the server in a turn.
    pub(super) async fn ask<T>(
        &self,
        question: impl Future<Output = Result<T, ClickHouseError>>,
    ) -> Result<T, Problem> {
        let _turn = self.turns.take().await?;
        question.await.map_err(|error| Problem::of(&error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn more_than_wait_are_sent_away_at_once_and_those_who_wait_too_long_later() {
        let turns = Turns::new(1, 1, Duration::from_millis(50));
        let first = turns.take().await.expect("free");
        let (second, third) = tokio::join!(turns.take(), turns.take());
        assert!(second.is_err() && third.is_err(), "one waited in vain, one was not let in");
        drop(first);
        assert!(turns.take().await.is_ok());
        assert_eq!(turns.waiting.load(Ordering::Relaxed), 0);
    }
}
