//! What the README shows is run.

use millrace_schemas::Topic;
use millrace_schemas::event::TransactionScore;
use millrace_tests::{Deployment, deployment::SOON, wait::until};
use std::{path::Path, process::Command};

/// The README's only block in a language.
fn block(language: &str) -> String {
    let readme =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md")).expect("README.md");
    let fence = format!("```{language}\n");
    let mut blocks = readme.split(&fence).skip(1).map(|rest| rest.split("```").next().unwrap_or_default().to_owned());
    let block = blocks.next().unwrap_or_else(|| panic!("README.md has no {language} block"));
    assert!(blocks.next().is_none(), "README.md has more than one {language} block");
    block
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_snippet_for_producing_directly_is_scored() {
    let mut deployment = Deployment::new("readme").await;
    deployment.scoring();
    let mut script = block("python");
    for (shown, here) in [
        ("127.0.0.1:9092", deployment.kafka.brokers.as_str()),
        ("http://127.0.0.1:8081/apis/ccompat/v7", &deployment.registry.url),
        ("TOPIC = \"transactions\"", &format!("TOPIC = \"{}\"", deployment.topic(Topic::Transactions))),
    ] {
        assert!(script.contains(shown), "the snippet has no {shown}");
        script = script.replace(shown, here);
    }
    let python = std::env::var_os("MILLRACE_TEST_PYTHON")
        .expect("MILLRACE_TEST_PYTHON is not set; run the tests with `make test`");
    let output = Command::new(python).arg("-c").arg(&script).output().expect("the interpreter starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let scores = until("the score", SOON, || deployment.read::<TransactionScore>(), |scores| scores.len() == 1).await;
    assert_eq!((scores[0].transaction.transaction_id.as_str(), scores[0].transaction.amount), ("direct-1", 109_900));
    deployment.stop().await;
}

#[test]
fn every_path_in_the_architecture_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let text = std::fs::read_to_string(root.join("ARCHITECTURE.md")).expect("ARCHITECTURE.md");
    let quoted = text.split('`').skip(1).step_by(2);
    let paths: Vec<&str> =
        quoted.filter(|word| word.contains('/') && !word.contains([' ', ':', '<']) && word.len() > 2).collect();
    assert!(paths.len() > 10, "{paths:?}");
    for path in paths {
        assert!(root.join(path).exists(), "ARCHITECTURE.md names {path}, which does not exist");
    }
}
