//! The pause and the change: writers stand still, the new set gets the rest, the rest is compared, one row makes it live.

use super::{Compared, Rebuild, RebuildError, Report, compare, fill::Filling, rollups};
use crate::clickhouse::{
    ClickHouse,
    definition::Definition,
    switches::{Switch, Writer},
    views,
};
use std::{
    convert::Infallible,
    time::{Duration, Instant},
};

/// How long writers stand still without hearing more; then they go on by themselves.
const PAUSE: Duration = Duration::from_secs(15);
/// How often they are asked to stay so.
const ASK_AGAIN: Duration = Duration::from_secs(3);
/// What must be left of it for the change to be made.
const RESERVE: Duration = Duration::from_secs(5);
/// How long writers may take to stand still; a killed one is a member of its group for 10 s.
const STOPPING: Duration = Duration::from_secs(20);
/// How long the new set may take for the rest.
const MEETING: Duration = Duration::from_secs(30);
/// How long it is looked whether a change happened that was not acknowledged.
const LOOKING: Duration = Duration::from_secs(20);

pub(super) async fn switch(
    rebuild: &Rebuild,
    patient: &ClickHouse,
    before: Switch,
    filling: &Filling,
    compared: &Compared,
    report: &mut Report,
) -> Result<(), RebuildError> {
    let clickhouse = &rebuild.clickhouse;
    let now = without_pause(clickhouse).await?;
    if now.live != before.live {
        return Err(RebuildError::Overtaken);
    }
    let began = Instant::now();
    let why = format!("switching to {}", filling.set);
    let revision = clickhouse.change(now, now.live, Some(PAUSE), &why).await?;
    let paused = Switch { revision, live: now.live, paused_for: Some(PAUSE) };
    let changed = tokio::select! {
        changed = while_paused(rebuild, patient, paused, filling, compared, report, began) => changed,
        never = keep_paused(clickhouse, now, &why) => match never {},
    };
    report.pause_ms = millis(began);
    if let Err(error) = changed {
        // Else they go on when the pause is over.
        let why = format!("not switching to {}", filling.set);
        if let Err(error) = clickhouse.change(paused, paused.live, None, &why).await {
            tracing::warn!(error = %error, "writers stand still until their pause is over");
        }
        return Err(error);
    }
    report.switched = true;
    // The projector does the same before it writes.
    if let Err(error) = views::publish(clickhouse, &Definition::embedded(), filling.set, true).await {
        tracing::warn!(error = %error, "the public names are left to the projector");
    }
    Ok(())
}

/// Makes the pause longer for as long as this is waited for.
async fn keep_paused(clickhouse: &ClickHouse, before: Switch, why: &str) -> Infallible {
    loop {
        tokio::time::sleep(ASK_AGAIN).await;
        if let Err(error) = clickhouse.change(before, before.live, Some(PAUSE), why).await {
            tracing::warn!(error = %error, "making the pause longer");
        }
    }
}

/// What holds once nobody is paused: a command that was killed leaves a pause, which ends by itself.
async fn without_pause(clickhouse: &ClickHouse) -> Result<Switch, RebuildError> {
    let until = Instant::now() + PAUSE + RESERVE;
    loop {
        let now = clickhouse.switch().await?;
        match now.paused_for {
            None => return Ok(now),
            Some(_) if Instant::now() > until => return Err(RebuildError::Overtaken),
            Some(left) => tokio::time::sleep(left.min(Duration::from_millis(200))).await,
        }
    }
}

async fn while_paused(
    rebuild: &Rebuild,
    patient: &ClickHouse,
    paused: Switch,
    filling: &Filling,
    compared: &Compared,
    report: &mut Report,
    began: Instant,
) -> Result<(), RebuildError> {
    writers_stand_still(rebuild, paused).await?;
    report.stopping_ms = millis(began);
    let met = filling.meet(MEETING).await?;
    let comparing = async {
        compare::rest(patient, filling, &compared.rows, &met, report).await?;
        rollups::loud_days(patient, filling, &compared.figures, report).await
    };
    // The projector takes the set over as soon as it is live.
    let (compared, stopped) = tokio::join!(comparing, filling.stop());
    compared?;
    stopped?;
    if report.differs() && !rebuild.options.accept_differences {
        return Err(RebuildError::Differs(Box::default()));
    }
    let now = rebuild.clickhouse.switch().await?;
    if now.revision != paused.revision {
        return Err(RebuildError::Overtaken);
    }
    if now.paused_for.is_none_or(|left| left < RESERVE) {
        return Err(RebuildError::TooLong("the writers' pause is nearly over".to_owned()));
    }
    let why = format!("{} is live", filling.set);
    match rebuild.clickhouse.change(paused, filling.set, None, &why).await {
        Ok(_) => Ok(()),
        Err(error) if error.is_transient() && is_live(rebuild, filling).await => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Waits until every process that the broker takes for a writer of the live set says that it stands still.
async fn writers_stand_still(rebuild: &Rebuild, paused: Switch) -> Result<(), RebuildError> {
    let until = Instant::now() + STOPPING;
    loop {
        let alive = rebuild.log.slots(&paused.live.group()).await?;
        let still = rebuild.clickhouse.writers(paused.revision, Writer::Paused).await?;
        let writing: Vec<u32> = alive.difference(&still).copied().collect();
        if writing.is_empty() {
            return Ok(());
        }
        if Instant::now() > until {
            return Err(RebuildError::StillWriting(writing));
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Whether a change that was not acknowledged happened all the same.
async fn is_live(rebuild: &Rebuild, filling: &Filling) -> bool {
    let until = Instant::now() + LOOKING;
    while Instant::now() < until {
        if let Ok(now) = rebuild.clickhouse.switch().await {
            return now.live == filling.set;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    false
}

fn millis(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}
