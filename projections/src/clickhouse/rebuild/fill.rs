//! Writing a set beside the live one, never further than that one is.

use super::{Progress, Rebuild, RebuildError, Report};
use crate::clickhouse::{
    ClickHouse, ClickHouseError, ClickHouseSink,
    horizon::{Horizon, Positions},
    set::Set,
    tables,
};
use clickhouse::Row;
use millrace_runtime::{RuntimeError, lifecycle::Shutdown, sink};
use millrace_schemas::Topic;
use serde::Deserialize;
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};
use tokio::task::JoinHandle;

/// How often it is looked how far the sets are.
const LOOK: Duration = Duration::from_millis(200);
/// How often it is said.
const SAY: Duration = Duration::from_secs(1);
/// A set this close behind the live one is about to catch up, in offsets over all partitions.
pub(super) const CLOSE: i64 = 20_000;
/// How long a server that does not answer is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

/// Offsets between positions, over all partitions.
pub(super) fn distance(from: &Positions, to: &Positions) -> i64 {
    to.iter().map(|(key, highest)| highest - from.get(key).copied().unwrap_or(-1)).sum()
}

/// A set that is being filled.
pub(super) struct Filling {
    pub live: Set,
    pub set: Set,
    /// First offset the log still has of each partition.
    pub first: Positions,
    clickhouse: ClickHouse,
    horizon: Arc<Horizon>,
    stop: Shutdown,
    sink: Mutex<Option<JoinHandle<Result<(), RuntimeError>>>>,
    began: Instant,
}

#[derive(Row, Deserialize)]
struct PositionRow {
    topic: String,
    partition: i32,
    highest: i64,
}

impl ClickHouse {
    /// Highest offset a set has of each partition, as the table written last of each topic says.
    pub(in crate::clickhouse) async fn positions(&self, set: Set) -> Result<Positions, ClickHouseError> {
        let select = |topic: Topic| {
            let table = tables::of_topic(topic).last().map(|name| set.stored_as(name)).unwrap_or_default();
            format!(
                "SELECT toString(_topic) AS topic, _partition AS partition, max(_offset) AS highest FROM {}.{table} \
                 GROUP BY _topic, _partition",
                self.database()
            )
        };
        let union: Vec<String> = tables::topics().into_iter().map(select).collect();
        let rows: Vec<PositionRow> = self.deadline(self.query(&union.join(" UNION ALL ")).fetch_all()).await?;
        let position = |row: PositionRow| Some(((row.topic.parse().ok()?, row.partition), row.highest));
        Ok(rows.into_iter().filter_map(position).collect())
    }
}

impl Filling {
    /// Begins to fill a set up to where the live one is.
    pub async fn begin(rebuild: &Rebuild, live: Set, set: Set) -> Result<Self, RebuildError> {
        let mut first = Positions::new();
        for topic in tables::topics() {
            for (partition, (low, _)) in (0..).zip(rebuild.log.offsets(topic).await?) {
                first.insert((topic, partition), low);
            }
        }
        let horizon = Arc::<Horizon>::default();
        horizon.advance(rebuild.clickhouse.positions(live).await?);
        let sink =
            ClickHouseSink::new(rebuild.clickhouse.clone(), Arc::clone(&rebuild.codec), rebuild.options.rules, set);
        let (sink, stop) = (Arc::new(sink.within(Arc::clone(&horizon))), Shutdown::new());
        let running = sink::run(sink, rebuild.log.clone(), rebuild.options.sink.clone(), stop.clone());
        Ok(Self {
            live,
            set,
            first,
            clickhouse: rebuild.clickhouse.clone(),
            horizon,
            stop,
            sink: Mutex::new(Some(tokio::spawn(running))),
            began: Instant::now(),
        })
    }

    /// Returns when the set has what the live one had a moment ago.
    pub async fn catch_up(&self, progress: &mut impl FnMut(&Progress)) -> Result<(), RebuildError> {
        let (mut said, mut last_answer) = (None::<Instant>, Instant::now());
        let (mut pace, mut goal) = (Pace::default(), None::<i64>);
        loop {
            match self.look().await {
                Ok((done, total)) => {
                    last_answer = Instant::now();
                    if total - done <= CLOSE {
                        goal.get_or_insert(total);
                    }
                    let is_close = goal.is_some_and(|goal| done >= goal);
                    if is_close || said.is_none_or(|said| said.elapsed() >= SAY) {
                        said = Some(Instant::now());
                        let (events, rows) = self.horizon.written();
                        progress(&pace.progress(self.set, done, total, events, rows, self.began.elapsed()));
                    }
                    if is_close {
                        return Ok(());
                    }
                }
                Err(error) if error.is_transient() && last_answer.elapsed() < PATIENCE => {
                    tracing::warn!(error = %error, "looking how far the set is");
                }
                Err(error) => return Err(error.into()),
            }
            self.check().await?;
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Moves the horizon to where the live set is; gives the offsets done and those to be done.
    async fn look(&self) -> Result<(i64, i64), ClickHouseError> {
        let target = self.clickhouse.positions(self.live).await?;
        self.horizon.advance(target.clone());
        let reached = self.clickhouse.positions(self.set).await?;
        let below = |positions: &Positions| -> i64 {
            let count = |(key, highest): (&(Topic, i32), &i64)| {
                (highest + 1 - self.first.get(key).copied().unwrap_or_default()).max(0)
            };
            positions.iter().map(count).sum()
        };
        Ok((below(&reached), below(&target)))
    }

    /// Writes the rest up to where the live set is, which must stand still; gives the common positions.
    pub async fn meet(&self, within: Duration) -> Result<Positions, RebuildError> {
        let until = Instant::now() + within;
        loop {
            self.look().await?;
            let (target, reached) =
                (self.clickhouse.positions(self.live).await?, self.clickhouse.positions(self.set).await?);
            if self.kept(&target) == reached {
                return Ok(reached);
            }
            self.check().await?;
            if Instant::now() > until {
                return Err(RebuildError::TooLong(format!(
                    "the set {} did not reach the positions of {} within {} s",
                    self.set,
                    self.live,
                    within.as_secs()
                )));
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Those positions that the log still has.
    fn kept(&self, positions: &Positions) -> Positions {
        let still = |(key, highest): &(&(Topic, i32), &i64)| self.first.get(key).is_some_and(|first| *highest >= first);
        positions.iter().filter(still).map(|(key, highest)| (*key, *highest)).collect()
    }

    /// An error when the sink has ended.
    async fn check(&self) -> Result<(), RebuildError> {
        let ended = self.take_if(JoinHandle::is_finished);
        match ended {
            None => Ok(()),
            Some(ended) => {
                joined(ended.await)?;
                Err(RebuildError::TooLong("the writing of the new set was interrupted".to_owned()))
            }
        }
    }

    fn take_if(
        &self,
        test: impl Fn(&JoinHandle<Result<(), RuntimeError>>) -> bool,
    ) -> Option<JoinHandle<Result<(), RuntimeError>>> {
        self.sink.lock().unwrap_or_else(PoisonError::into_inner).take_if(|sink| test(sink))
    }

    /// Ends the writing, so that a projector can take the set over.
    pub async fn stop(&self) -> Result<(), RuntimeError> {
        self.stop.cancel();
        match self.take_if(|_| true) {
            Some(sink) => joined(sink.await),
            None => Ok(()),
        }
    }

    /// Ends the writing and says what was written.
    pub async fn end(&self, report: &mut Report) -> Result<(), RuntimeError> {
        let ended = self.stop().await;
        (report.events, report.rows) = self.horizon.written();
        ended
    }
}

fn joined(ended: Result<Result<(), RuntimeError>, tokio::task::JoinError>) -> Result<(), RuntimeError> {
    ended.unwrap_or_else(|error| Err(RuntimeError::Fatal(format!("the writing of a set panicked: {error}"))))
}

/// Remembers where it was a moment ago, so that the time left is told by the pace of now.
#[derive(Default)]
struct Pace(Vec<(Duration, i64)>);

impl Pace {
    fn progress(&mut self, set: Set, done: i64, total: i64, events: u64, rows: u64, elapsed: Duration) -> Progress {
        self.0.push((elapsed, done));
        let recent = self.0.len().saturating_sub(10);
        let (then, done_then) = self.0[recent];
        let (seconds, steps) = ((elapsed - then).as_secs_f64(), (done - done_then) as f64);
        let left = (total - done).max(0) as f64;
        let left_seconds = (steps > 0.0 && seconds > 0.0).then(|| left * seconds / steps);
        Progress { set, done, total, events, rows, seconds: elapsed.as_secs_f64(), left_seconds }
    }
}
