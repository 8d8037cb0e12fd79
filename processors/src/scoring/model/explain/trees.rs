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
    nodes: Vec<Node>,
    roots: Vec<u32>,
    /// The base value, and the means at all roots.
    bias: f64,
    scaler: Option<Scaler>,
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
        let mut base = match operator.floats("base_values") {
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
        let mut trees = Self { nodes, roots, bias: 0.0, scaler: found.scaler.clone() };
        let hits = hits.unwrap_or_else(|| trees.hits_of(golden));
        trees.fill_means(&hits);
        base += trees.roots.iter().map(|root| trees.nodes[*root as usize].mean).sum::<f64>();
        trees.bias = base;
        Ok((trees, scale, counted))
    }

    pub fn bias(&self) -> f64 {
        self.bias
    }

    pub fn contributions(&self, row: &[f32], into: &mut [f64]) -> f64 {
        let mut sum = self.bias;
        for root in &self.roots {
            let mut node = &self.nodes[*root as usize];
            while node.test != Test::Leaf {
                let next = &self.nodes[node.next(self.value(row, node)) as usize];
                let moved = next.mean - node.mean;
                into[node.feature as usize] += moved;
                sum += moved;
                node = next;
            }
        }
        sum
    }

    fn value(&self, row: &[f32], node: &Node) -> f32 {
        let value = row[node.feature as usize];
        self.scaler.as_ref().map_or(value, |scaler| scaler.apply(node.feature as usize, value))
    }

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
            for root in &self.roots {
                let mut at = *root;
                hits[at as usize] += 1.0;
                while self.nodes[at as usize].test != Test::Leaf {
                    let node = &self.nodes[at as usize];
                    at = node.next(self.value(&golden.row, node));
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
