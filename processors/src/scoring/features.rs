//! Features: the named numbers that a score is computed from. Rules refer to them by name, and a score carries all of them.
//!
//! A feature that cannot be known is absent, and no rule on it holds. Flags are 1 for yes and 0 for no. The `is_fraud` that may
//! come with a transaction is a label, not a feature.

use super::{history::Past, place::Place, rules::RuleSet, visits::VisitsView, windows::WindowsView};
use jiff::{Timestamp, civil::Weekday};
use millrace_schemas::{
    event::Transaction,
    money::MONEY_UNIT,
    time::{DAY_MS, HOUR_MS},
};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fmt};

macro_rules! features {
    ($($(#[$doc:meta])+ $variant:ident = $name:literal,)+) => {
        /// A named number.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Feature { $($(#[$doc])+ $variant,)+ }

        impl Feature {
            /// Every feature, sorted by name.
            pub const ALL: &[Feature] = &[$(Feature::$variant,)+];

            /// Its name in rules and scores.
            pub const fn name(self) -> &'static str {
                match self { $(Feature::$variant => $name,)+ }
            }
        }
    };
}

features! {
    /// Amount, in currency units.
    Amount = "amount",
    /// How many times `customer_deviation` the amount lies above `customer_mean`; absent when that is, or is zero.
    AmountDeviations = "amount_deviations",
    /// Amount as a multiple of `customer_mean`; absent when that is, or is zero.
    AmountToMean = "amount_to_mean",
    /// The card's issuer number is on the blocklist; absent when not.
    CardBinBlocked = "card_bin_blocked",
    /// The upstream's risk of the card, 0 to 1; absent when not given.
    CardRiskScore = "card_risk_score",
    /// The customer is on the blocklist; absent when not.
    CustomerBlocked = "customer_blocked",
    /// The customer's earlier transactions, all currencies.
    CustomerCount = "customer_count",
    /// The customer's earlier transactions in this currency.
    CustomerCurrencyCount = "customer_currency_count",
    /// Standard deviation of the amounts of the customer's earlier transactions in this currency, as a sample, in currency units;
    /// absent when there are fewer than two.
    CustomerDeviation = "customer_deviation",
    /// Mean amount of the customer's earlier transactions in this currency, in currency units; absent when there is none.
    CustomerMean = "customer_mean",
    /// The upstream's risk of the customer, 0 to 1; absent when not given.
    CustomerRiskScore = "customer_risk_score",
    /// The customer's transactions in the 12 hours up to this one, itself included.
    Count12h = "customer_transaction_count_12h",
    /// The customer's transactions in the 24 hours up to this one, itself included.
    Count24h = "customer_transaction_count_24h",
    /// The customer's transactions in the 3 hours up to this one, itself included.
    Count3h = "customer_transaction_count_3h",
    /// The customer's transactions in the 6 hours up to this one, itself included.
    Count6h = "customer_transaction_count_6h",
    /// The device is on the blocklist; absent when not.
    DeviceBlocked = "device_blocked",
    /// The customer has earlier transactions, and none of the remembered devices is this one.
    DeviceIsNew = "device_is_new",
    /// The customer's different devices in the 24 hours up to this transaction, its own included. Of very many transactions only the
    /// latest 1,024 of the last 48 hours are looked at.
    DistinctDevices24h = "distinct_devices_24h",
    /// The customer's different locations, in the same way.
    DistinctLocations24h = "distinct_locations_24h",
    /// The customer's different merchants, in the same way.
    DistinctMerchants24h = "distinct_merchants_24h",
    /// Hour of the day in UTC, 0 to 23.
    HourUtc = "hour_utc",
    /// Hours since the customer's transaction next before this one; absent when there is none, or it is no longer known.
    HoursSincePrevious = "hours_since_previous",
    /// The IP address is on the blocklist; absent when not.
    IpAddressBlocked = "ip_address_blocked",
    /// The upstream's alert of an unusual device; absent when not given.
    DeviceAlert = "is_device_alert",
    /// The upstream's flag of a high amount; absent when not given.
    HighValue = "is_high_value",
    /// The upstream's alert of an unusual place; absent when not given.
    LocationAlert = "is_location_alert",
    /// The hour is 0 to 6 in the zone of the rules, that is from 00:00 to 06:59.
    Night = "is_night",
    /// The upstream's alert of too many transactions; absent when not given.
    VelocityAlert = "is_velocity_alert",
    /// It is Saturday or Sunday in the zone of the rules.
    Weekend = "is_weekend",
    /// Kilometres on the great circle from where the customer's transaction next before this one was, among those with
    /// coordinates; absent without coordinates, and when the one before is no longer known.
    KmFromPrevious = "km_from_previous",
    /// The customer has earlier transactions, and none of the remembered locations is this one.
    LocationIsNew = "location_is_new",
    /// Mean amount over the 24 hours up to this one, itself included, as a multiple of `customer_mean`; absent when that is, or
    /// is zero.
    Mean24hToMean = "mean_24h_to_mean",
    /// The merchant is on the blocklist; absent when not.
    MerchantBlocked = "merchant_blocked",
    /// The upstream's risk of the merchant, 0 to 1; absent when not given.
    MerchantRiskScore = "merchant_risk_score",
    /// Kilometres per hour that take the customer over `km_from_previous` in the time between; that is taken as at least a minute.
    SpeedKmh = "speed_kmh",
}

/// Shortest time between two places, in milliseconds: clocks are not finer, and nobody is infinitely fast.
const BETWEEN_MIN_MS: i64 = 60_000;

/// No feature has this name.
#[derive(Debug, thiserror::Error)]
#[error("no feature {0:?}; features are {known}", known = Feature::ALL.iter().map(|f| f.name()).collect::<Vec<_>>().join(", "))]
pub struct UnknownFeature(String);

impl TryFrom<String> for Feature {
    type Error = UnknownFeature;

    fn try_from(name: String) -> Result<Self, UnknownFeature> {
        Feature::ALL.iter().copied().find(|feature| feature.name() == name).ok_or(UnknownFeature(name))
    }
}

impl<'de> Deserialize<'de> for Feature {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.try_into().map_err(serde::de::Error::custom)
    }
}

impl Serialize for Feature {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl fmt::Display for Feature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The features of one transaction.
#[derive(Debug, Clone, PartialEq)]
pub struct Features([Option<f64>; Feature::ALL.len()]);

impl Features {
    /// None known.
    pub fn new() -> Self {
        Self([None; Feature::ALL.len()])
    }

    /// A feature's value, where it is known.
    pub fn get(&self, feature: Feature) -> Option<f64> {
        self.0[feature as usize]
    }

    /// Sets a value, or leaves the feature absent.
    pub fn set(&mut self, feature: Feature, value: impl Into<Option<f64>>) {
        self.0[feature as usize] = value.into();
    }

    /// Those known, by name.
    pub fn to_map(&self) -> BTreeMap<String, f64> {
        Feature::ALL.iter().filter_map(|f| Some((f.name().to_owned(), self.get(*f)?))).collect()
    }
}

impl Default for Features {
    fn default() -> Self {
        Self::new()
    }
}

/// The features of a transaction against its customer's past.
pub(super) fn of(
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
    // When the newest lies after this one, what was before it may be forgotten.
    let at = transaction.occurred_at;
    let previous = windows.previous.or(past.newest.filter(|newest| *newest <= at));
    features.set(Feature::HoursSincePrevious, previous.map(|previous| (at - previous) as f64 / HOUR_MS as f64));
}

/// With whom, with what and where the customer paid.
fn surroundings(transaction: &Transaction, visits: &VisitsView, past: &Past, features: &mut Features) {
    let kinds = [Feature::DistinctMerchants24h, Feature::DistinctDevices24h, Feature::DistinctLocations24h];
    for (feature, count) in kinds.into_iter().zip(visits.distinct) {
        features.set(feature, count as f64);
    }
    if let (Some(here), Some((before, there))) = (Place::of(transaction), visits.previous.or(past.place)) {
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
