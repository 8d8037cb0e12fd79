use super::*;
use millrace_schemas::event::{Decision, DecisionSource, Source, Windows};

const FIRST: Uuid = Uuid::from_u128(1);
const SECOND: Uuid = Uuid::from_u128(2);
const TRN: Uuid = Uuid::from_u128(100);

fn score(scoring: f64) -> Score {
    Score {
        scoring,
        decision: Decision::Allow,
        decision_source: DecisionSource::Rules,
        reasons: Vec::new(),
        model: None,
        configuration: "test".into(),
        windows: Windows {
            customer_transaction_count_3h: 1,
            customer_avg_amount_3h: 1,
            customer_transaction_count_6h: 1,
            customer_avg_amount_6h: 1,
            customer_transaction_count_12h: 1,
            customer_avg_amount_12h: 1,
            customer_transaction_count_24h: 1,
            customer_avg_amount_24h: 1,
        },
        window_exact: true,
    }
}

fn reply(event_id: Uuid, outcome: ReplyOutcome) -> Reply {
    let source = Source { topic: "transactions".into(), partition: 3, offset: 7, index: 0, timestamp: 5 };
    Reply {
        event_id: Uuid::nil().to_string(),
        slot: 0,
        correlation_id: event_id.to_string(),
        source,
        outcome,
        trn_id: Some(TRN.to_string()),
        score: (outcome == ReplyOutcome::Scored).then(|| score(0.25)),
        first_offset: (outcome == ReplyOutcome::Duplicate).then_some(4),
        errors: Vec::new(),
    }
}

fn stored(event_id: Uuid, offset: i64) -> Stored {
    Stored { event_id, received_at: 1, partition: 3, offset }
}

fn patient() -> Duration {
    Duration::from_secs(20)
}

#[tokio::test]
async fn who_waits_is_told_and_a_duplicate_is_told_the_first_ones_score() {
    let waiting = Arc::new(Waiting::new(0, 10, None));
    let (first, second) = (waiting.wait(FIRST, TRN, patient()), waiting.wait(SECOND, TRN, patient()));
    assert_eq!(second.reply_to(), format!("0/{SECOND}"));
    waiting.take(reply(FIRST, ReplyOutcome::Scored));
    waiting.take(reply(SECOND, ReplyOutcome::Duplicate));
    let expected = Told::Score(Arc::new(Scored { event_id: Some(FIRST.to_string()), score: score(0.25) }));
    let accepted = Outcome::Accepted(stored(FIRST, 4));
    assert_eq!(first.settle(accepted).await, (accepted, expected));
    let (outcome, told) = second.settle(Outcome::Accepted(stored(SECOND, 7))).await;
    assert_eq!(outcome, Outcome::Duplicate(stored(Uuid::nil(), 4)));
    assert!(matches!(told, Told::Score(scored) if scored.event_id == Some(FIRST.to_string())));
    assert!(waiting.desk().expected.is_empty());
}

#[tokio::test]
async fn what_is_not_remembered_is_looked_up_until_it_is_there() {
    let calls = Arc::new(Mutex::new(0));
    let lookup: Lookup = {
        let calls = Arc::clone(&calls);
        Arc::new(move |trn_id| {
            let mut calls = calls.lock().expect("no panic");
            *calls += 1;
            let found = (*calls == 3 && trn_id == TRN).then(|| score(0.75));
            Box::pin(async move { found })
        })
    };
    let waiting = Arc::new(Waiting::new(0, 10, Some(lookup)));
    let wait = waiting.wait(SECOND, TRN, patient());
    let duplicate = Outcome::Duplicate(stored(FIRST, 4));
    let (outcome, told) = wait.settle(duplicate).await;
    assert_eq!(outcome, duplicate);
    assert!(matches!(told, Told::Score(scored) if scored.score.scoring == 0.75));
    assert_eq!(*calls.lock().expect("no panic"), 3);
}

#[tokio::test]
async fn nobody_waits_longer_than_asked_and_nothing_is_left_behind() {
    let waiting = Arc::new(Waiting::new(0, 10, None));
    let wait = waiting.wait(FIRST, TRN, Duration::from_millis(10));
    let accepted = Outcome::Accepted(stored(FIRST, 4));
    assert_eq!(wait.settle(accepted).await, (accepted, Told::Nothing));
    assert!(waiting.desk().expected.is_empty());
    waiting.take(reply(FIRST, ReplyOutcome::Scored));
    let wait = waiting.wait(SECOND, TRN, patient());
    let (_, told) = wait.settle(Outcome::Duplicate(stored(FIRST, 4))).await;
    assert!(matches!(told, Told::Score(_)), "a reply that came too late is told to who asks again");
}

#[tokio::test]
async fn a_refusal_of_the_processor_and_a_reply_without_acknowledgement_count() {
    let waiting = Arc::new(Waiting::new(0, 10, None));
    let wait = waiting.wait(FIRST, TRN, patient());
    let error = FieldError { path: String::new(), code: "conflict".into(), message: "other content".into() };
    waiting.take(Reply { errors: vec![error.clone()], ..reply(FIRST, ReplyOutcome::Refused) });
    let (outcome, told) = wait.settle(Outcome::Accepted(stored(FIRST, 7))).await;
    assert_eq!((outcome, told), (Outcome::Conflict, Told::Refused(vec![error])));

    let wait = waiting.wait(SECOND, TRN, patient());
    waiting.take(reply(SECOND, ReplyOutcome::Scored));
    let (outcome, told) = wait.settle(Outcome::Retry).await;
    assert_eq!(outcome, Outcome::Accepted(Stored { received_at: 5, ..stored(SECOND, 7) }));
    assert!(matches!(told, Told::Score(_)));
    let unanswered = waiting.wait(FIRST, TRN, patient());
    assert_eq!(unanswered.settle(Outcome::Retry).await, (Outcome::Retry, Told::Nothing));
}

#[tokio::test]
async fn a_bounded_number_of_scores_is_remembered() {
    let waiting = Waiting::new(0, 10, None);
    for id in 0..1_000 {
        let trn_id = Some(Uuid::from_u128(id).to_string());
        waiting.take(Reply { trn_id, ..reply(Uuid::from_u128(id), ReplyOutcome::Scored) });
    }
    let known = (0..1_000).filter(|id| waiting.recent(Uuid::from_u128(*id)).is_some()).count();
    assert!((5..=10).contains(&known), "{known}");
    assert!(waiting.recent(Uuid::from_u128(999)).is_some());
}
