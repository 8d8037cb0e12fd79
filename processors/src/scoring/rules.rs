//! The scorecard: rules as data, each of which adds to the log-odds of fraud and gives a reason.

mod file;

pub use super::blocklists::Blocklists;
pub use file::RulesError;

use super::{
    blocklists::LISTS,
    features::{Feature, Features},
    model::ModelScore,
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
    effect: Effect,
    /// It counts where a model scores, too. The others stand for a model where there is none.
    beside_model: bool,
}

/// What a rule that holds does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// Adds to the log-odds of fraud.
    #[default]
    Raise,
    /// Adds to them, and blocks whatever the score.
    Block,
    /// Adds to them, and allows whatever the score, unless something else blocks.
    Allow,
}

impl Effect {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
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
            effect: Effect::Block,
            beside_model: true,
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

    /// Score, decision and reasons of a transaction's features; `model` is what a model made of them, where one scores.
    ///
    /// Where there is none, the score begins at `base`. Where there is one it begins at the model's, and of the rules only those count that
    /// are meant to stand beside a model.
    pub fn judge(&self, features: &Features, model: Option<&ModelScore>) -> Verdict {
        let held = self.held(features, model.is_some());
        let added: f64 = held.iter().map(|(rule, _)| rule.contribution).sum();
        let scoring = match model {
            // As the model said it, to the last bit.
            Some(model) if held.is_empty() => model.score,
            Some(model) => probability(log_odds(model.score) + added),
            None => probability(held.iter().fold(self.base, |sum, (rule, _)| sum + rule.contribution)),
        };
        let decision = self.decide(scoring, &held);
        let of_model = model.into_iter().flat_map(|model| model.reasons.iter().cloned());
        Verdict {
            scoring,
            decision,
            reasons: sorted(held.iter().map(|(rule, value)| reason(rule, *value)).chain(of_model)),
        }
    }

    /// What holds where the model that should score gave nothing: the default score and decision, but for what is blocked or allowed
    /// whatever the score.
    pub fn judge_without_model(&self, features: &Features, scoring: f64, otherwise: Decision) -> Verdict {
        let held = self.held(features, true);
        let decision = overruled(&held).unwrap_or(otherwise);
        Verdict { scoring, decision, reasons: sorted(held.iter().map(|(rule, value)| reason(rule, *value))) }
    }

    /// The rules that hold, in their order, with the values that make them hold.
    fn held(&self, features: &Features, beside_model: bool) -> Vec<(&Rule, f64)> {
        let counted = self.rules.iter().filter(|rule| rule.beside_model || !beside_model);
        counted.filter_map(|rule| Some((rule, rule.holds(features)?))).collect()
    }

    fn decide(&self, scoring: f64, held: &[(&Rule, f64)]) -> Decision {
        overruled(held).unwrap_or(if scoring >= self.thresholds.block {
            Decision::Block
        } else if scoring >= self.thresholds.review {
            Decision::Review
        } else {
            Decision::Allow
        })
    }
}

/// What rules decide whatever the score.
fn overruled(held: &[(&Rule, f64)]) -> Option<Decision> {
    let has = |effect| held.iter().any(|(rule, _)| rule.effect == effect);
    if has(Effect::Block) {
        Some(Decision::Block)
    } else if has(Effect::Allow) {
        Some(Decision::Allow)
    } else {
        None
    }
}

/// The largest contribution first, equal ones by code.
fn sorted(reasons: impl Iterator<Item = Reason>) -> Vec<Reason> {
    let mut reasons: Vec<Reason> = reasons.collect();
    reasons.sort_by(|a, b| b.contribution.total_cmp(&a.contribution).then_with(|| a.code.cmp(&b.code)));
    reasons
}

fn probability(log_odds: f64) -> f64 {
    1.0 / (1.0 + (-log_odds).exp())
}

/// Of a probability that is neither 0 nor 1; those count as the nearest that 32 bits tell from them.
fn log_odds(probability: f64) -> f64 {
    let inside = probability.clamp(f64::from(f32::EPSILON), 1.0 - f64::from(f32::EPSILON));
    (inside / (1.0 - inside)).ln()
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
