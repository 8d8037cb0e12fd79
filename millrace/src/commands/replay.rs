//! `millrace replay PROCESSOR`: what a processor wrote against what the journal says it should have.

use super::services::Processor;
use crate::{
    config::{Config, ConfigArgs, block_on},
    exit,
    output::Output,
    progress::Progress,
};
use anyhow::Result;
use millrace_processors::{Matching, Receipts, Scoring};
use millrace_runtime::{
    lifecycle::Shutdown,
    log::Log,
    processor::{
        self,
        replay::{Difference, Kind, Repaired, Verified, Verifier},
    },
};
use millrace_schemas::{event::Derived, rules::Checked};
use serde_json::Value as Json;
use std::process::ExitCode;

pub const EXAMPLES: &str = "Decides every record of the journal again, in a fresh memory and with this program's code and the configuration that the log
names, up to the offset that the processor has committed, and compares with what was written. Where the log does not know the
configuration or the merchants' figures of a score any more, what those decide is left out; fractions may differ by a millionth.

Exits with 0 when all is equal, 1 when something differs, 3 when a service does not answer.

Examples:
  millrace replay scoring --verify
  millrace replay receipts --verify --partition 0 --json
  millrace replay scoring --repair";

#[derive(clap::Args)]
pub struct Args {
    /// Which processor
    processor: Processor,
    #[command(flatten)]
    task: Task,
    /// Only this partition
    #[arg(long)]
    partition: Option<i32>,
    #[command(flatten)]
    config: ConfigArgs,
    #[command(flatten)]
    output: Output,
}

/// What to do.
#[derive(Debug, Clone, Copy, clap::Args)]
#[group(required = true, multiple = false)]
struct Task {
    /// Compare what was written with what is recomputed
    #[arg(long)]
    verify: bool,
    /// Write the outcomes that are missing, while the processor is paused; it goes on with them in its memory
    #[arg(long)]
    repair: bool,
}

pub fn run(args: Args) -> Result<ExitCode> {
    let config = args.config.load()?;
    block_on(async move {
        match args.processor {
            Processor::Scoring => {
                let log = Log::new(&config.kafka, &config.registry)?;
                let ended = Shutdown::new();
                let _ended = ended.clone().drop_guard();
                work(Scoring::informed(&log, config.models.open(), &ended).await?, &config, &args).await
            }
            Processor::Receipts => work(Receipts, &config, &args).await,
            Processor::Matching => work(Matching::within(config.matching.checked()?), &config, &args).await,
        }
    })
}

async fn work<P>(processor: P, config: &Config, args: &Args) -> Result<ExitCode>
where
    P: processor::Processor,
    <P::Out as Derived>::From: Checked,
{
    let log = Log::new(&config.kafka, &config.registry)?;
    let horizon = config.processor.dedup_horizon_ms;
    let verifier = Verifier::new(processor, &log, config.rules.into(), horizon).await?;
    let partitions: Vec<i32> = args.partition.map_or_else(|| (0..verifier.partitions()).collect(), |one| vec![one]);
    let (task, output) = (args.task, args.output);
    tokio::task::spawn_blocking(move || {
        if task.repair { repair(&verifier, &partitions, output) } else { verify(&verifier, &partitions, output) }
    })
    .await?
}

fn verify<P>(verifier: &Verifier<P>, partitions: &[i32], output: Output) -> Result<ExitCode>
where
    P: processor::Processor,
    <P::Out as Derived>::From: Checked,
{
    let mut all = Vec::new();
    for partition in partitions {
        let mut progress = Progress::of(format!("recomputing partition {partition}"));
        all.push(verifier.verify(*partition, &mut |at| progress.scan(at))?);
    }
    let heads = [
        "partition",
        "offsets",
        "records",
        "outputs",
        "duplicates",
        "dead letters",
        "missing",
        "doubled",
        "made up",
        "different",
    ];
    output.table(&all, &heads, cells)?;
    if !output.json {
        print!("{}", remarks(&all));
    }
    Ok(code(all.iter().all(Verified::is_equal)))
}

fn cells(it: &Verified) -> Vec<String> {
    let counts =
        [it.records, it.outputs, it.duplicates, it.dead_letters, it.missing, it.doubled, it.made_up, it.different];
    let place = [it.partition.to_string(), format!("{} - {}", it.from, it.until)];
    place.into_iter().chain(counts.iter().map(u64::to_string)).collect()
}

/// What else there is to know: what was not compared, and the first difference of each partition.
fn remarks(all: &[Verified]) -> String {
    let sum = |count: fn(&Verified) -> u64| all.iter().map(count).sum::<u64>();
    let said = [
        (
            sum(|it| it.other_configuration),
            "scores were made under another configuration: what rules decide was left out",
        ),
        (sum(|it| it.rounded), "outcomes differ in a fraction by no more than a millionth"),
        (sum(|it| it.reworded), "dead letters have other words with the same codes"),
        (sum(|it| it.copies), "second copies of a torn transaction are there, which readers drop"),
        (sum(|it| it.repairs), "outcomes were written by a repair"),
    ];
    let said = said.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}\n"));
    let firsts = all.iter().filter_map(|it| Some(first(it.partition, it.first.as_ref()?)));
    said.chain(firsts).collect()
}

fn first(partition: i32, difference: &Difference) -> String {
    let kind = match difference.kind {
        Kind::Missing => "has no outcome",
        Kind::Doubled => "has more than one outcome",
        Kind::MadeUp => "has an outcome but is not in the journal",
        Kind::Different => "has another outcome than is recomputed",
    };
    let head = format!("\nfirst difference of partition {partition}: offset {} {kind}\n", difference.offset);
    let word = |value: &Json| value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
    let field = |it: &processor::replay::FieldDifference| {
        format!("  {}: written {}, recomputed {}\n", it.name, word(&it.written), word(&it.recomputed))
    };
    std::iter::once(head).chain(difference.fields.iter().map(field)).collect()
}

fn repair<P>(verifier: &Verifier<P>, partitions: &[i32], output: Output) -> Result<ExitCode>
where
    P: processor::Processor,
    <P::Out as Derived>::From: Checked,
{
    let mut progress = Progress::of("recomputing");
    let repaired = verifier.repair(partitions, &mut |_, at| progress.scan(at))?;
    drop(progress);
    output.table(&repaired, &["partition", "repaired", "left"], |it: &Repaired| {
        vec![it.partition.to_string(), it.written.len().to_string(), it.taken.len().to_string()]
    })?;
    for it in &repaired {
        for (offset, by) in &it.taken {
            eprintln!(
                "partition {} offset {offset} is left: its id took effect through offset {by}, and would once more",
                it.partition
            );
        }
    }
    Ok(code(repaired.iter().all(|it| it.taken.is_empty())))
}

fn code(is_equal: bool) -> ExitCode {
    if is_equal { ExitCode::SUCCESS } else { ExitCode::from(exit::FAILED) }
}
