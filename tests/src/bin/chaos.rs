//! `chaos`: faults under load on a stage of its own, judged by an independent oracle. What `make chaos`, `make recovery` and
//! `make rates` run.

use clap::{Args, Parser, Subcommand};
use millrace_tests::{
    chaos::{Plan, Schedule, recovery, run, stage::StageOptions},
    rates,
};
use std::{fs, io::Write as _, path::PathBuf, process::ExitCode, time::Duration};

const EXAMPLES: &str = "Examples:
  chaos run --seed 1 --minutes 2
  chaos run --seed 7 --minutes 10 --rate 3000 --runs 5 --results runs.ndjson
  chaos run --schedule target/chaos/chaos_1a2b3c4d-7/schedule.json
  chaos schedule --seed 7 --minutes 10
  chaos recovery --rate 4000 --rounds 3
  chaos rates --events 1000000

Exit codes: 0 nothing lost and nothing doubled, 1 the oracle found something, 101 the run itself
failed: its stage could not be set, or a client was never answered.";

/// How long the pipeline may take to get well after the last fault, and to catch up.
const PATIENCE: Duration = Duration::from_secs(300);

/// Kills, freezes, stalls and starves a whole pipeline under load, and has an independent oracle look at what is left.
#[derive(Parser)]
#[command(name = "chaos", after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs schedules of faults under load
    Run(RunArgs),
    /// Prints the schedule of a seed, as JSON
    Schedule(ScheduleArgs),
    /// Measures how long the lag takes to be back after kill -9 of each process
    Recovery(RecoveryArgs),
    /// Measures how fast the services get through a log that is there already
    Rates(RatesArgs),
}

#[derive(Args, Clone)]
struct ScheduleArgs {
    /// What schedule and load are made from
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How long faults and load last
    #[arg(long, default_value_t = 2.0)]
    minutes: f64,
    /// Mean time between two faults
    #[arg(long, default_value_t = 1500, value_name = "MS")]
    pace_ms: u64,
}

impl ScheduleArgs {
    fn schedule(&self, run: u64) -> Schedule {
        let length = Duration::from_secs_f64(self.minutes * 60.0);
        Schedule::random(self.seed + run, length, Duration::from_millis(self.pace_ms))
    }
}

#[derive(Args)]
struct RunArgs {
    #[command(flatten)]
    schedule: ScheduleArgs,
    /// A saved schedule, instead of one made from a seed
    #[arg(long = "schedule", value_name = "FILE")]
    file: Option<PathBuf>,
    /// Items a second over HTTP; a twentieth of that comes from the direct producer besides
    #[arg(long, default_value_t = 2000)]
    rate: u64,
    /// End a run as soon as this many items are answered
    #[arg(long, default_value_t = u64::MAX, hide_default_value = true)]
    events: u64,
    /// Runs one after the other, each with the next seed
    #[arg(long, default_value_t = 1)]
    runs: u64,
    /// Append each run's report to a file, one JSON object a line
    #[arg(long, value_name = "FILE")]
    results: Option<PathBuf>,
    /// Where runs that fail are kept
    #[arg(long, value_name = "FOLDER", default_value = "target/chaos")]
    keep_in: PathBuf,
}

#[derive(Args)]
struct RecoveryArgs {
    /// Items a second
    #[arg(long, default_value_t = 4000)]
    rate: u64,
    /// Kills of each process
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Kill only these
    #[arg(long, value_name = "NAME", value_parser = recovery::VICTIMS)]
    victim: Vec<String>,
}

#[derive(Args)]
struct RatesArgs {
    /// Events of the log
    #[arg(long, default_value_t = 1_000_000)]
    events: usize,
}

#[tokio::main(worker_threads = 2)]
async fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Run(args) => runs(args).await,
        Command::Schedule(args) => {
            println!("{}", serde_json::to_string_pretty(&args.schedule(0)).expect("a schedule is JSON"));
            ExitCode::SUCCESS
        }
        Command::Recovery(args) => {
            println!("{}", recovery::measure(args.rate, args.rounds, &args.victim).await);
            ExitCode::SUCCESS
        }
        Command::Rates(args) => {
            print!("{}", rates::measure(args.events).await);
            ExitCode::SUCCESS
        }
    }
}

async fn runs(args: RunArgs) -> ExitCode {
    let mut failed = 0;
    for number in 0..args.runs {
        let schedule = match &args.file {
            Some(file) => saved(file),
            None => args.schedule.schedule(number),
        };
        eprintln!("chaos: seed {}, {} faults in {} s", schedule.seed, schedule.steps.len(), schedule.length_ms / 1_000);
        let stage = StageOptions { name: "chaos".to_owned(), volumes: true, ..StageOptions::default() };
        let (rate, events, keep_in) = (args.rate, args.events, args.keep_in.clone());
        let plan = Plan { schedule, rate, events, stage, patience: PATIENCE, keep_in };
        let report = run(plan).await;
        println!("{report}");
        failed += u64::from(!report.verdict.is_clean());
        if let Some(path) = &args.results {
            let line = serde_json::to_string(&report).expect("a report is JSON");
            let file = fs::OpenOptions::new().create(true).append(true).open(path);
            let written = file.and_then(|mut file| writeln!(file, "{line}"));
            written.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        }
    }
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn saved(file: &PathBuf) -> Schedule {
    let text = fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{} is no schedule: {error}", file.display()))
}
