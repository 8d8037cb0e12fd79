//! What the tables hold with all their rollups.
//!
//! An insert into a table shows its rows a moment before the rollups that it feeds. So a table's position says nothing of figures until
//! its rollups count as many rows as it has.

use super::{
    Analytics,
    resource::{Rollup, sources},
};
use crate::clickhouse::{ClickHouseError, figures::Reached};
use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// How old what is known may be, for callers who do not wait for something.
const FRESH: Duration = Duration::from_millis(250);

/// Positions of journals, by journal in the order of [`sources`].
pub(super) type Positions = Vec<Vec<Reached>>;

/// What is known of sets of rollups, by their names.
#[derive(Default)]
pub(super) struct Settled(Mutex<BTreeMap<Vec<&'static str>, (Positions, Instant)>>);

impl Settled {
    fn known(&self, names: &[&'static str]) -> Option<(Positions, Instant)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(names).cloned()
    }

    fn note(&self, names: Vec<&'static str>, positions: Positions) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(names, (positions, Instant::now()));
    }
}

impl Analytics {
    /// Up to where all of the rollups hold what came of their journals: as far as is known, and known anew where a caller waits.
    pub(super) async fn settled(&self, rollups: &[&'static Rollup], anew: bool) -> Result<Positions, ClickHouseError> {
        let names: Vec<&'static str> = rollups.iter().map(|rollup| rollup.name).collect();
        let known = self.settled.known(&names);
        if let Some((positions, at)) = &known
            && !anew
            && at.elapsed() < FRESH
        {
            return Ok(positions.clone());
        }
        let mut counted = Vec::new();
        for rollup in rollups {
            counted.push(self.clickhouse.counted(rollup.name, rollup.counts).await?);
        }
        let mut positions = Positions::new();
        for source in sources(rollups) {
            positions.push(self.clickhouse.reached(source.table).await?);
        }
        let mut all = true;
        for (rollup, counted) in rollups.iter().zip(counted) {
            // Rows only come: as many as were counted before the positions were read, after it, means that nothing was on its way.
            all &= counted == self.clickhouse.rows_of(rollup.fed_by).await?;
        }
        if all {
            self.settled.note(names, positions.clone());
            return Ok(positions);
        }
        Ok(known.map_or_else(|| vec![Vec::new(); positions.len()], |(positions, _)| positions))
    }
}
