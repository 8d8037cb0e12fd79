//! The file that rules come from.

use crate::common::last_score;
use millrace_processors::{
    Scoring,
    scoring::{Customers, features::Feature, rules::RuleSet},
};
use millrace_runtime::processor::{Basis, Processor as _};
use millrace_schemas::event::{ConfigurationAction, ConfigurationChange, ConfigurationKind, Decision};

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
    assert_eq!(
        refusal(&(file() + RULE)),
        "line 16, column 8: two rules have the code \"velocity\"; a code names one rule"
    );
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

fn change(kind: ConfigurationKind, content: &str) -> ConfigurationChange {
    ConfigurationChange {
        event_id: "0b8e7a4e-8a0e-4a51-9d5c-2f6d5f6a7b10".into(),
        kind,
        action: ConfigurationAction::Apply,
        name: None,
        version: String::new(),
        content: content.into(),
        decided_at: 0,
        reason: None,
    }
}

#[test]
fn what_a_file_leaves_out_stays_as_it_was() {
    let scoring = Scoring::with_rules(RuleSet::parse(&file()).expect("valid"));
    let first = scoring.configuration();
    let apply = |kind, content: &str| scoring.configure(&change(kind, content)).map(|()| scoring.configuration());
    let thresholds = apply(ConfigurationKind::Thresholds, "[thresholds]\nreview = 0.3\nblock = 0.9\n").expect("valid");
    assert_eq!(thresholds, RuleSet::parse(&file().replace("0.5", "0.3")).expect("valid").version());
    apply(ConfigurationKind::Lists, "[blocklists]\ncustomers = ['c1']").expect("valid");
    // Rules alone, and then with everything.
    let rules = format!("base = -2.0\nblocklist_contribution = 5.0\n{}", RULE.replace("\"Many\"", "\"So many\""));
    let merged = apply(ConfigurationKind::Rules, &rules).expect("valid");
    let whole = (file().replace("0.5", "0.3") + "[blocklists]\ncustomers = ['c1']").replace("\"Many\"", "\"So many\"");
    assert_eq!(merged, RuleSet::parse(&whole).expect("valid").version());
    let all = format!("{}[blocklists]\n", file());
    assert_eq!(apply(ConfigurationKind::Rules, &all).expect("valid"), first);
}

#[test]
fn a_change_that_is_not_valid_changes_nothing_and_says_where() {
    let scoring = Scoring::default();
    let before = scoring.configuration();
    let refused = |kind, content: &str| scoring.configure(&change(kind, content)).expect_err("refused").to_string();
    let order = refused(ConfigurationKind::Thresholds, "\n[thresholds]\nreview = 0.9\nblock = 0.1\n");
    assert!(order.starts_with("line 2, column 1: thresholds must lie in order"), "{order}");
    let code = refused(ConfigurationKind::Rules, &file().replace("\"velocity\"", "\"Velocity\""));
    assert!(code.starts_with("line 8, column 8: rule code \"Velocity\""), "{code}");
    let zone = refused(ConfigurationKind::Rules, &file().replace("base", "zone = 'Mars'\nbase"));
    assert!(zone.starts_with("line 1, column 8: zone: there is no time zone"), "{zone}");
    let other = refused(ConfigurationKind::Lists, &file());
    assert!(other.contains("unknown field `base`"), "{other}");
    let shadow = ConfigurationChange { action: ConfigurationAction::Shadow, ..change(ConfigurationKind::Rules, "") };
    let unknown = scoring.configure(&shadow).expect_err("refused").to_string();
    assert_eq!(unknown, "a change of rules by Shadow is not known to this build");
    assert_eq!(scoring.configuration(), before);
}

#[test]
fn a_memory_decides_by_what_it_took_up_and_by_nothing_it_does_not_know() {
    let scoring = Scoring::default();
    let (before, mut memory) = (scoring.basis(), scoring.memory());
    scoring.configure(&change(ConfigurationKind::Lists, "[blocklists]\ncustomers = ['customer-1']")).expect("valid");
    let after = scoring.basis();
    assert_ne!(before, after);
    let decision = |memory: &mut Customers, offset| {
        let scored = crate::common::score_from(memory, offset, &[crate::common::transaction()]).remove(0);
        assert_eq!(scoring.basis_of(&scored)["configuration"], scored.configuration);
        (scored.decision, scored.configuration)
    };
    assert_eq!(decision(&mut memory, 0), (Decision::Allow, before["configuration"].clone()));
    assert!(scoring.take_up(&mut memory, &after));
    assert_eq!(decision(&mut memory, 1), (Decision::Block, after["configuration"].clone()));
    assert!(scoring.take_up(&mut memory, &before), "what was in force once is known");
    assert_eq!(decision(&mut memory, 2).0, Decision::Allow);
    let unknown = Basis::from([("configuration".to_owned(), "rules-00000000".to_owned())]);
    assert!(!scoring.take_up(&mut memory, &unknown) && !scoring.take_up(&mut memory, &Basis::new()));
    assert_eq!(decision(&mut memory, 3), (Decision::Allow, before["configuration"].clone()));
}
