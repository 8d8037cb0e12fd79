//! What the tables hold with all their rollups.
//!
//! An insert into a table shows its rows a moment before the rollups that it feeds, so a table says nothing of figures. The projector
//! commits a position once an insert has ended, rollups included: what its group says is what figures hold.

use super::resource::Source;
use crate::clickhouse::{ClickHouse, ClickHouseError, set::Set};
use millrace_runtime::log::{Log, Progress};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};
use tokio::sync::Notify;

/// How old what is known may be, for callers who do not wait for something.
const FRESH: Duration = Duration::from_millis(250);
/// Until when it serves them once more, while it is looked up anew beside their question.
const KEPT: Duration = Duration::from_secs(2);
/// How long a question that needs no log waits to hear from it.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long what one who waits looked up serves the others.
const SHARED: Duration = Duration::from_millis(50);
/// How long the live set is taken to be the same. A set becomes live when it holds what the one before holds, so what is said of that
/// one stays true.
const LIVE: Duration = Duration::from_millis(500);

/// Up to where figures hold a journal.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Held {
    /// Offset of the last record that has an effect there, by partition.
    pub offsets: BTreeMap<i32, i64>,
    /// Partitions and offsets of the last rows.
    rows: Vec<(i32, i64)>,
}

/// What is known of journals.
#[derive(Clone)]
pub(super) struct Settled {
    log: Log,
    clickhouse: ClickHouse,
    /// The live set, and when it was asked for.
    live: Arc<Mutex<Option<(Set, Instant)>>>,
    /// The group of the live set.
    group: Arc<Mutex<Option<(Set, Progress)>>>,
    journals: Arc<Mutex<BTreeMap<&'static str, Arc<Known>>>>,
}

/// What is known of one journal. One at a time looks it up, for all who wait.
#[derive(Default)]
struct Known {
    state: Mutex<State>,
    latest: Mutex<Latest>,
    looking: tokio::sync::Mutex<()>,
    /// Told when whoever looked beside questions has ended.
    looked: Notify,
}

/// Last rows, and when the broker appended the latest of the records that they came of.
#[derive(Default, Clone)]
struct Latest {
    rows: Vec<(i32, i64)>,
    at: Option<i64>,
}

#[derive(Default)]
struct State {
    /// What was found last, and when whoever found it began to look.
    held: Option<(Held, Instant)>,
    /// When somebody's look failed.
    failed: Option<(String, Instant)>,
    /// Somebody looks beside a question.
    is_renewed: bool,
}

impl Settled {
    pub fn new(log: Log, clickhouse: ClickHouse) -> Self {
        Self { log, clickhouse, live: Arc::default(), group: Arc::default(), journals: Arc::default() }
    }

    /// At least up to where figures hold a journal, for callers who do not wait for something: figures are answered without the log, too.
    pub async fn known(&self, source: Source) -> Held {
        let known = self.of(source);
        let looked = known.looked.notified();
        {
            let mut state = locked(&known.state);
            let age = state.held.as_ref().map_or(Duration::MAX, |(_, at)| at.elapsed());
            if age >= FRESH && !state.is_renewed {
                state.is_renewed = true;
                self.renew(Arc::clone(&known), source);
            }
            if age < KEPT {
                return held(&state);
            }
        }
        // What was known before does, where nobody comes back in time.
        let _ = tokio::time::timeout(PATIENCE, looked).await;
        held(&locked(&known.state))
    }

    /// Up to where figures hold a journal, looked up now.
    ///
    /// # Errors
    /// In words, when the broker or the server does not answer.
    pub async fn now(&self, source: Source) -> Result<Held, String> {
        self.look(&self.of(source), source).await
    }

    /// When the broker appended the latest journal record that figures hold, epoch milliseconds.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn latest_at(&self, source: Source, held: &Held) -> Result<Option<i64>, ClickHouseError> {
        let known = self.of(source);
        let latest = locked(&known.latest).clone();
        if latest.rows == held.rows {
            return Ok(latest.at);
        }
        let at = self.clickhouse.appended_at(self.live().await?, source.table, &held.rows).await?;
        *locked(&known.latest) = Latest { rows: held.rows.clone(), at };
        Ok(at)
    }

    fn of(&self, source: Source) -> Arc<Known> {
        Arc::clone(locked(&self.journals).entry(source.journal.name()).or_default())
    }

    /// Looks, unless somebody else began to after this caller came, or the moment before.
    async fn look(&self, known: &Known, source: Source) -> Result<Held, String> {
        let arrived = Instant::now();
        let _looking = known.looking.lock().await;
        {
            let state = locked(&known.state);
            let shared = |at: &Instant| *at + SHARED >= arrived;
            // Those who came meanwhile do not try again what failed just now.
            if let Some((error, _)) = state.failed.as_ref().filter(|(_, at)| shared(at)) {
                return Err(error.clone());
            }
            if let Some((held, _)) = state.held.as_ref().filter(|(_, at)| shared(at)) {
                return Ok(held.clone());
            }
        }
        let began = Instant::now();
        let found = self.look_up(source).await;
        let mut state = locked(&known.state);
        match &found {
            Ok(held) => (state.held, state.failed) = (Some((held.clone(), began)), None),
            Err(error) => state.failed = Some((error.clone(), Instant::now())),
        }
        found
    }

    /// Looks beside questions, once for all of them, whether or not somebody waits for it.
    fn renew(&self, known: Arc<Known>, source: Source) {
        let settled = self.clone();
        tokio::spawn(async move {
            if let Err(error) = settled.look(&known, source).await {
                tracing::debug!(error, "cannot look up how much figures hold");
            }
            locked(&known.state).is_renewed = false;
            known.looked.notify_waiters();
        });
    }

    async fn look_up(&self, source: Source) -> Result<Held, String> {
        let set = self.live().await.map_err(|error| error.to_string())?;
        let group = self.group_of(set)?;
        let stored = group.stored(source.derived, source.journal).await.map_err(|error| error.to_string())?;
        Ok(Held {
            offsets: stored.iter().map(|it| (it.partition, it.source)).collect(),
            rows: stored.iter().map(|it| (it.partition, it.last)).collect(),
        })
    }

    /// The set that figures are of.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn live(&self) -> Result<Set, ClickHouseError> {
        let known = *locked(&self.live);
        if let Some((set, _)) = known.filter(|(_, asked)| asked.elapsed() < LIVE) {
            return Ok(set);
        }
        let asked = Instant::now();
        let set = self.clickhouse.live_set().await?;
        *locked(&self.live) = Some((set, asked));
        Ok(set)
    }

    fn group_of(&self, set: Set) -> Result<Progress, String> {
        let mut known = locked(&self.group);
        if let Some((_, group)) = known.as_ref().filter(|(of, _)| *of == set) {
            return Ok(group.clone());
        }
        let group = self.log.progress(&set.group()).map_err(|error| error.to_string())?;
        *known = Some((set, group.clone()));
        Ok(group)
    }
}

fn held(state: &State) -> Held {
    state.held.as_ref().map(|(held, _)| held.clone()).unwrap_or_default()
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
