//! `millrace rebuild PROJECTION`: fill a projection anew beside the live one, compare, switch; go back; drop the old.

use crate::{
    config::{Config, ConfigArgs, block_on},
    output::columns,
};
use anyhow::Result;
use clap::ValueEnum;
use millrace_projections::clickhouse::{
    ClickHouse,
    definition::Definition,
    rebuild::{Progress, Rebuild, RebuildError, RebuildOptions, Report},
};
use millrace_runtime::{log::Log, telemetry};
use std::{
    fmt::Write as _,
    io::{IsTerminal as _, Write as _},
    process::ExitCode,
};

pub const EXAMPLES: &str = "The next set of tables and rollups is made by this program's definitions and filled from the beginning of the log, while the
projector goes on. Then rows are compared by partition of the log and day, and figures by day; writers stand still for a
moment, and the public names show the new set. The old one stays. Whatever is killed meanwhile, the old set stays live:
run the command again, and it goes on where it was.

Exits with 1 when the sets differ; nothing is switched then.

Examples:
  millrace rebuild clickhouse
  millrace rebuild clickhouse --json | jq '.tables[] | select(.differences != [])'
  millrace rebuild clickhouse --rollback          back to the set before, brought up to date
  millrace rebuild clickhouse --drop-old          delete every set but the live one, unfinished ones too";

#[derive(clap::Args)]
pub struct Args {
    /// Which projection
    projection: Projection,
    /// Bring the set that was live before up to date and make it live again
    #[arg(long, conflicts_with = "drop_old")]
    rollback: bool,
    /// Delete every set that is not live
    #[arg(long)]
    drop_old: bool,
    /// Switch although rows differ, since the live set is known to be wrong
    #[arg(long, conflicts_with = "drop_old")]
    accept_differences: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    config: ConfigArgs,
}

/// A projection.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Projection {
    /// Tables and rollups in ClickHouse
    Clickhouse,
}

pub fn run(args: &Args) -> Result<ExitCode> {
    let config = args.config.load()?;
    match args.projection {
        Projection::Clickhouse => block_on(clickhouse(args, config)).map(|()| ExitCode::SUCCESS),
    }
}

async fn clickhouse(args: &Args, config: Config) -> Result<()> {
    telemetry::log(&config.log);
    let log = Log::new(&config.kafka, &config.registry)?;
    let codec = log.codec().await?.codec().clone();
    let options = RebuildOptions {
        sink: config.projector.clone(),
        rules: config.rules.into(),
        accept_differences: args.accept_differences,
        definition: Definition::embedded(),
    };
    let rebuild = Rebuild::new(ClickHouse::new(&config.clickhouse)?, codec, log, options);
    if args.drop_old {
        let dropped: Vec<String> = rebuild.drop_old().await?.iter().map(ToString::to_string).collect();
        return said(args.json, &serde_json::json!({ "dropped": dropped }), || match dropped.as_slice() {
            [] => "there is no set but the live one\n".to_owned(),
            some => format!("dropped {}\n", some.join(", ")),
        });
    }
    let done = if args.rollback { rebuild.roll_back(show).await } else { rebuild.rebuild(show).await };
    if std::io::stderr().is_terminal() {
        eprintln!();
    }
    let report = match &done {
        Ok(report) => Some(report),
        Err(RebuildError::Differs(report)) => Some(report.as_ref()),
        Err(_) => None,
    };
    if let Some(report) = report {
        said(args.json, report, || table(report))?;
    }
    done.map(|_| ()).map_err(Into::into)
}

fn said<T: serde::Serialize>(json: bool, data: &T, text: impl FnOnce() -> String) -> Result<()> {
    if json {
        println!("{}", serde_json::to_string_pretty(data)?);
    } else {
        print!("{}", text());
    }
    Ok(())
}

/// One line that is written over on a terminal; elsewhere a line each time.
fn show(progress: &Progress) {
    let mut out = std::io::stderr().lock();
    let _ = if out.is_terminal() { write!(out, "\r\x1b[K{progress}") } else { writeln!(out, "{progress}") };
    let _ = out.flush();
}

fn table(report: &Report) -> String {
    let rows = report.tables.iter().map(|it| {
        let mut remarks: Vec<String> = Vec::new();
        if !it.changed_columns.is_empty() {
            remarks.push(format!("other columns: {}", it.changed_columns.join(", ")));
        }
        if it.expired > 0 {
            remarks.push(format!("{} rows are older than the log", it.expired));
        }
        vec![
            it.table.to_owned(),
            it.rows.to_string(),
            it.stretches.to_string(),
            verdict(it.differences.len()),
            remarks.join("; "),
        ]
    });
    let rows: Vec<Vec<String>> = rows.collect();
    let figures = report.rollups.iter().map(|it| {
        let remark = match (it.redefined, it.wrong_days.is_empty()) {
            (false, _) => "defined alike".to_owned(),
            (true, true) => "defined anew; its figures are those of the new rows".to_owned(),
            (true, false) => format!("defined anew; {} days are not those of the new rows", it.wrong_days.len()),
        };
        vec![it.rollup.to_owned(), it.days.to_string(), verdict(it.differing_days.len()), remark]
    });
    let figures: Vec<Vec<String>> = figures.collect();
    let mut text = columns(&["table", "rows", "partitions and days", "compared", "remarks"], &rows);
    let _ = write!(text, "\n{}\n", columns(&["rollup", "days", "compared", "remarks"], &figures));
    let differences = report.tables.iter().flat_map(|it| it.differences.iter().map(move |what| (it.table, what)));
    for (table, what) in differences {
        let _ = writeln!(text, "{table}: {what}");
    }
    let rate = report.events as f64 / report.fill_seconds.max(0.001);
    let _ = writeln!(
        text,
        "{} events and {} rows written, nearly all in {:.1} s ({rate:.0} events/s, {:.1} s of a processor); {:.1} s in all",
        report.events, report.rows, report.fill_seconds, report.fill_cpu_seconds, report.seconds
    );
    if report.switched {
        let _ = writeln!(
            text,
            "{} is live instead of {}; writers stood still for {} ms, {} of them to stop",
            report.to, report.from, report.pause_ms, report.stopping_ms
        );
    }
    text
}

fn verdict(differences: usize) -> String {
    if differences == 0 { "equal".to_owned() } else { format!("{differences} differ") }
}
