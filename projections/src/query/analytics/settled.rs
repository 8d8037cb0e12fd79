//! What the tables hold with all their rollups.
//!
//! An insert into a table shows its rows a moment before the rollups that it feeds. So a table's position says nothing of figures until
//! its rollups count as many rows as it has.

use super::resource::{Rollup, sources};
use crate::clickhouse::{ClickHouse, ClickHouseError, figures::Reached};
use futures::future::{try_join, try_join_all};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// How old what is known may be, for callers who do not wait for something.
const FRESH: Duration = Duration::from_millis(250);
/// Until when it serves them once more, while it is looked up anew beside their question.
const KEPT: Duration = Duration::from_secs(2);
/// How long what one who waits looked up serves the others.
const SHARED: Duration = Duration::from_millis(50);

/// Positions of journals, by journal in the order of [`sources`].
pub(super) type Positions = Vec<Vec<Reached>>;

/// What is known of sets of rollups, by their names.
#[derive(Clone)]
pub(super) struct Settled {
    clickhouse: ClickHouse,
    sets: Arc<Mutex<BTreeMap<Vec<&'static str>, Arc<Known>>>>,
}

/// What is known of one set of rollups. One at a time looks it up, for all who wait.
#[derive(Default)]
struct Known {
    state: Mutex<State>,
    looking: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct State {
    /// The positions, and when they were looked up.
    settled: Option<(Positions, Instant)>,
    /// When somebody last began to look, whatever was found; when it ended, if it failed.
    looked_at: Option<Instant>,
    /// Somebody looks beside a question.
    is_renewed: bool,
}

impl Settled {
    pub fn new(clickhouse: ClickHouse) -> Self {
        Self { clickhouse, sets: Arc::default() }
    }

    /// Up to where all of the rollups hold what came of their journals: as far as is known, and known anew where a caller waits.
    pub async fn positions(
        &self,
        rollups: &'static [&'static Rollup],
        anew: bool,
    ) -> Result<Positions, ClickHouseError> {
        let names: Vec<&'static str> = rollups.iter().map(|rollup| rollup.name).collect();
        let known = Arc::clone(locked(&self.sets).entry(names).or_default());
        if !anew {
            let mut state = locked(&known.state);
            if let Some((positions, at)) = state.settled.clone().filter(|(_, at)| at.elapsed() < KEPT) {
                if at.elapsed() >= FRESH && !state.is_renewed {
                    state.is_renewed = true;
                    self.renew(Arc::clone(&known), rollups);
                }
                return Ok(positions);
            }
        }
        self.look(&known, rollups).await?;
        let positions = locked(&known.state).settled.clone().map(|(positions, _)| positions);
        Ok(positions.unwrap_or_else(|| vec![Vec::new(); sources(rollups).len()]))
    }

    /// Looks, unless somebody else began to after this caller came, or the moment before.
    async fn look(&self, known: &Known, rollups: &[&'static Rollup]) -> Result<(), ClickHouseError> {
        let arrived = Instant::now();
        let _looking = known.looking.lock().await;
        if locked(&known.state).looked_at.is_some_and(|at| at + SHARED >= arrived) {
            return Ok(());
        }
        let began = Instant::now();
        let found = self.look_up(rollups).await;
        let mut state = locked(&known.state);
        // Those who came meanwhile do not try again what failed just now.
        state.looked_at = Some(if found.is_ok() { began } else { Instant::now() });
        // What was known is kept where something was on its way.
        if let Some(positions) = found? {
            state.settled = Some((positions, began));
        }
        Ok(())
    }

    /// Looks without anybody waiting for it.
    fn renew(&self, known: Arc<Known>, rollups: &'static [&'static Rollup]) {
        let settled = self.clone();
        tokio::spawn(async move {
            if let Err(error) = settled.look(&known, rollups).await {
                tracing::debug!(%error, "cannot look up how much the rollups hold");
            }
            locked(&known.state).is_renewed = false;
        });
    }

    /// The positions of the journals; `None` while some rollup does not hold them yet.
    async fn look_up(&self, rollups: &[&'static Rollup]) -> Result<Option<Positions>, ClickHouseError> {
        let clickhouse = &self.clickhouse;
        let (counted, positions) = try_join(
            try_join_all(rollups.iter().map(|rollup| clickhouse.counted(rollup.name, rollup.counts))),
            try_join_all(sources(rollups).into_iter().map(|source| clickhouse.reached(source.table))),
        )
        .await?;
        // Rows only come: as many after the positions were read as the rollups had counted means that they hold all of those rows.
        let rows = try_join_all(rollups.iter().map(|rollup| clickhouse.rows_of(rollup.fed_by))).await?;
        Ok((counted == rows).then_some(positions))
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
