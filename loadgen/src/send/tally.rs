//! What has happened so far, counted while it happens.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use super::answer::{ItemAnswer, ItemStatus};
use super::report::{ItemCounts, LatencyMs, SendReport};

/// Longest latency told apart, in microseconds.
const LATENCY_MAX_US: u64 = 3_600_000_000;

/// Counters of a run, shared by its reader, its requests and its progress display.
pub(super) struct Tally {
    /// Bytes taken from the files, compressed where they are.
    pub file_bytes: Arc<AtomicU64>,
    /// Items read.
    pub read: AtomicU64,
    started: Instant,
    counts: Mutex<Counts>,
}

#[derive(Debug)]
struct Counts {
    items: BTreeMap<ItemStatus, u64>,
    error_codes: BTreeMap<String, u64>,
    http_statuses: BTreeMap<u16, u64>,
    requests: u64,
    repeated: u64,
    connection_errors: u64,
    body_bytes: u64,
    latency_us: Histogram<u64>,
}

/// One attempt at a request, as far as it is counted.
pub(super) struct Attempted {
    pub is_repeat: bool,
    pub body_bytes: usize,
    /// `None`: no answer came.
    pub http_status: Option<u16>,
    pub latency: Duration,
}

impl Tally {
    pub fn new() -> Self {
        let latency_us =
            Histogram::new_with_max(LATENCY_MAX_US, 3).expect("three digits up to an hour are valid bounds");
        Tally {
            file_bytes: Arc::default(),
            read: AtomicU64::new(0),
            started: Instant::now(),
            counts: Mutex::new(Counts {
                items: BTreeMap::new(),
                error_codes: BTreeMap::new(),
                http_statuses: BTreeMap::new(),
                requests: 0,
                repeated: 0,
                connection_errors: 0,
                body_bytes: 0,
                latency_us,
            }),
        }
    }

    pub fn attempted(&self, attempt: &Attempted) {
        let mut counts = self.lock();
        counts.requests += 1;
        counts.repeated += u64::from(attempt.is_repeat);
        counts.body_bytes += attempt.body_bytes as u64;
        match attempt.http_status {
            Some(status) => {
                *counts.http_statuses.entry(status).or_default() += 1;
                counts.latency_us.saturating_record(u64::try_from(attempt.latency.as_micros()).unwrap_or(u64::MAX));
            }
            None => counts.connection_errors += 1,
        }
    }

    /// Counts an item's final answer; one that is to be sent again is not final.
    pub fn answered(&self, answer: &ItemAnswer) {
        let mut counts = self.lock();
        *counts.items.entry(answer.status).or_default() += 1;
        for code in &answer.codes {
            *counts.error_codes.entry(code.clone()).or_default() += 1;
        }
    }

    /// Items that have a final answer, and among them those refused.
    pub fn so_far(&self) -> (u64, u64) {
        let counts = self.lock();
        let of = |status| counts.items.get(&status).copied().unwrap_or(0);
        let refused = of(ItemStatus::Conflict) + of(ItemStatus::Invalid) + of(ItemStatus::TooLarge);
        (refused + of(ItemStatus::Accepted) + of(ItemStatus::Duplicate), refused)
    }

    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    pub fn report(&self, url: String, stopped: Option<String>) -> SendReport {
        let elapsed = self.elapsed();
        let (settled, _) = self.so_far();
        let counts = self.lock();
        let of = |status| counts.items.get(&status).copied().unwrap_or(0);
        let read = self.read.load(Ordering::Relaxed);
        let seconds = elapsed.as_secs_f64();
        SendReport {
            url,
            items: ItemCounts {
                read,
                accepted: of(ItemStatus::Accepted),
                duplicate: of(ItemStatus::Duplicate),
                conflict: of(ItemStatus::Conflict),
                invalid: of(ItemStatus::Invalid),
                too_large: of(ItemStatus::TooLarge),
                unsent: read.saturating_sub(settled),
            },
            error_codes: counts.error_codes.clone(),
            http_statuses: counts.http_statuses.clone(),
            requests: counts.requests,
            repeated_requests: counts.repeated,
            connection_errors: counts.connection_errors,
            body_bytes: counts.body_bytes,
            elapsed_seconds: seconds,
            items_per_second: if seconds > 0.0 { settled as f64 / seconds } else { 0.0 },
            latency_ms: LatencyMs::of(&counts.latency_us),
            stopped,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
