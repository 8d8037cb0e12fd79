//! `GET /api/v1/requests/{request_id}`: the answer of a request, and what finally became of each of its items.
//!
//! What the gateway could not know at once is final here: whether an accepted item was scored, repeats an earlier record, or was
//! refused by its processor; and whether an item that was answered `retry` took effect. `wait_ms` lets a caller wait for it.

mod outcome;

use super::{Problem, Questions};
use axum::{
    Json,
    extract::{Path, Query, State, rejection::QueryRejection},
    http::HeaderMap,
    response::{IntoResponse as _, Response},
};
use outcome::Known;
pub(super) use outcome::RequestAnswer;
use schemars::JsonSchema;
use serde::Deserialize;
use std::sync::Arc;

/// Longest request id there is.
const REQUEST_ID_MAX: usize = 128;

/// Query parameters.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Parameters {
    /// How long to wait until the answer is final, in milliseconds; at most what is configured.
    #[serde(default)]
    wait_ms: u64,
}

pub(super) async fn answer(
    State(questions): State<Arc<Questions>>,
    Path(request_id): Path<String>,
    parameters: Result<Query<Parameters>, QueryRejection>,
    headers: HeaderMap,
) -> Response {
    let answered = match parameters {
        Ok(Query(Parameters { wait_ms })) => questions.request(&request_id, wait_ms).await,
        Err(rejection) => Err(Problem::bad_parameter(rejection.body_text())),
    };
    match answered {
        Ok(answer) => Json(answer).into_response(),
        Err(problem) => problem.respond(&headers),
    }
}

impl Questions {
    /// The answer, as soon as it is final or the time is up.
    async fn request(&self, request_id: &str, wait_ms: u64) -> Result<RequestAnswer, Problem> {
        let is_final = |answer: &Option<RequestAnswer>| answer.as_ref().is_some_and(|answer| answer.is_final);
        let answer = self.patiently(wait_ms, || self.request_now(request_id), is_final).await?;
        answer.ok_or_else(unknown)
    }

    /// What is known now; `None` when nothing is.
    async fn request_now(&self, request_id: &str) -> Result<Option<RequestAnswer>, Problem> {
        if request_id.len() > REQUEST_ID_MAX {
            return Ok(None);
        }
        let clickhouse = &self.clickhouse;
        let read = async {
            let mut known = Known {
                record: clickhouse.request(request_id).await?,
                own: clickhouse.outcomes_of_request(request_id).await?,
                ..Known::default()
            };
            known.others = clickhouse.outcomes_of_ids(&known.ids_to_look_up()).await?;
            known.letters = clickhouse.letters_at(&known.positions_to_look_up()).await?;
            Ok(known)
        };
        Ok(self.ask(read).await?.answer(request_id))
    }
}

fn unknown() -> Problem {
    Problem::not_found(
        "unknown_request",
        "no record of this request can be queried; what was accepted a moment ago may not be queryable yet: try again, or wait for it \
         with wait_ms",
    )
}
