//! The oracles in `oracle/`, which share no code with the product.

use crate::{
    Deployment,
    chaos::report,
    outcomes::{Outcome, Position},
    python,
    wait::until,
};
use millrace_projections::clickhouse::tables;
use millrace_schemas::Topic;
use millrace_schemas::event::{Transaction, TransactionScore, Windows};
use serde_json::{Value as Json, json};
use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{BufWriter, Write as _},
    path::Path,
    process::Command,
    time::Duration,
};

/// How long the pipeline may take to finish what was sent.
const DONE_WITHIN: Duration = Duration::from_secs(300);

/// What becomes of one transaction of a journal.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// Its windows, and whether they are exact.
    Scored(Box<Windows>, bool),
    /// It repeats an earlier one.
    Duplicate,
    /// It contradicts an earlier one.
    Conflict,
}

/// The verdict for each record of a journal.
pub type Verdicts = BTreeMap<Position, Verdict>;

/// How a log is disordered: see `oracle/disorder.py`.
#[derive(Debug, Clone, Copy)]
pub struct Disorder {
    /// `file`, `within` or `full`.
    pub order: &'static str,
    /// Lines that come twice, in percent.
    pub duplicates_percent: u32,
    /// Number of lines that come again with another amount.
    pub conflicts: u32,
    /// What the disorder is drawn from.
    pub seed: u32,
}

impl Disorder {
    /// Disorders transactions as sent over HTTP, one a line, from a file into another.
    pub fn apply(self, from: &Path, to: &Path) {
        let share = f64::from(self.duplicates_percent) / 100.0;
        let options =
            ["--duplicates", &share.to_string(), "--conflicts", &self.conflicts.to_string()].map(str::to_owned);
        let mut command = python::script("oracle/disorder.py");
        command.args(["--order", self.order, "--seed", &self.seed.to_string()]).args(options);
        fs::write(to, run_on(&mut command, from)).expect("the folder can be written to");
    }
}

/// What the oracle says of the transactions of a journal, in its order. `folder` is for files on the way.
pub fn windows(journal: &BTreeMap<Position, Transaction>, folder: &Path) -> Verdicts {
    let log = folder.join("journal.ndjson");
    let mut lines = BufWriter::new(File::create(&log).expect("the folder can be written to"));
    for ((partition, offset), transaction) in journal {
        let line = json!({
            "position": [partition, offset],
            "customer_id": transaction.customer_id,
            "transaction_id": transaction.transaction_id,
            "occurred_at": transaction.occurred_at,
            "amount": transaction.amount,
            "currency": transaction.currency,
        });
        writeln!(lines, "{line}").expect("the folder can be written to");
    }
    lines.into_inner().expect("the folder can be written to");
    let text = run_on(&mut python::script("oracle/windows.py"), &log);
    text.lines().map(|line| verdict(&serde_json::from_str(line).expect("the oracle writes JSON"))).collect()
}

fn verdict(row: &Json) -> (Position, Verdict) {
    let number = |value: &Json| value.as_i64().unwrap_or_else(|| panic!("{row} lacks a number"));
    let position = (number(&row["position"][0]) as i32, number(&row["position"][1]));
    let verdict = match row["outcome"].as_str() {
        Some("duplicate") => Verdict::Duplicate,
        Some("conflict") => Verdict::Conflict,
        _ => {
            let figure = |name: &str| number(&row[name]);
            Verdict::Scored(Box::new(windows_of(figure)), row["window_exact"].as_bool().expect("exact or not"))
        }
    };
    (position, verdict)
}

/// Windows from figures by name.
pub fn windows_of(figure: impl Fn(&str) -> i64) -> Windows {
    let count = |hours| figure(&format!("customer_transaction_count_{hours}h")) as i32;
    let mean = |hours| figure(&format!("customer_avg_amount_{hours}h"));
    Windows {
        customer_transaction_count_3h: count(3),
        customer_avg_amount_3h: mean(3),
        customer_transaction_count_6h: count(6),
        customer_avg_amount_6h: mean(6),
        customer_transaction_count_12h: count(12),
        customer_avg_amount_12h: mean(12),
        customer_transaction_count_24h: count(24),
        customer_avg_amount_24h: mean(24),
    }
}

/// What the log says became of the transactions. Panics at a dead letter that is no conflict.
pub fn of_log(outcomes: &BTreeMap<Position, Outcome<TransactionScore>>) -> Verdicts {
    let verdict = |outcome: &Outcome<TransactionScore>| match outcome {
        Outcome::Output(score) => Verdict::Scored(Box::new(score.windows.clone()), score.window_exact),
        Outcome::Duplicate(_) => Verdict::Duplicate,
        Outcome::DeadLetter(code) if code == "conflict" => Verdict::Conflict,
        Outcome::DeadLetter(code) => panic!("a dead letter of a good transaction: {code}"),
    };
    outcomes.iter().map(|(position, outcome)| (*position, verdict(outcome))).collect()
}

/// Panics at the first transaction of which the product and the oracle do not say the same.
pub fn assert_equal(product: &Verdicts, oracle: &Verdicts) {
    for (position, expected) in oracle {
        assert_eq!(product.get(position), Some(expected), "{position:?}: left is the product, right the oracle");
    }
    assert_eq!(product.len(), oracle.len(), "records that are decided, and records");
}

/// Verdicts that are duplicates, conflicts, and late.
pub fn tally(verdicts: &Verdicts) -> Tally {
    let count = |wanted: fn(&Verdict) -> bool| verdicts.values().filter(|verdict| wanted(verdict)).count();
    Tally {
        scored: count(|verdict| matches!(verdict, Verdict::Scored(..))),
        late: count(|verdict| matches!(verdict, Verdict::Scored(_, false))),
        duplicates: count(|verdict| *verdict == Verdict::Duplicate),
        conflicts: count(|verdict| *verdict == Verdict::Conflict),
    }
}

/// Verdicts, counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tally {
    /// Transactions that are scored.
    pub scored: usize,
    /// Those of them whose windows are not exact.
    pub late: usize,
    /// Duplicates.
    pub duplicates: usize,
    /// Conflicts.
    pub conflicts: usize,
}

/// What the pipeline must come to from a file of receipts: the whole of `oracle/receipts.py`'s answer.
pub fn receipts(file: &Path) -> Json {
    let mut command = python::script("oracle/receipts.py");
    serde_json::from_str(&python::run(command.arg(file))).expect("the oracle writes JSON")
}

/// Holds the query API at an address against pandas over a file of receipts: `oracle/figures.py`. Panics at a difference.
pub fn figures(base: &str, file: &Path) -> Json {
    let mut command = python::script("oracle/figures.py");
    serde_json::from_str(&python::run(command.args(["--url", base]).arg(file))).expect("the oracle writes JSON")
}

/// Waits until everything that is in the journals is in the tables.
pub async fn queryable(deployment: &Deployment) {
    let lag = || async {
        let mut total = 0;
        let groups: [(&str, &[Topic]); 3] =
            [("scoring", &[Topic::Transactions]), ("receipts", &[Topic::Receipts]), ("clickhouse", &tables::topics())];
        for (group, topics) in groups {
            total += deployment.log.lag(group, topics).await.expect("lag").total();
        }
        total
    };
    until("the lag to be zero", DONE_WITHIN, lag, |lag| *lag == 0).await;
}

/// What the whole pipeline came to: every record, row, rollup and sum, recomputed from the clients' books and the log.
pub fn pipeline(deployment: &Deployment, books: &[&Path]) -> report::Verdict {
    const READABLE: &str = "the oracle can read everything";
    let mut command = python::script("oracle/pipeline");
    command.args(["--brokers", &deployment.kafka.brokers, "--prefix", &deployment.kafka.topic_prefix]);
    command.args(["--clickhouse", &deployment.clickhouse.url, "--database", &deployment.clickhouse.database]);
    for book in books {
        command.arg("--books").arg(book);
    }
    match python::try_run(&mut command) {
        Ok(text) => serde_json::from_str(&text).expect("the oracle writes JSON"),
        Err(error) => {
            let mut verdict = report::Verdict::default();
            verdict.check(READABLE, [error]);
            verdict
        }
    }
}

/// Runs a script on a file as its standard input.
fn run_on(command: &mut Command, input: &Path) -> String {
    let file = File::open(input).unwrap_or_else(|error| panic!("{}: {error}", input.display()));
    python::run(command.stdin(file))
}
