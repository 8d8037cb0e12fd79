//! Features: the named numbers that a score is computed from. Rules refer to them by name, and a score carries all of them.
//!
//! A feature that cannot be known is absent, and no rule on it holds. Flags are 1 for yes and 0 for no. The `is_fraud` that may
//! come with a transaction is a label, not a feature.

mod observed;

pub(super) use observed::{of, of_merchant};

use millrace_schemas::event::FeatureValues;
use serde::{Deserialize, Serialize};
use std::{borrow::Cow, fmt};

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
    /// Transactions with the merchant that occurred on the day that ended some days before the end of `merchant_risk_day`: the days
    /// that labels are given to come in, 7 unless configured. This and the other figures of merchants are absent before the first
    /// version of them.
    MerchantCount1d = "merchant_count_1d",
    /// The same of the 30 days that ended then.
    MerchantCount30d = "merchant_count_30d",
    /// The same of the 7 days that ended then.
    MerchantCount7d = "merchant_count_7d",
    /// Share of the transactions of `merchant_count_1d` whose last label is fraud or chargeback; 0 when there is none.
    MerchantRisk1d = "merchant_risk_1d",
    /// The same of `merchant_count_30d`.
    MerchantRisk30d = "merchant_risk_30d",
    /// The same of `merchant_count_7d`.
    MerchantRisk7d = "merchant_risk_7d",
    /// Version of the merchants' figures: the last UTC day whose labels are in them, in days since 1970-01-01.
    MerchantRiskDay = "merchant_risk_day",
    /// The upstream's risk of the merchant, 0 to 1; absent when not given.
    MerchantRiskScore = "merchant_risk_score",
    /// Kilometres per hour that take the customer over `km_from_previous` in the time between; that is taken as at least a minute.
    SpeedKmh = "speed_kmh",
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

    /// Those known, as scores hold them.
    pub fn to_event(&self) -> FeatureValues {
        // A list that is as long from the start need not grow.
        let mut known = Vec::with_capacity(Feature::ALL.len());
        known.extend(Feature::ALL.iter().filter_map(|f| Some((Cow::Borrowed(f.name()), self.get(*f)?))));
        FeatureValues::sorted(known)
    }
}

impl Default for Features {
    fn default() -> Self {
        Self::new()
    }
}
