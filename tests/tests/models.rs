//! Models that come by the log score in the running pipeline; what is answered when one is slow, hangs or fails.

use millrace_ingest::GatewayConfig;
use millrace_processors::{
    Scoring,
    scoring::{
        model::{Bundle, Engine, EngineError, Model, PoolOptions, Runtime},
        rules::RuleSet,
        running::Models,
    },
};
use millrace_runtime::processor::{Processor as _, ProcessorConfig};
use millrace_schemas::{
    event::{
        ConfigurationAction, ConfigurationChange, ConfigurationKind, DecisionSource, ProcessorEpoch, TransactionScore,
    },
    rules::Rules,
};
use millrace_tests::{Deployment, Service, Services, deployment::SOON, wait::until};
use serde_json::{Value as Json, json};
use std::{
    path::{Path, PathBuf},
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::task::JoinSet;

fn at(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

fn transaction(customer: &str, number: i64) -> Json {
    json!({
        "customer_id": customer, "transaction_id": number.to_string(), "amount": "12.50", "currency": "EUR", "type": 55,
        "merchant_id": "m1", "card_bin": "411111", "ip_address": "203.0.113.7", "device_id": "d1", "location": "Berlin",
        "channel": "online", "timestamp": format!("2026-03-01T10:{:02}:00Z", number % 60),
    })
}

async fn post(base: &str, customer: &str, number: i64) -> Json {
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let request =
        client.post(format!("{base}/api/v1/transactions?timeout_ms=10000")).json(&transaction(customer, number));
    let answer = request.send().await.expect("an answer");
    assert_eq!(answer.status().as_u16(), 200);
    answer.json().await.expect("JSON")
}

fn run(services: &Services, words: &[&str]) -> String {
    let output = services.command(words).output().expect("the binary starts");
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// Waits until every partition is decided by a configuration with such an end.
async fn taken_up(deployment: &Deployment, end: &str) {
    let epochs = || async {
        let all = deployment.read::<ProcessorEpoch>().await.into_iter();
        all.map(|epoch| (epoch.partition, epoch.basis["configuration"].clone()))
            .collect::<std::collections::BTreeMap<_, _>>()
    };
    until("it to be taken up", SOON, epochs, |last| last.len() == 3 && last.values().all(|it| it.ends_with(end))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_model_is_applied_activated_shadowed_and_rolled_back_through_the_log() {
    let deployment = Deployment::new("modelled").await;
    let services = Services::of(&deployment, &["gateway.score_timeout_max_ms=10000"]);
    services.start(&[Service::Gateway, Service::Scoring, Service::Projector]);
    let base = services.url(Service::Gateway);
    let by_rules = post(&base, "c1", 0).await;
    assert_eq!((&by_rules["decision_source"], &by_rules["model"]), (&json!("rules"), &Json::Null));

    let applied = run(&services, &["model", "apply", at("training/bundles/default").to_str().expect("UTF-8")]);
    let version = applied.lines().nth(1).and_then(|line| line.split(' ').next()).expect("a version").to_owned();
    run(&services, &["model", "activate", &version, "--with-thresholds", "--reason", "a test"]);
    taken_up(&deployment, &format!("+{version}")).await;
    let by_model = post(&base, "c1", 1).await;
    assert_eq!((&by_model["decision_source"], &by_model["model"]), (&json!("model"), &json!(version)));

    let other = run(&services, &["model", "apply", at("processors/tests/models/linear").to_str().expect("UTF-8")]);
    let other = other.lines().nth(1).and_then(|line| line.split(' ').next()).expect("a version").to_owned();
    run(&services, &["model", "shadow", &other]);
    taken_up(&deployment, &format!("+{version}~{other}")).await;
    services.kill(Service::Scoring);
    services.start_again(Service::Scoring);
    let shadowed = post(&base, "c1", 2).await;
    assert_eq!(shadowed["decision_source"], json!("model"), "through a restart");

    run(&services, &["model", "rollback"]);
    taken_up(&deployment, &format!("~{other}")).await;
    assert_eq!(post(&base, "c1", 3).await["decision_source"], json!("rules"));

    let scores = deployment.read::<TransactionScore>().await;
    let of = |id: &str| scores.iter().find(|score| score.transaction.transaction_id == id).expect("scored");
    assert_eq!(
        (of("0").raw_scoring, of("1").raw_scoring),
        (None, by_model["scoring"].as_f64()),
        "nothing calibrates it"
    );
    assert!(of("1").shadow.is_none() && of("2").shadow.as_ref().is_some_and(|it| it.model == other));
    assert_eq!(of("3").shadow.as_ref().map(|shadow| shadow.model.as_str()), Some(other.as_str()));
    let replayed: Vec<Json> =
        serde_json::from_str(&run(&services, &["replay", "scoring", "--verify", "--json"])).expect("JSON");
    let sum = |name: &str| replayed.iter().filter_map(|it| it[name].as_u64()).sum::<u64>();
    assert_eq!((sum("outputs"), sum("different"), sum("other_configuration")), (4, 0, 0), "{replayed:?}");

    let sql = format!(
        "SELECT count() AS n FROM transaction_scores WHERE model = '{version}' AND raw_scoring = scoring AND isNull(default_cause)"
    );
    until("the rows", SOON, || deployment.value(&sql), |count| count == "2").await;
    let shadows =
        format!("SELECT count() AS n FROM transaction_scores WHERE shadow_model = '{other}' AND shadow_scoring > 0");
    assert_eq!(deployment.value(&shadows).await, "2");
    let history: Vec<Json> = serde_json::from_str(&run(&services, &["model", "history", "--json"])).expect("JSON");
    let actions: Vec<&str> = history.iter().filter_map(|row| row["action"].as_str()).collect();
    assert_eq!(actions, ["apply", "activate", "apply", "shadow", "activate"]);
}

/// What engines do when they are asked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Mood {
    #[default]
    Answers,
    /// Later than anybody waits.
    Slow,
    Hangs,
    Fails,
}

/// What a slow engine takes; a score has 100 ms.
const SLOW: Duration = Duration::from_millis(150);

/// The mood of all engines of a test.
#[derive(Default)]
struct Told {
    mood: Mutex<Mood>,
    changed: Condvar,
}

impl Told {
    fn be(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
        self.changed.notify_all();
    }

    /// The mood, when it is none to hang in.
    fn awaited(&self) -> Mood {
        *self.changed.wait_while(self.mood.lock().unwrap(), |mood| *mood == Mood::Hangs).unwrap()
    }
}

struct Moody(Box<dyn Engine>, Arc<Told>);

impl Engine for Moody {
    fn run(&mut self, row: &[f32]) -> Result<f32, EngineError> {
        match self.1.awaited() {
            Mood::Fails => return Err(EngineError::new("told to fail")),
            Mood::Slow => std::thread::sleep(SLOW),
            Mood::Answers | Mood::Hangs => {}
        }
        self.0.run(row)
    }
}

fn change(action: ConfigurationAction, name: Option<String>, content: Vec<u8>) -> ConfigurationChange {
    let (event_id, version) = (String::new(), String::new());
    ConfigurationChange {
        event_id,
        kind: ConfigurationKind::Model,
        action,
        name,
        version,
        content,
        decided_at: 0,
        reason: None,
    }
}

/// A gateway, and a scoring processor with a real model whose engines do as they are told.
struct Stage {
    deployment: Deployment,
    base: String,
    told: Arc<Told>,
}

impl Stage {
    async fn new(name: &'static str, options: PoolOptions) -> Self {
        let mut deployment = Deployment::new(name).await;
        let told = Arc::<Told>::default();
        let runtime =
            Runtime::open(&millrace_local::Parts::onnxruntime().expect("`make parts` fetches it")).expect("it opens");
        let shared = Arc::clone(&told);
        let load = move |bundle: Bundle| {
            let (real, told) = (Model::load(bundle.clone(), &runtime)?, Arc::clone(&shared));
            let engines = move || Ok(Box::new(Moody(real.engine()?, Arc::clone(&told))) as Box<dyn Engine>);
            Model::with_engines(bundle, Box::new(engines))
        };
        let scoring = Scoring::with_models(RuleSet::built_in(), Models::loaded_by(Box::new(load), options));
        let bundle = Bundle::open(&at("processors/tests/models/lightgbm")).expect("a bundle");
        let content = bundle.to_bytes().expect("small");
        scoring.configure(&change(ConfigurationAction::Apply, None, content)).expect("valid");
        scoring
            .configure(&change(ConfigurationAction::Activate, Some(bundle.version()), Vec::new()))
            .expect("it loads");
        assert!(scoring.basis()["configuration"].ends_with(&bundle.version()));
        let config = GatewayConfig { score_timeout_max_ms: 60_000, ..GatewayConfig::default() };
        let base = deployment.gateway(config).await;
        deployment.processor(scoring, Rules::default(), ProcessorConfig::default());
        assert_eq!(post(&base, "c0", 0).await["decision_source"], "model");
        Self { deployment, base, told }
    }

    /// Sends one transaction of each of some customers at the same time; all are answered with the default.
    async fn defaults(&self, customers: u64, number: i64) {
        let mut clients: JoinSet<Json> = JoinSet::new();
        for customer in 0..customers {
            let base = self.base.clone();
            clients.spawn(async move { post(&base, &format!("c{customer}"), number).await });
        }
        for answer in clients.join_all().await {
            assert_eq!((&answer["decision_source"], &answer["scoring"]), (&json!("default"), &json!(0.5)), "{answer}");
            assert_eq!(answer["decision"], "review");
        }
    }

    /// Why the scores of so many transactions are the default, in the log; each of them has a cause. They are committed after they
    /// are told.
    async fn causes(&self, count: usize, number: i64) -> Vec<String> {
        let causes = || async {
            let scores = self.deployment.read::<TransactionScore>().await.into_iter();
            let of = scores.filter(|score| score.transaction.transaction_id == number.to_string());
            of.filter(|score| score.decision_source == DecisionSource::Default)
                .map(|score| score.default_cause.expect("a default has a cause"))
                .collect::<Vec<_>>()
        };
        until("the scores", SOON, causes, |causes| causes.len() == count).await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_model_that_is_slow_or_hangs_costs_each_its_deadline_and_nobody_more() {
    let options = PoolOptions { breaker_failures: 1_000, ..PoolOptions::default() };
    let one_after_another = Duration::from_millis(options.deadline_ms) * 60;
    let mut stage = Stage::new("slow", options).await;
    for (number, mood) in [(1, Mood::Hangs), (2, Mood::Slow)] {
        stage.told.be(mood);
        let began = Instant::now();
        stage.defaults(60, number).await;
        let took = began.elapsed();
        assert!(took < one_after_another, "{took:?} for 60 that were asked at the same time: {mood:?}");
        assert_eq!(stage.causes(60, number).await, vec!["timeout"; 60], "{mood:?}");
        // Threads that are not done yet take what comes next as soon as they are.
        stage.told.be(Mood::Answers);
        let again = |tried: &Json| tried["decision_source"] == "model";
        let number = AtomicI64::new(1_000 * number);
        let next = || async { post(&stage.base, "c0", number.fetch_add(1, Ordering::Relaxed)).await };
        until("the model to answer again", SOON, next, again).await;
    }
    stage.deployment.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_model_that_fails_is_left_alone_and_each_has_its_answer() {
    let options = PoolOptions { breaker_failures: 20, breaker_open_ms: 600_000, ..PoolOptions::default() };
    let mut stage = Stage::new("failing", options).await;
    stage.told.be(Mood::Fails);
    stage.defaults(60, 1).await;
    let causes = stage.causes(60, 1).await;
    let failed = causes.iter().filter(|cause| *cause == "model_error").count();
    let spared = causes.iter().filter(|cause| *cause == "breaker_open").count();
    assert!(failed >= 20 && failed + spared == 60, "{causes:?}");
    stage.told.be(Mood::Answers);
    stage.defaults(10, 2).await;
    assert_eq!(stage.causes(10, 2).await, vec!["breaker_open"; 10], "it is not asked, however well it would do");
    stage.deployment.stop().await;
}
