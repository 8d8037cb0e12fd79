//! `GET /api/v1/transactions/{id}`: a transaction as stored, what was decided, and what it turned out to be; and
//! `GET /api/v1/transactions/{id}/score`: everything of its score.
//!
//! `{id}` is the id across systems (`trn_id`), or the client's own id: with `customer_id` that is always enough, without it as long as
//! one customer uses it.

use super::{Problem, Questions};
use crate::{
    clickhouse::{
        ClickHouseError,
        transactions::{DefaultAnswer, StoredLabel, StoredTransaction},
    },
    score::ScoreView,
    told,
};
use axum::{
    Json,
    extract::{
        Path, Query, State,
        rejection::{PathRejection, QueryRejection},
    },
    http::HeaderMap,
    response::{IntoResponse as _, Response},
};
use millrace_schemas::{
    Topic,
    event::{Decision, DecisionSource},
    ids::trn_id,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use uuid::Uuid;

/// Query parameters.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Parameters {
    /// Whose transaction it is; `{id}` is then the customer's own id of it.
    customer_id: Option<String>,
    /// How long to wait until there is an answer, in milliseconds; at most what is configured.
    #[serde(default)]
    wait_ms: u64,
}

/// A transaction, what was decided, and what it turned out to be.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "StoredTransaction")]
pub(super) struct TransactionAnswer {
    #[serde(flatten)]
    transaction: StoredTransaction,
    /// Whether it is decided block. Not the label that a client may have sent.
    is_fraud: bool,
    /// What was decided.
    score: Essentials,
    /// What was answered to clients whom the score did not reach in time.
    default_answers: Vec<DefaultAnswer>,
    /// What it turned out to be, as somebody says; the last one counts.
    labels: Vec<StoredLabel>,
}

/// What most callers want of a score; the rest is at `/score`.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "ScoreEssentials")]
struct Essentials {
    /// Probability-like risk.
    #[schemars(range(min = 0, max = 1))]
    scoring: f64,
    /// What to do with the transaction.
    decision: Decision,
    /// What decided.
    decision_source: DecisionSource,
    /// Codes of what raised the score and of rules that hold, the largest contribution first.
    reasons: Vec<String>,
    /// Version of the model; null where none scored.
    model: Option<String>,
    /// Version of rules and thresholds that were in force.
    configuration: String,
    /// Id of the score's event.
    event_id: String,
    /// When the score was made.
    #[serde(with = "told::Instant")]
    processed_at: i64,
}

/// The parts of a request as axum gives them.
type Asked = (Result<Path<String>, PathRejection>, Result<Query<Parameters>, QueryRejection>);

pub(super) async fn transaction(
    State(questions): State<Arc<Questions>>,
    path: Result<Path<String>, PathRejection>,
    parameters: Result<Query<Parameters>, QueryRejection>,
    headers: HeaderMap,
) -> Response {
    let answered = async {
        let (id, parameters) = asked((path, parameters))?;
        questions.first(&parameters, || questions.transaction(&id, parameters.customer_id.as_deref())).await
    };
    respond(answered.await, &headers)
}

pub(super) async fn score(
    State(questions): State<Arc<Questions>>,
    path: Result<Path<String>, PathRejection>,
    parameters: Result<Query<Parameters>, QueryRejection>,
    headers: HeaderMap,
) -> Response {
    let answered = async {
        let (id, parameters) = asked((path, parameters))?;
        questions.first(&parameters, || questions.score(&id, parameters.customer_id.as_deref())).await
    };
    respond(answered.await, &headers)
}

fn asked((path, parameters): Asked) -> Result<(String, Parameters), Problem> {
    let Path(id) = path.map_err(|rejection| Problem::bad_parameter(rejection.body_text()))?;
    let Query(parameters) = parameters.map_err(|rejection| Problem::bad_parameter(rejection.body_text()))?;
    Ok((id, parameters))
}

fn respond<T: Serialize>(answered: Result<T, Problem>, headers: &HeaderMap) -> Response {
    match answered {
        Ok(answer) => Json(answer).into_response(),
        Err(problem) => problem.respond(headers),
    }
}

/// What was found under an id.
#[derive(Debug)]
enum Found<T> {
    One(T),
    Nothing,
    /// Several customers use it.
    Ambiguous,
}

impl<T> From<Option<T>> for Found<T> {
    fn from(found: Option<T>) -> Self {
        found.map_or(Self::Nothing, Self::One)
    }
}

impl Questions {
    /// What there is under an id, waited for as long as the caller wants.
    async fn first<T, A>(&self, parameters: &Parameters, ask: impl Fn() -> A) -> Result<T, Problem>
    where
        A: Future<Output = Result<Found<T>, Problem>>,
    {
        let is_final = |found: &Found<T>| !matches!(found, Found::Nothing);
        match self.patiently(parameters.wait_ms, ask, is_final).await? {
            Found::One(found) => Ok(found),
            Found::Nothing => Err(unknown()),
            Found::Ambiguous => Err(Problem::ambiguous_id(
                "several customers have a transaction with this id; say whose with customer_id, or ask by its trn_id",
            )),
        }
    }

    async fn score(&self, id: &str, customer_id: Option<&str>) -> Result<Found<ScoreView>, Problem> {
        if !told::can_be_id(id) || customer_id.is_some_and(|customer| !told::can_be_id(customer)) {
            return Ok(Found::Nothing);
        }
        self.ask(self.score_by(id, customer_id)).await
    }

    /// The score by whatever the id is.
    async fn score_by(&self, id: &str, customer_id: Option<&str>) -> Result<Found<ScoreView>, ClickHouseError> {
        let of = |customer: &str| self.clickhouse.score(trn_id(Topic::Transactions, customer, id));
        let found = match customer_id {
            Some(customer) => of(customer).await?,
            None => None,
        };
        let across_systems = match as_trn_id(id) {
            Some(trn_id) if found.is_none() => self.clickhouse.score(trn_id).await?,
            _ => None,
        };
        let of_the_same = |score: &ScoreView| customer_id.is_none_or(|customer| score.customer_id == customer);
        if let Some(score) = found.or(across_systems.filter(of_the_same)) {
            return Ok(Found::One(score));
        }
        if customer_id.is_some() {
            return Ok(Found::Nothing);
        }
        match self.clickhouse.customers_with(id, 2).await?.as_slice() {
            [] => Ok(Found::Nothing),
            [one] => Ok(of(one).await?.into()),
            _ => Ok(Found::Ambiguous),
        }
    }

    async fn transaction(&self, id: &str, customer_id: Option<&str>) -> Result<Found<TransactionAnswer>, Problem> {
        let score = match self.score(id, customer_id).await? {
            Found::One(score) => score,
            Found::Nothing => return Ok(Found::Nothing),
            Found::Ambiguous => return Ok(Found::Ambiguous),
        };
        self.ask(self.with_transaction(score)).await.map(Found::from)
    }

    /// A score's transaction and labels. Tables are written one after the other, the scores last, so the transaction is there.
    async fn with_transaction(&self, score: ScoreView) -> Result<Option<TransactionAnswer>, ClickHouseError> {
        let strange = |_| ClickHouseError::Unreadable(format!("trn_id {:?} is no UUID", score.trn_id));
        let trn_id = Uuid::try_parse(&score.trn_id).map_err(strange)?;
        let Some(transaction) = self.clickhouse.transaction(trn_id, &score.record).await? else { return Ok(None) };
        let labels = self.clickhouse.labels_of(trn_id).await?;
        let default_answers = self.clickhouse.default_answers(trn_id).await?;
        let is_fraud = score.is_fraud;
        Ok(Some(TransactionAnswer { transaction, is_fraud, score: essentials(score), default_answers, labels }))
    }
}

/// An id in the form in which answers have it. Clients' own ids are often 32 hexadecimal digits, which are not meant.
fn as_trn_id(id: &str) -> Option<Uuid> {
    const WITH_DASHES: usize = 36;
    Uuid::try_parse(id).ok().filter(|_| id.len() == WITH_DASHES)
}

fn essentials(score: ScoreView) -> Essentials {
    Essentials {
        scoring: score.scoring,
        decision: score.decision,
        decision_source: score.decision_source,
        reasons: score.reasons.into_iter().map(|reason| reason.code).collect(),
        model: score.model,
        configuration: score.configuration,
        event_id: score.event_id,
        processed_at: score.processed_at,
    }
}

fn unknown() -> Problem {
    Problem::not_found(
        "unknown_transaction",
        "no scored transaction with this id can be queried; what was accepted a moment ago may not be queryable yet: try again, or wait \
         for it with wait_ms",
    )
}
