//! Which set is live: a log of switches in the database, which projectors follow and rebuilds append to.
//!
//! One row is one change, so a change happens or does not. A pause ends by itself, since whoever asked for it may be gone.

use super::{ClickHouse, ClickHouseError, set::Set};
use clickhouse::Row;
use serde::Deserialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// What holds now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Switch {
    /// Counts changes.
    pub revision: u64,
    /// The set that the public names show and the projector fills.
    pub live: Set,
    /// How much longer its writers stand still; none when they write.
    pub paused_for: Option<Duration>,
}

/// What a writer says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Writer {
    /// It fills the live set.
    Writing,
    /// It has ended all its writes and begins none.
    Paused,
}

impl Writer {
    fn name(self) -> &'static str {
        match self {
            Self::Writing => "writing",
            Self::Paused => "paused",
        }
    }
}

#[derive(Row, Deserialize)]
struct SwitchRow {
    revision: u64,
    live: u32,
    paused_ms: i64,
}

/// ClickHouse's code for a table that is not there.
const UNKNOWN_TABLE: u32 = 60;

impl ClickHouse {
    /// What holds now; the first set where nothing was ever switched.
    ///
    /// # Errors
    /// When the server does not answer or the tables are not migrated.
    pub async fn switch(&self) -> Result<Switch, ClickHouseError> {
        let sql = format!(
            "SELECT revision, live, toUnixTimestamp64Milli(paused_until) - toUnixTimestamp64Milli(now64(3)) AS paused_ms \
             FROM {}.projection_switches ORDER BY revision DESC, changed_at DESC LIMIT 1",
            self.database()
        );
        let row = self.deadline(self.query(&sql).fetch_optional::<SwitchRow>()).await?;
        let first = SwitchRow { revision: 0, live: Set::FIRST.number(), paused_ms: 0 };
        let SwitchRow { revision, live, paused_ms } = row.unwrap_or(first);
        let paused_for = u64::try_from(paused_ms).ok().filter(|ms| *ms > 0).map(Duration::from_millis);
        Ok(Switch { revision, live: Set::new(live), paused_for })
    }

    /// The live set; the first one in a database that knows nothing of sets yet.
    pub(super) async fn live(&self) -> Result<Set, ClickHouseError> {
        match self.switch().await {
            Ok(switch) => Ok(switch.live),
            Err(ClickHouseError::Refused { code: UNKNOWN_TABLE, .. }) => Ok(Set::FIRST),
            Err(error) => Err(error),
        }
    }

    /// Appends a change; gives its revision. The same change once more only makes its pause longer.
    pub(super) async fn change(
        &self,
        after: Switch,
        live: Set,
        paused_for: Option<Duration>,
        why: &str,
    ) -> Result<u64, ClickHouseError> {
        let revision = after.revision + 1;
        let sql = format!(
            "INSERT INTO {}.projection_switches (revision, live, paused_until, why) SETTINGS async_insert = 0 \
             SELECT ?, ?, if(? = 0, toDateTime64(0, 3, 'UTC'), now64(3, 'UTC') + toIntervalMillisecond(?)), ?",
            self.database()
        );
        let pause = paused_for.map_or(0, |pause| u64::try_from(pause.as_millis()).unwrap_or(u64::MAX));
        let query = self.query(&sql).bind(revision).bind(live.number()).bind(pause).bind(pause).bind(why);
        self.deadline(query.execute()).await?;
        Ok(revision)
    }

    /// A writer says what it does under a revision.
    pub(super) async fn report_writer(&self, revision: u64, slot: u32, state: Writer) -> Result<(), ClickHouseError> {
        let sql = format!(
            "INSERT INTO {}.projection_writers (revision, slot, state) SETTINGS async_insert = 0 VALUES (?, ?, ?)",
            self.database()
        );
        self.deadline(self.query(&sql).bind(revision).bind(slot).bind(state.name()).execute()).await
    }

    /// Slots of the writers that said something under a revision.
    pub(super) async fn writers(&self, revision: u64, state: Writer) -> Result<BTreeSet<u32>, ClickHouseError> {
        let sql = format!(
            "SELECT DISTINCT slot FROM {}.projection_writers WHERE revision = ? AND state = ?",
            self.database()
        );
        let slots = self.deadline(self.query(&sql).bind(revision).bind(state.name()).fetch_all::<u32>()).await?;
        Ok(slots.into_iter().collect())
    }

    /// Sets that were live before the one that is, the last first.
    pub(super) async fn formerly_live(&self) -> Result<Vec<Set>, ClickHouseError> {
        let sql = format!(
            "SELECT live FROM {}.projection_switches GROUP BY live ORDER BY max(revision) DESC",
            self.database()
        );
        let mut lives: Vec<Set> =
            self.deadline(self.query(&sql).fetch_all::<u32>()).await?.into_iter().map(Set::new).collect();
        if !lives.contains(&Set::FIRST) {
            lives.push(Set::FIRST);
        }
        let live = self.switch().await?.live;
        Ok(lives.into_iter().filter(|set| *set != live).collect())
    }

    /// Sets that were ever made anew, and the definition of each.
    pub(super) async fn made_sets(&self) -> Result<BTreeMap<Set, String>, ClickHouseError> {
        let sql = format!("SELECT set, definition FROM {}.projection_sets ORDER BY set", self.database());
        let rows: Vec<(u32, String)> = self.deadline(self.query(&sql).fetch_all()).await?;
        Ok(rows.into_iter().map(|(set, definition)| (Set::new(set), definition)).collect())
    }

    /// Notes that a set is about to be made, so that its number is never used again.
    pub(super) async fn note_set(&self, set: Set, definition: &str) -> Result<(), ClickHouseError> {
        let sql = format!(
            "INSERT INTO {}.projection_sets (set, definition) SETTINGS async_insert = 0 VALUES (?, ?)",
            self.database()
        );
        self.deadline(self.query(&sql).bind(set.number()).bind(definition).execute()).await
    }

    /// Sets whose tables are there, in order.
    pub(super) async fn sets(&self) -> Result<BTreeSet<Set>, ClickHouseError> {
        let sql = "SELECT replaceOne(name, 'transactions_', '') FROM system.tables \
                   WHERE database = ? AND match(name, '^transactions_v[0-9]+$')";
        let names = self.deadline(self.query(sql).bind(self.database().as_str()).fetch_all::<String>()).await?;
        Ok(names.iter().filter_map(|name| name.parse().ok()).collect())
    }
}
