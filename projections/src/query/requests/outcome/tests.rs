use super::*;

const ID: &str = "628f5a84-bf58-5573-ad50-e157f8addb72";

fn row(kind: &str, offset: i64, index: Option<i32>, detail: &str) -> OutcomeRow {
    OutcomeRow {
        kind: kind.into(),
        trn_id: if matches!(kind, "dead_letter" | "refused") { String::new() } else { ID.into() },
        index,
        topic: "transactions".into(),
        partition: 0,
        offset,
        event_id: format!("{kind}-{offset}"),
        detail: detail.into(),
        scoring: (kind == "scored").then_some(0.25),
        first_offset: (kind == "duplicate").then_some(1),
    }
}

fn record(results: Vec<Answered>) -> RequestRecord {
    let accepted = results.iter().filter(|result| result.2 == "accepted").count() as i32;
    let path = "/api/v1/transactions".into();
    RequestRecord {
        received_at: 0,
        method: "POST".into(),
        path,
        http_status: 207,
        code: None,
        message: None,
        accepted,
        results,
    }
}

fn answered(index: i32, status: &str, offset: Option<i64>) -> Answered {
    (index, Some(ID.into()), status.into(), offset.map(|_| 0), offset, Vec::new())
}

/// Outcome and finality of each item, and finality of the whole.
fn told(known: &Known) -> (Vec<(Outcome, bool)>, bool) {
    let answer = known.answer("r").expect("something is known");
    (answer.items.iter().map(|item| (item.outcome, item.is_final)).collect(), answer.is_final)
}

#[test]
fn nothing_is_said_of_a_request_nobody_knows() {
    assert_eq!(Known::default().answer("r"), None);
}

#[test]
fn a_single_item_is_found_by_its_row_alone() {
    let known = Known { own: vec![row("scored", 5, None, "allow")], ..Known::default() };
    assert_eq!(told(&known), (vec![(Outcome::Scored, true)], true));
    let answer = known.answer("r").expect("known");
    assert_eq!((answer.items[0].decision.as_deref(), answer.items[0].scoring), (Some("allow"), Some(0.25)));
}

#[test]
fn a_batch_is_not_final_before_its_record_is_there() {
    let own = vec![row("scored", 5, Some(0), "allow")];
    assert_eq!(told(&Known { own, ..Known::default() }), (vec![(Outcome::Scored, true)], false));
}

#[test]
fn accepted_items_are_told_by_the_rows_of_their_records() {
    let results =
        vec![answered(0, "accepted", Some(5)), answered(1, "accepted", Some(6)), answered(2, "accepted", Some(7))];
    let mut known = Known { record: Some(record(results)), ..Known::default() };
    known.own = vec![row("duplicate", 6, Some(1), ""), row("dead_letter", 7, Some(2), "conflict")];
    assert_eq!(
        told(&known),
        (vec![(Outcome::Pending, false), (Outcome::Duplicate, true), (Outcome::Conflict, true)], false)
    );
    known.own.push(row("scored", 5, Some(0), "block"));
    assert_eq!(
        told(&known),
        (vec![(Outcome::Scored, true), (Outcome::Duplicate, true), (Outcome::Conflict, true)], true)
    );
    let answer = known.answer("r").expect("known");
    assert_eq!((answer.items[1].first_offset, answer.items[1].decision.as_deref()), (Some(1), Some("block")));
}

#[test]
fn what_the_gateway_refused_is_final_with_its_dead_letter() {
    let own = vec![row("refused", -1, Some(0), "negative_amount")];
    let known = Known { record: Some(record(vec![answered(0, "invalid", None)])), own, ..Known::default() };
    assert_eq!(told(&known), (vec![(Outcome::Invalid, true)], true));
    let answer = known.answer("r").expect("known");
    let item = &answer.items[0];
    assert_eq!((item.code.as_deref(), item.event_id.as_deref()), (Some("negative_amount"), Some("refused--1")));
}

#[test]
fn a_single_item_whose_processor_has_told_the_gateway_is_told_once() {
    let own = vec![row("duplicate", 11, None, "")];
    let mut known = Known { record: Some(record(vec![answered(0, "duplicate", Some(1))])), own, ..Known::default() };
    known.others = vec![row("scored", 1, None, "allow")];
    assert_eq!(told(&known), (vec![(Outcome::Duplicate, true)], true));
    let own = vec![row("dead_letter", 12, None, "conflict")];
    let known = Known { record: Some(record(vec![answered(0, "conflict", None)])), own, ..Known::default() };
    assert_eq!(told(&known), (vec![(Outcome::Conflict, true)], true));
    assert_eq!(known.answer("r").expect("known").items[0].event_id.as_deref(), Some("dead_letter-12"));
}

#[test]
fn an_item_to_retry_is_told_by_whatever_took_effect_under_its_id() {
    let mut known = Known { record: Some(record(vec![answered(3, "retry", None)])), ..Known::default() };
    assert_eq!(known.ids_to_look_up(), [Uuid::try_parse(ID).expect("an id")]);
    assert_eq!(told(&known), (vec![(Outcome::Pending, false)], false));
    known.others = vec![row("scored", 9, None, "allow")];
    assert_eq!(told(&known), (vec![(Outcome::Scored, true)], true));
    // Its own record was stored, after another one: that one counts.
    known.own = vec![row("duplicate", 11, Some(3), "")];
    assert_eq!(told(&known), (vec![(Outcome::Duplicate, true)], true));
}

#[test]
fn a_duplicate_is_final_once_the_record_it_repeats_is() {
    let mut known = Known { record: Some(record(vec![answered(0, "duplicate", Some(9))])), ..Known::default() };
    assert_eq!(told(&known), (vec![(Outcome::Pending, false)], false));
    assert_eq!(known.positions_to_look_up(), [(0, 9)]);
    known.others = vec![row("scored", 9, None, "allow")];
    assert_eq!(told(&known), (vec![(Outcome::Duplicate, true)], true));
    // The record it repeats lost against an earlier one with other content.
    known.others = vec![row("scored", 4, None, "allow")];
    known.letters = vec![row("dead_letter", 9, None, "conflict")];
    assert_eq!(told(&known), (vec![(Outcome::Conflict, true)], true));
}
