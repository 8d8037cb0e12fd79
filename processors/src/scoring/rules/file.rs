//! The file that rules come from: its form, its checks, its version.

use super::{Blocklists, Comparison, Condition, Effect, Rule, Thresholds};
use crate::scoring::{blocklists::LISTS, features::Feature};
use jiff::tz::{TimeZone, TimeZoneDatabase};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeSet, ops::Range};
use toml::Spanned;

/// Rules that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RulesError {
    /// What is wrong stands at a place of the text.
    #[error("line {line}, column {column}: {reason}")]
    At {
        /// Line, from 1.
        line: usize,
        /// Column in characters, from 1.
        column: usize,
        /// What is wrong there.
        reason: Box<RulesError>,
    },
    /// A file of rules that leaves something out which nothing before it said.
    #[error("there are no [thresholds], and none were applied before")]
    NoThresholds,
    /// Not TOML of the form expected, or it names a feature that does not exist.
    #[error(transparent)]
    Malformed(#[from] toml::de::Error),
    /// A figure is infinite or not a number.
    #[error("{0} must be a finite number")]
    NotFinite(String),
    /// The thresholds are not in order.
    #[error("thresholds must lie in order: 0 < review <= block <= 1, but review is {review} and block is {block}")]
    Thresholds {
        /// As given.
        review: f64,
        /// As given.
        block: f64,
    },
    /// A zone nobody knows.
    #[error("zone: there is no time zone {0:?}; use an IANA name such as Europe/Berlin")]
    Zone(String),
    /// Two rules have one code.
    #[error("two rules have the code {0:?}; a code names one rule")]
    DuplicateCode(String),
    /// A code that cannot be used.
    #[error("rule code {0:?} must be 1 to 64 of a-z, 0-9 and _, and not begin with blocklist_")]
    BadCode(String),
    /// A rule without words.
    #[error("rule {0:?} must have a text")]
    NoText(String),
    /// An entry of a blocklist that could never be hit.
    #[error("card_bins of the blocklists holds {0:?}; an entry must be 6 to 8 digits")]
    BadCardBin(String),
    /// An entry of a blocklist that could never be hit.
    #[error("{0} of the blocklists holds an empty entry")]
    EmptyEntry(&'static str),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RulesFile {
    pub base: f64,
    pub blocklist_contribution: f64,
    pub thresholds: Option<Spanned<Thresholds>>,
    /// Left out of the version where the file has none, so that files without it keep theirs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<Spanned<String>>,
    pub blocklists: Option<Blocklists>,
    #[serde(default, rename = "rule")]
    pub rules: Vec<RuleEntry>,
}

/// A file that names thresholds alone.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ThresholdsFile {
    thresholds: Spanned<Thresholds>,
}

/// A file that names blocklists alone.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ListsFile {
    blocklist_contribution: Option<f64>,
    blocklists: Blocklists,
}

/// A rule as it is written; its own condition stands flat beside its code.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RuleEntry {
    code: Spanned<String>,
    text: String,
    feature: Feature,
    comparison: Comparison,
    threshold: f64,
    contribution: f64,
    #[serde(default)]
    also: Vec<Condition>,
    /// Left out of the version where it is the default, as the next one is, so that files without them keep theirs.
    #[serde(default, skip_serializing_if = "Effect::is_default")]
    effect: Effect,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    beside_model: bool,
}

impl RulesFile {
    /// A file of rules, with thresholds and blocklists where it names them, else those of before.
    pub fn rules(text: &str, before: Option<&Self>) -> Result<Self, RulesError> {
        let mut file: Self = toml::from_str(text)?;
        file.thresholds = file.thresholds.or_else(|| before?.thresholds.clone());
        file.blocklists =
            file.blocklists.or_else(|| before?.blocklists.clone()).or_else(|| Some(Blocklists::default()));
        file.checked(text)
    }

    /// The same with the thresholds of a file.
    pub fn with_thresholds(&self, text: &str) -> Result<Self, RulesError> {
        let ThresholdsFile { thresholds } = toml::from_str(text)?;
        Self { thresholds: Some(thresholds), ..self.clone() }.checked(text)
    }

    /// The same with the blocklists of a file.
    pub fn with_lists(&self, text: &str) -> Result<Self, RulesError> {
        let ListsFile { blocklist_contribution, blocklists } = toml::from_str(text)?;
        let blocklist_contribution = blocklist_contribution.unwrap_or(self.blocklist_contribution);
        Self { blocklist_contribution, blocklists: Some(blocklists), ..self.clone() }.checked(text)
    }

    /// The text is where places of errors are told.
    fn checked(mut self, text: &str) -> Result<Self, RulesError> {
        if let Some(lists) = &mut self.blocklists {
            let addresses = std::mem::take(&mut lists.ip_addresses);
            lists.ip_addresses = addresses.iter().map(|address| address.to_canonical()).collect();
        }
        self.check_figures(text)?;
        self.check_rules(text)?;
        self.check_blocklists()?;
        self.time_zone().map_err(|reason| match &self.zone {
            Some(zone) => at(text, zone.span(), reason),
            None => reason,
        })?;
        Ok(self)
    }

    pub fn thresholds(&self) -> Result<Thresholds, RulesError> {
        self.thresholds.as_ref().map(|it| *it.get_ref()).ok_or(RulesError::NoThresholds)
    }

    /// From the zones that come with the program, so that scores don't depend on the machine. UTC without one.
    pub fn time_zone(&self) -> Result<TimeZone, RulesError> {
        let Some(name) = &self.zone else { return Ok(TimeZone::UTC) };
        TimeZoneDatabase::bundled().get(name.get_ref()).map_err(|_| RulesError::Zone(name.get_ref().clone()))
    }

    /// Short hash of the content: comments, spacing and the order of lists' entries don't count. The order of rules does, since
    /// contributions are added in that order.
    pub fn version(&self) -> String {
        let canonical = serde_json::to_vec(self).expect("names, texts, finite numbers and lists are JSON");
        format!("rules-{}", &blake3::hash(&canonical).to_hex()[..8])
    }

    fn check_figures(&self, text: &str) -> Result<(), RulesError> {
        finite(self.base, || "base".to_owned())?;
        finite(self.blocklist_contribution, || "blocklist_contribution".to_owned())?;
        let thresholds = self.thresholds.as_ref().ok_or(RulesError::NoThresholds)?;
        let Thresholds { review, block } = *thresholds.get_ref();
        if 0.0 < review && review <= block && block <= 1.0 {
            return Ok(());
        }
        Err(at(text, thresholds.span(), RulesError::Thresholds { review, block }))
    }

    fn check_rules(&self, text: &str) -> Result<(), RulesError> {
        let mut codes = BTreeSet::new();
        self.rules.iter().try_for_each(|rule| {
            let is_new = codes.insert(rule.code.get_ref().as_str());
            rule.check(is_new).map_err(|reason| at(text, rule.code.span(), reason))
        })
    }

    fn check_blocklists(&self) -> Result<(), RulesError> {
        let Some(lists) = &self.blocklists else { return Ok(()) };
        for (name, list) in
            [("customers", &lists.customers), ("merchants", &lists.merchants), ("devices", &lists.devices)]
        {
            if list.contains("") {
                return Err(RulesError::EmptyEntry(name));
            }
        }
        let is_bin = |bin: &&String| (6..=8).contains(&bin.len()) && bin.bytes().all(|b| b.is_ascii_digit());
        match lists.card_bins.iter().find(|bin| !is_bin(bin)) {
            Some(bin) => Err(RulesError::BadCardBin(bin.clone())),
            None => Ok(()),
        }
    }
}

impl RuleEntry {
    fn check(&self, is_new: bool) -> Result<(), RulesError> {
        let code = self.code.get_ref();
        let known_letters = code.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
        let reserved = LISTS.iter().any(|list| list.code == code) || code.starts_with("blocklist_");
        if !(1..=64).contains(&code.len()) || !known_letters || reserved {
            return Err(RulesError::BadCode(code.clone()));
        }
        if !is_new {
            return Err(RulesError::DuplicateCode(code.clone()));
        }
        if self.text.trim().is_empty() {
            return Err(RulesError::NoText(code.clone()));
        }
        finite(self.contribution, || format!("contribution of rule {code:?}"))?;
        finite(self.threshold, || format!("threshold of rule {code:?}"))?;
        self.also.iter().try_for_each(|condition| {
            finite(condition.threshold, || format!("threshold on {} of rule {code:?}", condition.feature))
        })
    }

    pub fn to_rule(&self) -> Rule {
        Rule {
            code: self.code.get_ref().clone(),
            text: self.text.clone(),
            condition: Condition { feature: self.feature, comparison: self.comparison, threshold: self.threshold },
            also: self.also.clone(),
            contribution: self.contribution,
            effect: self.effect,
            beside_model: self.beside_model || !self.effect.is_default(),
        }
    }
}

fn finite(value: f64, name: impl FnOnce() -> String) -> Result<(), RulesError> {
    if value.is_finite() { Ok(()) } else { Err(RulesError::NotFinite(name())) }
}

/// An error with its place in the text.
fn at(text: &str, span: Range<usize>, reason: RulesError) -> RulesError {
    let before = text.get(..span.start).unwrap_or_default();
    let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    RulesError::At { line, column, reason: Box::new(reason) }
}
