//! Filling the projection anew, beside the live set, from the beginning of the log.
//!
//! The next set is made from this program's definition and filled by a consumer group of its own, exactly once like any set, never
//! further than the live one. When it has caught up, the two are compared; then the live set's writers stand still for a moment, the
//! rest is written and compared, and the names show the new set. The old one stays, to be gone back to the same way or dropped.
//!
//! Whatever is killed on the way, the old set stays live and complete: what was filled so far is found again by the next run, a pause
//! ends by itself, and the switch is one row. After that row the projector finishes what is left, the names.
//!
//! - [`fill`]: writing the set and knowing how far it is. [`compare`]: rows, by partition of the log and day; [`rollups`]: figures, by
//!   day. [`switch`]: the pause and the change. [`report`]: what is said of it.

mod compare;
mod fill;
mod report;
mod rollups;
mod switch;

pub use report::{Progress, Report, RollupReport, TableReport};

use super::{
    ClickHouse, ClickHouseError, definition::Definition, horizon::Positions, migrate::MigrateError, set::Set,
    switches::Switch,
};
use fill::Filling;
use millrace_runtime::{RuntimeError, log::Log, sink::SinkConfig};
use millrace_schemas::{rules::Rules, wire::Codec};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

/// How a set is rebuilt.
#[derive(Debug, Clone)]
pub struct RebuildOptions {
    /// How the new set is written.
    pub sink: SinkConfig,
    /// What records must keep that no processor has checked.
    pub rules: Rules,
    /// Make the new set live although rows differ from the old one's: the old set is known to be wrong.
    pub accept_differences: bool,
    /// What the new set is made from.
    pub definition: Definition,
}

/// Why a rebuild ended without a switch. The live set is what it was.
#[derive(Debug, thiserror::Error)]
pub enum RebuildError {
    /// ClickHouse does not do it.
    #[error(transparent)]
    ClickHouse(#[from] ClickHouseError),
    /// The schema cannot be brought up to date.
    #[error(transparent)]
    Migrate(#[from] MigrateError),
    /// The log cannot be read, or the set cannot be written.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    /// The sets differ and should not.
    #[error(
        "the new set differs from the live one, which stays live; the report says where. Where the live set is known to be wrong, \
         --accept-differences switches all the same"
    )]
    Differs(Box<Report>),
    /// A projector did not stand still.
    #[error(
        "projector slots {0:?} did not stop writing in time, so nothing was switched; `millrace status` tells whether they live. Run the \
         command again"
    )]
    StillWriting(Vec<u32>),
    /// Something took longer than it may.
    #[error("{0}; nothing was switched, run the command again")]
    TooLong(String),
    /// There is nothing to go back to.
    #[error("there is no set to go back to: {live} is live and no other one is there")]
    NothingToRollBackTo {
        /// The live set.
        live: Set,
    },
    /// Somebody else switched meanwhile.
    #[error("the live set was changed by somebody else meanwhile; run the command again")]
    Overtaken,
}

/// Rebuilds, goes back, and drops.
pub struct Rebuild {
    clickhouse: ClickHouse,
    codec: Arc<Codec>,
    log: Log,
    options: RebuildOptions,
}

/// How often what came meanwhile is compared before the pause.
const ROUNDS: usize = 5;
/// How long a record waits for others of its batch.
const BATCH_AGE_MS: u64 = 100;
/// Comparing reads every row of both sets.
const COMPARE_WITHIN: Duration = Duration::from_secs(3_600);

/// How far the sets were compared before the pause.
struct Compared {
    /// Rows.
    rows: Positions,
    /// Figures, of the days that nothing beyond touches.
    figures: Positions,
}

impl Rebuild {
    /// Nothing is begun yet.
    pub fn new(clickhouse: ClickHouse, codec: Arc<Codec>, log: Log, options: RebuildOptions) -> Self {
        // The slot of the projector that takes the set over, so that it replaces this process at once; and the last batches are
        // small, since readers may wait for them.
        let sink = SinkConfig { slot: 0, batch_age_max_ms: BATCH_AGE_MS, ..options.sink };
        let options = RebuildOptions { sink, ..options };
        Self { clickhouse, codec, log, options }
    }

    /// Fills the next set and makes it live. `progress` is told now and then how far it is. Where nothing is left of the tables, not
    /// even the database, the next set is live at once and the projector fills it.
    ///
    /// # Errors
    /// As [`RebuildError`] says; the live set is then what it was.
    pub async fn rebuild(&self, progress: impl FnMut(&Progress)) -> Result<Report, RebuildError> {
        self.clickhouse.migrate().await?;
        let switch = self.clickhouse.switch().await?;
        let next = self.next_set(switch.live).await?;
        self.clickhouse.make_set(&self.options.definition, next).await?;
        self.bring_up(switch, next, progress).await
    }

    /// Brings the set that was live before up to date and makes it live again.
    ///
    /// # Errors
    /// As [`RebuildError`] says; the live set is then what it was.
    pub async fn roll_back(&self, progress: impl FnMut(&Progress)) -> Result<Report, RebuildError> {
        let switch = self.clickhouse.switch().await?;
        let there = self.clickhouse.sets().await?;
        let former = self.clickhouse.formerly_live().await?.into_iter().find(|set| there.contains(set));
        let former = former.ok_or(RebuildError::NothingToRollBackTo { live: switch.live })?;
        self.bring_up(switch, former, progress).await
    }

    /// Drops every set but the live one; gives their names.
    ///
    /// # Errors
    /// When ClickHouse or the broker does not do it.
    pub async fn drop_old(&self) -> Result<Vec<Set>, RebuildError> {
        let live = self.clickhouse.switch().await?.live;
        let old: Vec<Set> = self.clickhouse.sets().await?.into_iter().filter(|set| *set != live).collect();
        for set in &old {
            self.clickhouse.drop_set(*set).await?;
            self.log.forget_group(&set.group()).await?;
        }
        Ok(old)
    }

    /// The set to fill: one that an earlier run began by the same definition, else a new one.
    async fn next_set(&self, live: Set) -> Result<Set, RebuildError> {
        let (there, once_live) = (self.clickhouse.sets().await?, self.clickhouse.formerly_live().await?);
        let made = self.clickhouse.made_sets().await?;
        let unfinished = there.into_iter().filter(|set| *set != live && !once_live.contains(set));
        for set in unfinished {
            if made.get(&set) == Some(&self.options.definition.hash()) {
                return Ok(set);
            }
            self.clickhouse.drop_set(set).await?;
            self.log.forget_group(&set.group()).await?;
        }
        let next = made.keys().copied().chain([live]).max().unwrap_or(live).next();
        // A database that was lost took with it which numbers were used.
        self.log.forget_group(&next.group()).await?;
        self.clickhouse.note_set(next, &self.options.definition.hash()).await?;
        Ok(next)
    }

    /// Fills a set, compares it with the live one, and makes it live.
    async fn bring_up(
        &self,
        switch: Switch,
        set: Set,
        mut progress: impl FnMut(&Progress),
    ) -> Result<Report, RebuildError> {
        let began = Instant::now();
        let patient = self.clickhouse.clone().with_query_timeout(COMPARE_WITHIN);
        let filling = Filling::begin(self, switch.live, set).await?;
        let (mut report, cpu) = (Report::new(switch.live, set), report::cpu_seconds());
        let caught_up = filling.catch_up(&mut progress).await;
        report.fill_seconds = began.elapsed().as_secs_f64();
        report.fill_cpu_seconds = report::cpu_seconds() - cpu;
        let result = match caught_up {
            Ok(()) => self.compare_and_switch(&patient, switch, &filling, &mut progress, &mut report).await,
            Err(error) => Err(error),
        };
        let ended = filling.end(&mut report).await;
        report.seconds = began.elapsed().as_secs_f64();
        match (result, ended) {
            (Err(RebuildError::Differs(_)), _) => Err(RebuildError::Differs(Box::new(report))),
            (Err(error), _) => Err(error),
            (Ok(()), ended) => ended.map(|()| report).map_err(RebuildError::from),
        }
    }

    async fn compare_and_switch(
        &self,
        patient: &ClickHouse,
        switch: Switch,
        filling: &Filling,
        progress: &mut impl FnMut(&Progress),
        report: &mut Report,
    ) -> Result<(), RebuildError> {
        let figures = compare::all(patient, filling, report).await?;
        rollups::quiet_days(patient, filling, &figures, report).await?;
        let mut compared = Compared { rows: figures.clone(), figures };
        // What came while the above took its time is written and compared too, so that little is left for the pause.
        for _ in 0..ROUNDS {
            filling.catch_up(progress).await?;
            let reached = patient.positions(filling.set).await?;
            compare::rest(patient, filling, &compared.rows, &reached, report).await?;
            let came = fill::distance(&compared.rows, &reached);
            compared.rows = reached;
            if came <= fill::CLOSE {
                break;
            }
        }
        if report.differs() && !self.options.accept_differences {
            return Err(RebuildError::Differs(Box::default()));
        }
        switch::switch(self, patient, switch, filling, &compared, report).await
    }
}
