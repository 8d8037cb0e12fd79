//! The configuration: what was applied through the log, in its order; the last word on each part holds.

use super::rules::{RuleSet, RulesError};
use millrace_schemas::event::{ConfigurationAction, ConfigurationChange, ConfigurationKind};
use std::{collections::VecDeque, str, sync::Arc};

/// Configurations that are remembered: whoever decided by an earlier one finds it again.
const REMEMBERED: usize = 1000;

/// A change that cannot be applied.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// The content is not what the kind asks for.
    #[error(transparent)]
    Rules(#[from] RulesError),
    /// The content is no text.
    #[error("the content is not UTF-8 text")]
    NotText,
    /// This build does not know how.
    #[error("a change of {0} by {1:?} is not known to this build")]
    Unknown(&'static str, ConfigurationAction),
}

/// Names the content of a change, for people: equal for equal files.
pub fn content_version(kind: ConfigurationKind, content: &[u8]) -> String {
    format!("{}-{}", kind.name(), &blake3::hash(content).to_hex()[..8])
}

/// The configuration in force, and those before it.
#[derive(Debug, Clone)]
pub struct Configurations {
    current: Arc<RuleSet>,
    /// The oldest first; the current one is the last.
    known: VecDeque<Arc<RuleSet>>,
}

impl Configurations {
    /// Begins with rules that hold until something is applied.
    pub fn beginning_with(rules: RuleSet) -> Self {
        let current = Arc::new(rules);
        Self { known: VecDeque::from([Arc::clone(&current)]), current }
    }

    /// What a change would make of the configuration in force.
    ///
    /// # Errors
    /// When its content is not valid.
    pub fn with(&self, change: &ConfigurationChange) -> Result<RuleSet, ChangeError> {
        let text = || str::from_utf8(&change.content).map_err(|_| ChangeError::NotText);
        match (change.kind, change.action) {
            (ConfigurationKind::Rules, ConfigurationAction::Apply) => Ok(self.current.with_rules(text()?)?),
            (ConfigurationKind::Thresholds, ConfigurationAction::Apply) => Ok(self.current.with_thresholds(text()?)?),
            (ConfigurationKind::Lists, ConfigurationAction::Apply) => Ok(self.current.with_lists(text()?)?),
            (kind, action) => Err(ChangeError::Unknown(kind.name(), action)),
        }
    }

    /// Takes a change in. One that is not valid changes nothing, here as everywhere.
    ///
    /// # Errors
    /// When its content is not valid.
    pub fn apply(&mut self, change: &ConfigurationChange) -> Result<(), ChangeError> {
        let current = Arc::new(self.with(change)?);
        self.known.retain(|known| known.version() != current.version());
        if self.known.len() == REMEMBERED {
            self.known.pop_front();
        }
        self.known.push_back(Arc::clone(&current));
        self.current = current;
        Ok(())
    }

    /// The one in force.
    pub fn current(&self) -> &Arc<RuleSet> {
        &self.current
    }

    /// The one that scores name so.
    pub fn find(&self, version: &str) -> Option<&Arc<RuleSet>> {
        self.known.iter().rev().find(|known| known.version() == version)
    }
}
