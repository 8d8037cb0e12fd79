//! `GET /api/v1/reconciliation`: what is proven, and every difference by its offset; from the log, not from the tables it is about.

use super::Problem;
use crate::reconciler::published;
use axum::{
    Json,
    extract::State,
    http::HeaderMap,
    response::{IntoResponse as _, Response},
};
use millrace_runtime::log::Log;
use millrace_schemas::{event::Reconciliation, time::format_instant};
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};
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
        Ok(all) => Json(told(&all)).into_response(),
        Err(problem) => problem.respond(&headers),
    }
}

fn told(all: &[Reconciliation]) -> Value {
    let differences: usize = all.iter().map(|it| it.differences.len()).sum();
    let partitions: Vec<Value> = all
        .iter()
        .map(|it| {
            json!({
                "topic": it.topic,
                "partition": it.partition,
                "checked_at": format_instant(it.checked_at),
                "from_offset": it.from_offset,
                "verified_through": it.verified_through,
                "committed": it.committed,
                "counts": it.counts,
                "sums": it.sums,
                "differences": it.differences,
                "turn_offset": it.turn_offset,
                "turn_completed_at": it.turn_completed_at.map(format_instant),
            })
        })
        .collect();
    json!({
        "proven": !all.is_empty() && differences == 0,
        "differences": differences,
        "checked_at": all.iter().map(|it| it.checked_at).min().map(format_instant),
        "partitions": partitions,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use millrace_schemas::event::OffsetDifference;

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
