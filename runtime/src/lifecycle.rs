//! Starting, starting over, and ending.

use crate::{
    RuntimeError,
    clock::{Clock as _, SystemClock},
    metrics as names,
};
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};
use tokio::signal::unix::{SignalKind, signal};
pub use tokio_util::sync::CancellationToken as Shutdown;

/// Closes the connection that a request came by. A server puts it into the extensions of its requests, for answers that go on for so
/// long that their reader may have stopped reading.
#[derive(Debug, Clone, Default)]
pub struct HangUp(Shutdown);

impl HangUp {
    /// Closes the connection; what is not sent yet is not sent.
    pub fn now(&self) {
        self.0.cancel();
    }

    /// Until somebody wants the connection closed.
    pub async fn wanted(&self) {
        self.0.cancelled().await;
    }
}

/// First pause before a worker starts over.
const PAUSE_MIN: Duration = Duration::from_millis(200);
/// Longest pause before a worker starts over.
const PAUSE_MAX: Duration = Duration::from_secs(10);
/// Whoever is fenced twice within this time has a rival.
const RIVAL_WITHIN: Duration = Duration::from_secs(60);

/// A token that is cancelled by SIGTERM or SIGINT. A second signal ends the process at once, with status 130.
pub fn shutdown_on_signals() -> std::io::Result<Shutdown> {
    let token = Shutdown::new();
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let cancelled = token.clone();
    tokio::spawn(async move {
        for signals_seen in 0.. {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            if signals_seen > 0 {
                std::process::exit(130);
            }
            tracing::info!("shutting down; a second signal ends at once");
            cancelled.cancel();
        }
    });
    Ok(token)
}

/// Runs a worker again and again until it ends by itself; pauses grow from 200 ms to 10 s while it keeps failing soon.
pub(crate) async fn restarting<F, R>(name: &'static str, shutdown: &Shutdown, mut start: F) -> Result<(), RuntimeError>
where
    F: FnMut() -> R,
    R: Future<Output = Result<(), RuntimeError>>,
{
    let (mut pause, mut last_fenced) = (PAUSE_MIN, None);
    loop {
        let began = Instant::now();
        match start().await.map_err(|error| judged(error, &mut last_fenced)) {
            Err(RuntimeError::Transient(reason)) if !shutdown.is_cancelled() => {
                if began.elapsed() > PAUSE_MAX {
                    pause = PAUSE_MIN;
                }
                tracing::warn!(
                    worker = name,
                    reason,
                    pause_ms = pause.as_millis() as u64,
                    "starting over from what is committed"
                );
                names::count(names::WORKER_RESTARTS_TOTAL, &[("worker", name.into())], 1);
                tokio::select! {
                    () = tokio::time::sleep(pause) => {}
                    () = shutdown.cancelled() => return Ok(()),
                }
                pause = (pause * 2).min(PAUSE_MAX);
            }
            // What is not committed at a shutdown is read again at the next start.
            Err(RuntimeError::Transient(reason)) => {
                tracing::warn!(worker = name, reason, "shut down with work that will be done again");
                return Ok(());
            }
            ended => return ended,
        }
    }
}

/// Being fenced for the first time in a while passes; once more, somebody else is there.
fn judged(error: RuntimeError, last_fenced: &mut Option<Instant>) -> RuntimeError {
    let RuntimeError::Fenced(reason) = error else { return error };
    match last_fenced.replace(Instant::now()) {
        Some(last) if last.elapsed() < RIVAL_WITHIN => {
            RuntimeError::Fatal(format!("another process runs in this slot and has taken over: {reason}"))
        }
        _ => RuntimeError::Transient(format!("the broker takes this process for one that was replaced: {reason}")),
    }
}

/// A sign of life from a worker's thread, for the task that watches it.
#[derive(Clone, Default)]
pub(crate) struct Heartbeat(Arc<Mutex<Beat>>);

struct Beat {
    last: Instant,
    commits: usize,
}

impl Default for Beat {
    fn default() -> Self {
        Self { last: Instant::now(), commits: 0 }
    }
}

impl Heartbeat {
    /// The worker did something.
    pub(crate) fn beat(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).last = Instant::now();
    }

    /// The worker looks at itself: it lives when it has no work or has committed since the last look.
    pub(crate) fn progress(&self, commits: usize, has_work: bool) {
        let mut beat = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !has_work || beat.commits != commits {
            *beat = Beat { last: Instant::now(), commits };
        }
    }

    fn silence(&self) -> Duration {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).last.elapsed()
    }

    /// Waits for the worker's thread, but not longer than it shows life: a thread stuck in a call cannot be ended, its process can.
    pub(crate) async fn watch(
        &self,
        mut thread: tokio::task::JoinHandle<Result<(), RuntimeError>>,
        stall_max: Duration,
    ) -> Result<(), RuntimeError> {
        loop {
            tokio::select! {
                ended = &mut thread => {
                    return ended.unwrap_or_else(|error| Err(RuntimeError::Fatal(format!("a worker panicked: {error}"))));
                }
                () = tokio::time::sleep(Duration::from_secs(1)) => {}
            }
            if self.silence() > stall_max {
                return Err(RuntimeError::Fatal(format!(
                    "stalled: no progress for {} s although there is work",
                    stall_max.as_secs()
                )));
            }
        }
    }
}

/// Publishes the age of the oldest record a worker has read and not finished; `oldest` is epoch milliseconds.
pub(crate) fn report_oldest(worker: &'static str, oldest: Option<i64>) {
    let age_ms = oldest.map_or(0, |oldest| (SystemClock.now_ms() - oldest).max(0));
    names::gauge(names::WORKER_OLDEST_UNFINISHED_SECONDS, &[("worker", worker.into())], age_ms as f64 / 1_000.0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn being_fenced_once_passes_and_twice_in_a_short_while_ends_the_process() {
        let fenced = || RuntimeError::Fenced("fenced".into());
        let mut last = None;
        assert_eq!(judged(fenced(), &mut last).kind(), "transient");
        assert_eq!(judged(RuntimeError::Transient("else".into()), &mut last).kind(), "transient");
        assert_eq!(judged(fenced(), &mut last).kind(), "fatal");
        let mut long_ago = Instant::now().checked_sub(RIVAL_WITHIN);
        assert_eq!(judged(fenced(), &mut long_ago).kind(), "transient");
    }
}
