//! Asks a gateway's query API the questions that people ask of a year, one after another, and times the answers.

use crate::{
    gateway::{Gateway, GatewayError},
    open_loop::Latencies,
};
use jiff::{Timestamp, ToSpan as _, tz::TimeZone};
use reqwest::Url;
use std::time::{Duration, Instant};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// Stands for a period of the last month instead of the year.
const MONTH: (&str, &str) = ("period", "month");

/// A question, and how long its answers took.
#[derive(Debug)]
pub struct Asked {
    /// What is asked, in words.
    pub what: &'static str,
    /// Path and parameters.
    pub url: Url,
    /// From the request to the last byte of its answer.
    pub latencies: Latencies,
    /// Rows of the last answer.
    pub rows: usize,
}

/// A gateway's query API, and what it is asked.
#[derive(Debug)]
pub struct Queries {
    gateway: Gateway,
    /// A path that asks no database: what the way to the gateway and back takes.
    pub floor: Asked,
    /// The questions.
    pub asked: Vec<Asked>,
    /// First day that is asked about, and the one behind the last.
    pub period: (String, String),
}

impl Queries {
    /// The questions about the latest year that has receipts, by the clock of a zone.
    ///
    /// # Errors
    /// When the gateway does not answer, or has no receipts yet.
    pub async fn new(gateway: &str, zone: &str) -> Result<Self, GatewayError> {
        let gateway = Gateway::new(gateway, 1, PATIENCE)?;
        let directory = gateway.json(gateway.at("/api/v1/places?sort=-receipts&limit=10000")).await?;
        let places = directory["rows"].as_array().map_or(&[][..], Vec::as_slice);
        let latest = places.iter().filter_map(|place| place["last_at"].as_str()?.parse::<Timestamp>().ok()).max();
        let largest = places.first().and_then(|place| place["place_id"].as_str());
        let (Some(latest), Some(largest)) = (latest, largest) else {
            return Err(gateway.not_ready("it has no receipts to ask about; `millrace loadgen` sends some"));
        };
        let end = latest.to_zoned(TimeZone::UTC).date().saturating_add(1.day());
        let [year, month] = [1.year(), 30.days()].map(|span| end.saturating_sub(span).to_string());
        let end = end.to_string();
        let url = |path: &str, parameters: &[(&str, &str)]| {
            let mut url = gateway.at(path);
            if !parameters.is_empty() {
                url.query_pairs_mut().extend_pairs(parameters);
            }
            url
        };
        let question = |what, url| Asked { what, url, latencies: Latencies::default(), rows: 0 };
        let figures = |what, resource: &str, parameters: &[(&str, &str)]| {
            let from = if parameters.contains(&MONTH) { &month } else { &year };
            let times = [("from", from.as_str()), ("to", &end), ("zone", zone)];
            let parameters = parameters.iter().filter(|parameter| **parameter != MONTH);
            let parameters: Vec<(&str, &str)> = times.into_iter().chain(parameters.copied()).collect();
            question(what, url(&format!("/api/v1/analytics/{resource}"), &parameters))
        };
        let mut place = gateway.at("/api/v1/places");
        if let Ok(mut path) = place.path_segments_mut() {
            path.push(largest);
        }
        let (by, of) = (|interval| ("interval", interval), ("place_id", largest));
        let asked = vec![
            question("all places", url("/api/v1/places", &[])),
            question("a place and its names", place),
            figures("places, all of the year", "places", &[by("all")]),
            figures("places by month", "places", &[by("month")]),
            figures("places by day", "places", &[by("day")]),
            figures("places by hour, the last 30 days", "places", &[by("1h"), MONTH]),
            figures("a place by day", "places", &[by("day"), of]),
            figures("a place by hour", "places", &[by("1h"), of]),
            figures("categories, all of the year", "categories", &[by("all")]),
            figures("categories by month", "categories", &[by("month")]),
            figures("categories by day", "categories", &[by("day")]),
            figures("taxes and tips by month", "taxes-and-tips", &[by("month")]),
            figures("taxes and tips by day", "taxes-and-tips", &[by("day")]),
            figures("taxes and tips by hour", "taxes-and-tips", &[by("1h")]),
            figures("means of payment by month", "taxes-and-tips", &[by("month"), ("by", "payment_method")]),
            figures("VAT rates by month", "taxes-and-tips", &[by("month"), ("by", "nds_rate")]),
            figures("hours of the day", "load", &[]),
            figures("transactions by day", "transactions", &[by("day")]),
        ];
        let floor = question("(no question: /health/live)", url("/health/live", &[]));
        Ok(Self { gateway, floor, asked, period: (year, end) })
    }

    /// Asks each once, so that what disturbs the machine hits all alike.
    ///
    /// # Errors
    /// When an answer is none, or no success.
    pub async fn round(&mut self) -> Result<(), GatewayError> {
        for question in std::iter::once(&mut self.floor).chain(&mut self.asked) {
            let began = Instant::now();
            let answer = self.gateway.answer(self.gateway.client.get(question.url.clone())).await?;
            question.latencies.add(began.elapsed());
            let answer: serde_json::Value = serde_json::from_slice(&answer).unwrap_or_default();
            question.rows = answer["rows"].as_array().or_else(|| answer["names"].as_array()).map_or(0, Vec::len);
        }
        Ok(())
    }

    /// Forgets what was measured: it was only to warm up.
    pub fn forget(&mut self) {
        for question in std::iter::once(&mut self.floor).chain(&mut self.asked) {
            question.latencies = Latencies::default();
        }
    }
}
