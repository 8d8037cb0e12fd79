//! `GET /api/v1/reconciliation`: what is proven, and every difference by its offset; from the log, not from the tables it is about.

use super::Problem;
use crate::{reconciler::published, told::Instant};
use axum::{
    Json,
    extract::State,
    http::HeaderMap,
    response::{IntoResponse as _, Response},
};
use millrace_runtime::log::Log;
use millrace_schemas::event::{MoneySum, OffsetDifference, Reconciliation};
use schemars::JsonSchema;
use serde::Serialize;
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio::{sync::Semaphore, time::timeout};

/// Answers made at a time.
const CONCURRENT_MAX: usize = 2;
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// What the route needs.
pub(super) struct Proofs {
    log: Log,
    permits: Semaphore,
}

impl Proofs {
    pub(super) fn new(log: Log) -> Self {
        Self { log, permits: Semaphore::new(CONCURRENT_MAX) }
    }

    async fn read(&self) -> Result<Vec<Reconciliation>, Problem> {
        let Ok(Ok(_permit)) = timeout(PATIENCE, self.permits.acquire()).await else { return Err(Problem::busy()) };
        match timeout(PATIENCE, published(&self.log)).await {
            Ok(Ok(all)) => Ok(all),
            Ok(Err(error)) => Err(Problem::of_log(&error.to_string())),
            Err(_) => Err(Problem::of_log("no answer in time")),
        }
    }
}

pub(super) async fn answer(State(proofs): State<Arc<Proofs>>, headers: HeaderMap) -> Response {
    match proofs.read().await {
        Ok(all) => Json(Proof::of(&all)).into_response(),
        Err(problem) => problem.respond(&headers),
    }
}

/// What is proven of the tables, and every difference.
#[derive(Serialize, JsonSchema)]
pub(super) struct Proof<'a> {
    /// Whether everything was checked once, and nothing differs.
    proven: bool,
    /// How many offsets differ.
    differences: usize,
    /// When the partition was checked whose check is the oldest; null before anything was checked.
    #[serde(serialize_with = "Instant::serialize")]
    #[schemars(with = "Option<Instant>")]
    checked_at: Option<i64>,
    /// By partition.
    partitions: Vec<PartitionProof<'a>>,
}

/// What is proven of one partition: of a journal, that each record has one outcome; else that the tables hold what the topic makes of them.
#[derive(Serialize, JsonSchema)]
struct PartitionProof<'a> {
    /// Topic that is checked.
    topic: &'a str,
    /// Partition of that topic.
    partition: i32,
    /// When it was checked.
    #[serde(with = "Instant")]
    checked_at: i64,
    /// First offset that was checked.
    from_offset: i64,
    /// Next offset to check: everything below is proven, but for the differences.
    verified_through: i64,
    /// Offset that the processor or projector had committed then; everything from it on is pending.
    committed: i64,
    /// Checked so far: records, and outcomes by kind or rows by table.
    counts: &'a BTreeMap<String, i64>,
    /// Money checked so far.
    sums: &'a [MoneySum],
    /// Every offset that is not as it must be, the lowest first.
    differences: &'a [OffsetDifference],
    /// How far the turn is that checks everything again.
    turn_offset: i64,
    /// When such a turn was last completed.
    #[serde(serialize_with = "Instant::serialize")]
    #[schemars(with = "Option<Instant>")]
    turn_completed_at: Option<i64>,
}

impl<'a> Proof<'a> {
    fn of(all: &'a [Reconciliation]) -> Self {
        let differences: usize = all.iter().map(|it| it.differences.len()).sum();
        let partition = |it: &'a Reconciliation| PartitionProof {
            topic: &it.topic,
            partition: it.partition,
            checked_at: it.checked_at,
            from_offset: it.from_offset,
            verified_through: it.verified_through,
            committed: it.committed,
            counts: &it.counts,
            sums: &it.sums,
            differences: &it.differences,
            turn_offset: it.turn_offset,
            turn_completed_at: it.turn_completed_at,
        };
        Self {
            proven: !all.is_empty() && differences == 0,
            differences,
            checked_at: all.iter().map(|it| it.checked_at).min(),
            partitions: all.iter().map(partition).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn told(all: &[Reconciliation]) -> Value {
        serde_json::to_value(Proof::of(all)).expect("JSON")
    }

    #[test]
    fn nothing_is_proven_before_anything_was_checked_or_while_something_differs() {
        assert_eq!(told(&[])["proven"], false);
        let clean = Reconciliation { topic: "purchases".into(), checked_at: 5, ..Reconciliation::default() };
        assert_eq!(told(std::slice::from_ref(&clean))["proven"], true);
        let difference = OffsetDifference {
            offset: 7,
            kind: "missing".into(),
            table: None,
            expected: "1".into(),
            found: "0".into(),
        };
        let wrong = Reconciliation { differences: vec![difference], checked_at: 3, ..clean.clone() };
        let answer = told(&[clean, wrong]);
        assert_eq!((&answer["proven"], &answer["differences"]), (&json!(false), &json!(1)));
        assert_eq!(answer["partitions"][1]["differences"][0]["offset"], 7);
        assert_eq!(answer["checked_at"], "1970-01-01T00:00:00.003Z", "the oldest check");
    }
}
