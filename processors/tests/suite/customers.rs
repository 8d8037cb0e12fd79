//! Features of customers against an oracle that looks at the whole log again each time.

use crate::common::{NOON, after, context, last_score, score, transaction};
use millrace_processors::{
    Scoring,
    scoring::{rules::RuleSet, visits::VISITS_MAX},
};
use millrace_runtime::processor::{Memory, Processor};
use millrace_schemas::{
    event::Transaction,
    time::{DAY_MS, HOUR_MS, parse_utc},
};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

const RETENTION_MS: i64 = 48 * HOUR_MS;

/// Features by name; those that cannot be known are missing.
type Known = BTreeMap<&'static str, f64>;

/// The customer's features of the last of these, which stand in the log's order.
fn oracle(log: &[Transaction]) -> Known {
    let (now, earlier) = log.split_last().expect("at least one");
    let earlier: Vec<&Transaction> = earlier.iter().filter(|t| t.customer_id == now.customer_id).collect();
    let mut known = amounts(now, &earlier);
    known.extend(different(now, &earlier));
    known.extend(journey(now, &earlier));
    // 1970-01-01 was a Thursday.
    let (day, hour) = (now.occurred_at / DAY_MS, now.occurred_at % DAY_MS / HOUR_MS);
    known.insert("is_night", f64::from(u8::from(hour < 7)));
    known.insert("is_weekend", f64::from(u8::from((day + 3) % 7 >= 5)));
    known
}

fn amounts(now: &Transaction, earlier: &[&Transaction]) -> Known {
    let own: Vec<i128> = earlier.iter().filter(|t| t.currency == now.currency).map(|t| t.amount.into()).collect();
    let count = own.len() as i128;
    let (sum, squares) = (own.iter().sum::<i128>(), own.iter().map(|amount| amount * amount).sum::<i128>());
    let mut known = Known::from([("customer_count", earlier.len() as f64), ("customer_currency_count", count as f64)]);
    if count > 0 {
        known.insert("customer_mean", sum as f64 / count as f64 / 1e4);
    }
    if sum > 0 {
        known.insert("amount_to_mean", now.amount as f64 * count as f64 / sum as f64);
    }
    if count > 1 {
        let variance = (count * squares - sum * sum) as f64 / (count * (count - 1)) as f64;
        known.insert("customer_deviation", variance.sqrt() / 1e4);
        if variance > 0.0 {
            let above = i128::from(now.amount) * count - sum;
            known.insert("amount_deviations", above as f64 / count as f64 / variance.sqrt());
        }
    }
    known
}

/// What is retained before this one.
fn retained<'t>(earlier: &[&'t Transaction]) -> Vec<&'t Transaction> {
    let newest = earlier.iter().map(|t| t.occurred_at).max().unwrap_or(0);
    earlier.iter().copied().filter(|t| t.occurred_at > newest - RETENTION_MS).collect()
}

fn different(now: &Transaction, earlier: &[&Transaction]) -> Known {
    let inside = |t: &&Transaction| now.occurred_at - DAY_MS < t.occurred_at && t.occurred_at <= now.occurred_at;
    let seen: Vec<&Transaction> = retained(earlier).into_iter().filter(inside).chain([now]).collect();
    let count =
        |value: fn(&Transaction) -> &String| seen.iter().map(|t| value(t)).collect::<BTreeSet<_>>().len() as f64;
    Known::from([
        ("distinct_merchants_24h", count(|t| &t.merchant_id)),
        ("distinct_devices_24h", count(|t| &t.device_id)),
        ("distinct_locations_24h", count(|t| &t.location)),
    ])
}

/// From the place next before this one: one that is retained, or the latest of all.
fn journey(now: &Transaction, earlier: &[&Transaction]) -> Known {
    let retained: Vec<*const Transaction> = retained(earlier).into_iter().map(std::ptr::from_ref).collect();
    let placed: Vec<&Transaction> = earlier.iter().copied().filter(|t| t.latitude.and(t.longitude).is_some()).collect();
    // The last of several largest.
    let latest = placed.iter().copied().max_by_key(|t| t.occurred_at);
    let before = placed.iter().copied().filter(|t| t.occurred_at <= now.occurred_at).max_by_key(|t| t.occurred_at);
    let Some(before) = before.filter(|before| {
        retained.contains(&std::ptr::from_ref(*before)) || latest.is_some_and(|latest| std::ptr::eq(latest, *before))
    }) else {
        return Known::new();
    };
    let (Some(from), Some(to)) = (on_the_globe(before), on_the_globe(now)) else { return Known::new() };
    let cross =
        [from[1] * to[2] - from[2] * to[1], from[2] * to[0] - from[0] * to[2], from[0] * to[1] - from[1] * to[0]];
    let (sine, cosine) =
        (cross.iter().map(|c| c * c).sum::<f64>().sqrt(), (0..3).map(|i| from[i] * to[i]).sum::<f64>());
    let km = 6_371.008_8 * sine.atan2(cosine);
    let minutes = ((now.occurred_at - before.occurred_at) as f64 / 60_000.0).max(1.0);
    Known::from([("km_from_previous", km), ("speed_kmh", km / minutes * 60.0)])
}

/// A unit vector, of coordinates rounded to seven digits.
fn on_the_globe(transaction: &Transaction) -> Option<[f64; 3]> {
    let radians = |degrees: f64| ((degrees * 1e7).round_ties_even() / 1e7).to_radians();
    let (latitude, longitude) = (radians(transaction.latitude?), radians(transaction.longitude?));
    Some([latitude.cos() * longitude.cos(), latitude.cos() * longitude.sin(), latitude.sin()])
}

const CHECKED: [&str; 13] = [
    "amount_deviations",
    "amount_to_mean",
    "customer_count",
    "customer_currency_count",
    "customer_deviation",
    "customer_mean",
    "distinct_devices_24h",
    "distinct_locations_24h",
    "distinct_merchants_24h",
    "is_night",
    "is_weekend",
    "km_from_previous",
    "speed_kmh",
];

fn any_transaction(at: impl Strategy<Value = i64>) -> impl Strategy<Value = Transaction> {
    let coordinates = prop_oneof![
        2 => Just(None),
        2 => (0..3i32, 0..3i32).prop_map(|(north, east)| Some((f64::from(north) / 10.0, f64::from(east) * 60.0))),
        3 => (-90.0..=90.0f64, -180.0..=180.0f64).prop_map(Some),
    ];
    let who = (0..2u8, 0..2usize, prop_oneof![0..5i64, 0..10_000_000i64, Just(1_000_000_000)]);
    (at, who, (0..6u8, 0..4u8, 0..5u8), coordinates).prop_map(
        |(at, (customer, currency, amount), (merchant, device, location), coordinates)| Transaction {
            occurred_at: at,
            customer_id: format!("customer-{customer}"),
            currency: ["EUR", "JPY"][currency].into(),
            amount,
            merchant_id: format!("merchant-{merchant}"),
            device_id: format!("device-{device}"),
            location: format!("location-{location}"),
            latitude: coordinates.map(|(latitude, _)| latitude),
            longitude: coordinates.map(|(_, longitude)| longitude),
            ..transaction()
        },
    )
}

/// Times over some days; many meet exactly, or at exactly a window's length.
fn any_time() -> impl Strategy<Value = i64> {
    prop_oneof![(0..150i64).prop_map(|hours| NOON + hours * HOUR_MS), NOON..NOON + 150 * HOUR_MS]
}

proptest! {
    #[test]
    fn features_of_customers_equal_the_oracle_in_any_order(
        mut log in prop::collection::vec(any_transaction(any_time()), 1..150),
        sorted in any::<bool>(),
    ) {
        if sorted {
            log.sort_by_key(|t| t.occurred_at);
        }
        for (index, score) in score(&log).iter().enumerate() {
            let expected = oracle(&log[..=index]);
            for name in CHECKED {
                let (actual, expected) = (score.features.get(name), expected.get(name).copied());
                let equal = match (actual, expected) {
                    (Some(actual), Some(expected)) => (actual - expected).abs() <= 1e-5 + 1e-9 * expected.abs(),
                    (actual, expected) => actual == expected,
                };
                prop_assert!(equal, "offset {index}: {name} is {actual:?}, not {expected:?}");
            }
        }
    }
}

#[test]
fn of_very_many_transactions_the_latest_are_looked_at() {
    let at = |number: usize, merchant: usize| Transaction {
        occurred_at: NOON + number as i64,
        merchant_id: format!("merchant-{merchant}"),
        ..transaction()
    };
    let mut log: Vec<Transaction> = (0..VISITS_MAX + 500).map(|number| at(number, number)).collect();
    assert_eq!(last_score(&log).features["distinct_merchants_24h"], VISITS_MAX as f64 + 1.0);
    // One that is earlier than all that is retained finds nothing, and takes no other's room.
    log.push(at(0, 9_999));
    assert_eq!(last_score(&log).features["distinct_merchants_24h"], 1.0);
    log.extend((0..VISITS_MAX).map(|number| at(5_000 + number, 7)));
    assert_eq!(last_score(&log).features["distinct_merchants_24h"], 2.0, "those at merchant 7, and the latest before");
}

#[test]
fn a_flight_takes_its_time() {
    let at = |hours, latitude, longitude| Transaction {
        latitude: Some(latitude),
        longitude: Some(longitude),
        ..after(hours)
    };
    // Frankfurt to New York: 6,190 km.
    let score = last_score(&[at(0, 50.0379, 8.5622), at(8, 40.6413, -73.7781)]);
    let (km, speed) = (score.features["km_from_previous"], score.features["speed_kmh"]);
    assert!((6_180.0..6_200.0).contains(&km) && (speed - km / 8.0).abs() < 1e-9, "{km} km, {speed} km/h");
    let at_once = last_score(&[at(0, 0.0, 0.0), at(0, 0.0, 180.0)]);
    assert!((at_once.features["speed_kmh"] - 60.0 * 20_015.115).abs() < 0.1, "{:?}", at_once.features);
}

#[test]
fn night_and_weekend_are_told_in_the_zone_of_the_rules() {
    let head = "base = -2.0\nblocklist_contribution = 5.0\n";
    let thresholds = "thresholds = { review = 0.5, block = 0.9 }\n";
    let rules = format!("{head}zone = 'Europe/Berlin'\n{thresholds}");
    let mut memory = Scoring::with_rules(RuleSet::parse(&rules).expect("valid")).memory();
    for (at, night, weekend) in [
        ("2026-01-16T22:59:59.999Z", 0.0, 0.0),
        ("2026-01-16T23:00:00Z", 1.0, 1.0),     // Saturday 00:00
        ("2026-01-19T05:59:59.999Z", 1.0, 0.0), // Monday 06:59
        ("2026-01-19T06:00:00Z", 0.0, 0.0),
        ("2026-07-20T04:59:59Z", 1.0, 0.0), // an hour earlier in summer
        ("2026-07-20T05:00:00Z", 0.0, 0.0),
        ("2026-07-19T21:59:59Z", 0.0, 1.0), // Sunday 23:59
    ] {
        let input = Transaction { occurred_at: parse_utc(at).expect(at), ..transaction() };
        let features = memory.process(input.clone(), context(&input, 0)).features;
        assert_eq!((features["is_night"], features["is_weekend"]), (night, weekend), "{at}");
    }
}
