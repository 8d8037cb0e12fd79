//! Matching, from outside: examples, and random schedules against brute force.

mod examples;
pub mod oracle;
mod schedules;

use crate::common::NOON;
use millrace_processors::matching::{Desk, Matching, MatchingConfig};
use millrace_runtime::processor::{Context, Memory, Processor};
use millrace_schemas::event::{MatchInput, MatchInputKind, MatchItem, MatchStep, Source};

/// A receipt or a transaction over some cents at a place, so many seconds after noon.
fn item(id: &str, place: &str, cents: i64, seconds: i64) -> MatchItem {
    MatchItem {
        trn_id: format!("trn-{id}"),
        transaction_id: id.into(),
        place_id: place.into(),
        customer_id: None,
        occurred_at: NOON + seconds * 1_000,
        received_at: NOON + seconds * 1_000,
        amount: cents * 100,
        tips_amount: 0,
        currency: "EUR".into(),
        payment_transaction_id: None,
        source: Source { topic: "receipts".into(), partition: 0, offset: 0, index: 0, timestamp: NOON },
    }
}

fn input(kind: MatchInputKind, item: MatchItem) -> MatchInput {
    MatchInput {
        event_id: format!("event-{}", item.transaction_id),
        occurred_at: item.occurred_at,
        received_at: item.received_at,
        kind,
        place_id: item.place_id.clone(),
        item: Some(item),
    }
}

fn receipt(item: MatchItem) -> MatchInput {
    input(MatchInputKind::Receipt, item)
}

fn transaction(item: MatchItem) -> MatchInput {
    input(MatchInputKind::Transaction, MatchItem { customer_id: Some("customer-1".into()), ..item })
}

fn tick() -> MatchInput {
    let tick = item("tick-1", "tick-1", 0, 0);
    MatchInput { item: None, ..input(MatchInputKind::Tick, tick) }
}

fn context(offset: i64, timestamp: i64) -> Context {
    let source = Source { topic: "match-input".into(), partition: 0, offset, index: 0, timestamp };
    Context { source, event_id: format!("step-{offset}"), trn_id: String::new() }
}

fn desk(limits: &MatchingConfig) -> Desk {
    Matching::within(*limits).memory()
}

/// Inputs one after another, each a second after the one before by the log's clock.
fn steps(limits: &MatchingConfig, inputs: Vec<MatchInput>) -> Vec<MatchStep> {
    let mut desk = desk(limits);
    (0..).zip(inputs).map(|(offset, input)| desk.process(input, context(offset, NOON + offset * 1_000))).collect()
}
