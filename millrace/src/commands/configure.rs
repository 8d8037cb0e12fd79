//! `millrace rules`, `millrace thresholds`, `millrace lists`: what scoring decides by, changed through the log; `millrace configuration`:
//! since which offset each partition decides by what.

mod what_if;

use crate::{
    config::{Config, ConfigArgs, block_on},
    day,
    output::Output,
};
use anyhow::{Context, Result, bail};
use millrace_processors::{
    Scoring,
    scoring::{
        configuration::{ChangeError, content_version},
        model::bundle::PACKED_MAX,
        rules::BUILT_IN,
    },
};
use millrace_runtime::{
    Headers,
    clock::{Clock as _, Ids as _, RandomIds, SystemClock},
    config::KafkaConfig,
    follow::{Followed, read_all},
    log::Log,
    processor::Processor as _,
    producer::EventProducer,
};
use millrace_schemas::{
    event::{ConfigurationAction, ConfigurationChange, ConfigurationKind, ProcessorEpoch},
    time::format_instant,
};
use serde::Serialize;
use std::{collections::BTreeMap, path::PathBuf, process::ExitCode};

/// What an event needs besides its content, in bytes.
const ROOM: usize = 64 << 10;

pub const RULES_EXAMPLES: &str = "A file of rules may hold [thresholds] and [blocklists] too; what it leaves out stays as it is. Each partition takes a change up
within a second, at an offset that the log records: `millrace configuration` shows it.

Examples:
  millrace rules show > rules.toml
  millrace rules apply rules.toml --check
  millrace rules apply rules.toml --reason 'fewer alerts at night'
  millrace rules rollback";

pub const THRESHOLDS_EXAMPLES: &str =
    "A file of thresholds holds [thresholds] with `review` and `block` and nothing else.

Examples:
  printf '[thresholds]\\nreview = 0.4\\nblock = 0.9\\n' > thresholds.toml
  millrace thresholds apply thresholds.toml --reason 'too many alerts'
  millrace thresholds what-if --review 0.4 --block 0.9 --from 2026-03-01 --to 2026-04-01
  millrace thresholds history";

pub const LISTS_EXAMPLES: &str = "A file of lists holds [blocklists] with any of `customers`, `merchants`, `card_bins`, `ip_addresses`, `devices`. It replaces all of
them.

Examples:
  printf '[blocklists]\\nmerchants = [\"m-13\"]\\n' > lists.toml
  millrace lists apply lists.toml
  millrace lists rollback --to 3";

pub const CONFIGURATION_EXAMPLES: &str = "Examples:
  millrace configuration
  millrace configuration --json";

#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    config: ConfigArgs,
    #[command(flatten)]
    output: Output,
}

#[derive(clap::Args)]
pub struct ThresholdsArgs {
    #[command(subcommand)]
    action: ThresholdsAction,
    #[command(flatten)]
    config: ConfigArgs,
    #[command(flatten)]
    output: Output,
}

/// What can be done with thresholds.
#[derive(clap::Subcommand)]
enum ThresholdsAction {
    #[command(flatten)]
    Change(Action),
    /// Show what other thresholds would have come to, on recorded scores and the labels that have come
    WhatIf(what_if::Args),
}

/// What can be done with a part of the configuration.
#[derive(clap::Subcommand)]
enum Action {
    /// Check a file and put it in force
    Apply {
        /// TOML file, `-` for standard input
        file: PathBuf,
        /// Why, for whoever looks at the history
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
        /// Only say what it would make of the configuration
        #[arg(long)]
        check: bool,
    },
    /// Print the file that was applied last
    Show,
    /// Show every change
    History,
    /// Put in force what was before the last change, as a change of its own
    Rollback {
        /// The change to go back to, by its offset as `history` shows it
        #[arg(long, value_name = "OFFSET")]
        to: Option<i64>,
        /// Why, for whoever looks at the history
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
}

#[derive(clap::Args)]
pub struct ShowArgs {
    #[command(flatten)]
    config: ConfigArgs,
    #[command(flatten)]
    output: Output,
}

pub fn run_thresholds(args: ThresholdsArgs) -> Result<ExitCode> {
    let ThresholdsArgs { action, config, output } = args;
    match action {
        ThresholdsAction::Change(action) => run(ConfigurationKind::Thresholds, Args { action, config, output }),
        ThresholdsAction::WhatIf(args) => what_if::run(&args, &config, output),
    }
}

pub fn run(kind: ConfigurationKind, args: Args) -> Result<ExitCode> {
    let config = args.config.load()?;
    block_on(async move {
        let changes = Changes::read(&config, kind).await?;
        match args.action {
            Action::Apply { file, reason, check } => {
                let content = read(&file)?;
                let version = changes.version_with(&content).with_context(|| file.display().to_string())?;
                if check {
                    println!("{} is valid: the configuration would be {version}", file.display());
                } else {
                    changes.apply(content, reason).await?;
                }
            }
            Action::Show => print!("{}", String::from_utf8_lossy(changes.last()?)),
            Action::History => changes.print(args.output)?,
            Action::Rollback { to, reason } => {
                let content = changes.before(to)?.to_vec();
                changes.apply(content, reason).await?;
            }
        }
        Ok(ExitCode::SUCCESS)
    })
}

/// The changes that were made, and what they make together.
pub(super) struct Changes {
    log: Log,
    kind: ConfigurationKind,
    /// Those of the kind.
    pub(super) all: Vec<Followed<ConfigurationChange>>,
    /// What they make together.
    pub(super) scoring: Scoring,
}

impl Changes {
    pub(super) async fn read(config: &Config, kind: ConfigurationKind) -> Result<Self> {
        // Models are larger than other events.
        let kafka = KafkaConfig { max_message_bytes: PACKED_MAX + ROOM, ..config.kafka.clone() };
        let log = Log::new(&kafka, &config.registry)?;
        let mut all = read_all::<ConfigurationChange>(&log).await?;
        let scoring = Scoring::default();
        all.retain(|change| is_valid(&scoring, &change.event).is_ok() && change.event.kind == kind);
        Ok(Self { log, kind, all, scoring })
    }

    fn change(&self, content: Vec<u8>, reason: Option<String>) -> ConfigurationChange {
        let version = content_version(self.kind, &content);
        ConfigurationChange { content, reason, ..self.nothing(ConfigurationAction::Apply, version) }
    }

    /// A change without content.
    pub(super) fn nothing(&self, action: ConfigurationAction, version: String) -> ConfigurationChange {
        ConfigurationChange {
            event_id: RandomIds.event_id().to_string(),
            kind: self.kind,
            action,
            name: None,
            version,
            content: Vec::new(),
            decided_at: SystemClock.now_ms(),
            reason: None,
        }
    }

    /// The configuration's version with one more change.
    fn version_with(&self, content: &[u8]) -> Result<String> {
        Ok(self.scoring.check(&self.change(content.to_vec(), None))?)
    }

    async fn apply(&self, content: Vec<u8>, reason: Option<String>) -> Result<()> {
        self.append(&self.change(content, reason)).await
    }

    /// Appends a change that is valid, and says what it makes of the configuration.
    pub(super) async fn append(&self, change: &ConfigurationChange) -> Result<()> {
        let (before, version) = (self.scoring.configuration(), self.scoring.check(change)?);
        let producer = EventProducer::connect(&self.log, "configuration").await?;
        let appended = producer.append(change, Headers::new()).await?;
        println!("{before} -> {version}, at offset {} of the configuration", appended.offset);
        Ok(())
    }

    /// Content of the last change.
    fn last(&self) -> Result<&[u8]> {
        match (self.all.last(), self.kind) {
            (Some(change), _) => Ok(&change.event.content),
            (None, ConfigurationKind::Rules) => Ok(BUILT_IN.as_bytes()),
            (None, kind) => bail!("no {0} were applied yet; those of the rules hold: millrace rules show", kind.name()),
        }
    }

    /// Content of the change before the last, or of the one at an offset.
    fn before(&self, to: Option<i64>) -> Result<&[u8]> {
        let kind = self.kind.name();
        let found = match to {
            Some(offset) => self.all.iter().find(|change| change.offset == offset),
            None => self.all.len().checked_sub(2).and_then(|at| self.all.get(at)),
        };
        match (found, to) {
            (Some(change), _) => Ok(&change.event.content),
            (None, Some(offset)) => {
                bail!("no change of {kind} stands at offset {offset}; `millrace {kind} history` shows them")
            }
            (None, None) if self.kind == ConfigurationKind::Rules && self.all.len() == 1 => Ok(BUILT_IN.as_bytes()),
            (None, None) => bail!("there is nothing to go back to: {kind} were changed {} times", self.all.len()),
        }
    }

    pub(super) fn print(&self, output: Output) -> Result<()> {
        #[derive(Serialize)]
        struct Row<'a> {
            offset: i64,
            at: String,
            action: ConfigurationAction,
            version: &'a str,
            bytes: usize,
            reason: &'a str,
        }
        let rows: Vec<Row<'_>> = self
            .all
            .iter()
            .map(|Followed { event, offset, .. }| Row {
                offset: *offset,
                at: format_instant(event.decided_at),
                action: event.action,
                version: &event.version,
                bytes: event.content.len(),
                reason: event.reason.as_deref().unwrap_or_default(),
            })
            .collect();
        output.table(&rows, &["offset", "at", "action", "version", "bytes", "reason"], |row| {
            let action = format!("{:?}", row.action).to_lowercase();
            let what = [row.offset.to_string(), row.at.clone(), action, row.version.to_owned(), row.bytes.to_string()];
            what.into_iter().chain([row.reason.to_owned()]).collect()
        })
    }
}

/// Takes a change in. That the model it names does not run here is nothing against it.
fn is_valid(scoring: &Scoring, change: &ConfigurationChange) -> Result<(), ChangeError> {
    match scoring.configure(change) {
        Err(ChangeError::NotRunnable(..)) => Ok(()),
        done => done,
    }
}

/// What the last change of each partition made it decide by.
pub fn run_show(args: &ShowArgs) -> Result<ExitCode> {
    let config = args.config.load()?;
    let output = args.output;
    block_on(async move {
        let log = Log::new(&config.kafka, &config.registry)?;
        let (scoring, mut epochs) = (Scoring::default(), BTreeMap::new());
        for change in read_all::<ConfigurationChange>(&log).await? {
            if let Err(error) = is_valid(&scoring, &change.event) {
                eprintln!("the change at offset {} is passed over: {error}", change.offset);
            }
        }
        for Followed { event, .. } in read_all::<ProcessorEpoch>(&log).await? {
            if event.processor == Scoring::NAME {
                epochs.insert(event.partition, event);
            }
        }
        if !output.json {
            println!("in force: {}\n", scoring.configuration());
        }
        let rows: Vec<&ProcessorEpoch> = epochs.values().collect();
        output.table(&rows, &["partition", "since offset", "configuration", "merchant risk"], |epoch| {
            let version = |name: &str| epoch.basis.get(name).cloned().unwrap_or_default();
            let date = |days: &str| days.parse().map(day::date).unwrap_or_default();
            let place = [epoch.partition.to_string(), epoch.from_offset.to_string()];
            place.into_iter().chain([version("configuration"), date(&version("merchant-risk"))]).collect()
        })?;
        Ok(ExitCode::SUCCESS)
    })
}

fn read(file: &PathBuf) -> Result<Vec<u8>> {
    if file.as_os_str() == "-" {
        return std::io::read_to_string(std::io::stdin()).map(String::into_bytes).context("reading standard input");
    }
    std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))
}
