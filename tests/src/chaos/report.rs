//! What a run came to.

use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fmt};

/// What happened to the stage.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Happened {
    /// Kills by victim.
    pub kills: BTreeMap<String, u64>,
    /// Other faults by kind.
    pub faults: BTreeMap<String, u64>,
    /// Faults that befell nobody, since their victim was down or not ready.
    pub missed: u64,
    /// Faults that this machine cannot have.
    pub left_out: u64,
    /// Processes that ended although nobody killed them, how often, and why at last.
    pub ended: BTreeMap<String, (u64, String)>,
}

impl Happened {
    /// All kills.
    pub fn kills(&self) -> u64 {
        self.kills.values().sum()
    }

    /// Remembers that a process ended although nobody killed it.
    pub fn ended_by_itself(&mut self, process: &str, why: String) {
        let (times, last) = self.ended.entry(process.to_owned()).or_default();
        (*times, *last) = (*times + 1, why);
    }
}

/// What the oracle says: `tests/oracle/pipeline`.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
pub struct Verdict {
    /// Figures by name, such as records of a topic.
    pub counts: BTreeMap<String, i64>,
    /// Money by balance and currency, in ten-thousandths; equal in every place it was counted unless there is a finding.
    pub balances: BTreeMap<String, BTreeMap<String, i64>>,
    /// What each check found, the checks that found nothing included.
    pub checks: BTreeMap<String, Check>,
}

/// One check's findings.
#[derive(Debug, Clone, Deserialize, Serialize)]
pub struct Check {
    /// How many.
    pub findings: u64,
    /// The first of them, in words.
    pub examples: Vec<String>,
}

impl Verdict {
    /// Whether nothing was found.
    pub fn is_clean(&self) -> bool {
        self.checks.values().all(|check| check.findings == 0)
    }

    /// Enters a check of the harness itself, with what it found.
    pub fn check(&mut self, name: &str, found: impl IntoIterator<Item = String>) {
        let examples: Vec<String> = found.into_iter().collect();
        self.checks.insert(name.to_owned(), Check { findings: examples.len() as u64, examples });
    }

    /// Checks that found something.
    pub fn failed(&self) -> Vec<&str> {
        self.checks.iter().filter(|(_, check)| check.findings > 0).map(|(name, _)| name.as_str()).collect()
    }
}

/// One run.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// What load and schedule were made from.
    pub seed: u64,
    /// How long faults and load lasted, seconds.
    pub seconds: f64,
    /// Items that clients over HTTP sent and were answered.
    pub answered: u64,
    /// Requests that were not answered, or answered that nothing was stored.
    pub failed_requests: u64,
    /// What was done to it.
    pub happened: Happened,
    /// From the end of the last fault until every reader was at the end of the log, seconds.
    pub caught_up_s: f64,
    /// What the oracle found.
    pub verdict: Verdict,
    /// How long the oracle took, seconds.
    pub oracle_s: f64,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let listed = |counts: &BTreeMap<String, u64>| {
            counts.iter().map(|(name, count)| format!("{name} {count}")).collect::<Vec<_>>().join(", ")
        };
        let Self { happened, verdict, .. } = self;
        writeln!(f, "seed {}: {:.0} s of faults under load", self.seed, self.seconds)?;
        writeln!(f, "  answered over HTTP   {} items; {} requests failed", self.answered, self.failed_requests)?;
        writeln!(f, "  kills                {} ({})", happened.kills(), listed(&happened.kills))?;
        writeln!(f, "  other faults         {}", listed(&happened.faults))?;
        writeln!(f, "  missed, left out     {}, {}", happened.missed, happened.left_out)?;
        for (process, (times, why)) in &happened.ended {
            writeln!(f, "  ended by itself      {process}, {times} times: {why}")?;
        }
        writeln!(f, "  caught up after      {:.1} s", self.caught_up_s)?;
        for (name, count) in &verdict.counts {
            writeln!(f, "  {name:<20} {count}")?;
        }
        for (balance, sums) in &verdict.balances {
            let sums: Vec<String> = sums
                .iter()
                .map(|(currency, sum)| format!("{currency} {}", millrace_schemas::money::format_money(*sum)))
                .collect();
            writeln!(f, "  {balance:<20} {}", sums.join(", "))?;
        }
        for (name, check) in &verdict.checks {
            let mark = if check.findings == 0 { "ok".to_owned() } else { format!("{} FOUND", check.findings) };
            writeln!(f, "  {mark:<10} {name}")?;
            for example in &check.examples {
                writeln!(f, "             {example}")?;
            }
        }
        let verdict = if verdict.is_clean() { "nothing lost, nothing doubled" } else { "FAILED" };
        write!(f, "  {verdict} (the oracle took {:.0} s)", self.oracle_s)
    }
}
