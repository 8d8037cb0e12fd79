//! The scorecard: rules as data, each of which adds to the log-odds of fraud and gives a reason.

mod file;

pub use super::blocklists::Blocklists;
pub use file::RulesError;

use super::{
    blocklists::LISTS,
    features::{Feature, Features},
};
use file::RulesFile;
use jiff::tz::TimeZone;
use millrace_schemas::event::{Decision, Reason};
use serde::{Deserialize, Serialize};

/// The rules that come with the program.
pub const BUILT_IN: &str = include_str!("rules.toml");

/// The rules in force, checked.
#[derive(Debug, Clone)]
pub struct RuleSet {
    /// What it is made of, for the next change.
    file: RulesFile,
    version: String,
    base: f64,
    thresholds: Thresholds,
    blocklists: Blocklists,
    zone: TimeZone,
    rules: Vec<Rule>,
}

/// Scores from which a transaction is reviewed and blocked.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Thresholds {
    /// Reviewed from this score on.
    pub review: f64,
    /// Blocked from this score on; not less than `review`.
    pub block: f64,
}

/// How a feature is compared to a threshold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Comparison {
    /// Equal or more.
    AtLeast,
    /// More.
    Above,
    /// Equal or less.
    AtMost,
    /// Less.
    Below,
}

/// A feature against a threshold.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Condition {
    feature: Feature,
    comparison: Comparison,
    threshold: f64,
}

impl Condition {
    /// The feature's value when the condition holds.
    fn holds(&self, features: &Features) -> Option<f64> {
        features.get(self.feature).filter(|value| match self.comparison {
            Comparison::AtLeast => *value >= self.threshold,
            Comparison::Above => *value > self.threshold,
            Comparison::AtMost => *value <= self.threshold,
            Comparison::Below => *value < self.threshold,
        })
    }
}

#[derive(Debug, Clone, PartialEq)]
struct Rule {
    code: String,
    text: String,
    condition: Condition,
    also: Vec<Condition>,
    contribution: f64,
    /// Blocks whatever the score.
    blocks: bool,
}

impl Rule {
    fn holds(&self, features: &Features) -> Option<f64> {
        let value = self.condition.holds(features)?;
        self.also.iter().all(|condition| condition.holds(features).is_some()).then_some(value)
    }
}

/// What the rules make of a transaction.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// Probability-like risk, 0 to 1.
    pub scoring: f64,
    /// What to do.
    pub decision: Decision,
    /// The rules that hold: the largest contribution first, equal ones by code.
    pub reasons: Vec<Reason>,
}

impl RuleSet {
    /// The rules that come with the program.
    pub fn built_in() -> Self {
        Self::parse(BUILT_IN).expect("the built-in rules are checked by a test")
    }

    /// Rules from the text of a file; its form is explained at the top of `rules.toml`.
    ///
    /// # Errors
    /// When it is not TOML of that form, or a figure in it makes no sense; with line and column.
    pub fn parse(text: &str) -> Result<Self, RulesError> {
        Self::of(RulesFile::rules(text, None)?)
    }

    /// These with what a file of rules names: rules, and thresholds and blocklists where they stand in it.
    ///
    /// # Errors
    /// As [`RuleSet::parse`].
    pub fn with_rules(&self, text: &str) -> Result<Self, RulesError> {
        Self::of(RulesFile::rules(text, Some(&self.file))?)
    }

    /// These with the thresholds of a file that holds nothing else.
    ///
    /// # Errors
    /// As [`RuleSet::parse`].
    pub fn with_thresholds(&self, text: &str) -> Result<Self, RulesError> {
        Self::of(self.file.with_thresholds(text)?)
    }

    /// These with the blocklists of a file that holds nothing else but perhaps `blocklist_contribution`.
    ///
    /// # Errors
    /// As [`RuleSet::parse`].
    pub fn with_lists(&self, text: &str) -> Result<Self, RulesError> {
        Self::of(self.file.with_lists(text)?)
    }

    fn of(file: RulesFile) -> Result<Self, RulesError> {
        let blocklisted = LISTS.iter().map(|list| Rule {
            code: list.code.to_owned(),
            text: list.text.to_owned(),
            condition: Condition { feature: list.feature, comparison: Comparison::AtLeast, threshold: 1.0 },
            also: Vec::new(),
            contribution: file.blocklist_contribution,
            blocks: true,
        });
        let rules = blocklisted.chain(file.rules.iter().map(|rule| rule.to_rule())).collect();
        Ok(Self {
            version: file.version(),
            base: file.base,
            thresholds: file.thresholds()?,
            blocklists: file.blocklists.clone().unwrap_or_default(),
            zone: file.time_zone()?,
            rules,
            file,
        })
    }

    /// Stands for the content: equal for equal rules, however the file is written.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// What is blocked.
    pub fn blocklists(&self) -> &Blocklists {
        &self.blocklists
    }

    /// Where night and weekend are told.
    pub fn zone(&self) -> &TimeZone {
        &self.zone
    }

    /// Score, decision and reasons of a transaction's features.
    pub fn judge(&self, features: &Features) -> Verdict {
        let mut log_odds = self.base;
        let mut blocked = false;
        let mut reasons = Vec::new();
        for rule in &self.rules {
            if let Some(value) = rule.holds(features) {
                log_odds += rule.contribution;
                blocked |= rule.blocks;
                reasons.push((rule, value));
            }
        }
        reasons.sort_by(|(a, _), (b, _)| b.contribution.total_cmp(&a.contribution).then_with(|| a.code.cmp(&b.code)));
        let scoring = 1.0 / (1.0 + (-log_odds).exp());
        let reasons = reasons.into_iter().map(|(rule, value)| reason(rule, value)).collect();
        Verdict { scoring, decision: self.decide(scoring, blocked), reasons }
    }

    fn decide(&self, scoring: f64, blocked: bool) -> Decision {
        if blocked || scoring >= self.thresholds.block {
            Decision::Block
        } else if scoring >= self.thresholds.review {
            Decision::Review
        } else {
            Decision::Allow
        }
    }
}

fn reason(rule: &Rule, value: f64) -> Reason {
    Reason {
        code: rule.code.clone(),
        text: rule.text.clone(),
        feature: rule.condition.feature.name().to_owned(),
        value,
        contribution: rule.contribution,
    }
}
