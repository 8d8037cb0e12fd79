//! The page: everything together, and what is said when there is nothing to show.

use super::{
    Reports, amount,
    asked::{Fields, field_of},
    chapters::chapters,
    figures::{Figures, number},
    files::VERSION,
    form::{Form, form, form_of_figures},
    live::Now,
    section::{Context, Section},
    table::Times,
};
use crate::query::{
    Problem,
    analytics::{parameters::Asked, period::Interval, zone_name},
};
use askama::Template;
use axum::http::StatusCode;
use jiff::tz::TimeZone;
use std::time::Duration;

/// How long a page waits for what is told of the pipeline.
const PATIENCE: Duration = Duration::from_millis(150);

/// The page.
#[derive(Template)]
#[template(path = "reports/page.html")]
struct Page {
    version: &'static str,
    form: Form,
    problem: Option<Wrong>,
    body: Body,
    now: Option<Shown>,
}

/// What is in the middle of it.
enum Body {
    /// Figures.
    Figures(Box<Report>),
    /// There is no data at all.
    Empty,
    /// The question cannot be answered as it is: the problem says why.
    Nothing,
}

/// What is wrong.
struct Wrong {
    title: &'static str,
    detail: String,
    /// Where it can be put right.
    field: Option<&'static str>,
}

/// The figures, written.
struct Report {
    period: String,
    /// Nobody said which period: it is the latest that has data.
    is_latest: bool,
    zone: String,
    /// How it is cut: `by day`.
    interval: String,
    currency: String,
    /// Name of the place, and the page without it.
    place: Option<(String, String)>,
    key_figures: Vec<(&'static str, String)>,
    sections: Vec<Section>,
    as_of: String,
}

/// How the pipeline is doing, written.
struct Shown {
    rate: String,
    lag: String,
    age: String,
    problem: &'static str,
}

impl Reports {
    /// How the pipeline is doing now; `None` when that takes longer.
    pub(super) async fn now(&self, patience: Duration) -> Option<Now> {
        self.live.now(patience).await
    }

    /// The page for a query string, with its status.
    pub(super) async fn page(&self, query: &str) -> (StatusCode, String) {
        let fields = Fields::read(query);
        let answered = async {
            let asked = fields.asked()?;
            self.figures.figures(asked, !fields.get("interval").is_empty()).await
        };
        let (answered, now) = tokio::join!(answered, self.now(PATIENCE));
        let now = Some(shown(&now.unwrap_or_else(|| Now::unknown("not measured yet"))));
        let version = VERSION.as_str();
        let (status, page) = match answered {
            Ok(Some(figures)) => {
                let form = form_of_figures(&fields, &figures);
                let body = Body::Figures(Box::new(report(&fields, &figures)));
                (StatusCode::OK, Page { version, form, problem: None, body, now })
            }
            Ok(None) => {
                let form = form(&fields, "");
                (StatusCode::OK, Page { version, form, problem: None, body: Body::Empty, now })
            }
            Err(problem) => {
                let wrong = wrong(&problem);
                let form = form(&fields, wrong.field.unwrap_or_default());
                (problem.status(), Page { version, form, problem: Some(wrong), body: Body::Nothing, now })
            }
        };
        match page.render() {
            Ok(text) => (status, text),
            Err(error) => {
                tracing::error!(error = %error, "the report page cannot be written");
                (StatusCode::INTERNAL_SERVER_ERROR, "The page cannot be written: a defect of the service.".to_owned())
            }
        }
    }
}

fn wrong(problem: &Problem) -> Wrong {
    let detail = problem.detail();
    if problem.status().is_client_error() {
        return Wrong { title: "This cannot be shown", detail: sentence(detail), field: field_of(detail) };
    }
    let title = if problem.status() == StatusCode::SERVICE_UNAVAILABLE {
        "Figures cannot be read now"
    } else {
        "Something is wrong with the service"
    };
    Wrong { title, detail: sentence(detail), field: None }
}

/// Words as a sentence.
fn sentence(words: &str) -> String {
    let words = words.replace("place_id", "place");
    let mut characters = words.chars();
    let first = characters.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", characters.as_str().trim_end_matches('.'))
}

/// How times are written.
pub(super) fn times(asked: &Asked) -> Times {
    Times {
        zone: asked.zone.clone(),
        in_day: matches!(asked.interval, Interval::Minutes(_)),
        months: asked.interval == Interval::Month,
    }
}

fn report(fields: &Fields, figures: &Figures) -> Report {
    let context = Context { figures, times: times(&figures.asked), digits: amount::digits_of(&figures.currency) };
    let place = fields.get("place");
    let place = (!place.is_empty()).then(|| {
        let known = figures.places.rows.first().or(figures.whole.rows.first());
        let name = known.map_or(place, |row| super::figures::text(row, "place_name"));
        (name.to_owned(), fields.with("place", "").link())
    });
    let last = figures.stretch.to - 1;
    let (first, last) = (context.times.day(figures.stretch.from), context.times.day(last));
    Report {
        period: if first == last { first } else { format!("{first} to {last}") },
        is_latest: fields.get("from").is_empty() || fields.get("to").is_empty(),
        zone: zone_name(&figures.asked.zone).to_owned(),
        interval: cut(figures.asked.interval),
        currency: figures.currency.clone(),
        place,
        key_figures: key_figures(&context),
        sections: chapters(&context, fields),
        as_of: as_of(figures),
    }
}

/// How a period is cut, in words.
fn cut(interval: Interval) -> String {
    match interval {
        Interval::All => "in one piece".to_owned(),
        Interval::Minutes(60) => "by hour".to_owned(),
        Interval::Minutes(minutes) if minutes % 60 == 0 => format!("by {} hours", minutes / 60),
        Interval::Minutes(minutes) => format!("by {minutes} minutes"),
        other => format!("by {other}"),
    }
}

/// The figures that are seen first.
fn key_figures(context: &Context<'_>) -> Vec<(&'static str, String)> {
    let mut found = Vec::new();
    if let Some(row) = context.figures.whole.rows.first() {
        found.push(("Purchases", amount::count(number(row, "purchases"))));
        for (label, column) in [
            ("Total", "purchase_total"),
            ("Mean receipt", "mean_receipt"),
            ("VAT", "purchase_nds"),
            ("Tips", "purchase_tips"),
            ("Returned", "return_total"),
        ] {
            found.push((label, context.plain_money(row, column)));
        }
    }
    if let Some(row) = context.figures.all_transactions.rows.first() {
        found.push(("Transactions", amount::count(number(row, "transactions"))));
        found.push(("Blocked", amount::count(number(row, "blocked"))));
    }
    found
}

/// As of when figures are, by the clock of the page.
fn as_of(figures: &Figures) -> String {
    let zone = &figures.asked.zone;
    let at = written(figures.at, zone);
    match figures.lag {
        Some(lag) if lag.records > 0 => {
            format!("As of {at}; {} on their way.", amount::counted(lag.records.unsigned_abs(), "record", "records"))
        }
        Some(_) => format!("As of {at}; nothing is on its way."),
        None => format!("As of {at}."),
    }
}

fn written(at: i64, zone: &TimeZone) -> String {
    let at = jiff::Timestamp::from_millisecond(at).unwrap_or_default();
    at.to_zoned(zone.clone()).strftime("%-d %B %Y, %H:%M:%S").to_string()
}

fn shown(now: &Now) -> Shown {
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "–".to_owned());
    Shown {
        rate: or_dash(now.events_per_second.map(|rate| amount::grouped(&format!("{rate:.1}"), 1))),
        lag: or_dash(now.lag_records.map(|lag| amount::count(lag.unsigned_abs()))),
        age: or_dash(
            now.oldest_unfinished_seconds.map(|age| format!("{} s", amount::grouped(&format!("{age:.1}"), 1))),
        ),
        problem: now.problem.unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sent_is_kept_and_escaped() {
        let fields = Fields::read("from=%22%3E%3Cscript%3E&zone=Mars&interval=7h");
        let problem = fields.asked().expect_err("wrong");
        let page = Page {
            version: "v",
            form: form(&fields, "zone"),
            problem: Some(wrong(&problem)),
            body: Body::Nothing,
            now: None,
        };
        let text = page.render().expect("it renders");
        assert!(!text.contains("\"><script>") && text.contains("value=\"Mars\""), "{text}");
        assert!(text.contains("<option value=\"7h\" selected>"), "{text}");
    }
}
