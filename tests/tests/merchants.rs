//! What is known of merchants, from labels that come late, on real services: in the scores, through kills, as counting again gives it.

use millrace_runtime::{Headers, producer::EventProducer};
use millrace_schemas::{
    Event, Topic,
    event::{Label, LabelKind, MerchantRisk, ProcessorEpoch, TimeResolution, Transaction, TransactionScore},
    ids,
    time::DAY_MS,
};
use millrace_tests::{Deployment, Service, Services, deployment::SOON, outcomes::records, wait::until};
use serde_json::Value as Json;
use std::collections::{BTreeMap, BTreeSet};

/// 2026-03-01T00:00:00Z.
const FIRST: i64 = 1_772_323_200_000;
const MERCHANTS: i64 = 4;
const A_DAY: i64 = 30;
const SPANS: [(&str, i64); 3] = [("1d", 1), ("7d", 7), ("30d", 30)];

fn transaction(day: i64, number: i64) -> Transaction {
    let text = include_str!("../../schemas/avro/transactions/v1.example.json");
    let example = serde_json::from_str::<Vec<Transaction>>(text).expect("examples").remove(0);
    Transaction {
        customer_id: format!("c{}", number % 7),
        transaction_id: format!("d{day}n{number}"),
        merchant_id: format!("m{}", number * 5 % MERCHANTS),
        occurred_at: FIRST + day * DAY_MS + number * 1000,
        received_at: FIRST + day * DAY_MS + number * 1000,
        currency: "EUR".into(),
        ..example
    }
}

/// Every fifth transaction is fraud, more or less; some are said to be at first and are not.
fn labels(day: i64) -> Vec<Label> {
    let label = |number: i64, kind, decided_at| {
        let of = transaction(day, number);
        Label {
            event_id: String::new(),
            decided_at,
            received_at: FIRST + (day + 7) * DAY_MS,
            label_id: ids::label_id(&of.transaction_id, "", "bank", decided_at).to_string(),
            trn_id: ids::trn_id(Topic::Transactions, &of.customer_id, &of.transaction_id).to_string(),
            customer_id: of.customer_id,
            transaction_id: of.transaction_id,
            label: kind,
            source: "bank".into(),
            time_zone: None,
            time_resolution: TimeResolution::Exact,
            extra: BTreeMap::new(),
        }
    };
    let frauds = (0..A_DAY).filter(|number| (number * 13 + day * 7) % 5 == 0);
    frauds
        .flat_map(|number| {
            let first = label(number, LabelKind::Fraud, FIRST + 1);
            let later = (number % 10 == 0).then(|| label(number, LabelKind::Legitimate, FIRST + 2));
            // The later word may come first.
            if day % 2 == 0 {
                later.into_iter().chain([first]).collect::<Vec<_>>()
            } else {
                [first].into_iter().chain(later).collect()
            }
        })
        .collect()
}

/// The events of a topic up to an offset of each partition.
async fn events_until<E: Event>(deployment: &Deployment, until: &[i64]) -> Vec<E> {
    let codec = deployment.log.codec().await.expect("schemas").codec().clone();
    let all = records(deployment, E::TOPIC).await.into_values();
    let counted = all.filter(|record| record.offset < until[record.partition as usize]);
    counted.map(|record| codec.decode(record.value.as_deref()).expect("own events decode")).collect()
}

/// Figures of a merchant by counting again what a version says it was made of: `count_1d` and so on.
fn count_again(day: i64, merchant: &str, scores: &[TransactionScore], labels: &[Label]) -> BTreeMap<String, f64> {
    let mut last: BTreeMap<&str, &Label> = BTreeMap::new();
    for label in labels {
        let before = last.get(label.trn_id.as_str()).map(|label| label.decided_at);
        if before.is_none_or(|before| label.decided_at >= before) {
            last.insert(&label.trn_id, label);
        }
    }
    let is_fraud =
        |score: &TransactionScore| last.get(score.trn_id.as_str()).is_some_and(|it| it.label == LabelKind::Fraud);
    let mut figures = BTreeMap::from([("risk_day".to_owned(), day as f64)]);
    for (span, length) in SPANS {
        let counted: Vec<&TransactionScore> = scores
            .iter()
            .filter(|score| score.transaction.merchant_id == merchant)
            .filter(|score| {
                let at = score.occurred_at.div_euclid(DAY_MS);
                day - 7 - length < at && at <= day - 7
            })
            .collect();
        let frauds = counted.iter().filter(|score| is_fraud(score)).count() as f64;
        figures.insert(format!("count_{span}"), counted.len() as f64);
        let risk = if counted.is_empty() { 0.0 } else { frauds / counted.len() as f64 };
        figures.insert(format!("risk_{span}"), risk);
    }
    figures
}

/// The last version that is complete, by its day.
async fn last_version(deployment: &Deployment) -> Option<i64> {
    let rows = deployment.read::<MerchantRisk>().await;
    rows.iter().filter(|row| row.end.is_some()).map(|row| i64::from(row.day)).max()
}

/// Whether every partition that has decided anything decides by a version.
async fn is_taken_up(deployment: &Deployment, day: i64) -> bool {
    let epochs = deployment.read::<ProcessorEpoch>().await;
    let last: BTreeMap<i32, Option<String>> =
        epochs.into_iter().map(|epoch| (epoch.partition, epoch.basis.get("merchant-risk").cloned())).collect();
    last.values().all(|version| version.as_deref() == Some(day.to_string().as_str()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn labels_that_came_late_are_in_the_scores_of_later_days_and_each_version_can_be_counted_again() {
    let deployment = Deployment::new("merchants").await;
    let services = Services::of(&deployment, &[]);
    services.start(&[Service::Scoring, Service::Merchants]);
    let producer = EventProducer::connect(&deployment.log, "test").await.expect("schemas");
    let (days, mut sent) = (12, 0);
    let (mut labels_end, mut known) = (BTreeMap::new(), BTreeMap::new());
    for day in 0..days {
        // The last labels of the day before come just before the transaction that ends it.
        for label in (day >= 8).then(|| labels(day - 8)).into_iter().flatten() {
            let appended = producer.append(&label, Headers::new()).await.expect("acknowledged");
            labels_end.insert(appended.partition, appended.offset + 1);
        }
        known.insert(FIRST / DAY_MS + day - 1, labels_end.clone());
        for number in 0..A_DAY {
            producer.append(&transaction(day, number), Headers::new()).await.expect("acknowledged");
            sent += 1;
        }
        if day == 9 {
            services.kill(Service::Merchants);
            services.kill(Service::Scoring);
            services.start_again(Service::Merchants);
            services.start_again(Service::Scoring);
        }
        // The day before has passed as soon as something of this one is scored.
        let before = FIRST / DAY_MS + day - 1;
        until(
            "the version of the day before",
            SOON,
            || last_version(&deployment),
            |last| last.is_some_and(|last| last >= before),
        )
        .await;
        until("it to be taken up", SOON, || is_taken_up(&deployment, before), |done| *done).await;
    }
    let scores =
        until("all scores", SOON, || deployment.read::<TransactionScore>(), |scores| scores.len() == sent).await;

    let mut ends = BTreeMap::new();
    for row in deployment.read::<MerchantRisk>().await {
        if let Some(end) = row.end {
            assert!(ends.insert(i64::from(row.day), end).is_none(), "a version is written once");
        }
    }
    let mut used = BTreeSet::new();
    for (day, end) in &ends {
        for (partition, known) in known.get(day).into_iter().flatten() {
            let until = end.labels_until[*partition as usize];
            assert!(until >= *known, "version {day}, partition {partition}: of {known} labels, {until} are in it");
        }
        let counted = events_until::<TransactionScore>(&deployment, &end.scores_until).await;
        let labels = events_until::<Label>(&deployment, &end.labels_until).await;
        for merchant in 0..MERCHANTS {
            let merchant = format!("m{merchant}");
            let expected = count_again(*day, &merchant, &counted, &labels);
            let of_version = |score: &&TransactionScore| {
                score.transaction.merchant_id == merchant
                    && score.features.get("merchant_risk_day") == Some(*day as f64)
            };
            for score in scores.iter().filter(of_version) {
                let figures = score.features.iter().filter(|(name, _)| !name.ends_with("_score"));
                let found: BTreeMap<String, f64> = figures
                    .filter_map(|(name, value)| Some((name.strip_prefix("merchant_")?.to_owned(), value)))
                    .collect();
                assert_eq!(found, expected, "{merchant} by version {day}");
                used.insert((*day, expected["risk_7d"] > 0.0));
            }
        }
    }
    assert!(used.iter().filter(|(_, has_risk)| *has_risk).count() >= 2, "versions with frauds were used: {used:?}");
    // A version was never looked at before it was there, and labels of a day not before the seventh after it.
    for score in &scores {
        if let Some(day) = score.features.get("merchant_risk_day") {
            assert!(day < score.occurred_at.div_euclid(DAY_MS) as f64, "{day}");
        }
    }

    let output = services.command(&["replay", "scoring", "--verify", "--json"]).output().expect("the binary starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let partitions: Vec<Json> = serde_json::from_slice(&output.stdout).expect("JSON");
    let sum = |name: &str| partitions.iter().filter_map(|it| it[name].as_u64()).sum::<u64>();
    assert_eq!((sum("outputs"), sum("different")), (sent as u64, 0), "{partitions:?}");
    // Of the versions only the last eight are known again.
    assert!(sum("other_configuration") < sum("outputs"), "{partitions:?}");
}
