//! Scoring: each transaction with its risk, the reasons for it and the decision, from its customer's past and the upstream's signals.
//!
//! - [`windows`]: the customer's last hours, exact in event time under disorder.
//! - [`history`]: facts of the customer's whole life.
//! - [`features`]: what rules may refer to, as named numbers.
//! - [`rules`]: the scorecard that turns features into a score, reasons and a decision.

mod blocklists;
mod customer;
pub mod features;
pub mod history;
pub mod rules;
pub mod windows;

use customer::Customer;
use hashbrown::HashMap;
use millrace_runtime::processor::{Context, Memory, Processor};
use millrace_schemas::event::{DecisionSource, Transaction, TransactionScore};
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
    "/features/merchant_blocked",
];

impl Processor for Scoring {
    const NAME: &'static str = "scoring";
    type Out = TransactionScore;
    type Memory = Customers;

    fn memory(&self) -> Customers {
        Customers { rules: Arc::clone(&self.rules), customers: HashMap::new() }
    }

    /// Fingerprints differ where the standard library's hash does.
    fn memory_version(&self) -> String {
        format!("1 {:x}", history::fingerprint("millrace"))
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
}

impl PartialEq for Customers {
    fn eq(&self, other: &Self) -> bool {
        self.customers == other.customers
    }
}

impl Memory<TransactionScore> for Customers {
    fn restore(&mut self, output: &TransactionScore) {
        let transaction = &output.transaction;
        self.customers.entry_ref(transaction.customer_id.as_str()).or_default().remember(transaction);
    }

    fn save(&self) -> Option<Vec<u8>> {
        postcard::to_stdvec(&self.customers).ok()
    }

    fn load(&mut self, saved: &[u8]) -> bool {
        postcard::from_bytes(saved).map(|customers| self.customers = customers).is_ok()
    }

    fn process(&mut self, transaction: &Transaction, context: &Context) -> TransactionScore {
        let customer = self.customers.entry_ref(transaction.customer_id.as_str()).or_default();
        let seen = customer.see(transaction, self.rules.blocklists());
        customer.remember(transaction);
        let verdict = self.rules.judge(&seen.features);
        TransactionScore {
            event_id: context.event_id.clone(),
            occurred_at: transaction.occurred_at,
            received_at: transaction.received_at,
            trn_id: context.trn_id.clone(),
            source: context.source.clone(),
            transaction: transaction.clone(),
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
