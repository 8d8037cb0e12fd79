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

impl Test {
    /// Whether a value passes; a leaf asks nothing.
    pub fn holds(self, value: f32, threshold: f32) -> bool {
        match self {
            Self::Leaf => true,
            Self::AtMost => value <= threshold,
            Self::Below => value < threshold,
            Self::AtLeast => value >= threshold,
            Self::Above => value > threshold,
            Self::Equal => value == threshold,
            Self::Different => value != threshold,
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scoring::model::onnx::Attribute;

    /// A tree of one choice on feature 0, with leaves that add 1 and 2.
    fn stump(mode: &str) -> Operator {
        let whole =
            |name: &str, ints: &[i64]| Attribute { name: name.to_owned(), ints: ints.to_vec(), ..Attribute::default() };
        let real = |name: &str, floats: &[f32]| Attribute {
            name: name.to_owned(),
            floats: floats.to_vec(),
            ..Attribute::default()
        };
        let texts = [mode, "LEAF", "LEAF"].map(|mode| mode.as_bytes().to_vec()).to_vec();
        let attributes = vec![
            whole("nodes_treeids", &[0, 0, 0]),
            whole("nodes_nodeids", &[0, 1, 2]),
            whole("nodes_featureids", &[0, 0, 0]),
            whole("nodes_truenodeids", &[1, 0, 0]),
            whole("nodes_falsenodeids", &[2, 0, 0]),
            real("nodes_values", &[5.0, 0.0, 0.0]),
            Attribute { name: "nodes_modes".to_owned(), texts, ..Attribute::default() },
            whole("class_treeids", &[0, 0]),
            whole("class_nodeids", &[1, 2]),
            whole("class_ids", &[0, 0]),
            real("class_weights", &[1.0, 2.0]),
        ];
        Operator { attributes, ..Operator::default() }
    }

    fn read(operator: &Operator) -> Result<Nodes, String> {
        Nodes::read(operator, 1, "class", 0)
    }

    fn with(name: &str, change: impl Fn(&mut Attribute)) -> String {
        let mut operator = stump("BRANCH_LEQ");
        operator.attributes.iter_mut().filter(|attribute| attribute.name == name).for_each(change);
        read(&operator).err().unwrap_or_else(|| format!("{name} is taken"))
    }

    #[test]
    fn every_comparison_goes_the_way_that_the_standard_says() {
        let cases = [
            ("BRANCH_LEQ", [true, true, false]),
            ("BRANCH_LT", [true, false, false]),
            ("BRANCH_GTE", [false, true, true]),
            ("BRANCH_GT", [false, false, true]),
            ("BRANCH_EQ", [false, true, false]),
            ("BRANCH_NEQ", [true, false, true]),
        ];
        for (mode, expected) in cases {
            let nodes = read(&stump(mode)).unwrap_or_else(|reason| panic!("{mode}: {reason}"));
            assert_eq!(nodes.roots, [0]);
            let Node { test, threshold, yes, no, .. } = nodes.nodes[0];
            assert_eq!([4.0, 5.0, 6.0].map(|value| test.holds(value, threshold)), expected, "{mode}");
            assert_eq!([yes, no].map(|leaf| nodes.nodes[leaf as usize].mean), [1.0, 2.0]);
        }
    }

    #[test]
    fn what_is_no_tree_is_refused_and_not_walked() {
        assert!(with("nodes_modes", |it| it.texts[0] = b"BRANCH_MEMBER".to_vec()).contains("BRANCH_MEMBER"));
        assert_eq!(with("nodes_falsenodeids", |it| it.ints[0] = 7), "tree 0 has no node 7");
        assert_eq!(with("nodes_falsenodeids", |it| it.ints[0] = 1), "the nodes do not make trees");
        assert_eq!(with("nodes_falsenodeids", |it| it.ints[0] = 0), "the nodes do not make trees");
        assert_eq!(with("nodes_nodeids", |it| it.ints[2] = 1), "two nodes of a tree have one id");
        assert_eq!(with("nodes_featureids", |it| it.ints[0] = 1), "the trees look at feature 1, and there are 1");
        assert_eq!(with("nodes_values", |it| it.floats.truncate(2)), "nodes_values has 2 entries for 3");
        assert_eq!(with("class_nodeids", |it| it.ints[0] = 9), "tree 0 has no node 9");
    }

    #[test]
    fn hit_rates_that_are_all_alike_are_none() {
        let mut operator = stump("BRANCH_LEQ");
        let mut rates = |floats: &[f32]| {
            operator.attributes.retain(|attribute| attribute.name != "nodes_hitrates");
            let name = "nodes_hitrates".to_owned();
            operator.attributes.push(Attribute { name, floats: floats.to_vec(), ..Attribute::default() });
            read(&operator).map(|nodes| nodes.hits).ok().flatten()
        };
        assert_eq!(rates(&[1.0, 1.0, 1.0]), None);
        assert_eq!(rates(&[10.0, 7.0, 3.0]), Some(vec![10.0, 7.0, 3.0]));
    }
}
