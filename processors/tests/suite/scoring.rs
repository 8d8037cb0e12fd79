//! Scores, reasons and decisions.

use crate::common::{NOON, after, context, last_score, score, transaction};
use millrace_processors::{
    Scoring,
    scoring::{history::KNOWN_MAX, rules::RuleSet},
};
use millrace_runtime::processor::{Memory, Processor};
use millrace_schemas::{
    event::{Decision, DecisionSource, Transaction, TransactionScore},
    time::HOUR_MS,
};

fn codes(score: &TransactionScore) -> Vec<&str> {
    score.reasons.iter().map(|reason| reason.code.as_str()).collect()
}

/// So many transactions, a day apart and at one hour, of 10.99 EUR each.
fn quiet_days(days: i64) -> Vec<Transaction> {
    (0..days).map(|day| after(24 * day)).collect()
}

/// The last of these under rules of one's own.
fn score_by(rules: &str, inputs: &[Transaction]) -> TransactionScore {
    let mut memory = Scoring::with_rules(RuleSet::parse(rules).expect("valid rules")).memory();
    let scores = (0..).zip(inputs).map(|(offset, input)| memory.process(input.clone(), context(input, offset)));
    scores.last().expect("at least one input")
}

const NO_RULES: &str = "base = -2.0\nblocklist_contribution = 5.0\nthresholds = { review = 0.5, block = 0.9 }\n";

#[test]
fn an_unremarkable_transaction_is_allowed_for_no_reason() {
    let score = last_score(&quiet_days(20));
    assert_eq!(codes(&score), Vec::<&str>::new());
    assert_eq!((score.decision, score.decision_source), (Decision::Allow, DecisionSource::Rules));
    assert!(score.scoring > 0.0 && score.scoring < 0.02, "{}", score.scoring);
}

#[test]
fn the_label_that_comes_with_a_transaction_changes_nothing_but_itself() {
    let labelled = |label| -> Vec<Transaction> {
        let hours = [0, 1, 1, 2, 30, 31];
        hours.iter().map(|hour| Transaction { is_fraud: label, ..after(*hour) }).collect()
    };
    let without_labels = |scores: Vec<TransactionScore>| -> Vec<TransactionScore> {
        scores
            .into_iter()
            .map(|score| TransactionScore { transaction: Transaction { is_fraud: None, ..score.transaction }, ..score })
            .collect()
    };
    let unknown = score(&labelled(None));
    assert_eq!(without_labels(score(&labelled(Some(true)))), unknown);
    assert_eq!(without_labels(score(&labelled(Some(false)))), unknown);
}

#[test]
fn many_transactions_in_a_short_time_raise_the_score() {
    let burst: Vec<Transaction> =
        (0..6).map(|n| Transaction { occurred_at: NOON + n * HOUR_MS / 2, ..transaction() }).collect();
    let scores = score(&burst);
    assert!(!codes(&scores[3]).contains(&"velocity_3h"), "4 in 3 hours");
    assert!(codes(&scores[4]).contains(&"velocity_3h"), "5 in 3 hours");
    assert!(scores[4].scoring > scores[0].scoring);
}

#[test]
fn an_amount_far_above_the_customers_own_mean_raises_the_score() {
    let large = Transaction { amount: 1_099_000, ..after(24 * 10) };
    let mut inputs = quiet_days(10);
    inputs.push(large.clone());
    let score = last_score(&inputs);
    let expected = ["spending_24h_2x", "spending_24h_1_5x", "spending_24h_5x", "amount_4x", "amount_2x"];
    assert_eq!(codes(&score), expected, "the largest contribution first, equal ones by code");
    assert_eq!(score.features["amount_to_mean"], 10.0);

    let few = &inputs[6..];
    assert_eq!(codes(&last_score(few)), Vec::<&str>::new(), "four earlier ones are too few to tell");

    let dollars = Transaction { currency: "USD".into(), ..large };
    let score = last_score(&[quiet_days(10), vec![dollars]].concat());
    assert!(score.features.get("amount_to_mean").is_none(), "means of other currencies say nothing");
}

#[test]
fn a_device_or_place_is_new_to_a_customer_with_a_past() {
    let elsewhere = Transaction { device_id: "device-2".into(), location: "Paris".into(), ..after(24) };
    let scores = score(&[after(0), elsewhere.clone(), Transaction { occurred_at: NOON + 48 * HOUR_MS, ..elsewhere }]);
    let new: Vec<(f64, f64)> =
        scores.iter().map(|score| (score.features["device_is_new"], score.features["location_is_new"])).collect();
    assert_eq!(new, [(0.0, 0.0), (1.0, 1.0), (0.0, 0.0)]);
    assert_eq!(codes(&scores[1]), ["new_device", "new_location"]);
}

#[test]
fn the_device_first_seen_longest_ago_is_forgotten_first() {
    let devices = (0..=KNOWN_MAX).map(|n| format!("device-{n}"));
    let mut inputs: Vec<Transaction> = devices.map(|device_id| Transaction { device_id, ..transaction() }).collect();
    inputs.push(inputs[1].clone());
    assert_eq!(last_score(&inputs).features["device_is_new"], 0.0);
    inputs.push(inputs[0].clone());
    assert_eq!(last_score(&inputs).features["device_is_new"], 1.0);
}

#[test]
fn each_of_the_upstreams_signals_is_a_reason() {
    let suspicious = Transaction {
        merchant_risk_score: Some(0.9),
        card_risk_score: Some(0.7),
        customer_risk_score: Some(1.0),
        is_velocity_alert: Some(true),
        is_location_alert: Some(true),
        is_device_alert: Some(true),
        is_high_value: Some(true),
        ..transaction()
    };
    let score = last_score(std::slice::from_ref(&suspicious));
    let expected = [
        "card_risk",
        "customer_risk",
        "merchant_risk",
        "velocity_alert",
        "device_alert",
        "location_alert",
        "high_value",
    ];
    assert_eq!(codes(&score), expected);
    assert_eq!(score.decision, Decision::Review);

    let unsuspicious = Transaction {
        merchant_risk_score: Some(0.69),
        card_risk_score: Some(0.0),
        customer_risk_score: None,
        is_velocity_alert: Some(false),
        is_location_alert: Some(false),
        is_device_alert: None,
        is_high_value: Some(false),
        ..suspicious
    };
    assert_eq!(codes(&last_score(&[unsuspicious])), Vec::<&str>::new());
}

#[test]
fn the_score_is_the_logistic_of_base_and_contributions() {
    let rules = format!(
        "{NO_RULES}{}{}",
        r#"rule = [{ code = "any", text = "Any", feature = "amount", comparison = "above", threshold = 10, contribution = 1.5 },"#,
        r#"{ code = "small", text = "Small", feature = "amount", comparison = "below", threshold = 11, contribution = 2.5 }]"#,
    );
    let score = score_by(&rules, &[transaction()]);
    assert!((score.scoring - 0.880_797_077_977_882_3).abs() < 1e-15, "logistic of 2, not {}", score.scoring);
    assert_eq!((codes(&score), score.decision), (vec!["small", "any"], Decision::Review));
    assert_eq!(score.reasons[0].value, 10.99);
}

#[test]
fn a_hit_on_a_blocklist_blocks_whatever_the_score() {
    for (list, entry, code) in [
        ("customers", "customer-1", "blocklist_customer"),
        ("merchants", "merchant-1", "blocklist_merchant"),
        ("card_bins", "411111", "blocklist_card_bin"),
        ("ip_addresses", "192.0.2.17", "blocklist_ip_address"),
        ("devices", "device-1", "blocklist_device"),
    ] {
        let low = NO_RULES.replace("contribution = 5.0", "contribution = -5.0");
        let rules = format!("{low}blocklists = {{ {list} = [{entry:?}] }}");
        let score = score_by(&rules, &[transaction()]);
        assert_eq!((codes(&score), score.decision), (vec![code], Decision::Block));
        assert!(score.scoring < 0.01);
        let elsewhere = Transaction {
            customer_id: "customer-2".into(),
            merchant_id: "merchant-2".into(),
            card_bin: "411112".into(),
            ip_address: "192.0.2.18".into(),
            device_id: "device-2".into(),
            ..transaction()
        };
        assert_eq!(score_by(&rules, &[elsewhere]).decision, Decision::Allow);
    }
}

#[test]
fn blocked_addresses_and_card_numbers_are_recognised_however_they_are_written() {
    let rules =
        format!(r#"{NO_RULES}blocklists = {{ ip_addresses = ["2001:db8::1", "192.0.2.1"], card_bins = ["411111"] }}"#);
    let decide = |ip_address: &str, card_bin: &str| {
        let input = Transaction { ip_address: ip_address.into(), card_bin: card_bin.into(), ..transaction() };
        score_by(&rules, &[input]).decision
    };
    assert_eq!(decide("2001:0DB8:0:0:0:0:0:1", "500000"), Decision::Block);
    assert_eq!(decide("::ffff:192.0.2.1", "500000"), Decision::Block);
    assert_eq!(decide("192.0.2.2", "41111122"), Decision::Block);
    assert_eq!(decide("192.0.2.2", "500000"), Decision::Allow);
}

#[test]
fn hours_since_the_previous_one_are_known_or_absent() {
    let hours: Vec<Option<f64>> = score(&[after(0), after(1), after(100), after(77), after(60), after(77)])
        .iter()
        .map(|score| score.features.get("hours_since_previous"))
        .collect();
    assert_eq!(hours, [None, Some(1.0), Some(99.0), None, None, Some(0.0)]);
}
