//! What the graded pipeline decides by, as its log tells.

use crate::{commands::configure::Changes, config::Config, day};
use anyhow::{Result, bail};
use millrace_processors::Scoring;
use millrace_runtime::{
    follow::{Followed, follow, read_all},
    lifecycle::Shutdown,
    log::Log,
    processor::{Basis, Processor as _},
};
use millrace_schemas::event::{ConfigurationKind, MerchantRisk, ProcessorEpoch};
use std::{
    collections::BTreeMap,
    ops::Range,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

/// How long partitions may take to decide by what there is.
const TAKEN_UP_WITHIN: Duration = Duration::from_secs(60);
/// How often it is looked whether they do.
const LOOK: Duration = Duration::from_millis(20);

/// What each partition of scoring decides by.
pub struct Bases<'c> {
    config: &'c Config,
    by_partition: Arc<Mutex<BTreeMap<i32, Basis>>>,
}

impl<'c> Bases<'c> {
    /// Begins to follow the log. With the first day of a stream, it must not have passed there.
    pub async fn follow(config: &'c Config, first: Option<i32>) -> Result<Self> {
        let log = Log::new(&config.kafka, &config.registry)?;
        if let Some(first) = first {
            refuse_passed(&log, first).await?;
        }
        let by_partition = Arc::<Mutex<BTreeMap<_, _>>>::default();
        let seen = Arc::clone(&by_partition);
        // Followed until the command ends.
        follow(&log, &Shutdown::new(), move |Followed { event, .. }: Followed<ProcessorEpoch>| {
            if event.processor == Scoring::NAME {
                seen.lock().unwrap_or_else(PoisonError::into_inner).insert(event.partition, event.basis);
            }
        })
        .await?;
        Ok(Self { config, by_partition })
    }

    /// Waits until every partition decides by what was known of merchants at the end of a day.
    pub async fn wait_for_merchants(&self, day: i32) -> Result<(), String> {
        let is_known = |basis: &Basis| basis.get("merchant-risk").and_then(|known| known.parse().ok()) >= Some(day);
        self.wait_until(is_known).await.then_some(()).ok_or_else(|| {
            format!(
                "what was known of merchants on {} is not taken up within {} s: see whether `millrace gatherer merchants` and \
                 `millrace processor scoring` run, or grade --without-merchants",
                day::date(day),
                TAKEN_UP_WITHIN.as_secs()
            )
        })
    }

    /// Waits until every partition decides by the configuration in force.
    pub async fn wait_for_configuration(&self) -> Result<(), String> {
        let version = self.scoring().await?.configuration();
        self.wait_until(|basis| basis.get("configuration") == Some(&version)).await.then_some(()).ok_or_else(|| {
            format!(
                "the configuration {version} is not taken up within {} s: see `millrace configuration` and the log of \
                 `millrace processor scoring`",
                TAKEN_UP_WITHIN.as_secs()
            )
        })
    }

    /// Refuses days that the model in force was trained on.
    pub async fn refuse_overlap(&self, graded: Range<i32>) -> Result<(), String> {
        let Some(model) = self.scoring().await?.active_model() else { return Ok(()) };
        let manifest = model.manifest();
        let [begin, end] = [graded.start, graded.end].map(day::begin_ms);
        if end <= manifest.train_from.millis() || begin >= manifest.train_to.millis() {
            return Ok(());
        }
        Err(format!(
            "the model in force, {}, was trained on what happened from {} to {}: it knows the answers for days from {} on; grade \
             others, or another model",
            model.version(),
            manifest.train_from,
            manifest.train_to,
            day::date(graded.start)
        ))
    }

    async fn scoring(&self) -> Result<Scoring, String> {
        let changes = Changes::read(self.config, ConfigurationKind::Model).await;
        changes.map(|changes| changes.scoring).map_err(|error| format!("{error:#}"))
    }

    async fn wait_until(&self, holds: impl Fn(&Basis) -> bool) -> bool {
        let until = Instant::now() + TAKEN_UP_WITHIN;
        loop {
            let hold = {
                let bases = self.by_partition.lock().unwrap_or_else(PoisonError::into_inner);
                !bases.is_empty() && bases.values().all(&holds)
            };
            if hold || Instant::now() > until {
                return hold;
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}

async fn refuse_passed(log: &Log, first: i32) -> Result<()> {
    let passed = read_all::<MerchantRisk>(log).await?.into_iter().filter(|it| it.event.end.is_some());
    let Some(last) = passed.map(|it| it.event.day).max().filter(|last| *last >= first) else { return Ok(()) };
    bail!(
        "in this log the day {} has passed already, and the file begins on {}: nothing would be known of merchants as it was \
         then; grade in a deployment of its own, with another kafka.topic_prefix",
        day::date(last),
        day::date(first)
    )
}
