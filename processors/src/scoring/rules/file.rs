//! The file that rules come from: its form, its checks, its version.

use super::{Blocklists, Comparison, Condition, Rule, Thresholds};
use crate::scoring::{blocklists::LISTS, features::Feature};
use jiff::tz::{TimeZone, TimeZoneDatabase};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeSet, path::PathBuf};

/// Rules that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RulesError {
    /// The file cannot be read.
    #[error("cannot read the rules file {path}: {reason}", path = path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: std::io::Error,
    },
    /// The file is not valid.
    #[error("the rules file {path} is not valid: {reason}", path = path.display())]
    InFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: Box<RulesError>,
    },
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

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RulesFile {
    pub base: f64,
    pub blocklist_contribution: f64,
    pub thresholds: Thresholds,
    /// Left out of the version where the file has none, so that files without it keep theirs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    #[serde(default)]
    pub blocklists: Blocklists,
    #[serde(default, rename = "rule")]
    pub rules: Vec<RuleEntry>,
}

/// A rule as it is written; its own condition stands flat beside its code.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RuleEntry {
    code: String,
    text: String,
    feature: Feature,
    comparison: Comparison,
    threshold: f64,
    contribution: f64,
    #[serde(default)]
    also: Vec<Condition>,
}

impl RulesFile {
    pub fn parse(text: &str) -> Result<Self, RulesError> {
        let mut file: Self = toml::from_str(text)?;
        let addresses = std::mem::take(&mut file.blocklists.ip_addresses);
        file.blocklists.ip_addresses = addresses.iter().map(|address| address.to_canonical()).collect();
        file.check_figures()?;
        file.check_rules()?;
        file.check_blocklists()?;
        Ok(file)
    }

    /// From the zones that come with the program, so that scores don't depend on the machine. UTC without one.
    pub fn time_zone(&self) -> Result<TimeZone, RulesError> {
        let Some(name) = &self.zone else { return Ok(TimeZone::UTC) };
        TimeZoneDatabase::bundled().get(name).map_err(|_| RulesError::Zone(name.clone()))
    }

    /// Short hash of the content: comments, spacing and the order of lists' entries don't count. The order of rules does, since
    /// contributions are added in that order.
    pub fn version(&self) -> String {
        let canonical = serde_json::to_vec(self).expect("names, texts, finite numbers and lists are JSON");
        format!("rules-{}", &blake3::hash(&canonical).to_hex()[..8])
    }

    fn check_figures(&self) -> Result<(), RulesError> {
        finite(self.base, || "base".to_owned())?;
        finite(self.blocklist_contribution, || "blocklist_contribution".to_owned())?;
        let Thresholds { review, block } = self.thresholds;
        let in_order = 0.0 < review && review <= block && block <= 1.0;
        if in_order { Ok(()) } else { Err(RulesError::Thresholds { review, block }) }
    }

    fn check_rules(&self) -> Result<(), RulesError> {
        let mut codes = BTreeSet::new();
        for rule in &self.rules {
            let known_letters = rule.code.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
            let reserved = LISTS.iter().any(|list| list.code == rule.code) || rule.code.starts_with("blocklist_");
            if !(1..=64).contains(&rule.code.len()) || !known_letters || reserved {
                return Err(RulesError::BadCode(rule.code.clone()));
            }
            if !codes.insert(&rule.code) {
                return Err(RulesError::DuplicateCode(rule.code.clone()));
            }
            if rule.text.trim().is_empty() {
                return Err(RulesError::NoText(rule.code.clone()));
            }
            finite(rule.contribution, || format!("contribution of rule {:?}", rule.code))?;
            finite(rule.threshold, || format!("threshold of rule {:?}", rule.code))?;
            for condition in &rule.also {
                finite(condition.threshold, || format!("threshold on {} of rule {:?}", condition.feature, rule.code))?;
            }
        }
        Ok(())
    }

    fn check_blocklists(&self) -> Result<(), RulesError> {
        let lists = &self.blocklists;
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
    pub fn to_rule(&self) -> Rule {
        Rule {
            code: self.code.clone(),
            text: self.text.clone(),
            condition: Condition { feature: self.feature, comparison: self.comparison, threshold: self.threshold },
            also: self.also.clone(),
            contribution: self.contribution,
            blocks: false,
        }
    }
}

fn finite(value: f64, name: impl FnOnce() -> String) -> Result<(), RulesError> {
    if value.is_finite() { Ok(()) } else { Err(RulesError::NotFinite(name())) }
}
