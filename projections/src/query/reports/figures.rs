//! The questions of a page: asked at the same time, each as the API asks it.

use super::{
    super::{
        Problem,
        analytics::{
            Analytics, Lag,
            parameters::{Asked, Sort},
            period::{Interval, Stretch},
            resource::{self, PLACE_STATS, Resource, Rollup, TRANSACTION_STATS},
        },
    },
    asked::{begins, interval_of},
    table::Row,
};
use crate::clickhouse::ClickHouseError;
use millrace_runtime::clock::{Clock as _, SystemClock};

/// One rollup of each journal that figures of a page come from.
const ROLLUPS: &[&Rollup] = &[PLACE_STATS, TRANSACTION_STATS];

/// An answer, with the question it is to.
pub(super) struct Answer {
    pub resource: &'static Resource,
    pub asked: Asked,
    pub rows: Vec<Row>,
}

/// Everything that a page shows.
pub(super) struct Figures {
    pub stretch: Stretch,
    /// End of the latest day that has any data.
    pub latest_end: i64,
    /// Times of the latest receipt and of the latest transaction.
    pub latest_receipt: Option<i64>,
    pub latest_transaction: Option<i64>,
    /// What is asked for, with the interval that is shown.
    pub asked: Asked,
    /// Begins of the intervals.
    pub begins: Vec<i64>,
    /// Currencies of the period, those with most purchases first.
    pub currencies: Vec<String>,
    /// The one that is shown; empty when there is none.
    pub currency: String,
    /// Receipts of the whole period: of the place, where one is asked for.
    pub whole: Answer,
    pub all_transactions: Answer,
    pub places: Answer,
    pub over_time: Answer,
    pub categories: Answer,
    pub load: Answer,
    pub transactions: Answer,
    /// When the tables were asked.
    pub at: i64,
    /// Records on their way then; `None` until it is measured.
    pub lag: Option<Lag>,
}

impl Analytics {
    /// The figures of a page; `None` while there is no data at all. A period without data has no rows.
    pub(super) async fn figures(&self, asked: Asked, interval_said: bool) -> Result<Option<Figures>, Problem> {
        let (at, lag) = (SystemClock.now_ms(), self.lag_of(ROLLUPS));
        let (latest_receipt, latest_transaction, stretch) = tokio::try_join!(
            self.latest_data(&resource::TAXES_AND_TIPS),
            self.latest_data(&resource::TRANSACTIONS),
            self.stretch(&resource::LOAD, None, &asked),
        )?;
        let Some(latest) = latest_receipt.max(latest_transaction) else { return Ok(None) };
        let Some(last_day) = Stretch::latest(latest, &asked.zone, 1) else { return Ok(None) };
        let Some(stretch) = stretch else { return Ok(None) };
        let interval = if interval_said { asked.interval } else { interval_of(stretch) };
        // From here on everything is of the same period, whatever comes meanwhile.
        let asked = Asked { from: Some(stretch.from), to: Some(stretch.to), interval, ..asked };
        self.check_range(stretch)?;
        let begins = begins(stretch, &asked)?;

        let place = asked.filters.get("place_id").and_then(|values| values.first()).cloned();
        let all = Asked { interval: Interval::All, ..asked.clone() };
        let everywhere = without(&all, "currency");
        let of_receipts = if place.is_some() { &resource::PLACES } else { &resource::TAXES_AND_TIPS };
        let (whole, all_transactions) = tokio::try_join!(
            self.answer_to(of_receipts, everywhere.clone(), None, stretch),
            self.answer_to(&resource::TRANSACTIONS, everywhere, None, stretch),
        )?;
        let currencies = currencies(&whole, &all_transactions);
        let said = asked.filters.get("currency").and_then(|values| values.first());
        let currency = said.or(currencies.first()).cloned().unwrap_or_default();

        let by_interval = with_currency(&asked, &currency);
        let all = with_currency(&all, &currency);
        let most = |column| Some(Sort { column, descending: true });
        let (places, over_time, categories, load, transactions) = tokio::try_join!(
            self.answer_to(&resource::PLACES, all.clone(), most("purchases"), stretch),
            self.answer_to(of_receipts, by_interval.clone(), None, stretch),
            self.answer_to(&resource::CATEGORIES, all.clone(), most("purchase_amount"), stretch),
            self.answer_to(&resource::LOAD, all, None, stretch),
            self.answer_to(&resource::TRANSACTIONS, by_interval, None, stretch),
        )?;
        let whole = of_currency(whole, &currency);
        let all_transactions = of_currency(all_transactions, &currency);
        Ok(Some(Figures {
            stretch,
            latest_end: last_day.to,
            latest_receipt,
            latest_transaction,
            asked,
            begins,
            currencies,
            currency,
            whole,
            all_transactions,
            places,
            over_time,
            categories,
            load,
            transactions,
            at,
            lag,
        }))
    }

    async fn answer_to(
        &self,
        resource: &'static Resource,
        asked: Asked,
        sort: Option<Sort>,
        stretch: Stretch,
    ) -> Result<Answer, Problem> {
        let sort = sort.unwrap_or(Sort { column: resource.keys[0], descending: false });
        let asked = Asked { sort, ..asked };
        let rows = self.rows_in_order(resource, asked.clone(), Some(stretch), None).await?;
        let strange = |error: serde_json::Error| Problem::of(&ClickHouseError::Unreadable(error.to_string()));
        let rows: Result<Vec<Row>, _> = rows.iter().map(|row| serde_json::from_str(row.get())).collect();
        Ok(Answer { resource, asked, rows: rows.map_err(strange)? })
    }
}

fn without(asked: &Asked, column: &str) -> Asked {
    let mut asked = asked.clone();
    asked.filters.retain(|known, _| *known != column);
    asked
}

/// One currency at a time; none while there is none.
fn with_currency(asked: &Asked, currency: &str) -> Asked {
    let mut asked = asked.clone();
    asked.filters.insert("currency", vec![currency.to_owned()]);
    asked
}

fn of_currency(answer: Answer, currency: &str) -> Answer {
    let mut answer = answer;
    answer.rows.retain(|row| text(row, "currency") == currency);
    answer.asked = with_currency(&answer.asked, currency);
    answer
}

/// Currencies of a period: those with most purchases first, then those with most transactions.
fn currencies(receipts: &Answer, transactions: &Answer) -> Vec<String> {
    let mut found: Vec<(u64, u64, String)> = Vec::new();
    for row in &receipts.rows {
        found.push((number(row, "purchases"), 0, text(row, "currency").to_owned()));
    }
    for row in &transactions.rows {
        let (currency, count) = (text(row, "currency"), number(row, "transactions"));
        match found.iter_mut().find(|(.., known)| known == currency) {
            Some(known) => known.1 = count,
            None => found.push((0, count, currency.to_owned())),
        }
    }
    found.sort_by(|a, b| (b.0, b.1).cmp(&(a.0, a.1)).then_with(|| a.2.cmp(&b.2)));
    found.into_iter().map(|(.., currency)| currency).collect()
}

/// A text of a row; empty when there is none.
pub(super) fn text<'a>(row: &'a Row, column: &str) -> &'a str {
    row.get(column).and_then(|value| value.as_str()).unwrap_or_default()
}

/// A count of a row.
pub(super) fn number(row: &Row, column: &str) -> u64 {
    row.get(column).and_then(serde_json::Value::as_u64).unwrap_or_default()
}
