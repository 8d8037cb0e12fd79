//! Figures over HTTP against brute force over the events that were written.

use crate::{
    database::{TestDatabase, log},
    events::{Generator, batch},
    requests::get,
};
use axum::{body::Body, http::Request};
use jiff::{RoundMode, Timestamp, Unit, Zoned, ZonedRound, civil::Weekday, tz::TimeZone};
use millrace_projections::query::{AnalyticsConfig, analytics};
use millrace_runtime::sink::Sink as _;
use millrace_schemas::{
    event::{Purchase, ReceiptKind, TransactionScore},
    money::{div_half_even, format_decimal},
    time::format_instant,
};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use tower::ServiceExt as _;

const ZONES: [&str; 3] = ["UTC", "Europe/Berlin", "Asia/Kolkata"];
/// 2026-03-27T12:00:00Z, two days before the clocks of Berlin go forward.
const SPRING: i64 = 1_774_612_800_000;
/// 2026-10-23T12:00:00Z, two days before they go back.
const AUTUMN: i64 = 1_792_756_800_000;

/// An answer's status, headers and body.
async fn ask(
    database: &TestDatabase,
    path: &str,
    accept: &str,
    config: AnalyticsConfig,
) -> (u16, BTreeMap<String, String>, Vec<u8>) {
    let router = analytics(&database.config, &config, log()).expect("routes");
    let request = Request::get(path).header("accept", accept).body(Body::empty()).expect("a request");
    let answer = router.oneshot(request).await.expect("an answer");
    let status = answer.status().as_u16();
    let text = |value: &axum::http::HeaderValue| value.to_str().expect("a text").to_owned();
    let headers = answer.headers().iter().map(|(name, value)| (name.to_string(), text(value))).collect();
    let body = axum::body::to_bytes(answer.into_body(), usize::MAX).await.map(|bytes| bytes.to_vec());
    (status, headers, body.unwrap_or_else(|_| b"torn".to_vec()))
}

async fn json_of(database: &TestDatabase, path: &str) -> (u16, Json) {
    let (status, _, body) = ask(database, path, "application/json", AnalyticsConfig::default()).await;
    (status, serde_json::from_slice(&body).unwrap_or_else(|error| panic!("{path}: {error}")))
}

/// All rows of all pages.
async fn all_rows(database: &TestDatabase, path: &str, page: u32) -> Vec<Json> {
    let separator = if path.contains('?') { '&' } else { '?' };
    let (mut rows, mut cursor) = (Vec::new(), String::new());
    loop {
        let (status, answer) = json_of(database, &format!("{path}{separator}limit={page}{cursor}")).await;
        assert_eq!(status, 200, "{path}: {answer}");
        rows.extend(answer["rows"].as_array().expect("rows").iter().cloned());
        match answer["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return rows,
        }
    }
}

struct Written {
    database: TestDatabase,
    purchases: Vec<Purchase>,
    scores: Vec<TransactionScore>,
}

impl Written {
    /// Around the days when the clocks of Berlin are moved, in spring and in autumn.
    async fn new() -> Self {
        let database = TestDatabase::migrated().await;
        let (mut generator, mut random) = (Generator::new(77), StdRng::seed_from_u64(77));
        let mut at = || {
            let season = if random.random_bool(0.5) { SPRING } else { AUTUMN };
            season + random.random_range(0..4 * 24 * 60) * 60_000
        };
        let mut purchases = generator.purchases(500);
        for purchase in &mut purchases {
            purchase.occurred_at = at();
            purchase.receipt.occurred_at = purchase.occurred_at;
        }
        let mut scores = generator.scores(300);
        for score in &mut scores {
            score.occurred_at = at();
            score.transaction.occurred_at = score.occurred_at;
        }
        let sink = database.sink();
        for (number, part) in purchases.chunks(100).enumerate() {
            sink.write(&batch(0, number as i64 * 100, part)).await.expect("purchases");
        }
        sink.write(&batch(0, 0, &scores)).await.expect("scores");
        Self { database, purchases, scores }
    }
}

/// Begin of the interval that an instant is in, epoch milliseconds.
fn start(at: i64, interval: &str, zone: &str, from: i64) -> i64 {
    let zone = TimeZone::get(zone).expect("a zone");
    let local: Zoned = Timestamp::from_millisecond(at).expect("a time").to_zoned(zone);
    let day = || local.start_of_day().expect("a day");
    let begin = match interval {
        "1h" => local.round(ZonedRound::new().smallest(Unit::Hour).mode(RoundMode::Trunc)).expect("an hour"),
        "day" => day(),
        "week" if local.weekday() == Weekday::Monday => day(),
        "week" => local.nth_weekday(-1, Weekday::Monday).expect("a week").start_of_day().expect("a day"),
        "month" => local.first_of_month().expect("a month").start_of_day().expect("a day"),
        _ => return from,
    };
    begin.timestamp().as_millisecond()
}

/// A JSON number as a decimal text with its digits.
fn digits(value: &Json) -> String {
    let text = value.to_string();
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let fraction = fraction.trim_end_matches('0');
    if fraction.is_empty() { whole.to_owned() } else { format!("{whole}.{fraction}") }
}

fn money(sum: i128) -> String {
    format_decimal(sum, 4, 0)
}

type Sums = BTreeMap<(i64, String, String), Vec<i128>>;

/// Counts and sums by interval, place and currency: purchases, total, VAT, tips, returns, total, VAT, tips, zeros, tips.
fn by_place(purchases: &[Purchase], interval: &str, zone: &str, from: i64) -> Sums {
    let mut sums = Sums::new();
    for purchase in purchases {
        let receipt = &purchase.receipt;
        let key =
            (start(purchase.occurred_at, interval, zone, from), receipt.place_id.clone(), receipt.currency.clone());
        let sums = sums.entry(key).or_insert_with(|| vec![0; 10]);
        let figures = [1, receipt.total_amount, receipt.nds_amount, receipt.tips_amount];
        match purchase.kind {
            ReceiptKind::Purchase => (0..4).for_each(|index| sums[index] += i128::from(figures[index])),
            ReceiptKind::Return => (0..4).for_each(|index| sums[4 + index] += i128::from(figures[index])),
            ReceiptKind::Zero => {
                sums[8] += 1;
                sums[9] += i128::from(receipt.tips_amount);
            }
        }
    }
    sums
}

#[tokio::test]
async fn figures_by_place_are_what_brute_force_makes_of_the_receipts_in_every_zone() {
    let written = Written::new().await;
    for (from, to) in [("2026-03-01", "2026-04-01"), ("2026-01-01", "2027-01-01")] {
        let begin = format!("{from}T00:00:00Z").parse::<Timestamp>().expect("a time").as_millisecond();
        let end = format!("{to}T00:00:00Z").parse::<Timestamp>().expect("a time").as_millisecond();
        let within: Vec<Purchase> =
            written.purchases.iter().filter(|it| (begin..end).contains(&it.occurred_at)).cloned().collect();
        assert!(within.len() > 100);
        for zone in ZONES {
            for interval in ["1h", "day", "week", "month", "all"] {
                let path = format!(
                    "/api/v1/analytics/places?from={from}T00:00:00Z&to={to}T00:00:00Z&interval={interval}&zone={zone}"
                );
                let rows = all_rows(&written.database, &path, 37).await;
                let expected = by_place(&within, interval, zone, begin);
                assert_eq!(rows.len(), expected.len(), "{path}");
                for (row, ((start, place, currency), sums)) in rows.iter().zip(&expected) {
                    assert_eq!(
                        (&row["start"], &row["place_id"], &row["currency"]),
                        (&json!(format_instant(*start)), &json!(place), &json!(currency)),
                        "{path}"
                    );
                    let told: Vec<String> = [
                        "purchases",
                        "purchase_total",
                        "purchase_nds",
                        "purchase_tips",
                        "returns",
                        "return_total",
                        "return_nds",
                        "return_tips",
                        "zeros",
                        "zero_tips",
                    ]
                    .iter()
                    .map(|name| digits(&row[*name]))
                    .collect();
                    let counts = [0, 4, 8];
                    let sums_told: Vec<String> = sums
                        .iter()
                        .enumerate()
                        .map(|(index, sum)| if counts.contains(&index) { sum.to_string() } else { money(*sum) })
                        .collect();
                    assert_eq!(told, sums_told, "{path} {row}");
                    let mean = (sums[0] > 0).then(|| money(div_half_even(sums[1], sums[0])));
                    assert_eq!(Some(digits(&row["mean_receipt"])).filter(|text| text != "null"), mean, "{path} {row}");
                }
            }
        }
    }
}

#[tokio::test]
async fn other_resources_sum_to_the_same_and_transactions_to_their_own() {
    let written = Written::new().await;
    let period = "from=2026-01-01&to=2027-01-01&interval=all";
    let sum = |rows: &[Json], currency: &str, name: &str| -> i128 {
        let of = |row: &&Json| row["currency"] == currency;
        let value = |row: &Json| {
            let text = digits(&row[name]);
            let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
            format!("{whole}{fraction:0<6}").parse::<i128>().expect("a decimal")
        };
        rows.iter().filter(of).map(value).sum()
    };
    let of = async |path: &str| all_rows(&written.database, &format!("/api/v1/analytics/{path}"), 50).await;
    let (places, totals) = (of(&format!("places?{period}")).await, of(&format!("taxes-and-tips?{period}")).await);
    let (payments, load) = (
        of(&format!("taxes-and-tips?by=payment_method&{period}&sort=-purchase_total")).await,
        of("load?from=2026-01-01&to=2027-01-01&zone=Asia/Kolkata").await,
    );
    let (categories, transactions) = (
        of(&format!("categories?{period}&sort=-purchase_quantity")).await,
        of(&format!("transactions?{period}")).await,
    );
    for currency in ["EUR", "GBP"] {
        for name in ["purchases", "purchase_total", "purchase_nds", "return_total", "zeros"] {
            let whole = sum(&places, currency, name);
            assert_eq!(sum(&totals, currency, name), whole, "{currency} {name}");
            assert_eq!(sum(&payments, currency, name), whole, "{currency} {name}");
            if name != "purchase_nds" {
                assert_eq!(sum(&load, currency, name), whole, "{currency} {name}");
            }
        }
        let lines: i128 = written
            .purchases
            .iter()
            .filter(|it| it.kind == ReceiptKind::Purchase && it.receipt.currency == currency)
            .flat_map(|it| it.lines.iter().map(|line| i128::from(line.amount) * 100))
            .sum();
        assert_eq!(sum(&categories, currency, "purchase_amount"), lines, "{currency}");
    }
    let hours: Vec<i64> = load.iter().map(|row| row["hour"].as_i64().expect("an hour")).collect();
    assert!(hours.is_sorted() && hours.iter().all(|hour| (0..24).contains(hour)));
    for currency in ["EUR", "USD", "JPY"] {
        let own = written.scores.iter().filter(|it| it.transaction.currency == currency);
        let amount: i128 = own.map(|it| i128::from(it.transaction.amount) * 100).sum();
        assert_eq!(sum(&transactions, currency, "amount"), amount, "{currency}");
        let parts: i128 =
            ["allowed", "reviewed", "blocked"].iter().map(|name| sum(&transactions, currency, name)).sum();
        assert_eq!(parts, sum(&transactions, currency, "transactions"), "{currency}");
    }
    let quantities: Vec<f64> =
        categories.iter().map(|row| row["purchase_quantity"].as_f64().expect("a number")).collect();
    assert!(quantities.is_sorted_by(|a, b| a >= b), "sorted");
}

#[tokio::test]
async fn without_a_period_the_latest_days_that_have_data_are_told_and_said() {
    let written = Written::new().await;
    let latest = written.purchases.iter().map(|it| it.occurred_at).max().expect("purchases");
    let (status, answer) = json_of(&written.database, "/api/v1/analytics/places?zone=Asia/Kolkata").await;
    assert_eq!((status, &answer["period"]["chosen_by"]), (200, &json!("latest_data")), "{answer}");
    let after = start(latest, "day", "Asia/Kolkata", 0) + 24 * 3_600_000;
    assert_eq!(answer["period"]["to"], json!(format_instant(after)));
    assert!(!answer["rows"].as_array().expect("rows").is_empty());
    let source = &answer["as_of"]["sources"][0];
    assert_eq!((&source["topic"], &source["offsets"]), (&json!("receipts"), &json!({})), "no projector wrote them");

    let empty = TestDatabase::migrated().await;
    let (status, answer) = json_of(&empty, "/api/v1/analytics/places").await;
    assert_eq!((status, &answer["rows"], answer.get("period")), (200, &json!([]), None), "{answer}");
    for path in
        ["/api/v1/places", "/api/consumer/places/", "/api/consumer/analytics/", "/api/v1/analytics/model?section=drift"]
    {
        assert_eq!(json_of(&empty, path).await.0, 200, "{path}");
    }
}

#[tokio::test]
async fn filters_take_exactly_what_they_name_and_text_is_never_sql() {
    let written = Written::new().await;
    let base = "/api/v1/analytics/places?from=2026-01-01&to=2027-01-01&interval=all";
    let rows = all_rows(&written.database, &format!("{base}&place_id=place-1&place_id=place-3&currency=EUR"), 10).await;
    let ids: Vec<&str> = rows.iter().map(|row| row["place_id"].as_str().expect("an id")).collect();
    assert_eq!(ids, ["place-1", "place-3"]);
    for evil in ["'%20OR%201=1", "%5C", "%5C'", "place-1%09", "%7Bfrom:String%7D", "%0A", "%E2%98%83"] {
        let rows = all_rows(&written.database, &format!("{base}&place_id={evil}"), 10).await;
        assert_eq!(rows, Vec::<Json>::new(), "{evil}");
        let (status, answer) = json_of(&written.database, &format!("/api/v1/places/{evil}")).await;
        assert_eq!((status, &answer["code"]), (404, &json!("unknown_place")), "{evil}");
        assert_eq!(json_of(&written.database, &format!("/api/v1/analytics/customers/{evil}")).await.0, 404, "{evil}");
    }
    for (bad, status) in
        [("limit=99999999", 400), ("cursor=e30", 400), ("from=1970-01-01&to=2100-01-01", 400), ("sort=nothing", 400)]
    {
        assert_eq!(json_of(&written.database, &format!("/api/v1/analytics/places?{bad}")).await.0, status, "{bad}");
    }
    let (_, page) = json_of(&written.database, &format!("{base}&limit=1")).await;
    let cursor = page["next_cursor"].as_str().expect("more");
    let (status, other) = json_of(&written.database, &format!("{base}&limit=1&currency=EUR&cursor={cursor}")).await;
    assert_eq!((status, &other["code"]), (400, &json!("bad_parameter")), "a cursor is of one question");
}

#[tokio::test]
async fn the_same_rows_come_in_every_format() {
    let written = Written::new().await;
    let path = "/api/v1/analytics/places?from=2026-01-01&to=2027-01-01";
    let rows = all_rows(&written.database, path, 10_000).await;
    let config = AnalyticsConfig::default();
    let (status, headers, csv) = ask(&written.database, path, "text/csv", config).await;
    let csv = String::from_utf8(csv).expect("UTF-8");
    assert_eq!((status, csv.lines().count()), (200, rows.len() + 1));
    assert!(csv.starts_with("\"start\",\"start_local\",\"place_id\""), "{csv:.80}");
    assert!(headers["x-millrace-period"].contains("interval=day"), "{headers:?}");
    assert_eq!(headers["x-millrace-as-of"], "", "no projector wrote them");
    let (_, _, ndjson) = ask(&written.database, path, "application/x-ndjson", config).await;
    let lines: Vec<Json> = String::from_utf8(ndjson)
        .expect("UTF-8")
        .lines()
        .map(|line| serde_json::from_str(line).expect("a row"))
        .collect();
    assert_eq!(lines, rows);
    for (media, magic) in [("application/vnd.apache.parquet", "PAR1"), ("application/vnd.apache.arrow.file", "ARROW1")]
    {
        let (status, headers, bytes) = ask(&written.database, path, media, config).await;
        assert_eq!((status, headers["content-type"].as_str()), (200, media));
        assert!(bytes.starts_with(magic.as_bytes()) && bytes.ends_with(magic.as_bytes()), "{media}");
    }
    let (status, _, stream) = ask(&written.database, &format!("{path}&format=arrows"), "*/*", config).await;
    assert_eq!((status, &stream[..4]), (200, &[0xff; 4][..]), "a continuation marker");
    assert_eq!(ask(&written.database, path, "image/png", config).await.0, 406);
}

#[tokio::test]
async fn what_takes_more_than_its_bounds_is_refused_and_says_so() {
    let written = Written::new().await;
    let path = "/api/v1/analytics/places?from=2026-01-01&to=2027-01-01&interval=15m";
    let default = AnalyticsConfig::default();
    for (config, accept) in [
        (AnalyticsConfig { rows_read_max: 10, ..default }, "application/json"),
        (AnalyticsConfig { memory_max_bytes: 100_000, ..default }, "application/json"),
        (AnalyticsConfig { file_rows_max: 5, ..default }, "text/csv"),
    ] {
        let (status, _, body) = ask(&written.database, path, accept, config).await;
        let problem: Json = serde_json::from_slice(&body).expect("a problem");
        assert_eq!((status, &problem["code"]), (422, &json!("too_much")), "{problem}");
    }
    let (status, _, csv) =
        ask(&written.database, &format!("{path}&limit=5"), "text/csv", AnalyticsConfig { file_rows_max: 5, ..default })
            .await;
    assert_eq!((status, String::from_utf8(csv).expect("UTF-8").lines().count()), (200, 6), "as many as are wanted");
    let busy = AnalyticsConfig { concurrent_max: 1, waiting_max: 0, ..default };
    let router = analytics(&written.database.config, &busy, log()).expect("routes");
    let one = || router.clone().oneshot(Request::get(path).body(Body::empty()).expect("a request"));
    let answers = futures::future::join_all((0..8).map(|_| one())).await;
    let statuses: Vec<u16> = answers.into_iter().map(|answer| answer.expect("an answer").status().as_u16()).collect();
    assert!(statuses.contains(&503) && statuses.iter().all(|status| [200, 503].contains(status)), "{statuses:?}");
    assert_eq!(one().await.expect("an answer").status().as_u16(), 200, "afterwards it goes on");
}

#[tokio::test]
async fn a_place_has_its_names() {
    let written = Written::new().await;
    let sink = written.database.sink();
    let mut renamed = Generator::new(78).purchase();
    renamed.receipt.place_id = "place-9".into();
    renamed.receipt.place_name = "Before".into();
    renamed.occurred_at = SPRING;
    let mut later = renamed.clone();
    later.receipt.place_name = "After".into();
    later.occurred_at = SPRING + 86_400_000;
    (renamed.source.offset, later.source.offset) = (501, 502);
    sink.write(&batch(0, 500, &[renamed])).await.expect("a purchase");
    let path = "/api/v1/places/place-9?from=2026-01-01&to=2027-01-01";
    sink.write(&batch(0, 501, &[later])).await.expect("a purchase");
    let (status, answer) = json_of(&written.database, path).await;
    assert_eq!(
        (status, &answer["place"]["place_name"], &answer["place"]["names"]),
        (200, &json!("After"), &json!(2)),
        "{answer}"
    );
    let names: Vec<&str> = answer["names"]
        .as_array()
        .expect("names")
        .iter()
        .map(|it| it["place_name"].as_str().expect("a name"))
        .collect();
    assert_eq!(names, ["Before", "After"]);
    assert_eq!(answer["figures"].as_array().map(Vec::len), Some(1), "one currency, one interval");
}

#[tokio::test]
async fn a_customer_and_the_model_are_told_by_day() {
    let written = Written::new().await;
    let customer = &written.scores[0].transaction.customer_id;
    let path = format!("/api/v1/analytics/customers/{customer}?from=2026-01-01&to=2027-01-01&interval=month");
    let rows = all_rows(&written.database, &path, 5).await;
    let own = || written.scores.iter().filter(|it| it.transaction.customer_id == *customer);
    let counted: u64 = rows.iter().map(|row| row["transactions"].as_u64().expect("a count")).sum();
    assert_eq!(counted as usize, own().count());
    assert!(rows.iter().all(|row| row["customer_id"] == json!(customer)));
    for section in ["days", "thresholds", "cards", "drift", "fallback"] {
        let path = format!("/api/v1/analytics/model?section={section}&from=2026-03-01&to=2027-01-01");
        let (status, answer) = json_of(&written.database, &path).await;
        assert_eq!(status, 200, "{section}: {answer}");
        let is_empty = answer["rows"].as_array().expect("rows").is_empty();
        // Nothing lies before, so nothing can have moved.
        assert_eq!(is_empty, section == "drift", "{section}: {answer}");
    }
    let (_, fallback) =
        json_of(&written.database, "/api/v1/analytics/model?section=fallback&from=2026-01-01&to=2027-01-01").await;
    let defaulted: u64 =
        fallback["rows"].as_array().expect("rows").iter().map(|row| row["defaulted"].as_u64().expect("a count")).sum();
    let expected = written
        .scores
        .iter()
        .filter(|it| it.decision_source == millrace_schemas::event::DecisionSource::Default)
        .count();
    assert_eq!(defaulted as usize, expected);
    assert_eq!(get(&written.database, "/api/v1/customers/nobody/statistics").await.0, 404);
}

#[tokio::test]
async fn figures_read_rollups_and_no_rows_of_events() {
    let database = TestDatabase::migrated().await;
    let sink = database.sink();
    sink.write(&batch(0, 0, &Generator::new(93).purchases(50))).await.expect("purchases");
    sink.write(&batch(0, 0, &Generator::new(94).scores(50))).await.expect("scores");
    let times = "from = '2020-01-01', to = '2030-01-01'";
    let (calendar, days) =
        (format!("({times}, interval = 'day', zone = 'Europe/Berlin')"), format!("({times}, interval = 'day')"));
    let of_calendar = ["place", "category", "nds_rate", "payment", "tax_tip", "transaction"];
    let views = of_calendar.map(|name| format!("{name}_figures{calendar}")).into_iter().chain([
        format!("load_figures({times}, zone = 'UTC')"),
        format!("customer_figures{days}"),
        "places".to_owned(),
        "place_names".to_owned(),
        "fallback_1d".to_owned(),
    ]);
    let read = |plan: Vec<String>| -> Vec<String> {
        let table = |line: &String| Some(line.split_once("ReadFromMergeTree (")?.1.split_once(')')?.0.to_owned());
        plan.iter().filter_map(table).collect()
    };
    let plan = async |from: &str| {
        let sql = format!("EXPLAIN SELECT * FROM {}.{from}", database.clickhouse.database());
        read(
            database
                .clickhouse
                .query(&sql)
                .fetch_all::<String>()
                .await
                .unwrap_or_else(|error| panic!("{from}: {error}")),
        )
    };
    for view in views {
        let tables = plan(&view).await;
        assert!(!tables.is_empty() && tables.iter().all(|it| it.contains("_stats_1")), "{view} reads {tables:?}");
    }
    assert!(plan("receipts").await.iter().all(|it| it.ends_with(".receipts_v1")), "what reads rows is told apart");
}
