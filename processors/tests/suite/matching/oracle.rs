//! What matching should do, by going through everything that waits, for each input. Shared with the tests on real services.

use millrace_processors::matching::MatchingConfig;
use millrace_schemas::event::{MatchInput, MatchInputKind, MatchItem, MatchOutcome, MatchReason, MatchStep};
use std::collections::BTreeSet;

/// What should become of a receipt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    /// The outcome and why.
    pub outcome: (MatchOutcome, MatchReason),
    /// Offset of the receipt in match-input.
    pub receipt: i64,
    /// Offset of the transaction in match-input.
    pub transaction: Option<i64>,
    /// Fields that differ.
    pub differences: BTreeSet<String>,
}

/// Everything that waits in a partition.
#[derive(Debug)]
pub struct Oracle {
    limits: MatchingConfig,
    clock: i64,
    waiting: Vec<(i64, i64, MatchInput)>,
    /// Takes the later of two equally near ones: what a wrong tie-break would do.
    pub takes_the_later: bool,
}

impl Oracle {
    /// Nothing waits.
    pub fn within(limits: MatchingConfig) -> Self {
        Self { limits, clock: 0, waiting: Vec::new(), takes_the_later: false }
    }

    /// What should become of receipts by an input at an offset, by the broker's time.
    pub fn step(&mut self, input: &MatchInput, offset: i64, time: i64) -> Vec<Expected> {
        self.clock = self.clock.max(time);
        let mut settled = Vec::new();
        while self.waiting.first().is_some_and(|(_, since, _)| since + self.limits.wait_ms <= self.clock) {
            settled.extend(self.gone(0, MatchReason::WaitOver));
        }
        let own = input.item.as_ref().filter(|item| input.kind == MatchInputKind::Transaction || item.amount > 0);
        if let Some(own) = own {
            match self.partner(input.kind, own) {
                Some(index) => {
                    let (other_offset, _, other) = self.waiting.remove(index);
                    let other = other.item.expect("only items wait");
                    settled.push(match input.kind {
                        MatchInputKind::Receipt => self.paid((offset, own), (other_offset, &other)),
                        _ => self.paid((other_offset, &other), (offset, own)),
                    });
                }
                None => self.waiting.push((offset, self.clock, input.clone())),
            }
        }
        for kind in [MatchInputKind::Receipt, MatchInputKind::Transaction] {
            let here = |(_, _, it): &(i64, i64, MatchInput)| it.kind == kind && it.place_id == input.place_id;
            while self.waiting.iter().filter(|it| here(it)).count() > self.limits.waiting_per_place_max {
                let first = self.waiting.iter().position(here).expect("there is one");
                settled.extend(self.gone(first, MatchReason::NoRoom));
            }
        }
        while self.waiting.len() > self.limits.waiting_max {
            settled.extend(self.gone(0, MatchReason::NoRoom));
        }
        settled
    }

    fn gone(&mut self, index: usize, reason: MatchReason) -> Option<Expected> {
        let (receipt, _, input) = self.waiting.remove(index);
        let outcome = (MatchOutcome::Orphan, reason);
        let orphan = Expected { outcome, receipt, transaction: None, differences: BTreeSet::new() };
        (input.kind == MatchInputKind::Receipt).then_some(orphan)
    }

    fn partner(&self, kind: MatchInputKind, own: &MatchItem) -> Option<usize> {
        let others = self.waiting.iter().enumerate().filter(|(_, (_, _, other))| {
            other.kind != kind && other.item.as_ref().is_some_and(|item| item.place_id == own.place_id)
        });
        let all: Vec<(usize, i64, &MatchItem)> =
            others.filter_map(|(index, (offset, _, other))| Some((index, *offset, other.item.as_ref()?))).collect();
        let pair = |other: &'_ MatchItem| match kind {
            MatchInputKind::Receipt => (own.clone(), other.clone()),
            _ => (other.clone(), own.clone()),
        };
        let nearest = |fits: &dyn Fn(&MatchItem, &MatchItem) -> bool| {
            let fitting = all.iter().filter(|(_, _, other)| {
                let (receipt, transaction) = pair(other);
                fits(&receipt, &transaction)
            });
            let turn = |offset: i64| if self.takes_the_later { -offset } else { offset };
            let near = fitting.min_by_key(|(_, at, it)| (it.occurred_at.abs_diff(own.occurred_at), turn(*at)));
            near.map(|(index, ..)| *index)
        };
        let names = |receipt: &MatchItem, transaction: &MatchItem| {
            receipt.payment_transaction_id.as_ref() == Some(&transaction.transaction_id)
        };
        let agrees = |receipt: &MatchItem, transaction: &MatchItem| {
            receipt.payment_transaction_id.is_none() && self.differences(receipt, transaction).is_empty()
        };
        nearest(&names).or_else(|| nearest(&agrees))
    }

    fn differences(&self, receipt: &MatchItem, transaction: &MatchItem) -> BTreeSet<String> {
        let asked = [receipt.amount, receipt.amount + receipt.tips_amount];
        let apart = (receipt.occurred_at - transaction.occurred_at).abs();
        let differ = [
            ("amount", !asked.contains(&transaction.amount)),
            ("currency", receipt.currency != transaction.currency),
            ("time", apart > self.limits.time_within_ms),
        ];
        differ.into_iter().filter(|(_, differs)| *differs).map(|(field, _)| field.to_owned()).collect()
    }

    fn paid(&self, receipt: (i64, &MatchItem), transaction: (i64, &MatchItem)) -> Expected {
        let differences = self.differences(receipt.1, transaction.1);
        let by_id = receipt.1.payment_transaction_id.is_some();
        let outcome = if differences.is_empty() { MatchOutcome::Matched } else { MatchOutcome::Mismatch };
        let reason = if by_id { MatchReason::PaymentId } else { MatchReason::Attributes };
        Expected { outcome: (outcome, reason), receipt: receipt.0, transaction: Some(transaction.0), differences }
    }
}

/// What a step says, in the oracle's words.
pub fn said(step: &MatchStep) -> Vec<Expected> {
    let words = step.settled.iter().map(|settled| Expected {
        outcome: (settled.outcome, settled.reason),
        receipt: settled.receipt_offset,
        transaction: settled.transaction_offset,
        differences: settled.differences.iter().map(|it| it.field.clone()).collect(),
    });
    words.collect()
}
