//! Scoring: each transaction with its risk, the reasons for it and the decision, from its customer's past and the upstream's signals.
//!
//! - [`windows`]: the customer's last hours, exact in event time under disorder.
//! - [`visits`]: merchants, devices and places of the last hours.
//! - [`history`]: facts of the customer's whole life, with the [`spread`] of its amounts.
//! - [`fingerprints`]: what stands for texts in the two.
//! - [`features`]: what rules may refer to, as named numbers.
//! - [`configuration`]: what was applied through the log, and what it was before.
//! - [`rules`]: the scorecard that turns features into a score, reasons and a decision.
//! - [`model`]: what a bundle is, and how it is run; [`running`] has those in use.
//! - `judging`: a score by rules or by a model, with its default and its shadow.

mod blocklists;
pub mod configuration;
mod customer;
pub mod features;
pub mod fingerprints;
pub mod history;
mod informed;
mod judging;
pub mod model;
pub mod place;
pub mod rules;
pub mod running;
pub mod spread;
pub mod visits;
pub mod windows;

pub use customer::{CustomerBytes, IDLE_MS};

use crate::merchants::versions::{Version, Versions};
use configuration::{ChangeError, Configuration, Configurations};
use customer::{Customer, Seen};
use features::Feature;
use fingerprints::Fingerprints;
use hashbrown::HashMap;
use judging::{Asked, Unjudged};
use millrace_runtime::processor::{Basis, Context, Made, Memory, Processor};
use millrace_schemas::{
    event::{ConfigurationChange, MerchantRisk, Score, Transaction, TransactionScore},
    time::DAY_MS,
};
use model::Bundle;
use rules::RuleSet;
use running::Models;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// The processor of transactions.
#[derive(Debug, Clone)]
pub struct Scoring {
    known: Arc<RwLock<Known>>,
    models: Arc<Models>,
}

/// What scoring decides by, as far as it has come by the log.
#[derive(Debug, Clone)]
struct Known {
    configurations: Configurations,
    merchants: Versions,
    /// The last configuration whose models run here.
    usable: Arc<Configuration>,
}

/// What one partition's memory decides by.
#[derive(Debug, Clone)]
struct Grounds {
    configuration: Arc<Configuration>,
    models: Asked,
    merchants: Option<Arc<Version>>,
}

/// Names of what scores stand on, in a basis.
const CONFIGURATION: &str = "configuration";
const MERCHANT_RISK: &str = "merchant-risk";
/// Stands in the basis of a score for which a model gave nothing in time: that is chance, and nobody decides it again.
const INCOMPLETE: &str = "incomplete";

impl Default for Scoring {
    fn default() -> Self {
        Self::with_rules(RuleSet::built_in())
    }
}

impl Scoring {
    /// Scoring with these rules until others are applied, and without models.
    pub fn with_rules(rules: RuleSet) -> Self {
        Self::with_models(rules, Models::none())
    }

    /// The same with models, once a configuration names one.
    pub fn with_models(rules: RuleSet, models: Models) -> Self {
        let configurations = Configurations::beginning_with(rules);
        let usable = Arc::clone(configurations.current());
        let known = Known { configurations, merchants: Versions::default(), usable };
        Self { known: Arc::new(RwLock::new(known)), models: Arc::new(models) }
    }

    /// Takes in a change of the configuration: partitions take it up at their next boundary.
    ///
    /// # Errors
    /// When it is not valid: nothing changes then. When a model that it names cannot be run here: what was decided by before still is.
    pub fn configure(&self, change: &ConfigurationChange) -> Result<(), ChangeError> {
        self.write().configurations.apply(change)?;
        let current = Arc::clone(self.read().configurations.current());
        let models = self.models_of(&current);
        models.map_err(|reason| ChangeError::NotRunnable(current.version().to_owned(), reason))?;
        self.write().usable = current;
        Ok(())
    }

    /// What a change would make of the configuration in force: its version.
    ///
    /// # Errors
    /// When it is not valid.
    pub fn check(&self, change: &ConfigurationChange) -> Result<String, ChangeError> {
        self.read().configurations.with(change).map(|configuration| configuration.version().to_owned())
    }

    /// Takes in what is known of merchants: partitions take a version up at their next boundary after it is complete.
    pub fn learn(&self, risk: MerchantRisk) {
        self.write().merchants.take(risk);
    }

    /// Version of the configuration in force, as scores name it.
    pub fn configuration(&self) -> String {
        self.read().configurations.current().version().to_owned()
    }

    /// The model that the configuration in force scores by, where one does.
    pub fn active_model(&self) -> Option<Bundle> {
        let known = self.read();
        let version = known.configurations.current().active.as_ref()?;
        known.configurations.model(version).cloned()
    }

    /// The models of a configuration, running.
    fn models_of(&self, configuration: &Configuration) -> Result<Asked, String> {
        let run = |version: &Option<String>| {
            let Some(version) = version else { return Ok(None) };
            let bundle = self.read().configurations.model(version).cloned();
            let bundle = bundle.ok_or_else(|| format!("there is no model {version}"))?;
            self.models.pool(&bundle).map(Some)
        };
        Ok(Asked { active: run(&configuration.active)?, shadow: run(&configuration.shadow)? })
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
    "/decision_source",
    "/raw_scoring",
    "/default_cause",
    "/shadow",
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
        let configuration = Arc::clone(&self.read().usable);
        let models = self.models_of(&configuration).unwrap_or_default();
        let grounds = Grounds { configuration, models, merchants: None };
        Customers { grounds, customers: HashMap::new(), clock: 0, swept: 0 }
    }

    /// Fingerprints differ where the standard library's hash does.
    fn memory_version(&self) -> String {
        format!("2 {:x}", fingerprints::fingerprint("millrace"))
    }

    fn basis(&self) -> Basis {
        let known = self.read();
        let configuration = known.usable.version().to_owned();
        let merchants = known.merchants.newest().map(|version| (MERCHANT_RISK.to_owned(), version.day.to_string()));
        [(CONFIGURATION.to_owned(), configuration)].into_iter().chain(merchants).collect()
    }

    fn take_up(&self, memory: &mut Customers, basis: &Basis) -> bool {
        let known = self.read();
        let configuration =
            basis.get(CONFIGURATION).and_then(|version| known.configurations.find(version)).map(Arc::clone);
        let merchants = match basis.get(MERCHANT_RISK) {
            Some(day) => match day.parse().ok().and_then(|day| known.merchants.find(day)) {
                Some(version) => Some(Arc::clone(version)),
                None => return false,
            },
            None => None,
        };
        drop(known);
        let Some(configuration) = configuration else { return false };
        let Ok(models) = self.models_of(&configuration) else { return false };
        memory.grounds = Grounds { configuration, models, merchants };
        true
    }

    fn basis_of(&self, written: &TransactionScore) -> Basis {
        let day = written.features.get(Feature::MerchantRiskDay.name());
        let merchants = day.map(|day| (MERCHANT_RISK.to_owned(), day.to_string()));
        let lacks = written.default_cause.is_some() || written.shadow.as_ref().is_some_and(|it| it.scoring.is_none());
        let incomplete = lacks.then(|| (INCOMPLETE.to_owned(), "true".to_owned()));
        let configuration = (CONFIGURATION.to_owned(), written.configuration.clone());
        [configuration].into_iter().chain(merchants).chain(incomplete).collect()
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
        self.begin(transaction, context).finish()
    }

    fn begin(&mut self, transaction: Transaction, context: Context) -> Made<TransactionScore> {
        self.advance(context.source.timestamp);
        let customer = self.customers.entry_ref(transaction.customer_id.as_str()).or_default();
        customer.forget_if_idle(self.clock);
        let own = Fingerprints::of(&transaction);
        let Grounds { configuration, models, merchants } = &self.grounds;
        let Seen { windows, mut features } = customer.see(&transaction, own, &configuration.rules);
        if let Some(version) = merchants {
            features::of_merchant(version, &transaction.merchant_id, &mut features);
        }
        customer.remember(&transaction, own, self.clock);
        let configuration = Arc::clone(configuration);
        Unjudged { transaction, context, windows, features, configuration }.judge(models)
    }
}
