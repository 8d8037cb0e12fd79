//! `GET /api/v1/customers/{id}/statistics?at=`: what a customer did in the 3, 6, 12 and 24 hours up to an instant.
//!
//! Of everything the tables hold now. The windows of a score hold what had come when it was made, so a transaction that came late is
//! here and not there.

use super::{Problem, Questions};
use crate::{
    clickhouse::statistics::{CurrencyWindows, WINDOW_HOURS},
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
use millrace_schemas::{money, time::HOUR_MS};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, sync::Arc};

/// Query parameters.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Parameters {
    /// End of the windows, ISO 8601; without it, the customer's latest transaction.
    at: Option<String>,
}

/// What a customer did in windows up to an instant.
#[derive(Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "Statistics")]
pub(super) struct StatisticsAnswer {
    /// Customer.
    customer_id: String,
    /// End of the windows, which belongs to them.
    #[serde(with = "told::Instant")]
    at: i64,
    /// Where `at` comes from.
    at_from: AtFrom,
    /// When the customer's latest transaction took place.
    #[serde(with = "told::Instant")]
    latest_transaction_at: i64,
    /// The shortest first.
    windows: Vec<WindowAnswer>,
}

/// Where an instant comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum AtFrom {
    Parameter,
    LatestTransaction,
}

/// One window.
#[derive(Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "Window")]
struct WindowAnswer {
    /// Its length.
    hours: i64,
    /// Begin, which does not belong to the window.
    #[serde(with = "told::Instant")]
    after: i64,
    /// How many, of all currencies.
    transactions: u64,
    /// By currency: amounts of several are never added.
    currencies: BTreeMap<String, Amounts>,
}

/// Transactions of one currency.
#[derive(Debug, PartialEq, Serialize, JsonSchema)]
struct Amounts {
    /// How many.
    transactions: u64,
    /// Their sum.
    #[serde(with = "told::Money")]
    amount: i128,
    /// Their mean, rounded half-even to 4 digits.
    #[serde(with = "told::Money")]
    mean_amount: i64,
}

pub(super) async fn answer(
    State(questions): State<Arc<Questions>>,
    path: Result<Path<String>, PathRejection>,
    parameters: Result<Query<Parameters>, QueryRejection>,
    headers: HeaderMap,
) -> Response {
    let answered = async {
        let Path(customer_id) = path.map_err(|rejection| Problem::bad_parameter(rejection.body_text()))?;
        let Query(parameters) = parameters.map_err(|rejection| Problem::bad_parameter(rejection.body_text()))?;
        let at = parameters.at.map(|text| told::instant_of("at", &text)).transpose().map_err(Problem::bad_parameter)?;
        questions.statistics(customer_id, at).await
    };
    match answered.await {
        Ok(answer) => Json(answer).into_response(),
        Err(problem) => problem.respond(&headers),
    }
}

impl Questions {
    async fn statistics(&self, customer_id: String, at: Option<i64>) -> Result<StatisticsAnswer, Problem> {
        if !told::can_be_id(&customer_id) {
            return Err(unknown());
        }
        let read = async {
            let Some(latest) = self.clickhouse.latest_of(&customer_id).await? else { return Ok(None) };
            let rows = self.clickhouse.windows_of(&customer_id, at.unwrap_or(latest)).await?;
            Ok(Some((latest, rows)))
        };
        let (latest, rows) = self.ask(read).await?.ok_or_else(unknown)?;
        let (at, at_from) = at.map_or((latest, AtFrom::LatestTransaction), |at| (at, AtFrom::Parameter));
        let windows = WINDOW_HOURS.iter().enumerate().map(|(index, hours)| window(index, *hours, at, &rows));
        Ok(StatisticsAnswer { customer_id, at, at_from, latest_transaction_at: latest, windows: windows.collect() })
    }
}

fn window(index: usize, hours: i64, at: i64, rows: &[CurrencyWindows]) -> WindowAnswer {
    let of_currency = |row: &CurrencyWindows| {
        let (transactions, amount) = (row.counts[index], row.amounts[index]);
        let amounts = Amounts { transactions, amount, mean_amount: money::mean(amount, transactions) };
        (transactions > 0).then(|| (row.currency.clone(), amounts))
    };
    WindowAnswer {
        hours,
        after: at - hours * HOUR_MS,
        transactions: rows.iter().map(|row| row.counts[index]).sum(),
        currencies: rows.iter().filter_map(of_currency).collect(),
    }
}

fn unknown() -> Problem {
    Problem::not_found(
        "unknown_customer",
        "no transaction of this customer can be queried; what was accepted a moment ago may not be queryable yet",
    )
}
