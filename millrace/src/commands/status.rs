//! `millrace status`: what runs, since when, where and in which versions.

use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Result, ensure};
use millrace_local::supervisor::{Phase, UnitState};
use millrace_local::{Home, State};

use millrace_projections::{
    clickhouse::{ClickHouse, set::Set, tables},
    reconciler::published,
};
use millrace_runtime::{
    controls,
    log::{GroupLag, Log},
};
use millrace_schemas::{
    Topic,
    event::{Control, ControlState, Reconciliation},
};

use crate::{
    config::{Config, block_on},
    exit,
    output::{age, columns},
};

pub const EXAMPLES: &str = "Exits with 0 when everything is ready, 1 when something is not, 3 when nothing runs.

Examples:
  millrace status
  millrace status --json | jq '.units.kafka.phase'";

#[derive(clap::Args)]
pub struct Args {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args) -> Result<ExitCode> {
    let home = Home::find()?;
    let state = State::of_running(&home)?;
    let known = of_log(&home, &state);
    if args.json {
        let (lags, controls, proven) = known.unwrap_or_default();
        let mut all = serde_json::to_value(&state)?;
        all["lag"] = serde_json::to_value(lags)?;
        all["reconciliation"] = serde_json::to_value(proven)?;
        all["controls"] = serde_json::to_value(controls)?;
        println!("{}", serde_json::to_string_pretty(&all)?);
    } else {
        print!("{}", table(&state, now_ms()));
        match known {
            Ok((lags, controls, proven)) => {
                let now = now_ms();
                print!("\n{}{}\n{}", lag_table(&lags), paused(&controls, now), proof(&proven, now));
            }
            Err(error) => println!("\nconsumer lag is not known: {error:#}"),
        }
        println!(
            "\nmillrace {}, supervisor pid {}, in {}",
            state.millrace,
            state.supervisor.pid,
            home.folder().display()
        );
        let parts = &state.parts;
        println!(
            "Kafka {}, Apicurio Registry {}, ClickHouse {}, ONNX Runtime {}",
            parts.kafka, parts.registry, parts.clickhouse, parts.onnxruntime
        );
    }
    Ok(if state.units.is_settled() { ExitCode::SUCCESS } else { ExitCode::from(exit::FAILED) })
}

/// What the log tells.
type Known = (Vec<GroupLag>, Vec<Control>, Vec<Reconciliation>);

/// Most differences told in the line of the reconciliation.
const DIFFERENCES_SHOWN: usize = 5;

/// Consumer groups of the processors and the topics they read.
const GROUPS: &[(&str, &[Topic])] = &[
    ("scoring", &[Topic::Transactions]),
    ("receipts", &[Topic::Receipts]),
    ("match-merging", &[Topic::TransactionScores, Topic::Purchases]),
    ("matching", &[Topic::MatchInput]),
    ("match-telling", &[Topic::MatchSteps]),
];

/// How far each group is behind, what operators want of workers, and what is proven.
fn of_log(home: &Home, state: &State) -> Result<Known> {
    let broker = state.units.iter().find(|(name, _)| *name == "kafka").map(|(_, unit)| unit.phase);
    ensure!(broker == Some(Phase::Ready), "the broker is not ready");
    let config: Config = millrace_runtime::config::load(Some(&home.service_config()), &[])?;
    block_on(async {
        let log = Log::new(&config.kafka, &config.registry)?;
        let mut lags = Vec::new();
        for (group, topics) in GROUPS {
            lags.push(log.lag(group, topics).await?);
        }
        // Each set of tables has a group of its own.
        let live = ClickHouse::new(&config.clickhouse)?.switch().await.map_or(Set::FIRST, |switch| switch.live);
        lags.push(log.lag(&live.group(), &tables::topics()).await?);
        let controls = controls::read(&log).await?.into_values().collect();
        Ok((lags, controls, published(&log).await?))
    })
}

/// A line for each worker that is paused.
fn paused(controls: &[Control], now_ms: i64) -> String {
    let paused = controls.iter().filter(|control| control.state == ControlState::Paused);
    let line = |control: &Control| {
        let since = age((now_ms - control.since).max(0) / 1000);
        let reason = control.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
        format!("{} is paused since {since}{reason}\n", control.worker)
    };
    let lines: String = paused.map(line).collect();
    if lines.is_empty() { lines } else { format!("\n{lines}") }
}

/// What is proven, in a line; with the first differences when there are some.
fn proof(proven: &[Reconciliation], now_ms: i64) -> String {
    let Some(checked_at) = proven.iter().map(|it| it.checked_at).min() else {
        return "reconciliation: nothing was checked yet\n".to_owned();
    };
    let checked = age((now_ms - checked_at).max(0) / 1_000);
    let total: usize = proven.iter().map(|it| it.differences.len()).sum();
    if total == 0 {
        let pending: i64 = proven.iter().map(|it| (it.committed - it.verified_through).max(0)).sum();
        return format!(
            "reconciliation: no differences, {pending} offsets to be checked, last looked at {checked} ago\n"
        );
    }
    let all = proven.iter().flat_map(|it| it.differences.iter().map(move |difference| (it, difference)));
    let told: Vec<String> = all
        .take(DIFFERENCES_SHOWN)
        .map(|(it, difference)| {
            let table = difference.table.as_deref().unwrap_or("outcome");
            format!("{}/{} offset {} {table} {}", it.topic, it.partition, difference.offset, difference.kind)
        })
        .collect();
    format!("reconciliation: {total} DIFFERENCES: {}; see GET /api/v1/reconciliation\n", told.join(", "))
}

fn lag_table(lags: &[GroupLag]) -> String {
    let lines: Vec<Vec<String>> = lags
        .iter()
        .map(|lag| {
            let behind: Vec<String> = lag
                .partitions
                .iter()
                .filter(|partition| partition.lag > 0)
                .map(|partition| format!("{}/{} {}", partition.topic, partition.partition, partition.lag))
                .collect();
            vec![lag.group.clone(), lag.total().to_string(), behind.join(", ")]
        })
        .collect();
    columns(&["group", "lag", "partitions behind"], &lines)
}

fn table(state: &State, now_ms: i64) -> String {
    let rows = state.units.iter().map(|(name, unit)| row(name, unit, now_ms));
    let heads = ["NAME", "STATE", "FOR", "RESTARTS", "PID", "ADDRESS"].map(str::to_owned);
    let lines = std::iter::once(heads).chain(rows);
    let lines = lines.map(|[name, phase, since, restarts, pid, address]| {
        format!("{name:<13} {phase:<11} {since:>7} {restarts:>9} {pid:>8}  {address}").trim_end().to_owned() + "\n"
    });
    lines.chain(troubles(state)).collect()
}

fn row(name: &str, unit: &UnitState, now_ms: i64) -> [String; 6] {
    let pid = unit.process.as_ref().map(|process| process.pid.to_string()).unwrap_or_default();
    let since = age((now_ms - unit.since_ms).max(0) / 1000);
    [name.to_owned(), phase(unit.phase).to_owned(), since, unit.restarts.to_string(), pid, unit.address.clone()]
}

fn troubles(state: &State) -> impl Iterator<Item = String> {
    let troubled = state.units.iter().filter_map(|(name, unit)| Some((name, unit.trouble.as_ref()?)));
    troubled.map(|(name, trouble)| format!("{name} {trouble}: see `millrace logs {name}`\n"))
}

/// A phase as a word.
pub fn phase(phase: Phase) -> &'static str {
    match phase {
        Phase::Waiting => "waiting",
        Phase::Starting => "starting",
        Phase::Ready => "ready",
        Phase::Done => "done",
        Phase::Restarting => "restarting",
        Phase::Stopping => "stopping",
        Phase::Stopped => "stopped",
        Phase::Failed => "failed",
    }
}

fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_paused_worker_is_said_with_its_reason_and_since_when() {
        let control = |worker: &str, state, reason: Option<&str>| Control {
            event_id: String::new(),
            worker: worker.into(),
            state,
            since: 5_000,
            reason: reason.map(Into::into),
        };
        let running = control("scoring", ControlState::Running, None);
        let controls = [control("clickhouse", ControlState::Paused, Some("a new disk")), running.clone()];
        assert_eq!(paused(&controls, 70_000), "\nclickhouse is paused since 1m05s: a new disk\n");
        assert_eq!(paused(&[running], 70_000), "");
    }
}
