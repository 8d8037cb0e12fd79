//! A labelled stream is graded by what the pipeline answered with the model that ships, and that is what an oracle computes from the
//! files.

use millrace_processors::scoring::model::Bundle;
use millrace_schemas::event::TransactionScore;
use millrace_tests::{Deployment, Service, Services, deployment::SOON, python, wait::until};
use serde_json::{Value as Json, json};
use std::{
    path::{Path, PathBuf},
    process::Command,
};

/// 2018-04-01, the simulator's first day.
const FIRST: i64 = 17_622;
const GRADED_FROM: i64 = FIRST + 18;
const DAYS: i64 = 3;
const CARDS: i64 = 10;

/// A module of `training/`, with the interpreter of the tests.
fn module(name: &str) -> Command {
    let python =
        std::env::var_os("MILLRACE_TEST_PYTHON").expect("MILLRACE_TEST_PYTHON; run the tests with `make test`");
    let mut command = Command::new(python);
    command.args(["-m", name]).current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."));
    command
}

struct Files {
    transactions: PathBuf,
    labels: PathBuf,
    answers: PathBuf,
}

/// A population that fits a test's time, with some of each kind of fraud.
fn simulate(folder: &Path) -> Files {
    let at = |name: &str| folder.join(name);
    let files = Files { transactions: at("t.ndjson"), labels: at("l.ndjson"), answers: at("a.ndjson") };
    let mut simulate = module("training.simulate");
    simulate.args(["--customers", "120", "--terminals", "400", "--radius", "12", "--days", "21", "--seed", "5"]);
    simulate.arg("--transactions").arg(&files.transactions).arg("--labels").arg(&files.labels);
    python::run(&mut simulate);
    files
}

/// The model that ships.
fn bundle() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../training/bundles/default")
}

/// For the shell: brings the model that ships and makes it decide.
fn activation(services: &Services, version: &str) -> String {
    let line = |words: &[&str]| {
        let command = services.command(words);
        let words = [command.get_program()].into_iter().chain(command.get_args());
        words.map(|word| format!("'{}'", word.to_str().expect("UTF-8"))).collect::<Vec<_>>().join(" ")
    };
    let apply = line(&["model", "apply", bundle().to_str().expect("UTF-8")]);
    format!("{apply} && {}", line(&["model", "activate", version, "--with-thresholds"]))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_model_answers_is_graded_as_the_protocol_says_of_scores_that_an_oracle_computes() {
    let deployment = Deployment::new("graded").await;
    let services = Services::of(&deployment, &["gateway.score_timeout_max_ms=30000"]);
    let files = simulate(services.folder());
    services.start(&[Service::Gateway, Service::Scoring, Service::Merchants, Service::Projector]);
    let grade = |more: &[&str]| {
        let mut command = services.command(&["grade", "--json", "--days", &DAYS.to_string()]);
        if !more.contains(&"--from") {
            command.args(["--from", "2018-04-19"]);
        }
        command.args(["--cards", &CARDS.to_string(), "--timeout-ms", "30000"]).args(more);
        command.args(["--gateway", &services.url(Service::Gateway)]).arg("--transactions").arg(&files.transactions);
        command.arg("--labels").arg(&files.labels).output().expect("the binary starts")
    };
    let answers = files.answers.to_str().expect("UTF-8");
    let version = Bundle::open(&bundle()).expect("it is whole").version();
    let output = grade(&["--answers", answers, "--prepare", &activation(&services, &version)]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report: Json = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(report["decided_by"], json!({ &version: report["answered"] }));
    assert!(report["sent"].as_u64() > report["answered"].as_u64(), "{report}");

    let mut oracle = python::script("oracle/grade.py");
    oracle.args([&files.transactions, &files.labels, &files.answers, &bundle()]);
    oracle.args([GRADED_FROM, DAYS, CARDS].map(|number| number.to_string()));
    let expected: Json = serde_json::from_str(&python::run(&mut oracle)).expect("JSON");
    assert_eq!((&report["graded"], &report["frauds"]), (&expected["transactions"], &expected["frauds"]));
    for figure in ["auc", "average_precision", "card_precision"] {
        let [found, expected] = [&report, &expected].map(|of| of[figure].as_f64().expect("a figure"));
        assert!((found - expected).abs() < 1e-12, "{figure}: {found} is told and {expected} is computed");
        assert!((0.0..=1.0).contains(&found) && found > 0.0, "{figure}: {found}");
    }

    // What is known of merchants is there from the second week on.
    let sent = report["sent"].as_u64().expect("a number") as usize;
    let scores =
        until("all scores", SOON, || deployment.read::<TransactionScore>(), |scores| scores.len() == sent).await;
    let with_risk = scores.iter().filter(|score| score.features.get("merchant_risk_7d").is_some_and(|risk| risk > 0.0));
    assert!(with_risk.count() > 20, "labels have reached later scores");

    let trained_on = grade(&["--without-merchants", "--from", "2017-04-11"]);
    let said = String::from_utf8_lossy(&trained_on.stderr).into_owned();
    assert!(!trained_on.status.success() && said.contains("knows the answers"), "{said}");
    let failing = grade(&["--without-merchants", "--from", "2018-04-01", "--prepare", "exit 3"]);
    let said = String::from_utf8_lossy(&failing.stderr).into_owned();
    assert!(!failing.status.success() && said.contains("`exit 3` ends with exit status: 3"), "{said}");
    let again = grade(&[]);
    let said = String::from_utf8_lossy(&again.stderr).into_owned();
    assert!(!again.status.success() && said.contains("has passed already"), "{said}");
}
