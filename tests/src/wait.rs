//! Waiting for conditions, with a deadline.

use std::{fmt::Debug, future::Future, time::Duration};
use tokio::time::Instant;

/// Asks again and again until the answer is what is wanted; panics with the last answer at the deadline.
pub async fn until<T, F, R>(what: &str, deadline: Duration, mut ask: F, wanted: impl Fn(&T) -> bool) -> T
where
    T: Debug,
    F: FnMut() -> R,
    R: Future<Output = T>,
{
    let until = Instant::now() + deadline;
    loop {
        let answer = ask().await;
        if wanted(&answer) {
            return answer;
        }
        assert!(Instant::now() < until, "{what}: not within {} s; the last answer is {answer:?}", deadline.as_secs());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
