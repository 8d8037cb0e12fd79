//! The configuration: what was applied through the log, in its order; the last word on each part holds.

use super::{
    model::{Bundle, BundleError},
    rules::{RuleSet, RulesError},
};
use millrace_schemas::event::{ConfigurationAction, ConfigurationChange, ConfigurationKind};
use std::{
    collections::{BTreeMap, VecDeque},
    str,
    sync::Arc,
};

/// Configurations that are remembered: whoever decided by an earlier one finds it again.
const REMEMBERED: usize = 1000;

/// A change that cannot be applied.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// The content is not what the kind asks for.
    #[error(transparent)]
    Rules(#[from] RulesError),
    /// The content is no bundle of a model.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// The content is no text.
    #[error("the content is not UTF-8 text")]
    NotText,
    /// A model that was never applied.
    #[error(
        "there is no model {0}; `millrace model apply` brings one, `millrace model history` names those that there are"
    )]
    UnknownModel(String),
    /// A model that it names cannot be run here.
    #[error("{0} cannot be decided by in this process, which goes on as before: {1}")]
    NotRunnable(String, String),
    /// This build does not know how.
    #[error("a change of {0} by {1:?} is not known to this build")]
    Unknown(&'static str, ConfigurationAction),
}

/// Names the content of a change, for people: equal for equal files.
pub fn content_version(kind: ConfigurationKind, content: &[u8]) -> String {
    format!("{}-{}", kind.name(), &blake3::hash(content).to_hex()[..8])
}

/// What scores are decided by.
#[derive(Debug, Clone)]
pub struct Configuration {
    /// Rules with thresholds and blocklists.
    pub rules: Arc<RuleSet>,
    /// Version of the model that scores, where one does.
    pub active: Option<String>,
    /// Version of the model that scores beside it.
    pub shadow: Option<String>,
    version: String,
}

impl Configuration {
    fn new(rules: Arc<RuleSet>, active: Option<String>, shadow: Option<String>) -> Self {
        let mut version = rules.version().to_owned();
        for (sign, model) in [('+', &active), ('~', &shadow)] {
            if let Some(model) = model {
                version.push(sign);
                version.push_str(model);
            }
        }
        Self { rules, active, shadow, version }
    }

    /// As each score names it: the rules' version, then `+` and the active model's, then `~` and the shadow's.
    pub fn version(&self) -> &str {
        &self.version
    }
}

/// The configuration in force, those before it, and the models that are known.
#[derive(Debug, Clone)]
pub struct Configurations {
    current: Arc<Configuration>,
    /// The oldest first; the current one is the last.
    known: VecDeque<Arc<Configuration>>,
    models: BTreeMap<String, Bundle>,
}

impl Configurations {
    /// Begins with rules that hold until something is applied.
    pub fn beginning_with(rules: RuleSet) -> Self {
        let current = Arc::new(Configuration::new(Arc::new(rules), None, None));
        Self { known: VecDeque::from([Arc::clone(&current)]), current, models: BTreeMap::new() }
    }

    /// What a change would make of the configuration in force.
    ///
    /// # Errors
    /// When its content is not valid, or it names a model that nobody knows.
    pub fn with(&self, change: &ConfigurationChange) -> Result<Configuration, ChangeError> {
        use {ConfigurationAction as Action, ConfigurationKind as Kind};
        let text = || str::from_utf8(&change.content).map_err(|_| ChangeError::NotText);
        let rules = &self.current.rules;
        let with_rules = |rules: RuleSet| {
            let Configuration { active, shadow, .. } = &*self.current;
            Configuration::new(Arc::new(rules), active.clone(), shadow.clone())
        };
        let named = || match &change.name {
            Some(name) if !self.models.contains_key(name) => Err(ChangeError::UnknownModel(name.clone())),
            name => Ok(name.clone()),
        };
        Ok(match (change.kind, change.action) {
            (Kind::Rules, Action::Apply) => with_rules(rules.with_rules(text()?)?),
            (Kind::Thresholds, Action::Apply) => with_rules(rules.with_thresholds(text()?)?),
            (Kind::Lists, Action::Apply) => with_rules(rules.with_lists(text()?)?),
            (Kind::Model, Action::Apply) => {
                Bundle::from_bytes(&change.content)?;
                Configuration::clone(&self.current)
            }
            (Kind::Model, Action::Activate) => {
                Configuration::new(Arc::clone(rules), named()?, self.current.shadow.clone())
            }
            (Kind::Model, Action::Shadow) => {
                Configuration::new(Arc::clone(rules), self.current.active.clone(), named()?)
            }
            (kind, action) => return Err(ChangeError::Unknown(kind.name(), action)),
        })
    }

    /// Takes a change in. One that is not valid changes nothing, here as everywhere.
    ///
    /// # Errors
    /// As [`Configurations::with`].
    pub fn apply(&mut self, change: &ConfigurationChange) -> Result<(), ChangeError> {
        let current = Arc::new(self.with(change)?);
        if (change.kind, change.action) == (ConfigurationKind::Model, ConfigurationAction::Apply) {
            let bundle = Bundle::from_bytes(&change.content)?;
            self.models.insert(bundle.version(), bundle);
        }
        self.known.retain(|known| known.version() != current.version());
        if self.known.len() == REMEMBERED {
            self.known.pop_front();
        }
        self.known.push_back(Arc::clone(&current));
        self.current = current;
        Ok(())
    }

    /// The one in force.
    pub fn current(&self) -> &Arc<Configuration> {
        &self.current
    }

    /// The one that scores name so.
    pub fn find(&self, version: &str) -> Option<&Arc<Configuration>> {
        self.known.iter().rev().find(|known| known.version() == version)
    }

    /// A model by its version.
    pub fn model(&self, version: &str) -> Option<&Bundle> {
        self.models.get(version)
    }
}
