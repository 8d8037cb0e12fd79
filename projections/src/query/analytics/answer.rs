//! Answers: pages of rows in JSON, and whole files that the server writes and this process passes on.

use super::{
    as_of::AsOf,
    column::{Column, Kind},
    cursor::Cursor,
    format::Format,
    period::{Interval, Stretch},
    resource::Resource,
    statement::zone_name,
};
use crate::{
    clickhouse::{ClickHouseError, figures::Answering},
    query::Problem,
    told,
};
use axum::{
    body::{Body, Bytes},
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse as _, Response},
};
use futures::stream;
use jiff::tz::TimeZone;
use millrace_runtime::lifecycle::{HangUp, Shutdown};
use millrace_schemas::time::format_instant;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value as Json, value::RawValue};
use std::time::Duration;
use tokio::{sync::OwnedSemaphorePermit, time::Instant};

/// The stretch of time that figures are of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub(super) struct Period {
    /// Begin.
    #[serde(with = "told::Instant")]
    pub from: i64,
    /// End, which does not belong to it.
    #[serde(with = "told::Instant")]
    pub to: i64,
    /// Time zone by whose clock intervals begin.
    pub zone: String,
    /// How it is cut.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval: Option<String>,
    /// Where it comes from.
    pub chosen_by: ChosenBy,
}

/// Where a period comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum ChosenBy {
    /// What was asked.
    Parameters,
    /// The latest data, since it was left open.
    LatestData,
}

impl ChosenBy {
    fn name(self) -> &'static str {
        match self {
            Self::Parameters => "parameters",
            Self::LatestData => "latest_data",
        }
    }
}

impl Period {
    pub fn new(stretch: Stretch, zone: &TimeZone, interval: Option<Interval>, was_asked: bool) -> Self {
        let chosen_by = if was_asked { ChosenBy::Parameters } else { ChosenBy::LatestData };
        let interval = interval.map(|interval| interval.to_string());
        Self { from: stretch.from, to: stretch.to, zone: zone_name(zone).to_owned(), interval, chosen_by }
    }

    /// The same as a header.
    pub fn put(&self, headers: &mut HeaderMap) {
        let interval = self.interval.as_ref().map(|interval| format!("; interval={interval}")).unwrap_or_default();
        let text = format!(
            "{}/{}; zone={}{interval}; chosen_by={}",
            format_instant(self.from),
            format_instant(self.to),
            self.zone,
            self.chosen_by.name()
        );
        if let Ok(value) = HeaderValue::from_str(&text) {
            headers.insert("x-millrace-period", value);
        }
    }
}

/// A page of rows.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::query) struct Page {
    /// None where there is no data that tells one, and where rows are of none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) period: Option<Period>,
    /// Up to what the rows are.
    pub(super) as_of: AsOf,
    /// The rows.
    #[schemars(with = "Vec<Json>")]
    pub(super) rows: Vec<Box<RawValue>>,
    /// Repeat the request with it for the next page; null when this is the last.
    pub(super) next_cursor: Option<String>,
}

/// Rows as the server wrote them, each a JSON object.
///
/// # Errors
/// When the server cannot go on, or takes longer than `until`.
pub(super) async fn rows(mut answering: Answering, until: Instant) -> Result<Vec<Box<RawValue>>, Problem> {
    let mut text = Vec::new();
    let all = async {
        while let Some(bytes) = answering.next().await? {
            text.extend_from_slice(&bytes);
        }
        Ok(())
    };
    match tokio::time::timeout_at(until, all).await {
        Ok(read) => read.map_err(|error: ClickHouseError| Problem::of(&error))?,
        Err(_) => {
            return Err(Problem::unavailable(
                "timeout",
                "the figures did not come in time; ask for less, or try again",
            ));
        }
    }
    let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let row = |line: &[u8]| {
        let line = std::str::from_utf8(line).ok()?;
        RawValue::from_string(line.to_owned()).ok()
    };
    let strange = || Problem::of(&ClickHouseError::Unreadable("a row is no JSON object".to_owned()));
    lines.map(row).collect::<Option<_>>().ok_or_else(strange)
}

/// Cuts rows to a page; the cursor when there were more.
pub(super) fn page(
    rows: &mut Vec<Box<RawValue>>,
    limit: u64,
    order: &[&'static Column],
    cursor: impl FnOnce(Vec<String>) -> Cursor,
) -> Option<String> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    if rows.len() <= limit {
        return None;
    }
    rows.truncate(limit);
    let last: Json = serde_json::from_str(rows.last()?.get()).ok()?;
    Some(cursor(order.iter().map(|column| value_of(column, &last[column.name])).collect()).write())
}

/// A value as a cursor has it, null as what it is ordered like.
fn value_of(column: &Column, value: &Json) -> String {
    match (value, column.kind) {
        (Json::Null, Kind::MaybeMoney | Kind::MaybeShare) => "0".to_owned(),
        (Json::String(text), _) => text.clone(),
        (other, _) => other.to_string(),
    }
}

/// A file on its way: what the server writes, and the turn it is written in.
pub(super) struct File {
    pub answering: Answering,
    pub turn: OwnedSemaphorePermit,
    /// When it is given up.
    pub until: Instant,
    /// Closes the connection of a caller that does not read.
    pub hang_up: Option<HangUp>,
}

impl File {
    /// The answer. One that cannot be finished is cut off, which a caller sees as a broken transfer and never as a shorter file.
    pub fn respond(self, format: Format, resource: &Resource) -> Response {
        let Self { answering, turn, until, hang_up } = self;
        // Dropped with the body.
        let done = Shutdown::new();
        let (guard, ended) = (done.clone().drop_guard(), done);
        if let Some(hang_up) = hang_up {
            tokio::spawn(async move {
                tokio::select! {
                    () = ended.cancelled() => {}
                    // A body that nobody reads is not asked for its next part.
                    () = tokio::time::sleep_until(until + Duration::from_secs(1)) => hang_up.now(),
                }
            });
        }
        let parts = stream::unfold(Some((answering, turn, guard)), move |state| async move {
            let mut state = state?;
            let next = tokio::time::timeout_at(until, state.0.next()).await;
            match next {
                Ok(Ok(Some(bytes))) => Some((Ok::<Bytes, std::io::Error>(bytes), Some(state))),
                Ok(Ok(None)) => None,
                Ok(Err(error)) => {
                    tracing::warn!(error = %error, "an answer cannot be finished");
                    Some((Err(std::io::Error::other("the answer cannot be finished")), None))
                }
                Err(_) => {
                    tracing::warn!("an answer takes too long and is cut off");
                    Some((Err(std::io::ErrorKind::TimedOut.into()), None))
                }
            }
        });
        let file = format!("attachment; filename=\"{}.{}\"", resource.name, format.name());
        let mut response = Body::from_stream(parts).into_response();
        let headers = response.headers_mut();
        let content_type = match format {
            Format::Csv => "text/csv; charset=utf-8; header=present",
            other => other.media_type(),
        };
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        if let Ok(value) = HeaderValue::from_str(&file) {
            headers.insert(header::CONTENT_DISPOSITION, value);
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::{super::resource::PLACES, *};

    fn row(text: &str) -> Box<RawValue> {
        RawValue::from_string(text.to_owned()).expect("JSON")
    }

    #[test]
    fn a_page_that_is_not_the_last_says_where_it_ends() {
        let order = [PLACES.column("mean_receipt").expect("a column"), PLACES.column("place_id").expect("a column")];
        let cursor = |values| Cursor { values, period: None, question: "q".into() };
        let mut rows =
            vec![row(r#"{"place_id":"a","mean_receipt":null}"#), row(r#"{"place_id":"b","mean_receipt":1.50}"#)];
        assert_eq!(page(&mut rows, 2, &order, cursor), None);
        let next = page(&mut rows, 1, &order, cursor).expect("more");
        assert_eq!((rows.len(), Cursor::read(&next).expect("a cursor").values), (1, vec!["0".into(), "a".into()]));
    }
}
