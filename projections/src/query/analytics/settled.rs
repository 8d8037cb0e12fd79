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

/// Positions of journals, by journal in the order of [`sources`].
pub(super) type Positions = Vec<Vec<Reached>>;

/// What is known of sets of rollups, by their names.
#[derive(Clone)]
pub(super) struct Settled {
    clickhouse: ClickHouse,
    known: Arc<Mutex<BTreeMap<Vec<&'static str>, Known>>>,
}

#[derive(Clone)]
struct Known {
    positions: Positions,
    at: Instant,
    /// Somebody looks it up anew.
    is_renewed: bool,
}

impl Settled {
    pub fn new(clickhouse: ClickHouse) -> Self {
        Self { clickhouse, known: Arc::default() }
    }

    /// Up to where all of the rollups hold what came of their journals: as far as is known, and known anew where a caller waits.
    pub async fn positions(
        &self,
        rollups: &'static [&'static Rollup],
        anew: bool,
    ) -> Result<Positions, ClickHouseError> {
        let names: Vec<&'static str> = rollups.iter().map(|rollup| rollup.name).collect();
        let known = match self.locked().get_mut(&names) {
            Some(known) if !anew && known.at.elapsed() < KEPT => {
                if known.at.elapsed() >= FRESH && !known.is_renewed {
                    known.is_renewed = true;
                    self.renew(names, rollups);
                }
                return Ok(known.positions.clone());
            }
            known => known.map(|known| known.positions.clone()),
        };
        match self.look_up(rollups).await? {
            Some(positions) => {
                self.note(names, positions.clone());
                Ok(positions)
            }
            None => Ok(known.unwrap_or_else(|| vec![Vec::new(); sources(rollups).len()])),
        }
    }

    /// Looks up without anybody waiting for it.
    fn renew(&self, names: Vec<&'static str>, rollups: &'static [&'static Rollup]) {
        let settled = self.clone();
        tokio::spawn(async move {
            match settled.look_up(rollups).await {
                Ok(Some(positions)) => settled.note(names, positions),
                // What is known is kept, and asked for anew by the next.
                Ok(None) => settled.not_renewed(&names),
                Err(error) => {
                    tracing::debug!(%error, "cannot look up how much the rollups hold");
                    settled.not_renewed(&names);
                }
            }
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

    fn note(&self, names: Vec<&'static str>, positions: Positions) {
        self.locked().insert(names, Known { positions, at: Instant::now(), is_renewed: false });
    }

    fn not_renewed(&self, names: &[&'static str]) {
        if let Some(known) = self.locked().get_mut(names) {
            known.is_renewed = false;
        }
    }

    fn locked(&self) -> MutexGuard<'_, BTreeMap<Vec<&'static str>, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
