//! Scoring by models that configurations name: what a score says of them, rules beside them, shadows, and what is decided without.

use super::{LIGHTGBM, LINEAR, bundle, runtime};
use crate::common::{after, context, transaction};
use millrace_processors::{
    Scoring,
    scoring::{
        Customers,
        configuration::ChangeError,
        model::{Bundle, Engine, EngineError, Model, PoolOptions, Scorer},
        rules::RuleSet,
        running::Models,
    },
};
use millrace_runtime::processor::{Made, Memory as _, Processor as _};
use millrace_schemas::event::{
    ConfigurationAction, ConfigurationChange, ConfigurationKind, Decision, DecisionSource, ShadowScore, Transaction,
    TransactionScore,
};
use std::{
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

fn change(action: ConfigurationAction, name: Option<String>, content: Vec<u8>) -> ConfigurationChange {
    ConfigurationChange {
        event_id: String::new(),
        kind: ConfigurationKind::Model,
        action,
        name,
        version: String::new(),
        content,
        decided_at: 0,
        reason: None,
    }
}

fn apply(scoring: &Scoring, name: &str) -> String {
    let bundle = bundle(name);
    let content = bundle.to_bytes().expect("small");
    scoring.configure(&change(ConfigurationAction::Apply, None, content)).expect("valid");
    bundle.version()
}

fn activate(scoring: &Scoring, version: &str) {
    scoring.configure(&change(ConfigurationAction::Activate, Some(version.into()), Vec::new())).expect("known");
}

fn shadow(scoring: &Scoring, version: &str) {
    scoring.configure(&change(ConfigurationAction::Shadow, Some(version.into()), Vec::new())).expect("known");
}

/// Time enough on the busiest machine.
const LONG_MS: u64 = 60_000;

fn waiting_up_to(deadline_ms: u64) -> PoolOptions {
    PoolOptions { deadline_ms, shadow_grace_ms: deadline_ms, ..PoolOptions::default() }
}

fn real() -> Models {
    Models::run_by(Ok(runtime()), waiting_up_to(LONG_MS))
}

/// A memory that decides by the newest configuration.
fn memory(scoring: &Scoring) -> Customers {
    let mut memory = scoring.memory();
    assert!(scoring.take_up(&mut memory, &scoring.basis()));
    memory
}

fn score(memory: &mut Customers, offset: i64, input: &Transaction) -> TransactionScore {
    memory.process(input.clone(), context(input, offset))
}

/// Rules with one more.
fn rules(more: &str) -> RuleSet {
    let head = "base = -2.0\nblocklist_contribution = 5.0\n[thresholds]\nreview = 0.3\nblock = 0.8\n";
    RuleSet::parse(&format!("{head}{more}")).expect("valid")
}

fn rule(code: &str, more: &str) -> String {
    format!(
        "[[rule]]\ncode = '{code}'\ntext = 'A rule'\nfeature = 'amount'\ncomparison = 'at_least'\nthreshold = 0\n\
         contribution = 1.0\n{more}\n"
    )
}

#[test]
fn the_active_model_scores_and_the_score_says_so() {
    let scoring = Scoring::with_models(rules(&rule("stands_in", "")), real());
    let rules_alone = scoring.configuration();
    let version = apply(&scoring, LIGHTGBM);
    assert_eq!(scoring.configuration(), rules_alone, "known, and not in force");
    let before = score(&mut memory(&scoring), 0, &transaction());
    assert_eq!((before.decision_source, before.model, before.raw_scoring), (DecisionSource::Rules, None, None));
    assert_eq!(before.reasons[0].code, "stands_in");

    activate(&scoring, &version);
    assert_eq!(scoring.configuration(), format!("{rules_alone}+{version}"));
    let scored = score(&mut memory(&scoring), 0, &transaction());
    let model = Arc::new(Model::load(bundle(LIGHTGBM), &runtime()).expect("loads"));
    let features = features_of(&scored);
    let alone = Scorer::new(Arc::clone(&model)).expect("an engine").score(&row(&model, &features)).expect("a score");
    assert_eq!((scored.scoring, scored.raw_scoring), (alone.score, Some(alone.raw)));
    assert_eq!((scored.decision_source, scored.model.as_deref()), (DecisionSource::Model, Some(version.as_str())));
    assert_eq!(scored.reasons, alone.reasons, "the rule stands for a model where there is none");
    assert_eq!((scored.default_cause, scored.shadow), (None, None));
    assert_eq!(scored.configuration, scoring.configuration());

    scoring.configure(&change(ConfigurationAction::Activate, None, Vec::new())).expect("none is valid");
    assert_eq!(scoring.configuration(), rules_alone);
}

/// The recorded features by name: what a model is asked about.
fn features_of(score: &TransactionScore) -> impl Fn(&str) -> Option<f64> + use<> {
    let features = score.features.clone();
    move |name| features.get(name)
}

fn row(model: &Model, features: &impl Fn(&str) -> Option<f64>) -> Vec<f32> {
    let value = |name: &str, default: f64| features(name).unwrap_or(default) as f32;
    model.manifest().features.iter().map(|input| value(input.name.name(), input.default)).collect()
}

#[test]
fn rules_beside_a_model_raise_block_or_allow() {
    let with = |more: &str| {
        let scoring = Scoring::with_models(rules(more), real());
        let version = apply(&scoring, LIGHTGBM);
        activate(&scoring, &version);
        score(&mut memory(&scoring), 0, &transaction())
    };
    let alone = with("");
    let raised = with(&rule("raises", "beside_model = true"));
    let log_odds = |p: f64| (p / (1.0 - p)).ln();
    assert!((log_odds(raised.scoring) - log_odds(alone.scoring) - 1.0).abs() < 1e-9);
    assert_eq!(raised.raw_scoring, alone.raw_scoring);
    assert!(raised.reasons.iter().any(|reason| reason.code == "raises"));
    let blocked = with(&rule("blocks", "effect = 'block'"));
    assert_eq!((alone.decision, blocked.decision), (Decision::Allow, Decision::Block));
    let both = with(&(rule("allows", "effect = 'allow'") + &rule("blocks", "effect = 'block'")));
    assert_eq!(both.decision, Decision::Block, "a block overrules an allow");
    let much = |more: &str| with(&(rule("raises", "beside_model = true").replace("1.0", "20.0") + more)).decision;
    assert_eq!((much(""), much(&rule("allows", "effect = 'allow'"))), (Decision::Block, Decision::Allow));
}

/// What the engines of a test do once they are loaded.
#[derive(Default)]
struct Told {
    fails: AtomicBool,
    waits: Mutex<bool>,
    changed: Condvar,
}

struct Controlled(Box<dyn Engine>, Arc<Told>);

impl Engine for Controlled {
    fn run(&mut self, row: &[f32]) -> Result<f32, EngineError> {
        let waits = self.1.waits.lock().unwrap();
        drop(self.1.changed.wait_while(waits, |waits| *waits).unwrap());
        if self.1.fails.load(Ordering::SeqCst) { Err(EngineError::new("told to fail")) } else { self.0.run(row) }
    }
}

/// Models whose engines do as they are told; those of `only` where it names one.
fn told(only: Option<&'static str>, deadline_ms: u64) -> (Models, Arc<Told>) {
    let told = Arc::<Told>::default();
    let (told_too, runtime) = (Arc::clone(&told), runtime());
    let load = move |bundle: Bundle| {
        if only.is_some_and(|only| bundle.manifest().id != only) {
            return Model::load(bundle, &runtime);
        }
        let real = Model::load(bundle.clone(), &runtime)?;
        let told = Arc::clone(&told_too);
        let engines = move || Ok(Box::new(Controlled(real.engine()?, Arc::clone(&told))) as Box<dyn Engine>);
        Model::with_engines(bundle, Box::new(engines))
    };
    (Models::loaded_by(Box::new(load), waiting_up_to(deadline_ms)), told)
}

#[test]
fn without_an_answer_of_the_model_the_score_is_the_default_with_its_cause() {
    let (models, told) = told(None, 500);
    let scoring = Scoring::with_models(rules(""), models);
    let version = apply(&scoring, LIGHTGBM);
    activate(&scoring, &version);
    let mut memory = memory(&scoring);
    let good = score(&mut memory, 0, &transaction());
    assert_eq!(good.decision_source, DecisionSource::Model);
    assert_eq!(scoring.basis_of(&good), scoring.basis());

    told.fails.store(true, Ordering::SeqCst);
    let failed = score(&mut memory, 1, &after(1));
    assert_eq!(
        (failed.scoring, failed.decision, failed.decision_source),
        (0.5, Decision::Review, DecisionSource::Default)
    );
    assert_eq!((failed.default_cause.as_deref(), failed.raw_scoring), (Some("model_error"), None));
    assert_eq!(failed.model.as_deref(), Some(version.as_str()), "the model that should have scored");
    assert_ne!(scoring.basis_of(&failed), scoring.basis(), "it is not decided again");
    told.fails.store(false, Ordering::SeqCst);

    *told.waits.lock().unwrap() = true;
    let late = score(&mut memory, 2, &after(2));
    assert_eq!((late.default_cause.as_deref(), late.scoring), (Some("timeout"), 0.5));
    let blocked = Transaction { customer_id: "customer-2".into(), ..after(3) };
    let list = ConfigurationChange {
        kind: ConfigurationKind::Lists,
        ..change(ConfigurationAction::Apply, None, b"[blocklists]\ncustomers = ['customer-2']".to_vec())
    };
    scoring.configure(&list).expect("valid");
    assert!(scoring.take_up(&mut memory, &scoring.basis()));
    let listed = score(&mut memory, 3, &blocked);
    assert_eq!((listed.decision, listed.decision_source), (Decision::Block, DecisionSource::Default));
    *told.waits.lock().unwrap() = false;
    told.changed.notify_all();
}

#[test]
fn several_are_asked_for_before_the_first_is_waited_for() {
    let (models, told) = told(None, LONG_MS);
    let scoring = Scoring::with_models(rules(""), models);
    let version = apply(&scoring, LIGHTGBM);
    activate(&scoring, &version);
    let mut memory = memory(&scoring);
    *told.waits.lock().unwrap() = true;
    let inputs: Vec<Transaction> = (0..20).map(after).collect();
    let asked: Vec<_> =
        (0..).zip(&inputs).map(|(offset, input)| memory.begin(input.clone(), context(input, offset))).collect();
    let mut awaited = Vec::new();
    for made in asked {
        match made {
            Made::Later(one) => awaited.push(one),
            Made::Now(_) => panic!("it waits for the model"),
        }
    }
    assert!(awaited.iter().all(|one| !one.is_ready_within(Duration::ZERO)));
    *told.waits.lock().unwrap() = false;
    told.changed.notify_all();
    assert!(awaited[0].is_ready_within(Duration::from_secs(30)));
    let scores: Vec<TransactionScore> = awaited.into_iter().map(|one| one.finish()).collect();
    let counts: Vec<i32> = scores.iter().map(|score| score.windows.customer_transaction_count_24h).collect();
    assert_eq!(counts, (1..=20).collect::<Vec<_>>(), "each was remembered before the next was looked at");
    assert!(scores.iter().all(|score| score.decision_source == DecisionSource::Model));
}

#[test]
fn a_shadow_is_recorded_and_changes_nothing() {
    let (models, told) = told(Some(LINEAR), LONG_MS);
    let scoring = Scoring::with_models(rules(""), models);
    let (active, other) = (apply(&scoring, LIGHTGBM), apply(&scoring, LINEAR));
    activate(&scoring, &active);
    let alone = score(&mut memory(&scoring), 0, &transaction());
    shadow(&scoring, &other);
    assert!(scoring.configuration().ends_with(&format!("+{active}~{other}")));
    let mut beside = memory(&scoring);
    let both = score(&mut beside, 0, &transaction());
    let shadowed = both.shadow.clone().expect("a shadow");
    assert_eq!(shadowed.model, other);
    assert!(shadowed.scoring.is_some_and(|scoring| scoring != both.scoring));
    let but_for_the_shadow =
        TransactionScore { shadow: None, configuration: alone.configuration.clone(), ..both.clone() };
    assert_eq!(but_for_the_shadow, alone);

    told.fails.store(true, Ordering::SeqCst);
    let failed = score(&mut beside, 1, &after(1));
    assert_eq!(failed.shadow, Some(ShadowScore { model: other.clone(), scoring: None }));
    assert_eq!((failed.decision_source, failed.default_cause.clone()), (DecisionSource::Model, None));
    assert_ne!(scoring.basis_of(&failed), scoring.basis());

    // Beside rules alone, too.
    told.fails.store(false, Ordering::SeqCst);
    scoring.configure(&change(ConfigurationAction::Activate, None, Vec::new())).expect("valid");
    let beside_rules = score(&mut memory(&scoring), 0, &transaction());
    assert_eq!((beside_rules.decision_source, beside_rules.shadow), (DecisionSource::Rules, Some(shadowed)));
}

#[test]
fn a_model_that_does_not_run_here_is_not_taken_up_and_one_that_nobody_knows_is_refused() {
    let scoring = Scoring::default();
    let (before, version) = (scoring.basis(), apply(&scoring, LIGHTGBM));
    let activated = scoring.configure(&change(ConfigurationAction::Activate, Some(version.clone()), Vec::new()));
    let said = activated.expect_err("no library");
    assert!(matches!(&said, ChangeError::NotRunnable(_, reason) if reason.contains("runs no models")), "{said}");
    assert_eq!(scoring.basis(), before, "it goes on as before");
    let mut memory = scoring.memory();
    let named = [("configuration".to_owned(), scoring.configuration())].into();
    assert!(!scoring.take_up(&mut memory, &named));

    let unknown = scoring.configure(&change(ConfigurationAction::Activate, Some("nobody-00000000".into()), Vec::new()));
    assert!(matches!(unknown, Err(ChangeError::UnknownModel(_))));
    let broken = scoring.configure(&change(ConfigurationAction::Apply, None, b"no bundle".to_vec()));
    assert!(matches!(broken, Err(ChangeError::Bundle(_))));
    // What comes after it builds on it, whether it runs here or not.
    let rules_only = scoring.configure(&change(ConfigurationAction::Activate, None, Vec::new()));
    rules_only.expect("rules run everywhere");
    assert_eq!(scoring.basis(), before);
}
