//! The manifest: what a model is, what it takes, and how its output is read.

use super::{BundleError, Moment};
use crate::scoring::{features::Feature, model::calibration::Calibration, rules::Thresholds};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// A manifest, as it is written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Name of the model: 1 to 64 of a-z, 0-9, `-`, `_` and `.`.
    pub id: String,
    /// SHA-256 of the ONNX file, in lower-case hexadecimal.
    pub sha256: String,
    /// What it was trained on.
    pub created_from: Origin,
    /// When the training data begins.
    pub train_from: Moment,
    /// When the training data ends; not part of it itself.
    pub train_to: Moment,
    /// What the model takes, in its order.
    pub features: Vec<Input>,
    /// Where the probability of fraud is found.
    pub output: Output,
    /// How it becomes one that can be believed.
    pub calibration: Calibration,
    /// Calibrated probabilities from which a transaction is reviewed and blocked, unless the configuration says others.
    pub thresholds: Thresholds,
    /// How features are told to people.
    #[serde(default)]
    pub reasons: Vec<ReasonGroup>,
    /// How features and scores were spread in training.
    pub histograms: Histograms,
}

/// What a model was trained on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Origin {
    /// The data by name.
    pub data: Data,
    /// Seeds of what was simulated.
    #[serde(default)]
    pub seeds: Vec<i64>,
}

/// One name or several.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, expecting = "expected a text or a list of texts")]
pub enum Data {
    /// One.
    One(String),
    /// Several.
    Several(Vec<String>),
}

/// A feature that the model takes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// Which.
    pub name: Feature,
    /// What stands for it when it is absent.
    pub default: f64,
}

/// Where a model's probability is found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Output {
    /// Name of the graph's output.
    pub name: String,
    /// Its column, counted from 0.
    pub column: usize,
}

/// Features that are one reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReasonGroup {
    /// Stable code: 1 to 64 of a-z, 0-9 and `_`.
    pub code: String,
    /// In words.
    pub text: String,
    /// Its features; each belongs to one group at most.
    pub features: Vec<Feature>,
}

/// How values were spread in training, for comparison with what comes later.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Histograms {
    /// Of the calibrated score.
    pub score: Histogram,
    /// Of each feature, as the model takes it.
    pub features: BTreeMap<Feature, Histogram>,
}

/// Shares of values in bins.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Histogram {
    /// Where one bin ends and the next begins, rising; an edge belongs to the bin below it. The first and last bin are endless.
    pub edges: Vec<f64>,
    /// The share of each bin: one more than there are edges.
    pub shares: Vec<f64>,
}

/// How far the shares' sum may be from 1.
const SHARES_TOLERANCE: f64 = 1e-6;

impl Manifest {
    /// A manifest from its text.
    ///
    /// # Errors
    /// When it is not TOML of this form, names an unknown key or feature, or a value makes no sense.
    pub fn parse(text: &str) -> Result<Self, BundleError> {
        let manifest: Self =
            toml::from_str(text).map_err(|error| BundleError::Malformed(error.to_string().trim_end().to_owned()))?;
        manifest.check_names()?;
        manifest.check_features()?;
        manifest.check_reasons()?;
        manifest.calibration.check().map_err(|reason| BundleError::value("calibration", reason))?;
        let Thresholds { review, block } = manifest.thresholds;
        if !(0.0 < review && review <= block && block <= 1.0) {
            let reason =
                format!("must lie in order: 0 < review <= block <= 1, but review is {review} and block is {block}");
            return Err(BundleError::value("thresholds", reason));
        }
        manifest.check_histograms()?;
        Ok(manifest)
    }

    fn check_names(&self) -> Result<(), BundleError> {
        let letters = |text: &str, further: &[u8]| {
            (1..=64).contains(&text.len())
                && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || further.contains(&b))
        };
        if !letters(&self.id, b"-_.") {
            return Err(BundleError::value("id", format!("{:?} must be 1 to 64 of a-z, 0-9, -, _ and .", self.id)));
        }
        if self.sha256.len() != 64 || !self.sha256.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(BundleError::value(
                "sha256",
                "must be 64 lower-case hexadecimal digits: `sha256sum model.onnx`",
            ));
        }
        if let Some(group) = self.reasons.iter().find(|group| !letters(&group.code, b"_")) {
            return Err(BundleError::value(
                "reasons",
                format!("code {:?} must be 1 to 64 of a-z, 0-9 and _", group.code),
            ));
        }
        if self.train_from >= self.train_to {
            let reason = format!("{} is not after train_from, {}", self.train_to, self.train_from);
            return Err(BundleError::value("train_to", reason));
        }
        let named = match &self.created_from.data {
            Data::One(name) => !name.trim().is_empty(),
            Data::Several(names) => !names.is_empty() && names.iter().all(|name| !name.trim().is_empty()),
        };
        if named { Ok(()) } else { Err(BundleError::value("created_from.data", "must name the training data")) }
    }

    fn check_features(&self) -> Result<(), BundleError> {
        let mut seen = BTreeSet::new();
        for (at, Input { name, default }) in self.features.iter().enumerate() {
            if !seen.insert(name) {
                return Err(BundleError::value(format!("features[{at}]"), format!("{name} is named twice")));
            }
            if !(*default as f32).is_finite() {
                let reason = format!("the default of {name} is {default}; it must be a finite 32-bit number");
                return Err(BundleError::value(format!("features[{at}]"), reason));
            }
        }
        if seen.is_empty() { Err(BundleError::value("features", "a model takes at least one")) } else { Ok(()) }
    }

    fn check_reasons(&self) -> Result<(), BundleError> {
        let (mut codes, mut grouped) = (BTreeSet::new(), BTreeSet::new());
        for group in &self.reasons {
            let key = || format!("reasons, code {:?}", group.code);
            if !codes.insert(&group.code) {
                return Err(BundleError::value(key(), "a code names one group"));
            }
            if group.text.trim().is_empty() || group.features.is_empty() {
                return Err(BundleError::value(key(), "must have a text and at least one feature"));
            }
            for feature in &group.features {
                if !self.features.iter().any(|input| input.name == *feature) {
                    return Err(BundleError::value(key(), format!("{feature} is none of the model's features")));
                }
                if !grouped.insert(feature) {
                    return Err(BundleError::value(key(), format!("{feature} is in another group already")));
                }
            }
        }
        Ok(())
    }

    fn check_histograms(&self) -> Result<(), BundleError> {
        self.histograms.score.check().map_err(|reason| BundleError::value("histograms.score", reason))?;
        for (feature, histogram) in &self.histograms.features {
            let key = || format!("histograms.features.{feature}");
            if !self.features.iter().any(|input| input.name == *feature) {
                return Err(BundleError::value(key(), "is none of the model's features"));
            }
            histogram.check().map_err(|reason| BundleError::value(key(), reason))?;
        }
        match self.features.iter().find(|input| !self.histograms.features.contains_key(&input.name)) {
            Some(input) => Err(BundleError::value("histograms.features", format!("{} has none", input.name))),
            None => Ok(()),
        }
    }
}

impl Histogram {
    fn check(&self) -> Result<(), String> {
        let Self { edges, shares } = self;
        if shares.len() != edges.len() + 1 {
            return Err(format!(
                "{} edges make {} bins, and there are {} shares",
                edges.len(),
                edges.len() + 1,
                shares.len()
            ));
        }
        if !edges.iter().all(|edge| edge.is_finite()) || !edges.is_sorted_by(|a, b| a < b) {
            return Err("edges must be finite and rise; merge bins that have one edge".to_owned());
        }
        if !shares.iter().all(|share| (0.0..=1.0).contains(share)) {
            return Err("shares must lie between 0 and 1".to_owned());
        }
        let sum: f64 = shares.iter().sum();
        if (sum - 1.0).abs() > SHARES_TOLERANCE { Err(format!("shares add up to {sum} and not to 1")) } else { Ok(()) }
    }

    /// The bin that a value falls into, counted from 0.
    pub fn bin(&self, value: f64) -> usize {
        self.edges.partition_point(|edge| *edge < value)
    }
}
