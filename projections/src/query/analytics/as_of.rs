//! As of when figures are: up to which journal records the tables hold them, and how many records are on their way.

use super::{
    Analytics,
    parameters::Wanted,
    resource::{Rollup, Source, sources},
    settled::Held,
};
use crate::{
    query::{PAUSE_MIN, Problem},
    told,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use millrace_runtime::{
    clock::{Clock as _, SystemClock},
    log::{GroupLag, Log},
};
use millrace_schemas::time::format_instant;
use schemars::JsonSchema;
use serde::Serialize;
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::time::sleep;

/// How old a measured lag may be before it is measured again.
const LAG_FRESH_MS: i64 = 1_000;
/// How long a measurement may take.
const LAG_WITHIN: Duration = Duration::from_secs(10);

/// What an answer says of the time its figures are of: at least what rollups were seen to hold before they were asked.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(super) struct AsOf {
    /// When the tables were asked.
    #[serde(with = "told::Instant")]
    pub at: i64,
    /// By journal.
    pub sources: Vec<OfJournal>,
    /// Records on their way; null until it is measured for the first time, and where the log cannot be asked.
    pub lag: Option<Lag>,
}

/// How much of a journal figures hold.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(super) struct OfJournal {
    /// Name of the journal.
    pub topic: &'static str,
    /// Offset of the last record that has a row, by partition. Records before it have theirs, or took no effect.
    pub offsets: BTreeMap<i32, i64>,
    /// When the broker appended the latest of them.
    #[serde(serialize_with = "told::Instant::serialize")]
    #[schemars(with = "Option<told::Instant>")]
    pub latest_at: Option<i64>,
}

/// Records on their way: in the journal and not decided, or decided and not in the tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
pub(in crate::query) struct Lag {
    /// How many.
    pub records: i64,
    /// When they were counted.
    #[serde(with = "told::Instant")]
    pub measured_at: i64,
}

impl AsOf {
    /// The same in headers, for formats that have no room for it.
    pub fn put(&self, headers: &mut HeaderMap) {
        let positions: Vec<String> = self
            .sources
            .iter()
            .flat_map(|source| {
                source.offsets.iter().map(|(partition, offset)| format!("{}/{partition}/{offset}", source.topic))
            })
            .collect();
        let mut put = |name: &'static str, text: String| {
            if let Ok(value) = HeaderValue::from_str(&text) {
                headers.insert(HeaderName::from_static(name), value);
            }
        };
        put("x-millrace-as-of", positions.join(", "));
        put("x-millrace-as-of-time", format_instant(self.at));
        if let Some(lag) = self.lag {
            put("x-millrace-lag-records", lag.records.to_string());
        }
    }
}

/// Longest pause between two looks of one who waits.
const PAUSE_MAX: Duration = Duration::from_millis(100);
/// Of the looks of one who waits, one in so many asks for records without effect too.
const THOROUGH_ONE_IN: u32 = 8;

impl Analytics {
    /// As of when figures are, once they hold what the caller wants them to; an error when they do not before its time is up.
    pub(super) async fn as_of(
        &self,
        rollups: &'static [&'static Rollup],
        wanted: &[Wanted],
        wait_ms: u64,
    ) -> Result<AsOf, Problem> {
        let until = Instant::now() + Duration::from_millis(wait_ms.min(self.config.wait_max_ms));
        let (mut pause, mut looks) = (PAUSE_MIN, 0_u32);
        loop {
            // Few records have no effect of their own: that is looked at when the wait is long, now and then, and when it is over.
            let is_last = Instant::now() + pause > until;
            looks += 1;
            let thoroughly = is_last || looks % THOROUGH_ONE_IN == THOROUGH_ONE_IN / 2;
            let missing = match self.held(rollups, wanted, thoroughly).await? {
                Ok(as_of) => return Ok(as_of),
                Err(missing) => missing,
            };
            if is_last {
                return Err(Problem::behind(format!(
                    "figures do not hold {missing} yet; try again, or wait for it with wait_ms"
                )));
            }
            sleep(pause).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    /// Records on their way to rollups, as measured last.
    pub(in crate::query) fn lag_of(&self, rollups: &[&'static Rollup]) -> Option<Lag> {
        self.lag.of(&sources(rollups))
    }

    /// As of when figures are now, or the first position that they lack. Takes no turn, unless a record may be one without effect:
    /// whoever waits shares what one of them looked up.
    async fn held(
        &self,
        rollups: &'static [&'static Rollup],
        wanted: &[Wanted],
        thoroughly: bool,
    ) -> Result<Result<AsOf, String>, Problem> {
        let at = SystemClock.now_ms();
        let journals = sources(rollups);
        let (mut told, mut missing) = (Vec::new(), None);
        for (index, source) in journals.iter().enumerate() {
            let topic = source.journal.name();
            let held = if wanted.is_empty() {
                self.settled.known(*source).await
            } else {
                self.settled.now(*source).await.map_err(|error| Problem::of_log(&error))?
            };
            let own = |wanted: &&Wanted| wanted.topic.as_deref().map_or(index == 0, |named| named == topic);
            for wanted in wanted.iter().filter(own) {
                if !self.holds(source, &held, wanted, thoroughly).await? {
                    missing.get_or_insert(format!("{topic}/{}/{}", wanted.partition, wanted.offset));
                }
            }
            if let Some(missing) = missing {
                return Ok(Err(missing));
            }
            let latest_at = self.settled.latest_at(*source, &held).await.map_err(|error| Problem::of(&error))?;
            told.push(OfJournal { topic, offsets: held.offsets, latest_at });
        }
        Ok(Ok(AsOf { at, sources: told, lag: self.lag.of(&journals) }))
    }

    /// Whether the tables hold whatever came of a journal record.
    async fn holds(&self, source: &Source, held: &Held, wanted: &Wanted, thoroughly: bool) -> Result<bool, Problem> {
        let Wanted { partition, offset, .. } = *wanted;
        let place = held.offsets.get(&partition).copied().unwrap_or(-1);
        if place >= offset || !thoroughly {
            return Ok(place >= offset);
        }
        // A record without an effect of its own has no row there; one that it repeats has.
        let topic = source.journal.name();
        let without = self.ask(self.clickhouse.without_effect(topic, partition, offset)).await?;
        Ok(without.is_some_and(|first| first.is_none_or(|first| place >= first)))
    }
}

/// Measures lags beside answers, so that none waits for the broker.
pub(super) struct Lags {
    log: Log,
    clickhouse: crate::clickhouse::ClickHouse,
    measured: Mutex<BTreeMap<&'static str, Lag>>,
    measuring: AtomicBool,
}

impl Lags {
    pub fn new(log: Log, clickhouse: crate::clickhouse::ClickHouse) -> Arc<Self> {
        Arc::new(Self { log, clickhouse, measured: Mutex::default(), measuring: AtomicBool::new(false) })
    }

    pub fn log(&self) -> &Log {
        &self.log
    }

    /// What was measured last of these journals together; begins to measure when that is old.
    fn of(self: &Arc<Self>, sources: &[Source]) -> Option<Lag> {
        let known = {
            let measured = self.measured.lock().unwrap_or_else(PoisonError::into_inner);
            sources.iter().map(|source| measured.get(source.journal.name()).copied()).collect::<Option<Vec<Lag>>>()
        };
        let lag = known.and_then(|known| {
            let records = known.iter().map(|lag| lag.records).sum();
            Some(Lag { records, measured_at: known.iter().map(|lag| lag.measured_at).min()? })
        });
        let is_old = lag.is_none_or(|lag| SystemClock.now_ms() - lag.measured_at > LAG_FRESH_MS);
        if is_old && !self.measuring.swap(true, Ordering::AcqRel) {
            let (lags, sources) = (Arc::clone(self), sources.to_vec());
            tokio::spawn(async move {
                if tokio::time::timeout(LAG_WITHIN, lags.measure(&sources)).await.is_err() {
                    tracing::warn!("the lag cannot be measured in time");
                }
                lags.measuring.store(false, Ordering::Release);
            });
        }
        lag
    }

    async fn measure(&self, sources: &[Source]) {
        for source in sources {
            match self.measured(source).await {
                Ok(records) => {
                    let lag = Lag { records, measured_at: SystemClock.now_ms() };
                    self.measured.lock().unwrap_or_else(PoisonError::into_inner).insert(source.journal.name(), lag);
                }
                Err(error) => tracing::warn!(error, topic = source.journal.name(), "the lag cannot be measured"),
            }
        }
    }

    async fn measured(&self, source: &Source) -> Result<i64, String> {
        let standing = standing(&self.log, &self.clickhouse, source).await?;
        Ok(standing.iter().map(GroupLag::total).sum())
    }
}

/// How far a journal's processor is behind it, and the tables behind what that processor wrote.
///
/// # Errors
/// When the broker or the server does not answer.
pub(in crate::query) async fn standing(
    log: &Log,
    clickhouse: &crate::clickhouse::ClickHouse,
    source: &Source,
) -> Result<[GroupLag; 2], String> {
    let set = clickhouse.live_set().await.map_err(|error| error.to_string())?;
    let undecided = log.lag(source.processor, &[source.journal]).await.map_err(|error| error.to_string())?;
    let unwritten = log.lag(&set.group(), &[source.derived]).await.map_err(|error| error.to_string())?;
    Ok([undecided, unwritten])
}
