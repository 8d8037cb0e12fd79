//! From rows to the answer: which row tells of which item. Pure.

use crate::clickhouse::outcomes::{Answered, OutcomeRow, RequestRecord};
use crate::told::Instant;
use millrace_schemas::event::Decision;
use schemars::JsonSchema;
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
#[derive(Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "RequestOutcome")]
pub(in crate::query) struct RequestAnswer {
    /// Id of the request.
    request_id: String,
    /// Whether nothing below will change any more.
    #[serde(rename = "final")]
    pub is_final: bool,
    /// When it came.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "Instant::serialize")]
    #[schemars(with = "Option<Instant>")]
    received_at: Option<i64>,
    /// Its method.
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<String>,
    /// Its path.
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<String>,
    /// Status of its answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    http_status: Option<i32>,
    /// Code of what was wrong with it as a whole, or with its answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    /// The same in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    /// What became of its items, in the order they were sent.
    items: Vec<ItemAnswer>,
}

/// One item.
#[derive(Debug, Default, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "ItemOutcome")]
struct ItemAnswer {
    /// Position in the batch; none where the request was one item.
    #[serde(skip_serializing_if = "Option::is_none")]
    index: Option<i32>,
    /// Id across systems.
    #[serde(skip_serializing_if = "Option::is_none")]
    trn_id: Option<String>,
    /// As the gateway answered; none where the request left no record.
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<String>,
    /// What became of it.
    outcome: Outcome,
    /// Whether that will not change any more.
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
    #[schemars(with = "Option<Decision>")]
    decision: Option<String>,
    /// Its score; of a duplicate, that of the first one.
    #[serde(skip_serializing_if = "Option::is_none")]
    scoring: Option<f64>,
    /// Code of the first error, where it was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
}

/// What becomes of an item.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Outcome {
    Scored,
    Purchase,
    Labelled,
    Duplicate,
    Conflict,
    Invalid,
    TooLarge,
    #[default]
    Pending,
}

/// A place in a journal.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "JournalPosition")]
struct Position {
    /// Topic, where it is not that of the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    topic: Option<String>,
    /// Partition.
    partition: i32,
    /// Offset in it.
    offset: i64,
}

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
            received_at: record.map(|record| record.received_at),
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
        let pending = || ItemAnswer { journal, ..ItemAnswer::default() };
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
                "scored" => Outcome::Scored,
                "purchase" => Outcome::Purchase,
                "labelled" => Outcome::Labelled,
                "duplicate" => Outcome::Duplicate,
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
        if first.kind == "dead_letter" { resolved } else { ItemAnswer { outcome: Outcome::Duplicate, ..resolved } }
    }
}

/// The outcome that a status or a code is.
fn refused_as(status: &str) -> Outcome {
    match status {
        "conflict" => Outcome::Conflict,
        "too_large" => Outcome::TooLarge,
        _ => Outcome::Invalid,
    }
}

#[cfg(test)]
mod tests;
