//! `millrace model check`, as it is run.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};

fn check(bundle: &Path, more: &[&str], library: Option<&Path>) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_millrace"));
    command.args(["model", "check"]).arg(bundle).args(more);
    if let Some(library) = library {
        command.env("ORT_DYLIB_PATH", library);
    }
    command.output().unwrap()
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../processors/tests/models").join(name)
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_good_bundle_is_told_about() {
    let output = check(&fixture("lightgbm"), &["--json"], None);
    assert!(output.status.success(), "{}", stderr(&output));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["id"], "lightgbm");
    assert_eq!(report["train_to"], "2025-02-01T00:00:00Z");
    assert_eq!(report["features"].as_array().unwrap().len(), 9);
    assert_eq!(report["reasons"]["given"], true);
    assert_eq!(report["golden_rows"], 60);
    let number = |key: &str| report.pointer(key).and_then(serde_json::Value::as_f64).unwrap();
    assert!(number("/largest_difference") < 1e-6);
    assert!(0.0 < number("/microseconds/p50") && number("/microseconds/p50") <= number("/microseconds/p99"));

    let output = check(&fixture("forest"), &[], None);
    let text = String::from_utf8(output.stdout).unwrap();
    for expected in
        ["forest", "review from 0.3, block from 0.8", "isotonic: ", "as probability", "2025-01-01T00:00:00Z to"]
    {
        assert!(text.contains(expected), "{expected} is not in\n{text}");
    }
}

#[test]
fn a_bundle_that_is_none_is_refused_as_wrong_usage() {
    let empty = tempfile::tempdir().unwrap();
    let output = check(empty.path(), &[], None);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("model.onnx cannot be read"), "{}", stderr(&output));
}

#[test]
fn without_the_library_that_runs_models_it_says_how_to_get_it() {
    let output = check(&fixture("linear"), &[], Some(Path::new("/nowhere/libonnxruntime.so")));
    assert_eq!(output.status.code(), Some(3));
    assert!(
        stderr(&output).contains("ONNX Runtime, which runs models, is not in /nowhere/libonnxruntime.so"),
        "{}",
        stderr(&output)
    );
    assert!(stderr(&output).contains("run `make parts`"), "{}", stderr(&output));

    let other = tempfile::NamedTempFile::new().unwrap();
    let output = check(&fixture("linear"), &[], Some(other.path()));
    assert_eq!(output.status.code(), Some(3));
    let message = stderr(&output);
    assert!(message.starts_with("millrace: models cannot be run: ONNX Runtime cannot be loaded from "), "{message}");
    assert!(message.contains("of version 1.20 or later"), "{message}");
}
