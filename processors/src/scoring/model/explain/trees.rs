//! Contributions of trees, along the paths that a row takes through them.

use super::{
    Scale,
    graph::{Found, Scaler},
    nodes::{Node, Nodes, Test},
};
use crate::scoring::model::bundle::Golden;

/// An ensemble of trees that adds up to one output.
#[derive(Debug, Clone)]
pub(super) struct Trees {
    steps: Vec<Step>,
    roots: Vec<u32>,
    /// The base value, and the means at all roots.
    bias: f64,
    scaler: Option<Scaler>,
}

/// A node, as small as can be: how much memory a walk touches is what it costs.
#[derive(Debug, Clone, Copy)]
struct Step {
    threshold: f32,
    /// In 32 bits, as leaves are: along a path each is added and taken away again but for the leaf's.
    mean: f32,
    /// Where the child is for which the comparison holds; the other is next to it. Zero for a leaf: no child is at the first place.
    yes: u32,
    feature: u16,
    test: Test,
}

impl Trees {
    /// The trees, their scale, and whether the file's own hit rates were used.
    pub fn read(
        found: &Found<'_>,
        inputs: usize,
        column: usize,
        golden: &Golden,
    ) -> Result<(Self, Scale, bool), String> {
        let operator = found.node;
        let (prefix, ids) = if found.is_regressor { ("target", "target_ids") } else { ("class", "class_ids") };
        let ids = operator.ints(ids);
        let single = ids.first().filter(|first| ids.iter().all(|id| id == *first));
        let column = i64::try_from(column).map_err(|_| "there is no such column")?;
        // Where all leaves are of one class, they are the odds of the second.
        let wanted = single.copied().unwrap_or(column);
        let scale = match operator.text("post_transform") {
            b"LOGISTIC" => Scale::LogOdds,
            b"NONE" | b"" if found.is_squashed => Scale::LogOdds,
            b"NONE" | b"" => Scale::Probability,
            other => return Err(format!("there are no reasons for the transform {}", String::from_utf8_lossy(other))),
        };
        let Nodes { mut nodes, roots, hits } = Nodes::read(operator, inputs, prefix, wanted)?;
        let base = match operator.floats("base_values") {
            [] => 0.0,
            [base] => f64::from(*base),
            bases => {
                f64::from(*usize::try_from(wanted).ok().and_then(|at| bases.get(at)).ok_or("a base value is missing")?)
            }
        };
        match operator.text("aggregate_function") {
            b"SUM" | b"" => {}
            b"AVERAGE" => {
                let trees = roots.len() as f64;
                nodes.iter_mut().for_each(|node| node.mean /= trees);
            }
            other => {
                return Err(format!("there are no reasons for trees joined by {}", String::from_utf8_lossy(other)));
            }
        }
        let counted = hits.is_some();
        let mut grown = Grown { nodes, roots, scaler: found.scaler.as_ref() };
        let hits = hits.unwrap_or_else(|| grown.hits_of(golden));
        grown.fill_means(&hits);
        let (steps, roots) = grown.steps()?;
        let bias = base + roots.iter().map(|root| f64::from(steps[*root as usize].mean)).sum::<f64>();
        Ok((Self { steps, roots, bias, scaler: found.scaler.clone() }, scale, counted))
    }

    pub fn bias(&self) -> f64 {
        self.bias
    }

    pub fn contributions(&self, row: &[f32], into: &mut [f64]) -> f64 {
        match &self.scaler {
            Some(scaler) => self.walk(&scaler.apply_all(row), into),
            None => self.walk(row, into),
        }
    }

    fn walk(&self, row: &[f32], into: &mut [f64]) -> f64 {
        let mut sum = self.bias;
        for root in &self.roots {
            let mut step = self.steps[*root as usize];
            while step.yes != 0 {
                let feature = usize::from(step.feature);
                let holds = step.test.holds(row[feature], step.threshold);
                let next = self.steps[step.yes as usize + usize::from(!holds)];
                let moved = f64::from(next.mean) - f64::from(step.mean);
                into[feature] += moved;
                sum += moved;
                step = next;
            }
        }
        sum
    }
}

/// Trees while their means are found.
struct Grown<'f> {
    nodes: Vec<Node>,
    roots: Vec<u32>,
    scaler: Option<&'f Scaler>,
}

impl Grown<'_> {
    /// How many golden rows come by each node. One more row is shared out by the number of leaves, so that a node that none comes by
    /// has a mean too.
    fn hits_of(&self, golden: &Golden) -> Vec<f64> {
        let mut hits = vec![0.0; self.nodes.len()];
        for at in self.children_first() {
            let node = &self.nodes[at as usize];
            let leaves = if node.test == Test::Leaf { 1.0 } else { hits[node.yes as usize] + hits[node.no as usize] };
            hits[at as usize] = leaves;
        }
        let leaves = hits.clone();
        let order = self.children_first();
        for root in &self.roots {
            hits[*root as usize] = 1.0;
        }
        for at in order.into_iter().rev() {
            let node = &self.nodes[at as usize];
            if node.test != Test::Leaf {
                for child in [node.yes, node.no] {
                    hits[child as usize] = hits[at as usize] * leaves[child as usize] / leaves[at as usize];
                }
            }
        }
        for golden in golden.rows() {
            let scaled = self.scaler.map(|scaler| scaler.apply_all(&golden.row));
            let row = scaled.as_ref().unwrap_or(&golden.row);
            for root in &self.roots {
                let mut at = *root;
                hits[at as usize] += 1.0;
                while self.nodes[at as usize].test != Test::Leaf {
                    let node = &self.nodes[at as usize];
                    let holds = node.test.holds(row[node.feature as usize], node.threshold);
                    at = if holds { node.yes } else { node.no };
                    hits[at as usize] += 1.0;
                }
            }
        }
        hits
    }

    fn fill_means(&mut self, hits: &[f64]) {
        for at in self.children_first() {
            let Node { test, yes, no, .. } = self.nodes[at as usize];
            if test == Test::Leaf {
                continue;
            }
            let [yes, no] = [yes as usize, no as usize];
            let all = hits[yes] + hits[no];
            let share = if all > 0.0 { hits[yes] / all } else { 0.5 };
            self.nodes[at as usize].mean = share * self.nodes[yes].mean + (1.0 - share) * self.nodes[no].mean;
        }
    }

    /// The trees one after another, siblings side by side.
    fn steps(&self) -> Result<(Vec<Step>, Vec<u32>), String> {
        let small =
            |feature: u32| u16::try_from(feature).map_err(|_| format!("{feature} is more features than are explained"));
        let step = |node: &Node| -> Result<Step, String> {
            let Node { test, threshold, mean, .. } = *node;
            Ok(Step { threshold, mean: mean as f32, yes: 0, feature: small(node.feature)?, test })
        };
        let (mut steps, mut roots) = (Vec::with_capacity(self.nodes.len()), Vec::with_capacity(self.roots.len()));
        for root in &self.roots {
            roots.push(steps.len() as u32);
            let mut ahead = vec![(*root, steps.len())];
            steps.push(step(&self.nodes[*root as usize])?);
            while let Some((at, place)) = ahead.pop() {
                let node = &self.nodes[at as usize];
                if node.test != Test::Leaf {
                    steps[place].yes = steps.len() as u32;
                    for child in [node.yes, node.no] {
                        ahead.push((child, steps.len()));
                        steps.push(step(&self.nodes[child as usize])?);
                    }
                }
            }
        }
        Ok((steps, roots))
    }

    /// The places of all nodes, each after its children.
    fn children_first(&self) -> Vec<u32> {
        let mut order = Vec::with_capacity(self.nodes.len());
        let mut ahead = self.roots.clone();
        while let Some(at) = ahead.pop() {
            order.push(at);
            let node = &self.nodes[at as usize];
            if node.test != Test::Leaf {
                ahead.extend([node.yes, node.no]);
            }
        }
        order.reverse();
        order
    }
}
