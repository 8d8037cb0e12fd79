//! How the pipeline is doing now: events that come in, records on their way to the tables, and how long the oldest of them has waited.
//!
//! The log is asked once a second at most, whoever looks, and not at all when nobody does.

use super::super::analytics::{
    resource::{PLACE_STATS, Source, TRANSACTION_STATS, sources},
    standing,
};
use crate::{clickhouse::ClickHouse, told};
use millrace_runtime::{
    RuntimeError,
    clock::{Clock as _, SystemClock},
    log::{GroupLag, Log},
    reader::{From, Read, Reader},
};
use millrace_schemas::Topic;
use schemars::JsonSchema;
use serde::Serialize;
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};

/// How often the log is asked.
const EVERY: Duration = Duration::from_secs(1);
/// How long it is asked after somebody looked.
const KEPT: Duration = Duration::from_secs(15);
/// How long the rate is taken over.
const OVER: Duration = Duration::from_secs(10);
/// How long one look may take.
const WITHIN: Duration = Duration::from_secs(5);
/// How old an answer may be.
const STALE: Duration = Duration::from_secs(8);
/// How long a caller waits for the first look.
pub(super) const PATIENCE: Duration = Duration::from_secs(3);
/// Why nothing is told where nobody answers.
const LATE: &str = "the log or the tables do not answer in time";
/// Most partitions whose oldest unfinished record is looked up.
const PARTITIONS_MAX: usize = 32;

/// How the pipeline is doing now. The log is asked once a second at most, for all who look.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "Live")]
pub(in crate::query) struct Now {
    /// When the log was asked.
    #[serde(with = "told::Instant")]
    pub at: i64,
    /// Transactions and receipts that came into the log, by the second, over the last ten; null until there were two looks.
    pub events_per_second: Option<f64>,
    /// Records on their way: not decided, or decided and not in the tables; null when it cannot be told.
    pub lag_records: Option<i64>,
    /// How long ago the broker took the oldest of them, in seconds; 0 when there is none, null when it cannot be told.
    pub oldest_unfinished_seconds: Option<f64>,
    /// Why something cannot be told.
    pub problem: Option<&'static str>,
}

impl Now {
    /// Nobody answered.
    pub fn late() -> Self {
        Self::unknown(LATE)
    }

    /// Nothing can be told.
    pub fn unknown(problem: &'static str) -> Self {
        Self {
            at: SystemClock.now_ms(),
            events_per_second: None,
            lag_records: None,
            oldest_unfinished_seconds: None,
            problem: Some(problem),
        }
    }
}

/// What looks.
pub(super) struct Live {
    log: Log,
    clickhouse: ClickHouse,
    told: watch::Sender<Option<(Instant, Now)>>,
    looking: Mutex<Looking>,
}

struct Looking {
    /// When somebody asked last.
    asked: Instant,
    is_on: bool,
}

impl Live {
    pub fn new(log: Log, clickhouse: ClickHouse) -> Arc<Self> {
        let looking = Mutex::new(Looking { asked: Instant::now(), is_on: false });
        Arc::new(Self { log, clickhouse, told: watch::channel(None).0, looking })
    }

    /// How it is now; waits so long for the first look after a pause, and `None` when that does not come.
    pub async fn now(self: &Arc<Self>, patience: Duration) -> Option<Now> {
        let mut told = self.told.subscribe();
        {
            let mut looking = self.looking.lock().unwrap_or_else(PoisonError::into_inner);
            looking.asked = Instant::now();
            if !looking.is_on {
                looking.is_on = true;
                tokio::spawn(Arc::clone(self).look());
            }
        }
        let fresh = |it: &Option<(Instant, Now)>| it.as_ref().is_some_and(|(at, _)| at.elapsed() < STALE);
        let found = timeout(patience, told.wait_for(fresh)).await;
        found.ok().and_then(|found| found.ok()?.as_ref().map(|(_, now)| now.clone()))
    }

    /// Looks until nobody has asked for a while.
    async fn look(self: Arc<Self>) {
        let mut seen: VecDeque<(Instant, i64)> = VecDeque::new();
        loop {
            let begun = Instant::now();
            let now = match timeout(WITHIN, self.sample(&mut seen)).await {
                Ok(Ok(now)) => now,
                Ok(Err(error)) => {
                    tracing::warn!(error, "how the pipeline is doing cannot be told");
                    Now::unknown("the log or the tables cannot be read now")
                }
                Err(_) => Now::unknown(LATE),
            };
            self.told.send_replace(Some((Instant::now(), now)));
            sleep(EVERY.saturating_sub(begun.elapsed())).await;
            let mut looking = self.looking.lock().unwrap_or_else(PoisonError::into_inner);
            if looking.asked.elapsed() > KEPT {
                looking.is_on = false;
                return;
            }
        }
    }

    async fn sample(&self, seen: &mut VecDeque<(Instant, i64)>) -> Result<Now, String> {
        let (mut end, mut lag, mut waiting) = (0, 0, Vec::new());
        let asked = Instant::now();
        for source in sources(&[PLACE_STATS, TRANSACTION_STATS]) {
            let [undecided, unwritten] = standing(&self.log, &self.clickhouse, &source).await?;
            end += undecided.partitions.iter().map(|partition| partition.end).sum::<i64>();
            lag += undecided.total() + unwritten.total();
            waiting.extend(unfinished(&source, &undecided, &unwritten));
        }
        seen.push_back((asked, end));
        while seen.len() > 2 && seen.front().is_some_and(|(at, _)| at.elapsed() > OVER) {
            seen.pop_front();
        }
        let kafka = self.log.kafka().clone();
        let oldest = tokio::task::spawn_blocking(move || oldest(&kafka, &waiting));
        let oldest = oldest.await.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?;
        let at = SystemClock.now_ms();
        let age = oldest.map(|oldest| oldest.map_or(0.0, |oldest| (at - oldest).max(0) as f64 / 1_000.0));
        let problem = age.is_none().then_some("the oldest record on its way cannot be read now");
        Ok(Now { at, events_per_second: rate(seen), lag_records: Some(lag), oldest_unfinished_seconds: age, problem })
    }
}

/// Events by the second between the first look and the last, rounded to tenths.
fn rate(seen: &VecDeque<(Instant, i64)>) -> Option<f64> {
    let ((from, before), (to, after)) = (seen.front()?, seen.back()?);
    let seconds = to.duration_since(*from).as_secs_f64();
    (seconds > 0.0).then(|| ((after - before).max(0) as f64 / seconds * 10.0).round() / 10.0)
}

/// Where the first record that is not finished stands, in each partition that has one.
fn unfinished(source: &Source, undecided: &GroupLag, unwritten: &GroupLag) -> Vec<(Topic, i32, Option<i64>)> {
    let of = |topic: Topic, lag: &GroupLag| {
        let behind = lag.partitions.iter().filter(|partition| partition.lag > 0);
        behind.map(move |partition| (topic, partition.partition, partition.committed)).collect::<Vec<_>>()
    };
    let mut found = of(source.derived, unwritten);
    found.extend(of(source.journal, undecided));
    found
}

/// When the broker took the oldest of the first records at some places; `None` where they cannot be read in time, `Some(None)` where
/// nothing is left to be finished.
fn oldest(
    kafka: &millrace_runtime::config::KafkaConfig,
    places: &[(Topic, i32, Option<i64>)],
) -> Result<Option<Option<i64>>, RuntimeError> {
    let until = Instant::now() + WITHIN / 2;
    let mut oldest: Option<i64> = None;
    for (topic, partition, committed) in places.iter().take(PARTITIONS_MAX) {
        let from = committed.map_or(From::Beginning, From::Offset);
        let mut reader = Reader::new(kafka, *topic, &[*partition], from)?;
        loop {
            match reader.next(Duration::from_millis(100))? {
                Read::Record(record) => {
                    oldest = Some(oldest.map_or(record.timestamp, |known| known.min(record.timestamp)));
                    break;
                }
                Read::End(_) => break,
                Read::Idle if Instant::now() > until => return Ok(None),
                Read::Idle => {}
            }
        }
    }
    Ok(Some(oldest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_over_the_looks_that_are_kept() {
        let start = Instant::now();
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        assert_eq!(rate(&VecDeque::new()), None);
        assert_eq!(rate(&VecDeque::from([(at(0), 5)])), None, "one look tells no rate");
        assert_eq!(rate(&VecDeque::from([(at(0), 5), (at(1), 10), (at(4), 35)])), Some(7.5));
        assert_eq!(rate(&VecDeque::from([(at(0), 5), (at(2), 0)])), Some(0.0), "topics made anew are no negative rate");
    }
}
