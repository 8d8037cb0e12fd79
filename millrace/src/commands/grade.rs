//! `millrace grade`: how well a running pipeline tells fraud, by a labelled stream that it sees as it would have seen it live.

use crate::{
    config::{Config, ConfigArgs, block_on},
    day,
    output::Output,
    progress::Progress,
};
use anyhow::{Context, Result, bail};
use clap::value_parser;
use millrace_loadgen::grade::{
    self, Plan, Report,
    gateway::Gateway,
    labelled::{Labels, Transactions},
};
use millrace_processors::Scoring;
use millrace_runtime::{
    follow::{Followed, follow, read_all},
    lifecycle::Shutdown,
    log::Log,
    processor::Processor as _,
};
use millrace_schemas::event::{MerchantRisk, ProcessorEpoch};
use std::{
    collections::BTreeMap,
    fs::File,
    io::{BufWriter, Write},
    path::PathBuf,
    process::ExitCode,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

pub const EXAMPLES: &str = "Transactions go to the gateway day by day, each label once its time has come, and before each day it is waited until scoring
knows of merchants what was known at the end of the day before. Up to the first graded day they go in batches; then each waits for
its score, and what is answered is graded: AUC, average precision, precision of the cards with the highest scores of a day, and how
long alerts took. Transactions of a customer with a fraud that was known when the day began are sent and do not count.

Files have one JSON object a line, as the gateway takes them, in the order of time (`timestamp`, `decided_at`). What is graded must be new
to the log, and its days must not have passed there: grade in a deployment of its own.

Exits with 1 when something is not taken, 3 when a service does not answer.

Examples:
  python -m training.simulate --transactions t.ndjson --labels l.ndjson --days 135
  millrace grade --transactions t.ndjson --labels l.ndjson --from 2018-08-08 --days 7
  millrace grade --transactions t.ndjson --labels l.ndjson --from 2018-08-08 --days 7 --answers answers.ndjson --json";

/// How long a day's version of what is known of merchants may take.
const VERSION_WITHIN: Duration = Duration::from_secs(60);
/// How often it is looked for.
const LOOK: Duration = Duration::from_millis(20);

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
        let merchants = if args.without_merchants { None } else { Some(Merchants::follow(&config, first).await?) };
        let wait_for = async |day: i32| match &merchants {
            Some(merchants) => merchants.wait_for(day).await,
            None => Ok(()),
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

/// By which version of what is known of merchants each partition is decided.
struct Merchants {
    versions: Arc<Mutex<BTreeMap<i32, Option<i32>>>>,
}

impl Merchants {
    async fn follow(config: &Config, first: i32) -> Result<Self> {
        let log = Log::new(&config.kafka, &config.registry)?;
        let passed = read_all::<MerchantRisk>(&log).await?.into_iter().filter(|it| it.event.end.is_some());
        if let Some(last) = passed.map(|it| it.event.day).max().filter(|last| *last >= first) {
            bail!(
                "in this log the day {} has passed already, and the file begins on {}: nothing would be known of merchants as it was \
                 then; grade in a deployment of its own, with another kafka.topic_prefix",
                day::date(last),
                day::date(first)
            );
        }
        let versions = Arc::<Mutex<BTreeMap<_, _>>>::default();
        let seen = Arc::clone(&versions);
        // Followed until the command ends.
        follow(&log, &Shutdown::new(), move |Followed { event, .. }: Followed<ProcessorEpoch>| {
            if event.processor == Scoring::NAME {
                let version = event.basis.get("merchant-risk").and_then(|day| day.parse().ok());
                seen.lock().unwrap_or_else(PoisonError::into_inner).insert(event.partition, version);
            }
        })
        .await?;
        Ok(Self { versions })
    }

    /// Waits until every partition is decided by the version of a day.
    async fn wait_for(&self, day: i32) -> Result<(), String> {
        let until = Instant::now() + VERSION_WITHIN;
        loop {
            let is_there = {
                let versions = self.versions.lock().unwrap_or_else(PoisonError::into_inner);
                !versions.is_empty() && versions.values().all(|version| *version >= Some(day))
            };
            if is_there {
                return Ok(());
            }
            if Instant::now() > until {
                return Err(format!(
                    "what was known of merchants on {} is not taken up within {} s: see whether `millrace gatherer merchants` and \
                     `millrace processor scoring` run, or grade --without-merchants",
                    day::date(day),
                    VERSION_WITHIN.as_secs()
                ));
            }
            tokio::time::sleep(LOOK).await;
        }
    }
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
    let (alert, answer) = (report.alert_ms, report.answer_ms);
    println!("\nlatency, ms    p50      p99      max");
    println!("alerts    {:>8.1} {:>8.1} {:>8.1}", alert.p50, alert.p99, alert.max);
    println!("answers   {:>8.1} {:>8.1} {:>8.1}", answer.p50, answer.p99, answer.max);
    Ok(())
}
