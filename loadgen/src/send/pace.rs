//! Not more items a second than asked for.

use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::{Instant, sleep_until};

/// Spreads items evenly over time. What was not used is not saved up.
pub(super) struct Pace {
    item: Duration,
    next: Mutex<Instant>,
}

impl Pace {
    pub fn new(items_a_second: u32) -> Self {
        Pace { item: Duration::from_secs(1) / items_a_second.max(1), next: Mutex::new(Instant::now()) }
    }

    /// Waits for the turn of so many items.
    pub async fn turn(&self, items: usize) {
        let turn = {
            let mut next = self.next.lock().await;
            let turn = (*next).max(Instant::now());
            *next = turn + self.item.saturating_mul(u32::try_from(items).unwrap_or(u32::MAX));
            turn
        };
        sleep_until(turn).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn items_are_spread_evenly_and_idle_time_is_not_saved_up() {
        let pace = Pace::new(100);
        let start = Instant::now();
        for _ in 0..11 {
            pace.turn(10).await;
        }
        assert_eq!(start.elapsed().as_millis(), 1000);
        tokio::time::advance(Duration::from_secs(5)).await;
        let later = Instant::now();
        pace.turn(10).await;
        pace.turn(10).await;
        assert_eq!(later.elapsed().as_millis(), 100);
    }
}
