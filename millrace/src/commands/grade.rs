//! `millrace grade`: how well a running pipeline tells fraud, by a labelled stream that it sees as it would have seen it live.

mod bases;

use crate::{
    config::{ConfigArgs, block_on},
    day,
    output::Output,
    progress::Progress,
};
use anyhow::{Context, Result, bail};
use bases::Bases;
use clap::value_parser;
use millrace_loadgen::grade::{
    self, Plan, Report, Step,
    gateway::Gateway,
    labelled::{Labels, Transactions},
};
use std::{
    fs::File,
    io::{BufWriter, Write},
    path::PathBuf,
    process::{ExitCode, Stdio},
    time::Duration,
};

pub const EXAMPLES: &str = "Transactions go to the gateway day by day, each label once its time has come, and before each day it is waited until scoring
knows of merchants what was known at the end of the day before. Up to the first graded day they go in batches; then each waits for
its score, and what is answered is graded: AUC, average precision, precision of the cards with the highest scores of a day, and how
long alerts took. Transactions of a customer with a fraud that was known when the day began are sent and do not count.

Files have one JSON object a line, as the gateway takes them, in the order of time (`timestamp`, `decided_at`). What is graded must be new
to the log, and its days must not have passed there: grade in a deployment of its own. Graded days that overlap the training period of
the model in force are refused. A model that learns from the first days is trained and activated by --prepare.

Exits with 1 when something is not taken, 3 when a service does not answer.

Examples:
  python -m training.simulate --transactions t.ndjson --labels l.ndjson --days 135
  millrace grade --transactions t.ndjson --labels l.ndjson --from 2018-08-08 --days 7
  millrace grade --transactions t.ndjson --labels l.ndjson --from 2018-08-08 --days 7 --answers answers.ndjson --json
  millrace grade --transactions t.ndjson --labels l.ndjson --from 2018-08-08 --days 7 --prepare ./train-and-activate";

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Transactions, one JSON object a line, in the order of time
    #[arg(long, value_name = "FILE")]
    transactions: PathBuf,
    /// Labels, one JSON object a line, in the order of `decided_at`: when they are told
    #[arg(long, value_name = "FILE")]
    labels: PathBuf,
    /// First graded day, such as 2018-08-08, in UTC
    #[arg(long, value_name = "DATE", value_parser = day::parse)]
    from: i32,
    /// Graded days
    #[arg(long, default_value_t = 7, value_parser = value_parser!(i32).range(1..=3_650))]
    days: i32,
    /// Days after which a fraud is known
    #[arg(long, default_value_t = 7, value_parser = value_parser!(i32).range(0..=365))]
    delay_days: i32,
    /// First day of which a fraud makes a customer known; without it, 7 days and the delay before the first graded one
    #[arg(long, value_name = "DATE", value_parser = day::parse)]
    known_from: Option<i32>,
    /// Cards that are looked into on a day
    #[arg(long, default_value_t = 100, value_parser = value_parser!(u32).range(1..=1_000_000))]
    cards: u32,
    /// Requests at a time, of different customers
    #[arg(long, default_value_t = 16, value_parser = value_parser!(u32).range(1..=10_000))]
    connections: u32,
    /// How long a client waits for its score, in milliseconds
    #[arg(long, default_value_t = 200, value_parser = value_parser!(u64).range(1..=60_000))]
    timeout_ms: u64,
    /// Do not wait for what is known of merchants: no gatherer runs
    #[arg(long)]
    without_merchants: bool,
    /// Run this by the shell once all that comes before the first graded day was sent; its failure ends the command
    #[arg(long, value_name = "COMMAND")]
    prepare: Option<String>,
    /// Write each answer of a graded day to a file, one JSON object a line
    #[arg(long, value_name = "FILE")]
    answers: Option<PathBuf>,
    /// Gateway to send to; without it, the one of the configuration
    #[arg(long, value_name = "URL")]
    gateway: Option<String>,
    #[command(flatten)]
    config: ConfigArgs,
    #[command(flatten)]
    output: Output,
}

pub fn run(args: &Args) -> Result<ExitCode> {
    let config = args.config.load()?;
    block_on(async {
        let plan = Plan {
            from: args.from,
            days: args.days,
            delay: args.delay_days,
            known_from: args.known_from.unwrap_or(args.from - args.delay_days - 7),
            cards: args.cards as usize,
            connections: args.connections as usize,
            patience: Duration::from_millis(args.timeout_ms),
        };
        let gateway = Gateway::new(&args.gateway.clone().unwrap_or_else(|| config.gateway_address()))?;
        let (transactions, labels) = (Transactions::open(&args.transactions)?, Labels::open(&args.labels)?);
        let Some(first) = transactions.first_day() else { bail!("{} is empty", args.transactions.display()) };
        let bases = Bases::follow(&config, (!args.without_merchants).then_some(first)).await?;
        if args.prepare.is_none() {
            // Told now what would be told after hours.
            bases.refuse_overlap(plan.from..plan.from + plan.days).await.map_err(anyhow::Error::msg)?;
        }
        let wait_for = async |step: Step| match step {
            Step::Known(day) if !args.without_merchants => bases.wait_for_merchants(day).await,
            Step::Known(_) => Ok(()),
            Step::Grading => {
                if let Some(command) = &args.prepare {
                    prepare(command).await?;
                }
                bases.refuse_overlap(plan.from..plan.from + plan.days).await?;
                bases.wait_for_configuration().await
            }
        };
        let mut answers = match &args.answers {
            Some(path) => {
                Some(BufWriter::new(File::create(path).with_context(|| format!("cannot write {}", path.display()))?))
            }
            None => None,
        };
        let mut progress = Progress::of("grading");
        let show = |day: i32, sent: u64| progress.show(|| format!("{}, {sent} transactions sent", day::date(day)));
        let out = answers.as_mut().map(|answers| answers as &mut dyn Write);
        let report = grade::grade(&plan, &gateway, transactions, labels, wait_for, out, show).await?;
        if let Some(answers) = &mut answers {
            answers.flush()?;
        }
        print(&report, args)?;
        Ok(ExitCode::SUCCESS)
    })
}

/// Runs a command by the shell. What it prints goes where errors go, so that it never mixes with the report.
async fn prepare(command: &str) -> Result<(), String> {
    let failed = |what: String| format!("`{command}` {what}, so nothing is graded");
    let mut shell = tokio::process::Command::new("sh");
    shell.args(["-c", command]).stdin(Stdio::null()).stdout(std::io::stderr());
    let status = shell.status().await.map_err(|error| failed(format!("does not start: {error}")))?;
    if status.success() { Ok(()) } else { Err(failed(format!("ends with {status}"))) }
}

fn print(report: &Report, args: &Args) -> Result<()> {
    if args.output.json {
        println!("{}", serde_json::to_string_pretty(report)?);
        return Ok(());
    }
    let Report { sent, graded, frauds, labels, .. } = report;
    println!("{sent} transactions and {labels} labels sent; {graded} graded, {frauds} of them fraud\n");
    println!("AUC                      {:>8.3}", report.auc);
    println!("average precision        {:>8.3}", report.average_precision);
    println!("card precision at {:<6} {:>8.3}", args.cards, report.card_precision);
    println!(
        "alerts                   {:>8}   {:.1} a day",
        report.alerts,
        report.alerts as f64 / f64::from(args.days)
    );
    println!("default answers          {:>8}", report.defaults);
    for (by, answers) in &report.decided_by {
        println!("decided by {by}: {answers}");
    }
    let (alert, answer) = (report.alert_ms, report.answer_ms);
    println!("\nlatency, ms    p50      p99      max");
    println!("alerts    {:>8.1} {:>8.1} {:>8.1}", alert.p50, alert.p99, alert.max);
    println!("answers   {:>8.1} {:>8.1} {:>8.1}", answer.p50, answer.p99, answer.max);
    Ok(())
}
