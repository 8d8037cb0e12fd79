//! Features: the named numbers that a score is computed from. Rules refer to them by name, and a score carries all of them.
//!
//! A feature that cannot be known is absent, and no rule on it holds. Flags are 1 for yes and 0 for no. The `is_fraud` that may
//! come with a transaction is a label, not a feature.

use super::{blocklists::Blocklists, history::Past, windows::WindowsView};
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
    /// The upstream's alert of too many transactions; absent when not given.
    VelocityAlert = "is_velocity_alert",
    /// The customer has earlier transactions, and none of the remembered locations is this one.
    LocationIsNew = "location_is_new",
    /// Mean amount over the 24 hours up to this one, itself included, as a multiple of `customer_mean`; absent when that is, or
    /// is zero.
    Mean24hToMean = "mean_24h_to_mean",
    /// The merchant is on the blocklist; absent when not.
    MerchantBlocked = "merchant_blocked",
    /// The upstream's risk of the merchant, 0 to 1; absent when not given.
    MerchantRiskScore = "merchant_risk_score",
}

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
pub(super) fn of(transaction: &Transaction, windows: &WindowsView, past: &Past, blocklists: &Blocklists) -> Features {
    let mut features = Features::new();
    own(transaction, &mut features);
    recent(transaction, windows, past, &mut features);
    lifelong(transaction, windows, past, &mut features);
    for feature in blocklists.hits(transaction) {
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

/// The customer's whole life.
fn lifelong(transaction: &Transaction, windows: &WindowsView, past: &Past, features: &mut Features) {
    let [.., mean_24h] = windows.means;
    let mean =
        (past.currency_count > 0).then(|| past.currency_sum as f64 / past.currency_count as f64 / MONEY_UNIT as f64);
    let to_mean = |amount: i64| mean.filter(|mean| *mean > 0.0).map(|mean| units(amount) / mean);
    features.set(Feature::CustomerCount, past.count as f64);
    features.set(Feature::CustomerCurrencyCount, past.currency_count as f64);
    features.set(Feature::CustomerMean, mean);
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
