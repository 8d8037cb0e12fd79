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
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, sync::Arc};

/// Query parameters.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Parameters {
    /// End of the windows, ISO 8601; without it, the customer's latest transaction.
    at: Option<String>,
}

/// A customer's windows.
#[derive(Debug, PartialEq, Serialize)]
struct StatisticsAnswer {
    customer_id: String,
    /// End of the windows, which belongs to them.
    #[serde(serialize_with = "told::instant")]
    at: i64,
    /// Where `at` comes from: `parameter` or `latest_transaction`.
    at_from: &'static str,
    #[serde(serialize_with = "told::instant")]
    latest_transaction_at: i64,
    /// The shortest first.
    windows: Vec<WindowAnswer>,
}

#[derive(Debug, PartialEq, Serialize)]
struct WindowAnswer {
    hours: i64,
    /// Begin, which does not belong to the window.
    #[serde(serialize_with = "told::instant")]
    after: i64,
    /// Of all currencies.
    transactions: u64,
    /// Amounts of several currencies are never added.
    currencies: BTreeMap<String, Amounts>,
}

#[derive(Debug, PartialEq, Serialize)]
struct Amounts {
    transactions: u64,
    #[serde(serialize_with = "told::money")]
    amount: i128,
    /// Rounded half-even to 4 digits.
    #[serde(serialize_with = "told::money")]
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
        let (at, at_from) = at.map_or((latest, "latest_transaction"), |at| (at, "parameter"));
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
