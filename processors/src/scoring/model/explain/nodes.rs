//! The nodes of tree ensembles, out of the parallel lists that ONNX keeps them in.

use crate::scoring::model::onnx::Node as Operator;
use hashbrown::HashMap;

/// How a node compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Test {
    Leaf,
    AtMost,
    Below,
    AtLeast,
    Above,
    Equal,
    Different,
}

/// A node of a tree; its children are told by their places in the list of all.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub test: Test,
    pub feature: u32,
    pub threshold: f32,
    pub yes: u32,
    pub no: u32,
    /// Of a leaf, what it adds; of another, the mean of what is added by the rows that come by.
    pub mean: f64,
}

impl Node {
    pub fn next(&self, value: f32) -> u32 {
        let holds = match self.test {
            Test::Leaf | Test::AtMost => value <= self.threshold,
            Test::Below => value < self.threshold,
            Test::AtLeast => value >= self.threshold,
            Test::Above => value > self.threshold,
            Test::Equal => value == self.threshold,
            Test::Different => value != self.threshold,
        };
        if holds { self.yes } else { self.no }
    }
}

/// All nodes, the roots among them, and how often each was passed in training, where the file says so.
pub(super) struct Nodes {
    pub nodes: Vec<Node>,
    pub roots: Vec<u32>,
    pub hits: Option<Vec<f64>>,
}

impl Nodes {
    /// The nodes of an ensemble, with what leaves add to one output: `prefix` is `class` or `target`, and `wanted` says which of its
    /// ids counts.
    pub fn read(operator: &Operator, inputs: usize, prefix: &str, wanted: i64) -> Result<Self, String> {
        let trees = operator.ints("nodes_treeids");
        let whole = |name: &str| exactly(operator.ints(name), trees.len(), name);
        let (ids, features) = (whole("nodes_nodeids")?, whole("nodes_featureids")?);
        let (yes, no) = (whole("nodes_truenodeids")?, whole("nodes_falsenodeids")?);
        let thresholds = exactly(operator.floats("nodes_values"), trees.len(), "nodes_values")?;
        let modes = exactly(operator.texts("nodes_modes"), trees.len(), "nodes_modes")?;
        let keys = || trees.iter().copied().zip(ids.iter().copied());
        let places: HashMap<(i64, i64), u32> = keys().zip(0..).collect();
        if places.len() != trees.len() {
            return Err("two nodes of a tree have one id".to_owned());
        }
        let place =
            |tree: i64, id: i64| places.get(&(tree, id)).copied().ok_or(format!("tree {tree} has no node {id}"));
        let mut nodes = Vec::with_capacity(trees.len());
        for (at, tree) in trees.iter().enumerate() {
            let test = test(&modes[at])?;
            let feature = u32::try_from(features[at]).ok().filter(|feature| (*feature as usize) < inputs);
            let (yes, no) = if test == Test::Leaf { (0, 0) } else { (place(*tree, yes[at])?, place(*tree, no[at])?) };
            let feature = feature.or((test == Test::Leaf).then_some(0));
            let feature =
                feature.ok_or_else(|| format!("the trees look at feature {}, and there are {inputs}", features[at]))?;
            nodes.push(Node { test, feature, threshold: thresholds[at], yes, no, mean: 0.0 });
        }
        add_leaves(operator, prefix, wanted, &mut nodes, place)?;
        let roots = roots(&nodes)?;
        let rates = operator.floats("nodes_hitrates");
        let counted = rates.len() == nodes.len() && rates.iter().any(|rate| *rate != rates[0]);
        let hits = counted.then(|| rates.iter().map(|rate| f64::from(*rate)).collect());
        Ok(Self { nodes, roots, hits })
    }
}

fn add_leaves(
    operator: &Operator,
    prefix: &str,
    wanted: i64,
    nodes: &mut [Node],
    place: impl Fn(i64, i64) -> Result<u32, String>,
) -> Result<(), String> {
    let trees = operator.ints(&format!("{prefix}_treeids"));
    let whole = |name: &str| exactly(operator.ints(&format!("{prefix}_{name}")), trees.len(), name);
    let (ids, outputs) = (whole("nodeids")?, whole("ids")?);
    let weights = exactly(operator.floats(&format!("{prefix}_weights")), trees.len(), "weights")?;
    for at in (0..trees.len()).filter(|at| outputs[*at] == wanted) {
        nodes[place(trees[at], ids[at])? as usize].mean += f64::from(weights[at]);
    }
    Ok(())
}

fn exactly<'v, T>(values: &'v [T], wanted: usize, name: &str) -> Result<&'v [T], String> {
    if values.len() == wanted { Ok(values) } else { Err(format!("{name} has {} entries for {wanted}", values.len())) }
}

fn test(mode: &[u8]) -> Result<Test, String> {
    Ok(match mode {
        b"LEAF" => Test::Leaf,
        b"BRANCH_LEQ" => Test::AtMost,
        b"BRANCH_LT" => Test::Below,
        b"BRANCH_GTE" => Test::AtLeast,
        b"BRANCH_GT" => Test::Above,
        b"BRANCH_EQ" => Test::Equal,
        b"BRANCH_NEQ" => Test::Different,
        other => return Err(format!("the trees compare by {}, which is not known", String::from_utf8_lossy(other))),
    })
}

/// Nodes that are nobody's child. Every other is exactly one's, and reached from a root.
fn roots(nodes: &[Node]) -> Result<Vec<u32>, String> {
    let mut parents = vec![0_u32; nodes.len()];
    for node in nodes.iter().filter(|node| node.test != Test::Leaf) {
        parents[node.yes as usize] += 1;
        parents[node.no as usize] += 1;
    }
    let roots: Vec<u32> = (0..).zip(&parents).filter(|(_, parents)| **parents == 0).map(|(at, _)| at).collect();
    let not_trees = || "the nodes do not make trees".to_owned();
    if roots.is_empty() || parents.iter().any(|parents| *parents > 1) {
        return Err(not_trees());
    }
    let mut reached = 0;
    let mut ahead = roots.clone();
    while let Some(at) = ahead.pop() {
        reached += 1;
        let node = &nodes[at as usize];
        if node.test != Test::Leaf {
            ahead.extend([node.yes, node.no]);
        }
    }
    // What is not reached goes round in circles.
    if reached == nodes.len() { Ok(roots) } else { Err(not_trees()) }
}
