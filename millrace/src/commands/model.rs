//! `millrace model`: bundles of models, before and after they are taken into use.

mod compare;

use super::configure::Changes;
use crate::{
    config::{ConfigArgs, block_on},
    output::{Output, columns},
};
use anyhow::{Context as _, Result, bail};
use millrace_local::Parts;
use millrace_processors::scoring::{
    model::{
        Bundle, Model, Runtime, Scorer,
        bundle::{Data, Moment},
        calibration::Calibration,
    },
    rules::Thresholds,
};
use millrace_schemas::event::{ConfigurationAction, ConfigurationChange, ConfigurationKind};
use serde::Serialize;
use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    time::Instant,
};

pub const EXAMPLES: &str = "A model is run by ONNX Runtime, which `make parts` fetches; ORT_DYLIB_PATH names another.

Examples:
  millrace model check training/bundles/default
  millrace model apply training/bundles/default --reason 'trained on the third quarter'
  millrace model shadow simulated-cards-130810f2
  millrace model activate simulated-cards-130810f2 --with-thresholds
  millrace model compare
  millrace model rollback";

const CHECK_EXAMPLES: &str = "The bundle is a folder with model.onnx, manifest.toml and golden.csv, or these packed as one file. Nothing is changed.
It is refused when a file is missing or not of its form, the hash is not the model's, the model takes or gives other things than
the manifest says, or a golden row has another score; the message names file and line.

Examples:
  millrace model check training/bundles/default
  millrace model check training/bundles/default --json | jq '{id, hash, reasons}'";

#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    /// Check a bundle: open it, load the model, compare its golden rows, and measure a score
    #[command(after_help = CHECK_EXAMPLES)]
    Check(CheckArgs),
    /// Bring a bundle into the log; it scores nothing yet
    Apply {
        /// The bundle: a folder, or a file that it is packed in
        #[arg(value_name = "FOLDER")]
        bundle: PathBuf,
        #[command(flatten)]
        change: ChangeArgs,
    },
    /// Let a model score that was applied
    Activate {
        /// Its version, as `apply` told it; without one, rules alone score
        #[arg(value_name = "VERSION")]
        model: Option<String>,
        /// Put the thresholds of its manifest in force, too
        #[arg(long, requires = "model")]
        with_thresholds: bool,
        #[command(flatten)]
        change: ChangeArgs,
    },
    /// Let a model score beside the active one, without any effect
    Shadow {
        /// Its version, as `apply` told it; without one, none does
        #[arg(value_name = "VERSION")]
        model: Option<String>,
        #[command(flatten)]
        change: ChangeArgs,
    },
    /// Let score what scored before the last activation
    Rollback {
        #[command(flatten)]
        change: ChangeArgs,
    },
    /// Compare the shadow with what decided, on recorded scores and labels
    #[command(after_help = compare::EXAMPLES)]
    Compare(compare::Args),
    /// Show every change
    History {
        #[command(flatten)]
        config: ConfigArgs,
        #[command(flatten)]
        output: Output,
    },
}

#[derive(clap::Args)]
struct ChangeArgs {
    /// Why, for whoever looks at the history
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    #[command(flatten)]
    config: ConfigArgs,
}

#[derive(clap::Args)]
struct CheckArgs {
    /// The bundle: a folder, or a file that it is packed in
    #[arg(value_name = "FOLDER")]
    bundle: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub fn run(args: Args) -> Result<ExitCode> {
    match args.what {
        What::Check(args) => return check(&args),
        What::Compare(args) => return compare::run(&args),
        What::Apply { bundle, change } => block_on(apply(&bundle, change))?,
        What::Activate { model, with_thresholds, change } => block_on(activate(model, with_thresholds, change))?,
        What::Shadow { model, change } => block_on(name(ConfigurationAction::Shadow, model, change))?,
        What::Rollback { change } => block_on(rollback(change))?,
        What::History { config, output } => {
            block_on(async { Changes::read(&config.load()?, ConfigurationKind::Model).await?.print(output) })?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Brings a bundle into the log, after it has proven itself here.
async fn apply(path: &Path, args: ChangeArgs) -> Result<()> {
    let changes = Changes::read(&args.config.load()?, ConfigurationKind::Model).await?;
    let model = load(path)?;
    let version = model.bundle().version();
    let content = model.bundle().to_bytes()?;
    let change = changes.nothing(ConfigurationAction::Apply, version.clone());
    changes.append(&ConfigurationChange { content, reason: args.reason, ..change }).await?;
    println!(
        "{version} is known now: `millrace model activate {version}` lets it score, `shadow` beside the active one"
    );
    Ok(())
}

async fn name(action: ConfigurationAction, version: Option<String>, args: ChangeArgs) -> Result<()> {
    let changes = Changes::read(&args.config.load()?, ConfigurationKind::Model).await?;
    append_name(&changes, action, version, args.reason).await
}

async fn append_name(
    changes: &Changes,
    action: ConfigurationAction,
    version: Option<String>,
    reason: Option<String>,
) -> Result<()> {
    let change = changes.nothing(action, version.clone().unwrap_or_else(|| "none".to_owned()));
    changes.append(&ConfigurationChange { name: version, reason, ..change }).await
}

async fn activate(version: Option<String>, with_thresholds: bool, args: ChangeArgs) -> Result<()> {
    if with_thresholds && let Some(version) = &version {
        let config = args.config.load()?;
        let changes = Changes::read(&config, ConfigurationKind::Model).await?;
        let is_bundle = |change: &ConfigurationChange| change.version == *version && !change.content.is_empty();
        let applied = changes.all.iter().rev().map(|change| &change.event).find(|change| is_bundle(change));
        let applied = applied
            .with_context(|| format!("there is no model {version}; `millrace model history` shows those there are"))?;
        let Thresholds { review, block } = Bundle::from_bytes(&applied.content)?.manifest().thresholds;
        let content = format!("# Of the model {version}.\n[thresholds]\nreview = {review}\nblock = {block}\n");
        let thresholds = Changes::read(&config, ConfigurationKind::Thresholds).await?;
        let change = thresholds.nothing(ConfigurationAction::Apply, format!("thresholds of {version}"));
        let (content, reason) = (content.into_bytes(), args.reason.clone());
        thresholds.append(&ConfigurationChange { content, reason, ..change }).await?;
    }
    name(ConfigurationAction::Activate, version, args).await
}

/// Activates what was active before the last activation, or nothing.
async fn rollback(args: ChangeArgs) -> Result<()> {
    let changes = Changes::read(&args.config.load()?, ConfigurationKind::Model).await?;
    let mut activations = changes.all.iter().rev().map(|change| &change.event);
    let mut activations = activations.by_ref().filter(|change| change.action == ConfigurationAction::Activate);
    if activations.next().is_none() {
        bail!("no model was activated yet");
    }
    let before = activations.next().and_then(|change| change.name.clone());
    append_name(&changes, ConfigurationAction::Activate, before, args.reason).await
}

/// A model from a bundle's folder or file, loaded.
pub(super) fn load(path: &Path) -> Result<Arc<Model>> {
    let bundle = Bundle::open(path)?;
    let runtime = Runtime::open(&Parts::onnxruntime()?)?;
    Ok(Arc::new(Model::load(bundle, &runtime).with_context(|| format!("{} is refused", path.display()))?))
}

/// What is told of a bundle that is good.
#[derive(Serialize)]
struct Report<'m> {
    id: &'m str,
    /// Of all files.
    version: String,
    /// SHA-256 of the ONNX file.
    hash: &'m str,
    trained_on: &'m Data,
    seeds: &'m [i64],
    train_from: Moment,
    train_to: Moment,
    features: Vec<Feature>,
    calibration: &'m Calibration,
    review: f64,
    block: f64,
    reasons: Reasons<'m>,
    golden_rows: usize,
    /// Between a golden row's score and what was expected.
    largest_difference: f64,
    microseconds: Microseconds,
    /// Packed, as it would travel.
    packed_bytes: usize,
}

#[derive(Serialize)]
struct Feature {
    name: &'static str,
    default: f64,
}

/// Whether scores have reasons, and how.
#[derive(Serialize)]
struct Reasons<'m> {
    given: bool,
    codes: Vec<&'m str>,
    /// What contributions add up to.
    scale: Option<&'static str>,
    /// How they are come by, or why there are none.
    method: &'m str,
}

/// Of one score with its reasons, on one thread.
#[derive(Serialize)]
struct Microseconds {
    p50: f64,
    p99: f64,
}

/// Scores that are measured, and before that as many again to warm up.
const MEASURED: usize = 20_000;

fn check(args: &CheckArgs) -> Result<ExitCode> {
    let model = load(&args.bundle)?;
    let report = report(&model)?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print!("{}", columns(&["what", "value"], &lines(&report)));
    }
    Ok(ExitCode::SUCCESS)
}

fn report(model: &Arc<Model>) -> Result<Report<'_>> {
    let manifest = model.manifest();
    let mut scorer = Scorer::new(Arc::clone(model))?;
    let golden = model.bundle().golden().rows();
    let mut largest_difference = 0.0_f64;
    for golden in golden {
        largest_difference = largest_difference.max((scorer.score(&golden.row)?.score - golden.score).abs());
    }
    let (method, scale) = match model.explainer() {
        Ok(explainer) => (explainer.method(), Some(explainer.scale().name())),
        Err(why) => (why, None),
    };
    Ok(Report {
        id: model.id(),
        version: model.bundle().version(),
        hash: model.hash(),
        trained_on: &manifest.created_from.data,
        seeds: &manifest.created_from.seeds,
        train_from: manifest.train_from,
        train_to: manifest.train_to,
        features: (manifest.features.iter())
            .map(|input| Feature { name: input.name.name(), default: input.default })
            .collect(),
        calibration: &manifest.calibration,
        review: manifest.thresholds.review,
        block: manifest.thresholds.block,
        reasons: Reasons {
            given: scale.is_some() && !manifest.reasons.is_empty(),
            codes: manifest.reasons.iter().map(|group| group.code.as_str()).collect(),
            scale,
            method,
        },
        golden_rows: golden.len(),
        largest_difference,
        microseconds: measure(&mut scorer, model)?,
        packed_bytes: model.bundle().to_bytes()?.len(),
    })
}

/// The golden rows in turn.
fn measure(scorer: &mut Scorer, model: &Model) -> Result<Microseconds> {
    let mut took = Vec::with_capacity(MEASURED);
    for (number, golden) in model.bundle().golden().rows().iter().cycle().take(2 * MEASURED).enumerate() {
        let began = Instant::now();
        std::hint::black_box(scorer.score(&golden.row)?);
        if number >= MEASURED {
            took.push(began.elapsed());
        }
    }
    took.sort_unstable();
    let at = |share: f64| took[((took.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e6;
    Ok(Microseconds { p50: at(0.5), p99: at(0.99) })
}

fn lines(report: &Report<'_>) -> Vec<Vec<String>> {
    let features: Vec<String> =
        report.features.iter().map(|feature| format!("{} ({})", feature.name, feature.default)).collect();
    let data = match report.trained_on {
        Data::One(name) => name.clone(),
        Data::Several(names) => names.join("; "),
    };
    let calibration = match report.calibration {
        Calibration::None {} => "none".to_owned(),
        Calibration::Platt { slope, intercept } => format!("Platt: slope {slope}, intercept {intercept}"),
        Calibration::Isotonic { raw, .. } => format!("isotonic: {} points", raw.len()),
    };
    let Reasons { given, codes, scale, method } = &report.reasons;
    let reasons = match scale {
        Some(scale) if *given => format!("{}: by {method}, as {scale}", codes.join(", ")),
        Some(_) => "none: the manifest has no groups".to_owned(),
        None => format!("none: {method}"),
    };
    let difference = format!("{}, largest difference {:.1e}", report.golden_rows, report.largest_difference);
    let Microseconds { p50, p99 } = report.microseconds;
    [
        ("id", report.id.to_owned()),
        ("version", report.version.clone()),
        ("hash", report.hash.to_owned()),
        ("trained on", data),
        ("training period", format!("{} to {}", report.train_from, report.train_to)),
        ("features", format!("{}, with what stands for absent ones: {}", features.len(), features.join(", "))),
        ("calibration", calibration),
        ("thresholds", format!("review from {}, block from {}", report.review, report.block)),
        ("reasons", reasons),
        ("golden rows", difference),
        ("one score", format!("p50 {p50:.1} us, p99 {p99:.1} us, with reasons, on one thread")),
        ("packed", format!("{} bytes", report.packed_bytes)),
    ]
    .map(|(what, value)| vec![what.to_owned(), value])
    .into()
}
