//! Every test that `docs/delivery.md` names as the one that shows a promise is there.

use std::{fs, path::PathBuf};

fn top() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// What stands between backticks as `path::test`.
fn named(page: &str) -> Vec<(&str, &str)> {
    let quoted = page.split('`').skip(1).step_by(2);
    let split = quoted.filter_map(|text| text.split_once("::"));
    split.filter(|(path, _)| path.ends_with(".rs") || path.ends_with(".py")).collect()
}

/// Whether a file has a test, or a negative control, of that name.
fn has(path: &str, test: &str) -> bool {
    let text = fs::read_to_string(top().join(path)).unwrap_or_default();
    text.contains(&format!("fn {test}(")) || text.contains(&format!("def {test}("))
}

#[test]
fn every_promise_names_a_test_that_is_there() {
    let page = fs::read_to_string(top().join("docs/delivery.md")).expect("the page");
    let named = named(&page);
    assert!(named.len() >= 20, "{named:?}");
    let missing: Vec<_> = named.into_iter().filter(|(path, test)| !has(path, test)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn a_test_that_is_not_there_is_missed() {
    assert_eq!(named("see `a/b.rs::c_d` and `make chaos`"), [("a/b.rs", "c_d")]);
    assert!(has("tests/tests/delivery.rs", "a_test_that_is_not_there_is_missed"));
    assert!(!has("tests/tests/delivery.rs", "a_test_that_nobody_wrote"));
    assert!(!has("tests/tests/nothing.rs", "a_test_that_is_not_there_is_missed"));
}
