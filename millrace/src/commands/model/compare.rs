//! `millrace model compare`: the shadow against what decided, on recorded scores and labels.

use crate::{
    config::{ConfigArgs, block_on},
    day,
    output::Output,
};
use anyhow::Result;
use millrace_projections::clickhouse::{ClickHouse, shadows::ShadowGrade};
use std::process::ExitCode;

pub const EXAMPLES: &str = "Both scored the same transactions by the same features. AUC and average precision are of those with a label; the higher one finds
fraud better. See `shadow_grades` for the same in SQL.

Examples:
  millrace model compare
  millrace model compare --from 2026-03-01 --to 2026-04-01 --json";

#[derive(Debug, clap::Args)]
pub struct Args {
    /// First day, such as 2026-03-01, in UTC; without it, the first there is
    #[arg(long, value_name = "DATE", value_parser = day::parse)]
    from: Option<i32>,
    /// Day before which to end; without it, after the last there is
    #[arg(long, value_name = "DATE", value_parser = day::parse)]
    to: Option<i32>,
    #[command(flatten)]
    config: ConfigArgs,
    #[command(flatten)]
    output: Output,
}

pub fn run(args: &Args) -> Result<ExitCode> {
    let clickhouse = ClickHouse::new(&args.config.load()?.clickhouse)?;
    let rows = block_on(async { Ok(clickhouse.shadow_grades(day::period(args.from, args.to)).await?) })?;
    let heads = [
        "decided by",
        "shadow",
        "transactions",
        "missing",
        "labelled",
        "frauds",
        "distance",
        "auc",
        "average precision",
    ];
    args.output.table(&rows, &heads, cells)?;
    if rows.is_empty() && !args.output.json {
        println!("no transaction was scored by a shadow; `millrace model shadow VERSION` lets one score");
    }
    Ok(ExitCode::SUCCESS)
}

fn cells(row: &ShadowGrade) -> Vec<String> {
    let both = |decided: Option<f64>, shadow: Option<f64>| match (decided, shadow) {
        (Some(decided), Some(shadow)) => format!("{decided:.3} -> {shadow:.3}"),
        _ => "no labels".to_owned(),
    };
    let counts = [row.transactions, row.missing, row.labelled, row.frauds].map(|count| count.to_string());
    let mut cells = vec![row.model.clone(), row.shadow_model.clone()];
    cells.extend(counts);
    cells.push(format!("{:.4}", row.mean_distance));
    cells.push(both(row.auc, row.shadow_auc));
    cells.push(both(row.average_precision, row.shadow_average_precision));
    cells
}
