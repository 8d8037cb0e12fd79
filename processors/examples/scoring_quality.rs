//! How well scores rank labelled transactions: for whoever changes rules or thresholds.
//!
//! `cargo run --release --example scoring_quality -p millrace-processors -- TRANSACTIONS.ndjson [RULES.toml]`
//!
//! Each line is a transaction in the form of the `transactions` topic (`millrace watch` prints it so), in the order of the log;
//! `is_fraud` is the label.

use millrace_processors::{Scoring, scoring::rules::RuleSet};
use millrace_runtime::processor::{Context, Memory, Processor};
use millrace_schemas::{
    Topic,
    event::{Decision, Source, Transaction},
};
use std::{
    collections::BTreeMap,
    error::Error,
    fs::File,
    io::{BufRead, BufReader},
};

/// A score beside its label.
struct Judged {
    scoring: f64,
    is_fraud: bool,
}

/// How often something held, and how often it was right.
#[derive(Default)]
struct Hits {
    all: usize,
    frauds: usize,
}

impl Hits {
    fn add(&mut self, is_fraud: bool) {
        self.all += 1;
        self.frauds += usize::from(is_fraud);
    }

    fn row(&self, name: &str, frauds: usize) {
        let precision = self.frauds as f64 / self.all.max(1) as f64;
        let recall = self.frauds as f64 / frauds as f64;
        println!("{name:<24} {:>9} {precision:>10.3} {recall:>8.3}", self.all);
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().ok_or("give a file of transactions, one JSON object to a line")?;
    let rules = match arguments.next() {
        Some(path) => RuleSet::parse(&std::fs::read_to_string(path)?)?,
        None => RuleSet::built_in(),
    };
    let scoring = Scoring::with_rules(rules);
    let mut memory = scoring.memory();
    let mut judged = Vec::new();
    let mut decisions: BTreeMap<String, Hits> = BTreeMap::new();
    let mut reasons: BTreeMap<String, Hits> = BTreeMap::new();
    for (offset, line) in (0..).zip(BufReader::new(File::open(path)?).lines()) {
        let transaction: Transaction = serde_json::from_str(&line?)?;
        let is_fraud = transaction.is_fraud.ok_or_else(|| format!("line {} has no is_fraud", offset + 1))?;
        let score = memory.process(transaction, context(offset));
        judged.push(Judged { scoring: score.scoring, is_fraud });
        decisions.entry(named(score.decision).to_owned()).or_default().add(is_fraud);
        score.reasons.into_iter().for_each(|reason| reasons.entry(reason.code).or_default().add(is_fraud));
    }
    let frauds = judged.iter().filter(|each| each.is_fraud).count();
    if frauds == 0 || frauds == judged.len() {
        return Err("both labels must occur".into());
    }
    let (area, precision) = ranking(judged, frauds);
    println!("{}: AUC {area:.3}, average precision {precision:.3}", scoring.configuration());
    println!("{:<24} {:>9} {:>10} {:>8}", "decision or reason", "count", "precision", "recall");
    decisions.iter().chain(&reasons).for_each(|(name, hits)| hits.row(name, frauds));
    Ok(())
}

fn named(decision: Decision) -> &'static str {
    match decision {
        Decision::Allow => "allow",
        Decision::Review => "review",
        Decision::Block => "block",
    }
}

/// Area under the ROC curve and average precision; equal scores count as one threshold.
fn ranking(mut judged: Vec<Judged>, frauds: usize) -> (f64, f64) {
    judged.sort_by(|a, b| b.scoring.total_cmp(&a.scoring));
    let legitimate = judged.len() - frauds;
    let (mut found, mut alarms, mut area, mut precision) = (0, 0, 0.0, 0.0);
    for equal in judged.chunk_by(|a, b| a.scoring == b.scoring) {
        let hits = equal.iter().filter(|each| each.is_fraud).count();
        let misses = equal.len() - hits;
        area += misses as f64 * (found as f64 + hits as f64 / 2.0);
        found += hits;
        alarms += misses;
        precision += hits as f64 * found as f64 / (found + alarms) as f64;
    }
    (area / (frauds as f64 * legitimate as f64), precision / frauds as f64)
}

fn context(offset: i64) -> Context {
    let topic = Topic::Transactions.name().to_owned();
    Context {
        source: Source { topic, partition: 0, offset, index: 0, timestamp: 0 },
        event_id: String::new(),
        trn_id: String::new(),
    }
}
