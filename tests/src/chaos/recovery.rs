//! How long the lag takes to be back after kill -9 of one process under load, each process in its slot.

use super::stage::{Stage, StageOptions};
use crate::{
    load::{Load, LoadPlan, books::Books},
    wait::until,
};
use millrace_local::supervisor::{Action, Phase};
use std::{
    fmt,
    time::{Duration, Instant},
};

/// One process of each service: who is killed has no other to stand in.
const MEMBERS: [&str; 4] = ["gateway-0", "scoring-0", "receipts-0", "projector-0"];
/// Whom [`measure`] can kill.
pub const VICTIMS: [&str; 6] = ["gateway-0", "scoring-0", "receipts-0", "projector-0", "clickhouse", "kafka"];
/// How long the load runs before the lag counts as usual, and how long it is looked at.
const WARM_UP: Duration = Duration::from_secs(15);
const LOOK: Duration = Duration::from_secs(5);
/// How long anything may take.
const BACK_WITHIN: Duration = Duration::from_secs(180);

/// Times of one victim, each round's.
#[derive(Debug)]
struct Times {
    victim: &'static str,
    /// Until it answered that it is ready.
    ready: Vec<Duration>,
    /// Until acknowledgements flowed and the lag was as usual.
    back: Vec<Duration>,
}

/// What was measured.
#[derive(Debug)]
pub struct Recovery {
    rate: u64,
    achieved: f64,
    usual_lag: i64,
    times: Vec<Times>,
}

/// Kills each victim `rounds` times at `rate` items a second; all of [`VICTIMS`] when none is named.
pub async fn measure(rate: u64, rounds: usize, victims: &[String]) -> Recovery {
    let options = StageOptions { name: "recovery".to_owned(), members: MEMBERS.to_vec(), ..StageOptions::default() };
    let stage = Stage::set(options).await;
    let books = Books::open(&stage.folder().join("books.tsv")).expect("the sandbox's folder can be written to");
    let load = Load::start(&LoadPlan { gateways: stage.gateways(), rate, seed: 1, only_new: false }, &books);
    tokio::time::sleep(WARM_UP).await;
    let (usual_lag, achieved) = usual(&stage, &load).await;
    eprintln!("recovery: {achieved:.0} items/s, usual lag {usual_lag} offsets");
    let mut times = Vec::new();
    for victim in VICTIMS.into_iter().filter(|it| victims.is_empty() || victims.iter().any(|name| name == it)) {
        let (mut ready, mut back) = (Vec::new(), Vec::new());
        for round in 1..=rounds {
            let bound = bound(usual(&stage, &load).await.0, rate);
            let (until_ready, until_back) = kill(&stage, &load, victim, bound, rate).await;
            eprintln!(
                "recovery: {victim} round {round}: ready after {until_ready:.1?}, lag back after {until_back:.1?}"
            );
            ready.push(until_ready);
            back.push(until_back);
        }
        ready.sort();
        back.sort();
        times.push(Times { victim, ready, back });
    }
    load.stop().await;
    Recovery { rate, achieved, usual_lag, times }
}

/// How long the lag takes to be back after one kill of a process, at a gentle rate; `limit` when it takes longer. `env` is for the
/// services.
pub async fn of_one(victim: &'static str, env: Vec<(String, String)>, limit: Duration) -> Duration {
    const RATE: u64 = 500;
    let options =
        StageOptions { name: "recovery".to_owned(), members: MEMBERS.to_vec(), env, ..StageOptions::default() };
    let stage = Stage::set(options).await;
    let books = Books::open(&stage.folder().join("books.tsv")).expect("the sandbox's folder can be written to");
    let load = Load::start(&LoadPlan { gateways: stage.gateways(), rate: RATE, seed: 1, only_new: false }, &books);
    let flows = || async { (load.acknowledged(), stage.lag().await) };
    let steady =
        |(acknowledged, lag): &(u64, Option<i64>)| *acknowledged > RATE && lag.is_some_and(|lag| lag < RATE as i64);
    until("the load to flow", BACK_WITHIN, flows, steady).await;
    let killed = kill(&stage, &load, victim, RATE as i64, RATE);
    let back = tokio::time::timeout(limit, killed).await.map_or(limit, |(_, back)| back);
    load.stop().await;
    back
}

/// The lag up to which all is as before: the usual one, or half a second of load, which nobody has to catch up with.
fn bound(usual_lag: i64, rate: u64) -> i64 {
    usual_lag.max(rate as i64 / 2)
}

/// The largest lag seen for a while, and the rate that is acknowledged.
async fn usual(stage: &Stage, load: &Load) -> (i64, f64) {
    let (began, before, mut largest) = (Instant::now(), load.acknowledged(), 0);
    while began.elapsed() < LOOK {
        largest = largest.max(stage.lag().await.unwrap_or(0));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    (largest, (load.acknowledged() - before) as f64 / began.elapsed().as_secs_f64())
}

/// Kills, starts again at once, and waits until it is ready and until all is as before.
async fn kill(stage: &Stage, load: &Load, victim: &str, bound: i64, rate: u64) -> (Duration, Duration) {
    let (before, began) = (load.acknowledged(), Instant::now());
    stage.act(victim, Action::Kill);
    stage.act(victim, Action::Start);
    until("it to be ready", BACK_WITHIN, || async { stage.phase(victim).0 }, |phase| *phase == Phase::Ready).await;
    let ready = began.elapsed();
    let flows = || async { (load.acknowledged() - before, stage.lag().await) };
    let as_before =
        |(acknowledged, lag): &(u64, Option<i64>)| *acknowledged >= rate / 2 && lag.is_some_and(|lag| lag <= bound);
    until("the lag to be back", BACK_WITHIN, flows, as_before).await;
    (ready, began.elapsed())
}

impl fmt::Display for Recovery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "at {:.0} items/s of {} wanted; usual lag {} offsets; seconds, min / median / max",
            self.achieved, self.rate, self.usual_lag
        )?;
        let shown = |times: &[Duration]| {
            let at = |index: usize| times.get(index).map_or(0.0, Duration::as_secs_f64);
            format!("{:5.1} / {:5.1} / {:5.1}", at(0), at(times.len() / 2), at(times.len().saturating_sub(1)))
        };
        for Times { victim, ready, back } in &self.times {
            writeln!(f, "{victim:<12} ready {}   lag back {}", shown(ready), shown(back))?;
        }
        Ok(())
    }
}
