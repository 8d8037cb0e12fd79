//! From rows to the answer: which row tells of which item. Pure.

use crate::clickhouse::outcomes::{Answered, OutcomeRow, RequestRecord};
use millrace_schemas::time::format_instant;
use serde::Serialize;
use std::collections::BTreeSet;
use uuid::Uuid;

/// Everything that was read for one request.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// Its record; a single item that was accepted has none.
    pub record: Option<RequestRecord>,
    /// What became of the records it brought, and what was refused of it.
    pub own: Vec<OutcomeRow>,
    /// What other requests' records with the ids of its items became.
    pub others: Vec<OutcomeRow>,
    /// Dead letters of other requests' records that its items repeat.
    pub letters: Vec<OutcomeRow>,
}

/// The answer of a request and what became of its items.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct RequestAnswer {
    request_id: String,
    /// Whether nothing below will change any more.
    #[serde(rename = "final")]
    pub is_final: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    received_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    http_status: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    items: Vec<ItemAnswer>,
}

/// One item.
#[derive(Debug, Default, PartialEq, Serialize)]
struct ItemAnswer {
    /// Position in the batch; none where the request was one item.
    #[serde(skip_serializing_if = "Option::is_none")]
    index: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trn_id: Option<String>,
    /// As the gateway answered; none where the request left no record.
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<String>,
    /// What became of it: `scored`, `purchase`, `labelled`, `duplicate`, `conflict`, `invalid`, `too_large` or `pending`.
    outcome: &'static str,
    #[serde(rename = "final")]
    is_final: bool,
    /// The journal record; of a duplicate that the gateway knew, the one it repeats.
    #[serde(skip_serializing_if = "Option::is_none")]
    journal: Option<Position>,
    /// Offset of the record that a duplicate repeats.
    #[serde(skip_serializing_if = "Option::is_none")]
    first_offset: Option<i64>,
    /// Event that says the outcome.
    #[serde(skip_serializing_if = "Option::is_none")]
    event_id: Option<String>,
    /// Decision on the transaction; of a duplicate, on the first one.
    #[serde(skip_serializing_if = "Option::is_none")]
    decision: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scoring: Option<f64>,
    /// Code of the first error, where it was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
}

/// A place in a journal.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct Position {
    #[serde(skip_serializing_if = "Option::is_none")]
    topic: Option<String>,
    partition: i32,
    offset: i64,
}

const PENDING: &str = "pending";

impl Known {
    fn results(&self) -> &[Answered] {
        self.record.as_ref().map_or(&[], |record| &record.results)
    }

    /// Ids of items whose outcome is, or may be, told by another request's record.
    pub fn ids_to_look_up(&self) -> Vec<Uuid> {
        let told_elsewhere =
            |(_, id, status, ..): &&Answered| id.is_some() && matches!(status.as_str(), "duplicate" | "retry");
        let answered = self.results().iter().filter(told_elsewhere).filter_map(|result| result.1.as_deref());
        let repeated = self.own.iter().filter(|row| row.kind == "duplicate").map(|row| row.trn_id.as_str());
        let ids: BTreeSet<Uuid> = answered.chain(repeated).filter_map(|id| Uuid::try_parse(id).ok()).collect();
        ids.into_iter().collect()
    }

    /// Records that items repeat and that neither took effect nor repeat others: only a dead letter can tell of them.
    pub fn positions_to_look_up(&self) -> Vec<(i32, i64)> {
        let unresolved = |(_, _, status, partition, offset, _): &Answered| {
            let position = ((*partition)?, (*offset)?);
            (status == "duplicate" && self.at(position).is_none()).then_some(position)
        };
        self.results().iter().filter_map(unresolved).collect()
    }

    /// What became of the record at a position; the topic is that of the request.
    fn at(&self, position: (i32, i64)) -> Option<&OutcomeRow> {
        let rows = self.own.iter().chain(&self.others).chain(&self.letters);
        rows.into_iter().find(|row| (row.partition, row.offset) == position)
    }

    /// What took effect under an id.
    fn effect(&self, trn_id: &str) -> Option<&OutcomeRow> {
        self.own
            .iter()
            .chain(&self.others)
            .find(|row| row.trn_id == trn_id && matches!(row.kind.as_str(), "scored" | "purchase" | "labelled"))
    }

    /// The answer; `None` when nothing is known of the request.
    pub fn answer(&self, request_id: &str) -> Option<RequestAnswer> {
        if self.record.is_none() && self.own.is_empty() {
            return None;
        }
        let mut told = BTreeSet::new();
        let mut items: Vec<ItemAnswer> = Vec::with_capacity(self.results().len());
        for result in self.results() {
            let (item, by) = self.item(result);
            told.extend(by.map(|row| row.event_id.as_str()));
            items.push(item);
        }
        // Without a record, or with one that had no room for results, the rows are the items.
        let rest = self.own.iter().filter(|row| row.kind != "refused" && !told.contains(row.event_id.as_str()));
        items.extend(rest.map(|row| self.resolved(row)));
        items.sort_by_key(|item| item.index);
        let is_whole = match &self.record {
            Some(record) => items.len() >= usize::try_from(record.accepted).unwrap_or_default(),
            // The rest of a batch, or its record, may be on its way.
            None => self.own.iter().all(|row| row.index.is_none()),
        };
        let record = self.record.as_ref();
        Some(RequestAnswer {
            request_id: request_id.to_owned(),
            is_final: is_whole && items.iter().all(|item| item.is_final),
            received_at: record.map(|record| format_instant(record.received_at)),
            method: record.map(|record| record.method.clone()),
            path: record.map(|record| record.path.clone()),
            http_status: record.map(|record| record.http_status),
            code: record.and_then(|record| record.code.clone()),
            message: record.and_then(|record| record.message.clone()),
            items,
        })
    }

    /// An item that the request's record lists, and the row of this request that tells of it.
    fn item(&self, result: &Answered) -> (ItemAnswer, Option<&OutcomeRow>) {
        let (index, trn_id, status, partition, offset, errors) = result;
        let position = partition.zip(*offset);
        // The record of a request that was one item: its processor has told the gateway what it is.
        let alone = || self.own.iter().find(|row| row.kind != "refused" && row.index.is_none());
        let own = match (status.as_str(), position) {
            ("accepted", Some(position)) => self.own.iter().find(|row| (row.partition, row.offset) == position),
            // Its record may have been stored after all. A dead letter has no trn_id, but the position in the batch.
            ("retry", _) => self.own.iter().find(|row| {
                row.kind != "refused" && (Some(&row.trn_id) == trn_id.as_ref() || row.index == Some(*index))
            }),
            ("accepted" | "duplicate", _) => alone(),
            _ => self.own.iter().find(|row| row.kind == "refused" && row.index == Some(*index)).or_else(alone),
        };
        let told = match (status.as_str(), position) {
            ("duplicate", Some(position)) => self.at(position).map(|first| self.repeats(first)),
            ("accepted", _) => own.map(|row| self.resolved(row)),
            ("retry", _) => {
                let elsewhere = || self.effect(trn_id.as_deref()?);
                own.or_else(elsewhere).map(|row| self.resolved(row))
            }
            _ => Some(ItemAnswer {
                outcome: refused_as(status),
                is_final: true,
                event_id: own.map(|row| row.event_id.clone()),
                code: errors.first().map(|(_, code, _)| code.clone()).or_else(|| own.map(|row| row.detail.clone())),
                ..ItemAnswer::default()
            }),
        };
        let journal = position.map(|(partition, offset)| Position { topic: None, partition, offset });
        let pending = || ItemAnswer { outcome: PENDING, journal, ..ItemAnswer::default() };
        let told = told.unwrap_or_else(pending);
        (ItemAnswer { index: Some(*index), trn_id: trn_id.clone(), status: Some(status.clone()), ..told }, own)
    }

    /// What the row of a journal record says of the item that is that record.
    fn resolved(&self, row: &OutcomeRow) -> ItemAnswer {
        let effect = if row.kind == "duplicate" { self.effect(&row.trn_id) } else { Some(row) };
        let scored = effect.filter(|row| row.kind == "scored");
        ItemAnswer {
            index: row.index,
            trn_id: Some(row.trn_id.clone()).filter(|id| !id.is_empty()),
            status: None,
            outcome: match row.kind.as_str() {
                "scored" => "scored",
                "purchase" => "purchase",
                "labelled" => "labelled",
                "duplicate" => "duplicate",
                _ => refused_as(&row.detail),
            },
            is_final: true,
            journal: Some(Position { topic: Some(row.topic.clone()), partition: row.partition, offset: row.offset }),
            first_offset: row.first_offset,
            event_id: Some(row.event_id.clone()),
            decision: scored.map(|row| row.detail.clone()),
            scoring: scored.and_then(|row| row.scoring),
            code: (row.kind == "dead_letter").then(|| row.detail.clone()),
        }
    }

    /// What is said of an item that the gateway knew to repeat a record: a duplicate of what took effect; where that record did not,
    /// this item did not either.
    fn repeats(&self, first: &OutcomeRow) -> ItemAnswer {
        let resolved = self.resolved(first);
        if first.kind == "dead_letter" { resolved } else { ItemAnswer { outcome: "duplicate", ..resolved } }
    }
}

/// The outcome that a status or a code is.
fn refused_as(status: &str) -> &'static str {
    match status {
        "conflict" => "conflict",
        "too_large" => "too_large",
        _ => "invalid",
    }
}

#[cfg(test)]
mod tests {
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
    fn told(known: &Known) -> (Vec<(&'static str, bool)>, bool) {
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
        assert_eq!(told(&known), (vec![("scored", true)], true));
        let answer = known.answer("r").expect("known");
        assert_eq!((answer.items[0].decision.as_deref(), answer.items[0].scoring), (Some("allow"), Some(0.25)));
    }

    #[test]
    fn a_batch_is_not_final_before_its_record_is_there() {
        let own = vec![row("scored", 5, Some(0), "allow")];
        assert_eq!(told(&Known { own, ..Known::default() }), (vec![("scored", true)], false));
    }

    #[test]
    fn accepted_items_are_told_by_the_rows_of_their_records() {
        let results =
            vec![answered(0, "accepted", Some(5)), answered(1, "accepted", Some(6)), answered(2, "accepted", Some(7))];
        let mut known = Known { record: Some(record(results)), ..Known::default() };
        known.own = vec![row("duplicate", 6, Some(1), ""), row("dead_letter", 7, Some(2), "conflict")];
        assert_eq!(told(&known), (vec![("pending", false), ("duplicate", true), ("conflict", true)], false));
        known.own.push(row("scored", 5, Some(0), "block"));
        assert_eq!(told(&known), (vec![("scored", true), ("duplicate", true), ("conflict", true)], true));
        let answer = known.answer("r").expect("known");
        assert_eq!((answer.items[1].first_offset, answer.items[1].decision.as_deref()), (Some(1), Some("block")));
    }

    #[test]
    fn what_the_gateway_refused_is_final_with_its_dead_letter() {
        let own = vec![row("refused", -1, Some(0), "negative_amount")];
        let known = Known { record: Some(record(vec![answered(0, "invalid", None)])), own, ..Known::default() };
        assert_eq!(told(&known), (vec![("invalid", true)], true));
        let answer = known.answer("r").expect("known");
        let item = &answer.items[0];
        assert_eq!((item.code.as_deref(), item.event_id.as_deref()), (Some("negative_amount"), Some("refused--1")));
    }

    #[test]
    fn a_single_item_whose_processor_has_told_the_gateway_is_told_once() {
        let own = vec![row("duplicate", 11, None, "")];
        let mut known =
            Known { record: Some(record(vec![answered(0, "duplicate", Some(1))])), own, ..Known::default() };
        known.others = vec![row("scored", 1, None, "allow")];
        assert_eq!(told(&known), (vec![("duplicate", true)], true));
        let own = vec![row("dead_letter", 12, None, "conflict")];
        let known = Known { record: Some(record(vec![answered(0, "conflict", None)])), own, ..Known::default() };
        assert_eq!(told(&known), (vec![("conflict", true)], true));
        assert_eq!(known.answer("r").expect("known").items[0].event_id.as_deref(), Some("dead_letter-12"));
    }

    #[test]
    fn an_item_to_retry_is_told_by_whatever_took_effect_under_its_id() {
        let mut known = Known { record: Some(record(vec![answered(3, "retry", None)])), ..Known::default() };
        assert_eq!(known.ids_to_look_up(), [Uuid::try_parse(ID).expect("an id")]);
        assert_eq!(told(&known), (vec![("pending", false)], false));
        known.others = vec![row("scored", 9, None, "allow")];
        assert_eq!(told(&known), (vec![("scored", true)], true));
        // Its own record was stored, after another one: that one counts.
        known.own = vec![row("duplicate", 11, Some(3), "")];
        assert_eq!(told(&known), (vec![("duplicate", true)], true));
    }

    #[test]
    fn a_duplicate_is_final_once_the_record_it_repeats_is() {
        let mut known = Known { record: Some(record(vec![answered(0, "duplicate", Some(9))])), ..Known::default() };
        assert_eq!(told(&known), (vec![("pending", false)], false));
        assert_eq!(known.positions_to_look_up(), [(0, 9)]);
        known.others = vec![row("scored", 9, None, "allow")];
        assert_eq!(told(&known), (vec![("duplicate", true)], true));
        // The record it repeats lost against an earlier one with other content.
        known.others = vec![row("scored", 4, None, "allow")];
        known.letters = vec![row("dead_letter", 9, None, "conflict")];
        assert_eq!(told(&known), (vec![("conflict", true)], true));
    }
}
