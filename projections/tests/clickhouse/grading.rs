//! Scores against labels: the views against brute force over the events that were written.

use crate::{
    database::TestDatabase,
    events::{Generator, START, batch},
    labels::label,
};
use millrace_projections::clickhouse::what_if::Decided;
use millrace_runtime::sink::Sink as _;
use millrace_schemas::{
    event::{Decision, DecisionSource, Label, LabelKind, Reason, ShadowScore, TransactionScore},
    ids,
    time::{DAY_MS, format_instant},
};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use std::collections::{BTreeMap, BTreeSet};

/// Labels of a random half of the transactions, some of which are said something else later, and some statements twice.
fn labels_of(scores: &[TransactionScore]) -> Vec<Label> {
    let mut random = StdRng::seed_from_u64(3);
    let mut labels = Vec::new();
    for score in scores {
        for statement in 0..random.random_range(0..3) {
            let kind = LabelKind::ALL[random.random_range(0..3)];
            let of = &score.transaction;
            let said = Label {
                customer_id: of.customer_id.clone(),
                transaction_id: of.transaction_id.clone(),
                trn_id: score.trn_id.clone(),
                label_id: format!("{statement}-of-{}", of.transaction_id),
                decided_at: START - random.random_range(0..3),
                ..label(&of.transaction_id, kind)
            };
            let again = Label { label: LabelKind::Legitimate, decided_at: START, ..said.clone() };
            labels.push(said);
            if random.random_ratio(1, 10) {
                labels.push(again);
            }
        }
    }
    labels
}

/// What each transaction turned out to be: the last word by the time of the decision, each statement once.
fn last_words(labels: &[Label]) -> BTreeMap<String, bool> {
    let (mut seen, mut last) = (BTreeSet::new(), BTreeMap::<String, (i64, bool)>::new());
    for label in labels {
        let is_first = seen.insert((&label.customer_id, &label.label_id));
        let before = last.get(&label.trn_id).map(|(decided, _)| *decided);
        if is_first && before.is_none_or(|before| label.decided_at >= before) {
            last.insert(label.trn_id.clone(), (label.decided_at, label.label != LabelKind::Legitimate));
        }
    }
    last.into_iter().map(|(id, (_, is_fraud))| (id, is_fraud)).collect()
}

fn reason() -> Reason {
    Reason { code: "velocity".into(), text: "Many".into(), feature: "amount".into(), value: 1.0, contribution: 1.0 }
}

struct Written {
    database: TestDatabase,
    scores: Vec<TransactionScore>,
    /// What each transaction turned out to be.
    is_fraud: BTreeMap<String, bool>,
}

impl Written {
    async fn new() -> Self {
        let database = TestDatabase::migrated().await;
        let mut scores = Generator::new(11).scores(400);
        // Some are blocked by a list, whatever their score.
        for score in scores.iter_mut().step_by(9) {
            score.decision = Decision::Block;
            score.reasons = vec![Reason { code: "blocklist_device".into(), ..reason() }];
        }
        let labels = labels_of(&scores);
        let sink = database.sink();
        sink.write(&batch(0, 0, &scores)).await.expect("scores");
        sink.write(&batch(0, 0, &labels)).await.expect("labels");
        let is_fraud = last_words(&labels);
        Self { database, scores, is_fraud }
    }

    fn is_fraud(&self, score: &TransactionScore) -> Option<bool> {
        self.is_fraud.get(&score.trn_id).copied()
    }

    /// Rows of a query as text, tab separated; `{db}` stands for the database.
    async fn rows(&self, sql: &str) -> BTreeSet<String> {
        let sql = sql.replace("{db}", self.database.clickhouse.database().as_str());
        let sql = format!("SELECT formatRowNoNewline('TSV', *) FROM ({sql})");
        let rows = self.database.clickhouse.query(&sql).fetch_all::<String>().await;
        rows.unwrap_or_else(|error| panic!("{sql}: {error}")).into_iter().collect()
    }
}

fn day(score: &TransactionScore) -> String {
    format_instant(score.occurred_at).chars().take(10).collect()
}

#[tokio::test]
async fn each_score_has_the_last_word_of_its_transaction() {
    let written = Written::new().await;
    let expected: BTreeSet<String> = written
        .scores
        .iter()
        .map(|score| {
            let is_fraud = written.is_fraud(score).map_or_else(|| "\\N".to_owned(), |is_fraud| is_fraud.to_string());
            format!("{}\t{is_fraud}", score.transaction.transaction_id)
        })
        .collect();
    assert_eq!(written.rows("SELECT transaction_id, is_fraud FROM {db}.labelled_scores").await, expected);
    let kinds: BTreeSet<&str> = expected.iter().filter_map(|row| row.split('\t').nth(1)).collect();
    assert_eq!(kinds.len(), 3, "some are fraud, some are not, some have no label");
}

#[tokio::test]
async fn decisions_are_held_against_labels_by_day() {
    let written = Written::new().await;
    let mut expected: BTreeMap<(String, String, &str), [i64; 8]> = BTreeMap::new();
    for score in &written.scores {
        let key = (day(score), score.transaction.currency.clone(), score.decision_source.name());
        let counts = expected.entry(key).or_default();
        let (is_alert, is_fraud) = (score.decision != Decision::Allow, written.is_fraud(score));
        let (fraud, amount) = (is_fraud == Some(true), score.transaction.amount);
        counts[0] += 1;
        counts[1] += i64::from(is_fraud.is_some());
        counts[2] += i64::from(is_alert);
        counts[3] += i64::from(is_alert && is_fraud.is_some());
        counts[4] += i64::from(fraud);
        counts[5] += i64::from(is_alert && fraud);
        counts[6] += if is_alert && fraud { amount } else { 0 };
        counts[7] += if is_alert && is_fraud == Some(false) { amount } else { 0 };
    }
    let expected: BTreeSet<String> = expected
        .into_iter()
        .map(|((day, currency, source), counts)| {
            format!("{day}\t{currency}\t{source}\t{}", counts.map(|it| it.to_string()).join("\t"))
        })
        .collect();
    let sql = "SELECT day, currency, decision_source, transactions, labelled, alerts, labelled_alerts, frauds, caught, \
               toInt64(caught_amount * 10000), toInt64(false_alarm_amount * 10000) FROM {db}.grades_1d";
    assert_eq!(written.rows(sql).await, expected);
    let sql = "SELECT countIf(precision != caught / labelled_alerts), countIf(recall != caught / frauds), \
               countIf(isNull(precision) != (labelled_alerts = 0)), countIf(label_maturity != labelled / transactions) FROM {db}.grades_1d";
    assert_eq!(written.rows(sql).await, BTreeSet::from(["0\t0\t0\t0".to_owned()]));
}

#[tokio::test]
async fn other_thresholds_are_told_by_day() {
    let written = Written::new().await;
    let mut expected = BTreeSet::new();
    let not_default = || written.scores.iter().filter(|score| score.decision_source != DecisionSource::Default);
    let days: BTreeSet<String> = not_default().map(day).collect();
    for of_day in &days {
        for step in 1..20 {
            let threshold = f64::from(step) / 20.0;
            let mut counts = [0; 4];
            for score in not_default().filter(|score| day(score) == *of_day) {
                let (is_alert, is_fraud) = (score.scoring >= threshold, written.is_fraud(score));
                counts[0] += i64::from(is_alert);
                counts[1] += i64::from(is_alert && is_fraud.is_some());
                counts[2] += i64::from(is_fraud == Some(true));
                counts[3] += i64::from(is_alert && is_fraud == Some(true));
            }
            expected.insert(format!("{of_day}\t{threshold}\t{}", counts.map(|it| it.to_string()).join("\t")));
        }
    }
    let sql = "SELECT day, threshold, alerts, labelled_alerts, frauds, caught FROM {db}.thresholds_1d";
    assert_eq!(written.rows(sql).await, expected);
}

#[tokio::test]
async fn the_cards_with_the_highest_scores_of_a_day_are_looked_at() {
    let written = Written::new().await;
    let mut days: BTreeMap<String, BTreeMap<&str, (f64, bool)>> = BTreeMap::new();
    for score in written.scores.iter().filter(|score| score.decision_source != DecisionSource::Default) {
        let customers = days.entry(day(score)).or_default();
        let (highest, has_fraud) = customers.entry(&score.transaction.customer_id).or_insert((0.0, false));
        *highest = highest.max(score.scoring);
        *has_fraud |= written.is_fraud(score) == Some(true);
    }
    let expected: BTreeSet<String> = days
        .into_iter()
        .map(|(day, customers)| {
            let mut customers: Vec<(f64, bool)> = customers.into_values().collect();
            customers.sort_by(|(a, _), (b, _)| b.total_cmp(a));
            customers.truncate(3);
            let frauds = customers.iter().filter(|(_, has_fraud)| *has_fraud).count();
            format!("{day}\t{}\t{frauds}", customers.len())
        })
        .collect();
    let sql = "SELECT day, cards, frauds FROM {db}.card_precision_1d(cards = 3)";
    assert_eq!(written.rows(sql).await, expected);
}

#[tokio::test]
async fn other_thresholds_on_recorded_scores_come_to_what_counting_gives() {
    let written = Written::new().await;
    let (review, block) = (0.4, 0.7);
    let (from, to) = (START, START + 3 * DAY_MS);
    let (recorded, asked) = written.database.clickhouse.what_if((from, to), (review, block)).await.expect("rows");
    let by_hand = |decide: &dyn Fn(&TransactionScore) -> Decision| {
        let mut currencies: BTreeMap<&str, (BTreeSet<String>, Decided)> = BTreeMap::new();
        for score in written.scores.iter().filter(|score| (from..to).contains(&score.occurred_at)) {
            let empty = Decided { currency: score.transaction.currency.clone(), ..Decided::default() };
            let (days, of) = currencies.entry(&score.transaction.currency).or_insert((BTreeSet::new(), empty));
            days.insert(day(score));
            let (decision, is_fraud) = (decide(score), written.is_fraud(score));
            let (amount, is_alert) = (i128::from(score.transaction.amount), decision != Decision::Allow);
            of.days = days.len() as u64;
            of.transactions += 1;
            of.labelled += u64::from(is_fraud.is_some());
            of.reviewed += u64::from(decision == Decision::Review);
            of.blocked += u64::from(decision == Decision::Block);
            match is_fraud {
                Some(true) => {
                    of.frauds += 1;
                    of.fraud_amount += amount;
                    of.caught += u64::from(is_alert);
                    of.caught_amount += if is_alert { amount } else { 0 };
                }
                Some(false) if is_alert => {
                    of.false_alarms += 1;
                    of.false_alarm_amount += amount;
                }
                _ => {}
            }
        }
        currencies.into_values().map(|(_, of)| of).collect::<Vec<_>>()
    };
    assert_eq!(recorded, by_hand(&|score| score.decision));
    let decide = |score: &TransactionScore| match score.scoring {
        _ if score.decision_source == DecisionSource::Default => score.decision,
        _ if score.reasons.iter().any(|reason| reason.code.starts_with("blocklist_")) => Decision::Block,
        scoring if scoring >= block => Decision::Block,
        scoring if scoring >= review => Decision::Review,
        _ => Decision::Allow,
    };
    assert_eq!(asked, by_hand(&decide));
    assert_eq!(recorded.len(), 3);
}

/// Index by the definition: the share of each tenth of the reference in both periods.
fn psi(reference: &[f64], current: &[f64]) -> f64 {
    let mut sorted = reference.to_vec();
    sorted.sort_by(f64::total_cmp);
    let mut edges: Vec<f64> = (1..10).map(|tenth| sorted[(tenth * sorted.len()) / 10]).collect();
    edges.dedup();
    let share = |values: &[f64], part: usize| {
        let in_part =
            values.iter().filter(|value| edges.iter().filter(|edge| **value > **edge).count() == part).count();
        (in_part as f64 / values.len() as f64).max(0.0001)
    };
    (0..=edges.len())
        .filter(|part| share(reference, *part) > 0.0001 || share(current, *part) > 0.0001)
        .map(|part| {
            let (expected, found) = (share(reference, part), share(current, part));
            (found - expected) * (found / expected).ln()
        })
        .sum()
}

#[tokio::test]
async fn what_has_moved_is_told_and_what_has_not_is_still() {
    let database = TestDatabase::migrated().await;
    let mut scores = Generator::new(5).scores(1_000);
    let mut random = StdRng::seed_from_u64(8);
    for (index, score) in scores.iter_mut().enumerate() {
        let is_current = index >= 600;
        score.occurred_at = START + if is_current { DAY_MS } else { 0 } + index as i64;
        score.decision_source = DecisionSource::Rules;
        score.trn_id = ids::trn_id(millrace_schemas::Topic::Transactions, "c", &index.to_string()).to_string();
        let shift = if is_current { 0.3 } else { 0.0 };
        let level = f64::from(random.random_range(0..3_u8));
        score.features =
            [("steady".into(), level), ("moved".into(), random.random::<f64>() + shift)].into_iter().collect();
    }
    let sink = database.sink();
    sink.write(&batch(0, 0, &scores)).await.expect("scores");
    let at = |ms: i64| format_instant(ms).replace('T', " ").replace('Z', "");
    let sql = format!(
        "SELECT name, reference, current, psi FROM {}.drift(reference_from = '{}', reference_to = '{}', current_from = '{1}', current_to = '{}')",
        database.clickhouse.database(),
        at(START),
        at(START + DAY_MS),
        at(START + 2 * DAY_MS)
    )
    .replace(&format!("current_from = '{}'", at(START)), &format!("current_from = '{}'", at(START + DAY_MS)));
    let rows: Vec<(String, u64, u64, f64)> = database.clickhouse.query(&sql).fetch_all().await.expect("rows");
    let told: BTreeMap<String, (u64, u64, f64)> =
        rows.into_iter().map(|(name, reference, current, psi)| (name, (reference, current, psi))).collect();
    assert_eq!(told.keys().map(String::as_str).collect::<Vec<_>>(), ["moved", "scoring", "steady"]);
    for (name, (reference, current, found)) in &told {
        let values = |range: std::ops::Range<usize>| -> Vec<f64> {
            let value = |score: &TransactionScore| {
                if name == "scoring" { score.scoring } else { score.features[name.as_str()] }
            };
            scores[range].iter().map(value).collect()
        };
        let expected = psi(&values(0..600), &values(600..1_000));
        assert_eq!((*reference, *current), (600, 400));
        assert!((found - expected).abs() < 1e-9, "{name}: {found} and {expected}");
    }
    assert!(told["moved"].2 > 0.25 && told["steady"].2 < 0.1, "{told:?}");
}

/// A score, and whether it was of a fraud.
type Told = (f64, bool);

/// The share of pairs of a fraud and another that are in the right order; half of it where they are equal.
fn auc(told: &[Told]) -> f64 {
    let of = |kind| told.iter().filter(move |(_, is_fraud)| *is_fraud == kind).map(|(score, _)| *score);
    let pairs = of(true).flat_map(|fraud| of(false).map(move |other| (fraud, other)));
    let (right, all) = pairs.fold((0.0, 0.0), |(right, all), (fraud, other)| {
        (
            right
                + if fraud > other {
                    1.0
                } else if fraud == other {
                    0.5
                } else {
                    0.0
                },
            all + 1.0,
        )
    });
    right / all
}

/// The mean of the precision at each threshold, by how many more frauds it finds than the one above.
fn average_precision(told: &[Told]) -> f64 {
    let mut thresholds: Vec<f64> = told.iter().map(|(score, _)| *score).collect();
    thresholds.sort_by(|a, b| b.total_cmp(a));
    thresholds.dedup();
    let frauds = told.iter().filter(|(_, is_fraud)| *is_fraud).count() as f64;
    let (mut found_before, mut sum) = (0.0, 0.0);
    for threshold in thresholds {
        let above: Vec<_> = told.iter().filter(|(score, _)| *score >= threshold).collect();
        let found = above.iter().filter(|(_, is_fraud)| *is_fraud).count() as f64;
        sum += (found - found_before) / frauds * found / above.len() as f64;
        found_before = found;
    }
    sum
}

#[tokio::test]
async fn a_shadow_is_held_against_what_decided_on_the_same_transactions() {
    let database = TestDatabase::migrated().await;
    let (mut scores, mut random) = (Generator::new(12).scores(500), StdRng::seed_from_u64(4));
    for (index, score) in scores.iter_mut().enumerate() {
        // Some scores are equal.
        score.scoring = f64::from(random.random_range(0..200_u8)) / 200.0;
        score.model = (index % 3 > 0).then(|| "active-1".into());
        score.decision_source = [DecisionSource::Model, DecisionSource::Default][usize::from(index % 11 == 0)];
        let scoring = (index % 7 > 0).then(|| f64::from(random.random_range(0..200_u8)) / 200.0);
        score.shadow = (index % 5 > 0).then(|| ShadowScore { model: "shadow-1".into(), scoring });
    }
    let labels = labels_of(&scores);
    let sink = database.sink();
    sink.write(&batch(0, 0, &scores)).await.expect("scores");
    sink.write(&batch(0, 0, &labels)).await.expect("labels");
    let is_fraud = last_words(&labels);

    let told = database.clickhouse.shadow_grades((0, i64::from(u32::MAX) * 1_000)).await.expect("rows");
    assert_eq!(told.iter().map(|row| row.model.as_str()).collect::<Vec<_>>(), ["active-1", "rules"]);
    for row in told {
        let model = (row.model != "rules").then_some(row.model.as_str());
        let with_shadow = scores.iter().filter(|score| score.model.as_deref() == model && score.shadow.is_some());
        let both = |score: &&TransactionScore| {
            score.decision_source != DecisionSource::Default
                && score.shadow.as_ref().is_some_and(|it| it.scoring.is_some())
        };
        let (paired, missing): (Vec<_>, Vec<_>) = with_shadow.partition(both);
        assert_eq!((row.transactions, row.missing), (paired.len() as u64, missing.len() as u64));
        let shadow_of = |score: &TransactionScore| score.shadow.as_ref().and_then(|it| it.scoring).expect("a score");
        let distances = paired.iter().map(|score| (score.scoring - shadow_of(score)).abs());
        assert!((row.mean_distance - distances.sum::<f64>() / paired.len() as f64).abs() < 1e-9);
        let told_by = |of: &dyn Fn(&TransactionScore) -> f64| -> Vec<Told> {
            paired.iter().filter_map(|score| Some((of(score), *is_fraud.get(&score.trn_id)?))).collect()
        };
        let (decided, shadow) = (told_by(&|score| score.scoring), told_by(&shadow_of));
        let frauds = decided.iter().filter(|(_, is_fraud)| *is_fraud).count();
        assert_eq!((row.labelled, row.frauds), (decided.len() as u64, frauds as u64));
        let figures = [row.auc, row.shadow_auc, row.average_precision, row.shadow_average_precision];
        let expected = [auc(&decided), auc(&shadow), average_precision(&decided), average_precision(&shadow)];
        for (found, expected) in figures.into_iter().zip(expected) {
            assert!(
                found.is_some_and(|found| (found - expected).abs() < 1e-9),
                "{found:?} is told, and it is {expected}"
            );
        }
    }
}
