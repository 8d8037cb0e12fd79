//! The file that rules come from.

use crate::common::last_score;
use millrace_processors::{
    Scoring, ScoringConfig,
    scoring::{features::Feature, rules::RuleSet},
};

const BUILT_IN: &str = include_str!("../../src/scoring/rules.toml");

const RULE: &str = r#"
[[rule]]
code = "velocity"
text = "Many"
feature = "customer_transaction_count_3h"
comparison = "at_least"
threshold = 5
contribution = 1.0
"#;

fn head() -> String {
    "base = -2.0\nblocklist_contribution = 5.0\n[thresholds]\nreview = 0.5\nblock = 0.9\n".to_owned()
}

fn file() -> String {
    head() + RULE
}

fn refusal(text: &str) -> String {
    RuleSet::parse(text).expect_err("refused").to_string()
}

#[test]
fn the_built_in_rules_are_valid_and_named_in_each_score() {
    let version = RuleSet::built_in().version().to_owned();
    assert!(version.starts_with("rules-") && version.len() == "rules-".len() + 8, "{version}");
    assert_eq!(last_score(&[crate::common::transaction()]).configuration, version);
}

#[test]
fn features_stand_in_the_order_of_their_names() {
    assert!(Feature::ALL.is_sorted_by(|a, b| a.name() < b.name()));
}

#[test]
fn the_version_changes_with_the_content_and_not_with_the_writing() {
    let version = |text: &str| RuleSet::parse(text).expect("valid").version().to_owned();
    let plain = version(&file());
    assert_eq!(version(&format!("# a comment\n\n{}", file().replace("threshold = 5", "threshold   =   5.0"))), plain);
    for (from, to) in [
        ("base = -2.0", "base = -2.1"),
        ("base = -2.0", "base = -2.0\nzone = 'Europe/Berlin'"),
        ("review = 0.5", "review = 0.6"),
        ("\"Many\"", "\"Too many\""),
        ("threshold = 5", "threshold = 6"),
        ("at_least", "above"),
        ("contribution = 1.0", "contribution = 1.1"),
        ("count_3h", "count_6h"),
    ] {
        assert_ne!(version(&file().replace(from, to)), plain, "{to}");
    }
    let lists = |entries: &str| version(&format!("{}[blocklists]\ncustomers = [{entries}]", head()));
    assert_eq!(lists("'a', 'b'"), lists("'b', 'a', 'b'"));
    assert_ne!(lists("'a', 'b'"), lists("'a'"));
}

#[test]
fn what_makes_no_sense_is_refused_with_its_place() {
    for (from, to, expected) in [
        (
            "count_3h",
            "count_4h",
            "no feature \"customer_transaction_count_4h\"; features are amount, amount_deviations,",
        ),
        ("customer_transaction_count_3h", "is_fraud", "no feature \"is_fraud\""),
        ("at_least", "over", "unknown variant `over`, expected one of `at_least`, `above`, `at_most`, `below`"),
        ("threshold = 5", "threshhold = 5", "unknown field `threshhold`"),
        ("threshold = 5", "threshold = nan", "threshold of rule \"velocity\" must be a finite number"),
        ("contribution = 1.0", "contribution = inf", "contribution of rule \"velocity\" must be a finite number"),
        ("base = -2.0", "base = -inf", "base must be a finite number"),
        ("review = 0.5", "review = 0.95", "thresholds must lie in order"),
        ("block = 0.9", "block = 1.5", "thresholds must lie in order"),
        ("review = 0.5", "review = nan", "thresholds must lie in order"),
        ("\"velocity\"", "\"Velocity!\"", "rule code \"Velocity!\" must be"),
        ("\"velocity\"", "\"blocklist_customer\"", "and not begin with blocklist_"),
        ("\"Many\"", "\" \"", "rule \"velocity\" must have a text"),
        ("base = -2.0\n", "", "missing field `base`"),
        ("base = -2.0\n", "base = -2.0\nzone = 'Mars/Olympus'\n", "zone: there is no time zone \"Mars/Olympus\""),
    ] {
        let text = file();
        assert!(text.contains(from), "{from}");
        let message = refusal(&text.replace(from, to));
        assert!(message.contains(expected), "{to}: {message}");
    }
}

#[test]
fn a_code_names_one_rule() {
    assert_eq!(refusal(&(file() + RULE)), "two rules have the code \"velocity\"; a code names one rule");
}

#[test]
fn a_further_condition_is_checked_like_the_first() {
    let also = |condition: &str| format!("{}also = [{{ {condition} }}]", file());
    let finite = "feature = 'amount', comparison = 'below', threshold = -inf";
    assert!(refusal(&also(finite)).contains("threshold on amount of rule \"velocity\" must be a finite number"));
    assert!(refusal(&also("feature = 'amont', comparison = 'below', threshold = 1")).contains("no feature \"amont\""));
}

#[test]
fn entries_of_blocklists_that_could_never_be_hit_are_refused() {
    let lists = |entry: &str| refusal(&format!("{}[blocklists]\n{entry}", head()));
    assert!(lists("card_bins = ['4111']").contains("\"4111\"; an entry must be 6 to 8 digits"));
    assert!(lists("devices = ['']").contains("devices of the blocklists holds an empty entry"));
    assert!(lists("ip_addresses = ['192.0.2']").contains("invalid IP address syntax"));
    assert!(lists("cards = []").contains("unknown field `cards`"));
}

#[test]
fn a_rules_file_is_read_and_named_in_errors() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let path = folder.path().join("rules.toml");
    let scoring = || Scoring::new(&ScoringConfig { rules_file: Some(path.clone()) });
    assert!(scoring().expect_err("no file").to_string().starts_with("cannot read the rules file "));

    std::fs::write(&path, file()).expect("written");
    assert_eq!(scoring().expect("valid").configuration(), RuleSet::parse(&file()).expect("valid").version());

    std::fs::write(&path, "base = ").expect("written");
    let message = scoring().expect_err("not valid").to_string();
    assert!(message.contains("rules.toml is not valid: ") && message.contains("line 1"), "{message}");

    std::fs::write(&path, BUILT_IN).expect("written");
    assert_eq!(scoring().expect("valid").configuration(), RuleSet::built_in().version());
}
