//! The statements that are running: how many there may be, and how each is stopped.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::exception::{Exception, code};

/// How a running statement is reached from outside its thread.
#[derive(Default)]
pub(crate) struct Control {
    /// Cancelled when nobody waits for the statement any more, or the endpoint stops: reading of its body ends.
    pub(crate) stop: CancellationToken,
    /// Thread the statement runs on; zero before it has one.
    thread: AtomicI32,
    /// The statement leaves no trace, so it may be stopped when its client leaves.
    disposable: AtomicBool,
}

impl Control {
    /// Called by the statement's thread before it runs.
    pub(crate) fn runs_here(&self) {
        self.thread.store(nix::unistd::gettid().as_raw(), Ordering::Release);
    }

    /// Marks the statement as one that leaves no trace.
    pub(crate) fn make_disposable(&self) {
        self.disposable.store(true, Ordering::Release);
    }

    /// The thread to be stopped when the client has left.
    pub(crate) fn disposable_thread(&self) -> Option<i32> {
        self.disposable.load(Ordering::Acquire).then(|| self.thread.load(Ordering::Acquire)).filter(|&t| t != 0)
    }

    fn thread(&self) -> Option<i32> {
        Some(self.thread.load(Ordering::Acquire)).filter(|&t| t != 0)
    }
}

/// The running statements.
pub(crate) struct Jobs {
    limit: usize,
    running: Mutex<Running>,
    ended: Notify,
}

#[derive(Default)]
struct Running {
    next: u64,
    closed: bool,
    controls: BTreeMap<u64, Arc<Control>>,
}

impl Jobs {
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, running: Mutex::default(), ended: Notify::new() }
    }

    fn lock(&self) -> MutexGuard<'_, Running> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a place for a statement.
    ///
    /// # Errors
    /// All places are taken, or the endpoint is stopping.
    pub(crate) fn enter(self: &Arc<Self>) -> Result<Place, Exception> {
        let mut running = self.lock();
        if running.closed {
            return Err(Exception::new(code::TOO_MANY_SIMULTANEOUS_QUERIES, "the endpoint is stopping"));
        }
        if running.controls.len() >= self.limit {
            let what = format!("Too many simultaneous queries. Maximum: {}", self.limit);
            return Err(Exception::new(code::TOO_MANY_SIMULTANEOUS_QUERIES, what));
        }
        running.next += 1;
        let (id, control) = (running.next, Arc::new(Control::default()));
        running.controls.insert(id, Arc::clone(&control));
        Ok(Place { jobs: Arc::clone(self), id, control })
    }

    /// Statements running now.
    pub(crate) fn len(&self) -> usize {
        self.lock().controls.len()
    }

    /// Lets no further statement in.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
    }

    /// Tells every statement to stop; gives the threads that have to be stopped by the engine.
    pub(crate) fn stop_all(&self) -> Vec<i32> {
        let running = self.lock();
        running.controls.values().for_each(|control| control.stop.cancel());
        running.controls.values().filter_map(|control| control.thread()).collect()
    }

    /// Returns when no statement runs.
    pub(crate) async fn idle(&self) {
        loop {
            let ended = self.ended.notified();
            if self.len() == 0 {
                return;
            }
            ended.await;
        }
    }
}

/// A running statement's place, given up when dropped.
pub(crate) struct Place {
    jobs: Arc<Jobs>,
    id: u64,
    pub(crate) control: Arc<Control>,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.jobs.lock().controls.remove(&self.id);
        self.jobs.ended.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn places_are_limited_and_given_up() {
        let jobs = Arc::new(Jobs::new(1));
        let place = jobs.enter().ok().unwrap();
        assert_eq!(jobs.enter().err().map(|e| e.code()), Some(202));
        drop(place);
        jobs.idle().await;
        let place = jobs.enter().ok().unwrap();
        assert_eq!(jobs.stop_all(), [], "it has no thread yet");
        assert!(place.control.stop.is_cancelled());
        jobs.close();
        drop(place);
        assert_eq!(jobs.enter().err().map(|e| e.code()), Some(202));
    }
}
