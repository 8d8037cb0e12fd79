//! Scoring: each transaction with its risk, the reasons for it and the decision, from its customer's past and the upstream's signals.
//!
//! - [`windows`]: the customer's last hours, exact in event time under disorder.
//! - [`visits`]: merchants, devices and places of the last hours.
//! - [`history`]: facts of the customer's whole life, with the [`spread`] of its amounts.
//! - [`fingerprints`]: what stands for texts in the two.
//! - [`features`]: what rules may refer to, as named numbers.
//! - [`rules`]: the scorecard that turns features into a score, reasons and a decision.

mod blocklists;
mod customer;
pub mod features;
pub mod fingerprints;
pub mod history;
pub mod model;
pub mod place;
pub mod rules;
pub mod spread;
pub mod visits;
pub mod windows;

pub use customer::{CustomerBytes, IDLE_MS};

use customer::Customer;
use fingerprints::Fingerprints;
use hashbrown::HashMap;
use millrace_runtime::processor::{Context, Memory, Processor};
use millrace_schemas::{
    event::{DecisionSource, Score, Transaction, TransactionScore},
    time::DAY_MS,
};
use rules::{RuleSet, RulesError};
use serde::{Deserialize, Serialize};
use std::{path::PathBuf, sync::Arc};

/// Settings of scoring.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ScoringConfig {
    /// File with rules, thresholds and blocklists; without one, the built-in rules apply. Its format is explained at the top of
    /// the built-in file, `rules.toml`.
    pub rules_file: Option<PathBuf>,
}

/// The processor of transactions.
#[derive(Debug, Clone)]
pub struct Scoring {
    rules: Arc<RuleSet>,
}

impl Scoring {
    /// Scoring with the configured rules.
    ///
    /// # Errors
    /// When the rules file cannot be read or is not valid.
    pub fn new(config: &ScoringConfig) -> Result<Self, RulesError> {
        let rules = match &config.rules_file {
            Some(path) => RuleSet::load(path)?,
            None => RuleSet::built_in(),
        };
        Ok(Self::with_rules(rules))
    }

    /// Scoring with these rules.
    pub fn with_rules(rules: RuleSet) -> Self {
        Self { rules: Arc::new(rules) }
    }

    /// Version of the rules, as each score names it.
    pub fn configuration(&self) -> &str {
        self.rules.version()
    }
}

/// What the rules and blocklists of a configuration decide of a score.
const DECIDED_BY_RULES: &[&str] = &[
    "/configuration",
    "/scoring",
    "/decision",
    "/reasons",
    "/model",
    "/features/card_bin_blocked",
    "/features/customer_blocked",
    "/features/device_blocked",
    "/features/ip_address_blocked",
    "/features/is_night",
    "/features/is_weekend",
    "/features/merchant_blocked",
];

impl Processor for Scoring {
    const NAME: &'static str = "scoring";
    const TELLS: Option<fn(&TransactionScore) -> Score> = Some(|scored| Score::from(scored));
    type Out = TransactionScore;
    type Memory = Customers;

    fn memory(&self) -> Customers {
        Customers { rules: Arc::clone(&self.rules), customers: HashMap::new(), clock: 0, swept: 0 }
    }

    /// Fingerprints differ where the standard library's hash does.
    fn memory_version(&self) -> String {
        format!("2 {:x}", fingerprints::fingerprint("millrace"))
    }

    fn not_comparable(&self, written: &TransactionScore) -> &'static [&'static str] {
        if written.configuration == self.rules.version() { &[] } else { DECIDED_BY_RULES }
    }
}

/// What scoring remembers of one partition: its customers.
///
/// Two are equal when they remember the same, whatever their rules: it is transactions that are remembered, not judgements.
#[derive(Debug, Clone)]
pub struct Customers {
    rules: Arc<RuleSet>,
    customers: HashMap<String, Customer>,
    /// The log's clock: the largest broker's stamp of what was scored, epoch milliseconds.
    clock: i64,
    /// When by that clock idle customers were last looked for.
    swept: i64,
}

/// How often idle customers are looked for, by the log's clock, in milliseconds. All are looked at then, some tens of nanoseconds each.
const SWEEP_MS: i64 = DAY_MS;

impl Customers {
    /// Moves the log's clock on. A customer that has been idle forgets its last hours now at the latest: what it would do with its
    /// next transaction anyway, so that when memory is freed changes no score.
    fn advance(&mut self, timestamp: i64) {
        self.clock = self.clock.max(timestamp);
        if self.clock - self.swept >= SWEEP_MS {
            self.swept = self.clock;
            self.customers.values_mut().for_each(|customer| customer.forget_if_idle(self.clock));
        }
    }

    /// Memory that a customer takes; `None` when nothing was seen of it.
    pub fn bytes(&self, customer_id: &str) -> Option<CustomerBytes> {
        self.customers.get(customer_id).map(Customer::bytes)
    }
}

impl PartialEq for Customers {
    fn eq(&self, other: &Self) -> bool {
        (&self.customers, self.clock, self.swept) == (&other.customers, other.clock, other.swept)
    }
}

impl Memory<TransactionScore> for Customers {
    fn restore(&mut self, output: &TransactionScore) {
        let transaction = &output.transaction;
        self.advance(output.source.timestamp);
        let customer = self.customers.entry_ref(transaction.customer_id.as_str()).or_default();
        customer.forget_if_idle(self.clock);
        customer.remember(transaction, Fingerprints::of(transaction), self.clock);
    }

    fn save(&self) -> Option<Vec<u8>> {
        postcard::to_stdvec(&(&self.customers, self.clock, self.swept)).ok()
    }

    fn load(&mut self, saved: &[u8]) -> bool {
        postcard::from_bytes(saved).map(|saved| (self.customers, self.clock, self.swept) = saved).is_ok()
    }

    fn process(&mut self, transaction: Transaction, context: Context) -> TransactionScore {
        self.advance(context.source.timestamp);
        let customer = self.customers.entry_ref(transaction.customer_id.as_str()).or_default();
        customer.forget_if_idle(self.clock);
        let own = Fingerprints::of(&transaction);
        let seen = customer.see(&transaction, own, &self.rules);
        customer.remember(&transaction, own, self.clock);
        let verdict = self.rules.judge(&seen.features);
        TransactionScore {
            event_id: context.event_id,
            occurred_at: transaction.occurred_at,
            received_at: transaction.received_at,
            trn_id: context.trn_id,
            source: context.source,
            transaction,
            scoring: verdict.scoring,
            decision: verdict.decision,
            decision_source: DecisionSource::Rules,
            reasons: verdict.reasons,
            model: None,
            configuration: self.rules.version().to_owned(),
            windows: seen.windows.to_event(),
            window_exact: seen.windows.exact,
            features: seen.features.to_map(),
        }
    }
}
