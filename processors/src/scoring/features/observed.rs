//! What a transaction's features are.

use super::{
    super::{history::Past, place::Place, rules::RuleSet, visits::VisitsView, windows::WindowsView},
    Feature, Features,
};
use crate::merchants::versions::Version;
use jiff::{Timestamp, civil::Weekday};
use millrace_schemas::{
    event::Transaction,
    money::MONEY_UNIT,
    time::{DAY_MS, HOUR_MS},
};

/// Shortest time between two places, in milliseconds: clocks are not finer, and nobody is infinitely fast.
const BETWEEN_MIN_MS: i64 = 60_000;

/// The features of a transaction against its customer's past.
pub(in super::super) fn of(
    transaction: &Transaction,
    windows: &WindowsView,
    visits: &VisitsView,
    past: &Past,
    rules: &RuleSet,
) -> Features {
    let mut features = Features::new();
    own(transaction, &mut features);
    calendar(transaction, rules, &mut features);
    recent(transaction, windows, past, &mut features);
    surroundings(transaction, visits, past, &mut features);
    lifelong(transaction, windows, past, &mut features);
    for feature in rules.blocklists().hits(transaction) {
        features.set(feature, 1.0);
    }
    features
}

/// What is known of the merchant's past.
pub(in super::super) fn of_merchant(version: &Version, merchant_id: &str, features: &mut Features) {
    let figures = version.of(merchant_id);
    let counts = [Feature::MerchantCount1d, Feature::MerchantCount7d, Feature::MerchantCount30d];
    let risks = [Feature::MerchantRisk1d, Feature::MerchantRisk7d, Feature::MerchantRisk30d];
    for (feature, count) in counts.into_iter().zip(figures.counts) {
        features.set(feature, f64::from(count));
    }
    for (feature, risk) in risks.into_iter().zip(figures.risks()) {
        features.set(feature, risk);
    }
    features.set(Feature::MerchantRiskDay, f64::from(version.day));
}

/// What the transaction itself says, the upstream's signals included.
fn own(transaction: &Transaction, features: &mut Features) {
    features.set(Feature::Amount, units(transaction.amount));
    features.set(Feature::HourUtc, transaction.occurred_at.rem_euclid(DAY_MS).div_euclid(HOUR_MS) as f64);
    features.set(Feature::MerchantRiskScore, transaction.merchant_risk_score);
    features.set(Feature::CardRiskScore, transaction.card_risk_score);
    features.set(Feature::CustomerRiskScore, transaction.customer_risk_score);
    features.set(Feature::VelocityAlert, transaction.is_velocity_alert.map(flag));
    features.set(Feature::LocationAlert, transaction.is_location_alert.map(flag));
    features.set(Feature::DeviceAlert, transaction.is_device_alert.map(flag));
    features.set(Feature::HighValue, transaction.is_high_value.map(flag));
}

/// Night and weekend, where the rules say.
fn calendar(transaction: &Transaction, rules: &RuleSet, features: &mut Features) {
    if let Ok(at) = Timestamp::from_millisecond(transaction.occurred_at) {
        let local = rules.zone().to_datetime(at);
        features.set(Feature::Night, flag(local.hour() <= 6));
        features.set(Feature::Weekend, flag(matches!(local.weekday(), Weekday::Saturday | Weekday::Sunday)));
    }
}

/// The customer's last hours.
fn recent(transaction: &Transaction, windows: &WindowsView, past: &Past, features: &mut Features) {
    let spans = [Feature::Count3h, Feature::Count6h, Feature::Count12h, Feature::Count24h];
    for (feature, count) in spans.into_iter().zip(windows.counts) {
        features.set(feature, count as f64);
    }
    // When the newest of all lies after this one, the one next before it may be forgotten.
    let at = transaction.occurred_at;
    let previous = past.newest.filter(|newest| *newest <= at).or(windows.previous);
    features.set(Feature::HoursSincePrevious, previous.map(|previous| (at - previous) as f64 / HOUR_MS as f64));
}

/// With whom, with what and where the customer paid.
fn surroundings(transaction: &Transaction, visits: &VisitsView, past: &Past, features: &mut Features) {
    let kinds = [Feature::DistinctMerchants24h, Feature::DistinctDevices24h, Feature::DistinctLocations24h];
    for (feature, count) in kinds.into_iter().zip(visits.distinct) {
        features.set(feature, count as f64);
    }
    if let (Some(here), Some((before, there))) = (Place::of(transaction), past.place.or(visits.previous)) {
        let km = there.km_to(here);
        let between_ms = (transaction.occurred_at - before).max(BETWEEN_MIN_MS);
        features.set(Feature::KmFromPrevious, km);
        features.set(Feature::SpeedKmh, km * HOUR_MS as f64 / between_ms as f64);
    }
}

/// The customer's whole life.
fn lifelong(transaction: &Transaction, windows: &WindowsView, past: &Past, features: &mut Features) {
    let [.., mean_24h] = windows.means;
    let in_units = |amount: f64| amount / MONEY_UNIT as f64;
    let mean = past.amounts.mean().map(in_units);
    let deviation = past.amounts.deviation().map(in_units);
    let to_mean = |amount: i64| mean.filter(|mean| *mean > 0.0).map(|mean| units(amount) / mean);
    features.set(Feature::CustomerCount, past.count as f64);
    features.set(Feature::CustomerCurrencyCount, past.amounts.count as f64);
    features.set(Feature::CustomerMean, mean);
    features.set(Feature::CustomerDeviation, deviation);
    if let (Some(mean), Some(deviation)) = (mean, deviation.filter(|deviation| *deviation > 0.0)) {
        features.set(Feature::AmountDeviations, (units(transaction.amount) - mean) / deviation);
    }
    features.set(Feature::AmountToMean, to_mean(transaction.amount));
    features.set(Feature::Mean24hToMean, to_mean(mean_24h));
    features.set(Feature::DeviceIsNew, flag(past.count > 0 && !past.knows_device));
    features.set(Feature::LocationIsNew, flag(past.count > 0 && !past.knows_location));
}

fn units(amount: i64) -> f64 {
    amount as f64 / MONEY_UNIT as f64
}

fn flag(yes: bool) -> f64 {
    f64::from(u8::from(yes))
}
