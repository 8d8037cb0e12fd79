//! Scoring: each transaction with its risk, the reasons for it and the decision, from its customer's past and the upstream's signals.
//!
//! - [`windows`]: the customer's last hours, exact in event time under disorder.
//! - [`visits`]: merchants, devices and places of the last hours.
//! - [`history`]: facts of the customer's whole life, with the [`spread`] of its amounts.
//! - [`fingerprints`]: what stands for texts in the two.
//! - [`features`]: what rules may refer to, as named numbers.
//! - [`configuration`]: what was applied through the log, and what it was before.
//! - [`rules`]: the scorecard that turns features into a score, reasons and a decision.

mod blocklists;
pub mod configuration;
mod customer;
pub mod features;
pub mod fingerprints;
pub mod history;
mod informed;
pub mod model;
pub mod place;
pub mod rules;
pub mod spread;
pub mod visits;
pub mod windows;

pub use customer::{CustomerBytes, IDLE_MS};

use crate::merchants::versions::{Version, Versions};
use configuration::{ChangeError, Configurations};
use customer::Customer;
use features::Feature;
use fingerprints::Fingerprints;
use hashbrown::HashMap;
use millrace_runtime::processor::{Basis, Context, Memory, Processor};
use millrace_schemas::{
    event::{ConfigurationChange, DecisionSource, MerchantRisk, Score, Transaction, TransactionScore},
    time::DAY_MS,
};
use rules::RuleSet;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// The processor of transactions.
#[derive(Debug, Clone)]
pub struct Scoring {
    known: Arc<RwLock<Known>>,
}

/// What scoring decides by, as far as it has come by the log.
#[derive(Debug, Clone)]
struct Known {
    configurations: Configurations,
    merchants: Versions,
}

/// What one partition's memory decides by.
#[derive(Debug, Clone)]
struct Grounds {
    rules: Arc<RuleSet>,
    merchants: Option<Arc<Version>>,
}

/// Names of what scores stand on, in a basis.
const CONFIGURATION: &str = "configuration";
const MERCHANT_RISK: &str = "merchant-risk";

impl Default for Scoring {
    fn default() -> Self {
        Self::with_rules(RuleSet::built_in())
    }
}

impl Scoring {
    /// Scoring with these rules until others are applied.
    pub fn with_rules(rules: RuleSet) -> Self {
        let (configurations, merchants) = (Configurations::beginning_with(rules), Versions::default());
        Self { known: Arc::new(RwLock::new(Known { configurations, merchants })) }
    }

    /// Takes in a change of the configuration: partitions take it up at their next boundary.
    ///
    /// # Errors
    /// When it is not valid. Nothing changes then.
    pub fn configure(&self, change: &ConfigurationChange) -> Result<(), ChangeError> {
        self.write().configurations.apply(change)
    }

    /// What a change would make of the configuration in force: its version.
    ///
    /// # Errors
    /// When it is not valid.
    pub fn check(&self, change: &ConfigurationChange) -> Result<String, ChangeError> {
        self.read().configurations.with(change).map(|rules| rules.version().to_owned())
    }

    /// Takes in what is known of merchants: partitions take a version up at their next boundary after it is complete.
    pub fn learn(&self, risk: MerchantRisk) {
        self.write().merchants.take(risk);
    }

    /// Version of the configuration in force, as scores name it.
    pub fn configuration(&self) -> String {
        self.read().configurations.current().version().to_owned()
    }

    fn read(&self) -> RwLockReadGuard<'_, Known> {
        self.known.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Known> {
        self.known.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the configuration and what is known of merchants decide of a score.
const DECIDED_BY_BASIS: &[&str] = &[
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
    "/features/merchant_count_1d",
    "/features/merchant_count_30d",
    "/features/merchant_count_7d",
    "/features/merchant_risk_1d",
    "/features/merchant_risk_30d",
    "/features/merchant_risk_7d",
    "/features/merchant_risk_day",
];

impl Processor for Scoring {
    const NAME: &'static str = "scoring";
    const TELLS: Option<fn(&TransactionScore) -> Score> = Some(|scored| Score::from(scored));
    type Out = TransactionScore;
    const OF_BASIS: &'static [&'static str] = DECIDED_BY_BASIS;
    type Memory = Customers;

    fn memory(&self) -> Customers {
        let rules = Arc::clone(self.read().configurations.current());
        Customers { grounds: Grounds { rules, merchants: None }, customers: HashMap::new(), clock: 0, swept: 0 }
    }

    /// Fingerprints differ where the standard library's hash does.
    fn memory_version(&self) -> String {
        format!("2 {:x}", fingerprints::fingerprint("millrace"))
    }

    fn basis(&self) -> Basis {
        let known = self.read();
        let configuration = known.configurations.current().version().to_owned();
        let merchants = known.merchants.newest().map(|version| (MERCHANT_RISK.to_owned(), version.day.to_string()));
        [(CONFIGURATION.to_owned(), configuration)].into_iter().chain(merchants).collect()
    }

    fn take_up(&self, memory: &mut Customers, basis: &Basis) -> bool {
        let known = self.read();
        let Some(rules) = basis.get(CONFIGURATION).and_then(|version| known.configurations.find(version)) else {
            return false;
        };
        let merchants = match basis.get(MERCHANT_RISK) {
            Some(day) => match day.parse().ok().and_then(|day| known.merchants.find(day)) {
                Some(version) => Some(Arc::clone(version)),
                None => return false,
            },
            None => None,
        };
        memory.grounds = Grounds { rules: Arc::clone(rules), merchants };
        true
    }

    fn basis_of(&self, written: &TransactionScore) -> Basis {
        let day = written.features.get(Feature::MerchantRiskDay.name());
        let merchants = day.map(|day| (MERCHANT_RISK.to_owned(), day.to_string()));
        [(CONFIGURATION.to_owned(), written.configuration.clone())].into_iter().chain(merchants).collect()
    }
}

/// What scoring remembers of one partition: its customers.
///
/// Two are equal when they remember the same, whatever their rules: it is transactions that are remembered, not judgements.
#[derive(Debug, Clone)]
pub struct Customers {
    grounds: Grounds,
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
        let Grounds { rules, merchants } = &self.grounds;
        let mut seen = customer.see(&transaction, own, rules);
        if let Some(version) = merchants {
            features::of_merchant(version, &transaction.merchant_id, &mut seen.features);
        }
        customer.remember(&transaction, own, self.clock);
        let verdict = rules.judge(&seen.features);
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
            configuration: rules.version().to_owned(),
            windows: seen.windows.to_event(),
            window_exact: seen.windows.exact,
            features: seen.features.to_map(),
        }
    }
}
