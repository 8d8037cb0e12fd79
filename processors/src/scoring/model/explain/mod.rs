//! Which features made a score what it is, read from the ONNX file itself.
//!
//! A tree contributes along the path that a row takes through it: at each node, what the choice there moves the mean score of the rows
//! that come by. A linear model contributes each product. The bias and all contributions add up to the model's output, before the
//! logistic function where there is one; that they do is proven on the golden rows before any reason is given.
//!
//! Means need the number of training rows at each node. They are the file's hit rates where those are counts; exporters write 1
//! everywhere, and then the golden rows are sent through the trees instead.

mod graph;
mod linear;
mod nodes;
mod trees;

use super::{
    bundle::{Golden, Manifest},
    calibration::logistic,
    onnx,
};
use linear::Linear;
use millrace_schemas::event::Reason;
use trees::Trees;

/// Reasons given at most.
pub const REASONS_MAX: usize = 5;
/// How far what is explained may be from the engine's probability, which is computed in 32 bits.
const AGREEMENT: f64 = 1e-5;

/// What contributions add up to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    /// The log-odds of fraud.
    LogOdds,
    /// The probability of fraud.
    Probability,
}

impl Scale {
    /// In words.
    pub const fn name(self) -> &'static str {
        match self {
            Self::LogOdds => "log-odds",
            Self::Probability => "probability",
        }
    }

    fn probability(self, margin: f64) -> f64 {
        match self {
            Self::LogOdds => logistic(margin),
            Self::Probability => margin,
        }
    }
}

/// The part of a graph that contributions are computed from.
#[derive(Debug, Clone)]
enum Parts {
    Trees(Trees),
    Linear(Linear),
}

/// Explains the scores of one model.
#[derive(Debug, Clone)]
pub struct Explainer {
    parts: Parts,
    scale: Scale,
    /// Of each input its group, by their order in the manifest.
    group_of: Vec<Option<usize>>,
    groups: usize,
    /// How the contributions are come by, in words.
    method: &'static str,
}

impl Explainer {
    /// An explainer of a model, when its graph is one that can be explained.
    ///
    /// # Errors
    /// Why there can be no reasons, in words.
    pub(super) fn new(graph: &onnx::Graph, manifest: &Manifest, golden: &Golden) -> Result<Self, String> {
        let group_of: Vec<Option<usize>> = manifest
            .features
            .iter()
            .map(|input| manifest.reasons.iter().position(|group| group.features.contains(&input.name)))
            .collect();
        let found = graph::find(graph, &manifest.output.name)?;
        let (inputs, column) = (manifest.features.len(), manifest.output.column);
        let (parts, scale, method) = match found.kind {
            graph::Kind::Trees => {
                let (trees, scale, counted) = Trees::read(&found, inputs, column, golden)?;
                let by_rates = "paths through the trees, with the file's hit rates";
                let by_golden = "paths through the trees, with hit rates of the golden rows";
                (Parts::Trees(trees), scale, if counted { by_rates } else { by_golden })
            }
            graph::Kind::Linear => {
                let (linear, scale) = Linear::read(&found, inputs, column)?;
                (Parts::Linear(linear), scale, "the products of a linear model")
            }
        };
        Ok(Self { parts, scale, group_of, groups: manifest.reasons.len(), method })
    }

    /// Whether it explains what the engine answers.
    ///
    /// # Errors
    /// Why not, in words.
    pub(super) fn prove(&self, row: &[f32], engine: f64) -> Result<(), String> {
        let explained = self.scale.probability(self.contributions(row, &mut vec![0.0; row.len()]));
        if (explained - engine).abs() <= AGREEMENT {
            return Ok(());
        }
        Err(format!(
            "contributions would add up to {explained} where the model says {engine}: its graph does more than they show"
        ))
    }

    /// What contributions add up to.
    pub fn scale(&self) -> Scale {
        self.scale
    }

    /// How they are come by, in words.
    pub fn method(&self) -> &'static str {
        self.method
    }

    /// What is there before any feature is looked at.
    pub fn bias(&self) -> f64 {
        match &self.parts {
            Parts::Trees(trees) => trees.bias(),
            Parts::Linear(linear) => linear.bias(),
        }
    }

    /// Writes the contribution of each feature of a row; returns the bias and all of them together.
    pub fn contributions(&self, row: &[f32], into: &mut [f64]) -> f64 {
        into.fill(0.0);
        match &self.parts {
            Parts::Trees(trees) => trees.contributions(row, into),
            Parts::Linear(linear) => linear.contributions(row, into),
        }
    }

    /// The reasons that raised a row's score: of the groups that contribute, the largest first, equal ones in the manifest's order. A
    /// reason's feature is the one of its group that contributes most.
    pub(super) fn reasons(&self, manifest: &Manifest, row: &[f32], scratch: &mut Scratch) -> Vec<Reason> {
        scratch.each.resize(row.len(), 0.0);
        scratch.groups.clear();
        scratch.groups.resize(self.groups, Group::default());
        self.contributions(row, &mut scratch.each);
        for (input, (contribution, group)) in scratch.each.iter().zip(&self.group_of).enumerate() {
            let Some(group) = group.map(|at| &mut scratch.groups[at]) else { continue };
            group.contribution += contribution;
            if group.largest.is_none_or(|(_, largest)| *contribution > largest) {
                group.largest = Some((input, *contribution));
            }
        }
        let mut raising: Vec<(usize, usize, f64)> = (scratch.groups.iter().enumerate())
            .filter(|(_, group)| group.contribution > 0.0)
            .filter_map(|(at, group)| Some((at, group.largest?.0, group.contribution)))
            .collect();
        raising.sort_by(|(_, _, a), (_, _, b)| b.total_cmp(a));
        raising.truncate(REASONS_MAX);
        let reason = |(group, input, contribution): (usize, usize, f64)| Reason {
            code: manifest.reasons[group].code.clone(),
            text: manifest.reasons[group].text.clone(),
            feature: manifest.features[input].name.name().to_owned(),
            value: f64::from(row[input]),
            contribution,
        };
        raising.into_iter().map(reason).collect()
    }
}

/// Room that is used again from score to score.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    each: Vec<f64>,
    groups: Vec<Group>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Group {
    contribution: f64,
    /// The input that contributes most, and how much.
    largest: Option<(usize, f64)>,
}
