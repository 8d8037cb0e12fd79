//! `millrace overview`: the first analytics, as tables; what `millrace up` ends with.

use crate::{
    config::{Config, ConfigArgs, block_on},
    output::columns,
};
use anyhow::{Context, Result};
use clickhouse::Row;
use millrace_projections::clickhouse::ClickHouse;
use serde::Deserialize;
use std::{fmt::Write as _, process::ExitCode};

pub const EXAMPLES: &str = "Examples:
  millrace overview";

#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    config: ConfigArgs,
}

pub fn run(args: &Args) -> Result<ExitCode> {
    print!("{}", block_on(tables(&args.config.load()?))?);
    Ok(ExitCode::SUCCESS)
}

/// A question and its answer's columns, every one as text.
struct Question {
    title: &'static str,
    heads: &'static [&'static str],
    /// Gives one column: an array of texts, in the order of `heads`. `{db}` is the database.
    sql: &'static str,
}

/// Money as people write it: two fraction digits are enough to look at, rounded before they are printed, since the engine's own
/// printing of fewer digits drops a carry.
const QUESTIONS: &[Question] = &[
    Question {
        title: "Purchases and mean receipt by place and currency",
        heads: &["place", "currency", "purchases", "total", "mean receipt", "VAT", "tips", "returns"],
        sql: "SELECT [any(place_name), currency, toString(sum(purchases)), toDecimalString(sum(purchase_total), 2), \
              toDecimalString(round(sum(purchase_total) / greatest(sum(purchases), 1), 2), 2), toDecimalString(sum(purchase_nds), 2), \
              toDecimalString(sum(purchase_tips), 2), toString(sum(returns))] AS cells \
              FROM {db}.place_stats_15m GROUP BY place_id, currency ORDER BY sum(purchases) DESC, place_id, currency LIMIT 10",
    },
    Question {
        title: "Transactions by score",
        heads: &["score", "transactions", "allow", "review", "block", "labelled fraud"],
        sql: "SELECT [concat('0.', toString(tenth), if(tenth = 9, ' to 1', concat(' to 0.', toString(tenth + 1)))), \
              toString(count()), toString(countIf(decision = 'allow')), toString(countIf(decision = 'review')), \
              toString(countIf(decision = 'block')), toString(countIf(is_fraud = true))] AS cells \
              FROM (SELECT toUInt8(least(scoring * 10, 9)) AS tenth, decision, is_fraud FROM {db}.transaction_scores) \
              GROUP BY tenth ORDER BY tenth",
    },
    Question {
        title: "Most suspicious customers",
        heads: &["customer", "transactions", "highest score", "because"],
        sql: "SELECT [customer_id, toString(count()), toString(round(max(scoring), 3)), \
              arrayStringConcat(arrayMap(r -> r.code, arraySlice(argMax(reasons, scoring), 1, 4)), ', ')] AS cells \
              FROM {db}.transaction_scores GROUP BY customer_id ORDER BY max(scoring) DESC, customer_id LIMIT 5",
    },
];

#[derive(Row, Deserialize)]
struct Line {
    cells: Vec<String>,
}

/// The answers as text.
pub async fn tables(config: &Config) -> Result<String> {
    let clickhouse = ClickHouse::new(&config.clickhouse)?;
    let mut text = String::new();
    for question in QUESTIONS {
        let sql = question.sql.replace("{db}", clickhouse.database().as_str());
        let lines: Vec<Line> = clickhouse.deadline(clickhouse.query(&sql).fetch_all()).await.context(question.title)?;
        let cells: Vec<Vec<String>> = lines.into_iter().map(|line| line.cells).collect();
        if cells.is_empty() {
            let _ = writeln!(text, "{}: nothing yet\n", question.title);
        } else {
            let _ = writeln!(text, "{}\n{}", question.title, columns(question.heads, &cells));
        }
    }
    Ok(text)
}
