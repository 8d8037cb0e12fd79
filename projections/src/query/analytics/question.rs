//! One question from its request to its answer.

use super::{
    Analytics, PAGE_ROWS,
    answer::{File, Page, Period, page, rows},
    cursor::Cursor,
    format::Format,
    parameters::{self, Asked},
    period::{DEFAULT_DAYS, Stretch},
    resource::Resource,
    statement::{Wish, zone_name},
};
use crate::{query::Problem, told};
use axum::{
    Json,
    extract::Request,
    http::HeaderMap,
    response::{IntoResponse as _, Response},
};
use millrace_runtime::lifecycle::HangUp;
use std::time::Duration;
use tokio::time::Instant;

/// A condition of the path: a column, and the value it must have.
pub(super) type Only = Option<(&'static str, String)>;

impl Analytics {
    /// Answers with the resource that a parameter names; the first, when it is not there.
    pub(super) async fn answer_by(
        &self,
        parameter: &str,
        resources: &[(&str, &'static Resource)],
        mut request: Request,
    ) -> Response {
        let headers = request.headers().clone();
        let query = request.uri().query().unwrap_or_default().to_owned();
        let (chosen, others): (Vec<_>, Vec<_>) =
            form_urlencoded::parse(query.as_bytes()).partition(|(name, _)| name == parameter);
        let wanted = chosen.first().map_or(resources[0].0, |(_, name)| name);
        let found = resources.iter().find(|(name, _)| *name == wanted).filter(|_| chosen.len() < 2);
        let Some((_, resource)) = found else {
            let names: Vec<&str> = resources.iter().map(|(name, _)| *name).collect();
            let detail = format!("{parameter} must be one of {}", names.join(", "));
            return Problem::bad_parameter(detail).respond(&headers);
        };
        let rest = form_urlencoded::Serializer::new(String::new()).extend_pairs(others).finish();
        let path = request.uri().path().to_owned();
        let Ok(uri) = format!("{path}?{rest}").parse() else {
            return Problem::bad_parameter("the query string cannot be read").respond(&headers);
        };
        *request.uri_mut() = uri;
        self.answer(resource, None, request).await
    }

    /// Answers a request for a resource.
    pub(super) async fn answer(&self, resource: &'static Resource, only: Only, request: Request) -> Response {
        let hang_up = request.extensions().get::<HangUp>().cloned();
        let (headers, query) = (request.headers().clone(), request.uri().query().unwrap_or_default().to_owned());
        // What is left of the request would be kept until the end of a file.
        drop(request);
        match self.answered(resource, only, &headers, &query, hang_up).await {
            Ok(response) => response,
            Err(problem) => problem.respond(&headers),
        }
    }

    async fn answered(
        &self,
        resource: &'static Resource,
        only: Only,
        headers: &HeaderMap,
        query: &str,
        hang_up: Option<HangUp>,
    ) -> Result<Response, Problem> {
        let asked = parameters::read(resource, query).map_err(Problem::bad_parameter)?;
        let format = asked.format.or_else(|| Format::accepted(headers)).ok_or_else(Problem::not_acceptable)?;
        self.check(&asked, format)?;
        let as_of = self.as_of(resource.rollups, &asked.min_offsets, asked.wait_ms).await?;
        let cursor = asked.cursor.as_ref();
        let hash = question_hash(resource, only.as_ref(), &asked);
        if cursor.is_some_and(|cursor| cursor.question != hash) {
            return Err(Problem::bad_parameter("cursor belongs to another question; repeat all other parameters"));
        }
        let stretch = match (cursor.and_then(|cursor| cursor.period), resource.takes.period()) {
            (Some((from, to)), true) => Some(Stretch { from, to }),
            (_, true) => self.stretch(resource, only.as_ref(), &asked).await?,
            (_, false) => None,
        };
        let was_asked = asked.from.is_some() && asked.to.is_some();
        let interval = resource.takes.interval().then_some(asked.interval);
        let period = stretch.map(|stretch| Period::new(stretch, &asked.zone, interval, was_asked));
        if resource.takes.period() && stretch.is_none() && format == Format::Json {
            return Ok(Json(Page { period: None, as_of, rows: Vec::new(), next_cursor: None }).into_response());
        }
        if let Some(stretch) = stretch {
            self.check_range(stretch)?;
        }
        let limit = match format {
            Format::Json => asked.limit.unwrap_or(PAGE_ROWS.min(self.config.page_rows_max)),
            _ => asked.limit.unwrap_or(self.config.file_rows_max),
        };
        let only = only.as_ref().map(|(column, value)| (*column, value.as_str()));
        let wish = Wish { resource, asked: &asked, stretch, only, rows: limit + 1 };
        check_cursor(&wish, cursor)?;
        let response = match format {
            Format::Json => {
                let time = Duration::from_millis(self.config.timeout_ms);
                let mut rows = self.rows_of(&wish, cursor, time).await?;
                let of_period = stretch.map(|stretch| (stretch.from, stretch.to));
                let next = |values| Cursor { values, period: of_period, question: hash };
                let next_cursor = page(&mut rows, limit, &wish.order(), next);
                Json(Page { period: period.clone(), as_of: as_of.clone(), rows, next_cursor }).into_response()
            }
            _ => {
                // Who says how many rows wants no more; else more than there may be is an error, never a shorter file.
                let rows = if asked.limit.is_some() { limit } else { limit + 1 };
                self.file(&Wish { rows, ..wish }, cursor, format, hang_up).await?
            }
        };
        let mut response = response;
        as_of.put(response.headers_mut());
        if let Some(period) = period {
            period.put(response.headers_mut());
        }
        Ok(response)
    }

    fn check(&self, asked: &Asked, format: Format) -> Result<(), Problem> {
        let max = if format == Format::Json { self.config.page_rows_max } else { self.config.file_rows_max };
        match asked.limit {
            Some(limit) if limit > max => Err(Problem::bad_parameter(format!("limit must be at most {max} here"))),
            _ => Ok(()),
        }
    }

    pub(in crate::query) fn check_range(&self, stretch: Stretch) -> Result<(), Problem> {
        let max = self.config.range_max_days;
        if stretch.days() > max {
            return Err(Problem::bad_parameter(format!("the period from from to to may have at most {max} days")));
        }
        Ok(())
    }

    /// The period, where parameters leave it open by the latest data; `None` while there is none.
    pub(in crate::query) async fn stretch(
        &self,
        resource: &Resource,
        only: Option<&(&'static str, String)>,
        asked: &Asked,
    ) -> Result<Option<Stretch>, Problem> {
        let Asked { from, to, zone, .. } = asked;
        if let (Some(from), Some(to)) = (*from, *to) {
            return Ok(Some(Stretch { from, to }));
        }
        if let (None, Some(to)) = (from, to) {
            return Ok(Stretch::days_before(*to, zone, DEFAULT_DAYS));
        }
        let latest = match only {
            Some(("customer_id", customer)) => self.latest_of_customer(customer).await?,
            _ => self.latest_data(resource).await?,
        };
        let latest = latest.and_then(|latest| Stretch::latest(latest, zone, DEFAULT_DAYS));
        // From an instant up to the latest data; a day, when that is before it.
        Ok(match (from, latest) {
            (Some(from), latest) => {
                let day = from + millrace_schemas::time::DAY_MS;
                Some(Stretch { from: *from, to: latest.map_or(day, |latest| latest.to.max(day)) })
            }
            (None, latest) => latest,
        })
    }

    /// When a resource has its latest data; `None` while it has none.
    pub(in crate::query) async fn latest_data(&self, resource: &Resource) -> Result<Option<i64>, Problem> {
        self.ask(self.latest(resource)).await
    }

    async fn latest(&self, resource: &Resource) -> Result<Option<i64>, crate::clickhouse::ClickHouseError> {
        let set = self.settled.live().await?;
        let mut latest = None;
        for rollup in resource.rollups {
            latest = latest.max(self.clickhouse.latest_in(set, rollup.name, rollup.time).await?);
        }
        Ok(latest)
    }

    async fn latest_of_customer(&self, customer: &str) -> Result<Option<i64>, Problem> {
        let latest =
            if told::can_be_id(customer) { self.ask(self.clickhouse.latest_of(customer)).await? } else { None };
        latest.map(Some).ok_or_else(|| {
            Problem::not_found(
                "unknown_customer",
                "no transaction of this customer can be queried; what was accepted a moment ago may not be queryable yet",
            )
        })
    }

    /// All rows of a wish.
    pub(super) async fn rows_of(
        &self,
        wish: &Wish<'_>,
        cursor: Option<&Cursor>,
        time: Duration,
    ) -> Result<Vec<Box<serde_json::value::RawValue>>, Problem> {
        let question = wish.question(self.clickhouse.database(), cursor);
        let _turn = self.turns.take().await?;
        let until = Instant::now() + time;
        let bounds = self.bounds(time, wish.rows);
        let begun = self.clickhouse.answering(&question, Format::Json.of_server(), bounds).await;
        rows(begun.map_err(|error| Problem::of_figures(&error))?, until).await
    }

    async fn file(
        &self,
        wish: &Wish<'_>,
        cursor: Option<&Cursor>,
        format: Format,
        hang_up: Option<HangUp>,
    ) -> Result<Response, Problem> {
        let question = wish.question(self.clickhouse.database(), cursor);
        let turn = self.turns.take().await?;
        let time = Duration::from_millis(self.config.file_timeout_ms);
        let until = Instant::now() + time;
        let bounds = self.bounds(time, self.config.file_rows_max);
        let begun = self.clickhouse.answering(&question, format.of_server(), bounds).await;
        let answering = begun.map_err(|error| Problem::of_figures(&error))?;
        Ok(File { answering, turn, until, hang_up }.respond(format, wish.resource))
    }
}

/// A cursor's values are bound, but must be of the columns' kinds all the same, or the server would refuse the question as a defect.
fn check_cursor(wish: &Wish<'_>, cursor: Option<&Cursor>) -> Result<(), Problem> {
    let Some(cursor) = cursor else { return Ok(()) };
    let order = wish.order();
    let fits = order.len() == cursor.values.len()
        && order.iter().zip(&cursor.values).all(|(column, value)| column.accepts(value));
    let period_fits = match (cursor.period, wish.stretch) {
        (Some((from, to)), Some(_)) => {
            from < to && [from, to].iter().all(|at| *at >= 0 && at % super::period::GRAIN_MS == 0)
        }
        (None, None) => true,
        _ => false,
    };
    if fits && period_fits {
        Ok(())
    } else {
        Err(Problem::bad_parameter("cursor is none that an answer of this service had"))
    }
}

/// Tells one question from another; pages of one have the same.
fn question_hash(resource: &Resource, only: Option<&(&'static str, String)>, asked: &Asked) -> String {
    let Asked { from, to, interval, zone, filters, sort, cards, .. } = asked;
    let text = format!(
        "{} {only:?} {from:?} {to:?} {interval} {} {filters:?} {sort:?} {cards}",
        resource.view,
        zone_name(zone)
    );
    blake3::hash(text.as_bytes()).to_hex().chars().take(16).collect()
}
