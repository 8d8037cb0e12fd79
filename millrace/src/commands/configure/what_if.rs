//! `millrace thresholds what-if`: other thresholds on recorded scores.

use crate::{
    config::{ConfigArgs, block_on},
    day,
    output::Output,
};
use anyhow::{Result, bail};
use millrace_projections::clickhouse::{ClickHouse, what_if::Decided};
use millrace_schemas::money::format_money;
use serde::Serialize;
use std::process::ExitCode;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Score from which on a transaction would be reviewed
    #[arg(long, value_name = "SCORE")]
    review: f64,
    /// Score from which on it would be blocked
    #[arg(long, value_name = "SCORE")]
    block: f64,
    /// First day, such as 2026-03-01, in UTC; without it, the first there is
    #[arg(long, value_name = "DATE", value_parser = day::parse)]
    from: Option<i32>,
    /// Day before which to end; without it, after the last there is
    #[arg(long, value_name = "DATE", value_parser = day::parse)]
    to: Option<i32>,
}

#[derive(Serialize)]
struct Row {
    thresholds: &'static str,
    #[serde(flatten)]
    decided: Decided,
}

pub fn run(args: &Args, config: &ConfigArgs, output: Output) -> Result<ExitCode> {
    let (review, block) = (args.review, args.block);
    if !(0.0 < review && review <= block && block <= 1.0) {
        bail!("thresholds must lie in order: 0 < review <= block <= 1, but review is {review} and block is {block}");
    }
    let config = config.load()?;
    let period = day::period(args.from, args.to);
    let clickhouse = ClickHouse::new(&config.clickhouse)?;
    let (recorded, asked) = block_on(async { Ok(clickhouse.what_if(period, (review, block)).await?) })?;
    let row = |thresholds| move |decided| Row { thresholds, decided };
    let rows = recorded.into_iter().zip(asked);
    let rows: Vec<Row> = rows.flat_map(|(was, would)| [row("recorded")(was), row("what if")(would)]).collect();
    let heads = [
        "currency",
        "thresholds",
        "reviewed a day",
        "blocked a day",
        "caught frauds",
        "of frauds",
        "false alarms",
        "caught amount",
        "false alarm amount",
        "labelled",
    ];
    output.table(&rows, &heads, cells)?;
    Ok(ExitCode::SUCCESS)
}

fn cells(row: &Row) -> Vec<String> {
    let it = &row.decided;
    let a_day = |count: u64| format!("{:.1}", count as f64 / it.days.max(1) as f64);
    vec![
        it.currency.clone(),
        row.thresholds.to_owned(),
        a_day(it.reviewed),
        a_day(it.blocked),
        it.caught.to_string(),
        it.frauds.to_string(),
        it.false_alarms.to_string(),
        format_money(it.caught_amount),
        format_money(it.false_alarm_amount),
        format!("{:.1} %", 100.0 * it.labelled as f64 / it.transactions.max(1) as f64),
    ]
}
