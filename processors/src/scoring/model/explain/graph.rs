//! Finds in a graph what can be explained: trees or a linear model, right behind the input or behind a scaler.

use crate::scoring::model::onnx::{Graph, Node};

/// What was found.
pub(super) struct Found<'g> {
    pub kind: Kind,
    pub node: &'g Node,
    /// A regressor's output is one column; a classifier's has one for each class.
    pub is_regressor: bool,
    /// A logistic function stands between it and the output.
    pub is_squashed: bool,
    pub scaler: Option<Scaler>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Trees,
    Linear,
}

/// Shifts and scales each input.
#[derive(Debug, Clone)]
pub(super) struct Scaler {
    offset: Vec<f32>,
    scale: Vec<f32>,
}

impl Scaler {
    /// The value as what follows the scaler sees it, computed as the library does.
    pub fn apply(&self, input: usize, value: f32) -> f32 {
        let of = |values: &[f32]| values.get(input).or(values.first()).copied().unwrap_or_default();
        (value - of(&self.offset)) * of(&self.scale)
    }

    /// A row as what follows the scaler sees it.
    pub fn apply_all(&self, row: &[f32]) -> Vec<f32> {
        row.iter().enumerate().map(|(input, value)| self.apply(input, *value)).collect()
    }

    fn read(node: &Node) -> Self {
        Self { offset: node.floats("offset").to_owned(), scale: node.floats("scale").to_owned() }
    }
}

/// Nodes on the way from the output to the input; a graph with more of them is none of an exporter of such models.
const WAY_MAX: usize = 16;

/// Goes back from the output. What is passed over on the way is proven harmless later, by comparing results.
pub(super) fn find<'g>(graph: &'g Graph, output: &str) -> Result<Found<'g>, String> {
    let mut at = output;
    let mut is_squashed = false;
    for _ in 0..WAY_MAX {
        let node = maker(graph, at)?;
        let first = node.inputs.first().ok_or_else(|| format!("{} has no input", node.op))?;
        let (kind, is_regressor) = match node.op.as_str() {
            "TreeEnsembleClassifier" => (Kind::Trees, false),
            "TreeEnsembleRegressor" => (Kind::Trees, true),
            "LinearClassifier" => (Kind::Linear, false),
            "LinearRegressor" => (Kind::Linear, true),
            "Identity" | "Cast" | "Mul" | "Normalizer" => {
                at = first;
                continue;
            }
            "Sigmoid" => {
                is_squashed = true;
                at = first;
                continue;
            }
            other => {
                return Err(format!(
                    "there are no reasons for a model with {other}; trees and linear models have them"
                ));
            }
        };
        return Ok(Found { kind, node, is_regressor, is_squashed, scaler: scaler(graph, first)? });
    }
    Err("the graph is longer than any of trees or of a linear model".to_owned())
}

fn scaler(graph: &Graph, input: &str) -> Result<Option<Scaler>, String> {
    let mut at = input;
    let mut scaler = None;
    for _ in 0..WAY_MAX {
        let Ok(node) = maker(graph, at) else { return Ok(scaler) };
        match node.op.as_str() {
            "Identity" | "Cast" => {}
            "Scaler" if scaler.is_none() => scaler = Some(Scaler::read(node)),
            other => return Err(format!("there are no reasons for a model with {other} before it")),
        }
        at = node.inputs.first().ok_or_else(|| format!("{} has no input", node.op))?;
    }
    Err("the graph is longer than any of trees or of a linear model".to_owned())
}

fn maker<'g>(graph: &'g Graph, output: &str) -> Result<&'g Node, String> {
    let made = graph.nodes.iter().find(|node| node.outputs.iter().any(|name| name == output));
    made.ok_or_else(|| format!("nothing in the graph makes {output:?}"))
}
