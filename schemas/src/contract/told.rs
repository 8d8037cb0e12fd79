//! How values of events stand in answers, for `#[serde(with = "…")]`: the same attribute is what their schemas are made of.

use crate::{
    event::Windows,
    money::{format_money, json_number},
    time::format_instant,
};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer, ser::SerializeMap as _};
use serde_json::{Map, Number, Value as Json};

/// An amount in units of the currency, with exactly its digits.
#[derive(JsonSchema)]
#[schemars(inline, with = "Number")]
pub struct Money;

impl Money {
    /// Ten-thousandths of the currency unit as a JSON number, such as `10.99`.
    pub fn serialize<S: Serializer>(value: &(impl Into<i128> + Copy), serializer: S) -> Result<S::Ok, S::Error> {
        json_number(format_money(*value)).serialize(serializer)
    }

    /// Ten-thousandths, as tables have them.
    pub fn deserialize<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
        T::deserialize(deserializer)
    }
}

/// A time in UTC.
#[derive(JsonSchema)]
#[schemars(inline, with = "String", extend("format" = "date-time"))]
pub struct Instant;

impl Instant {
    /// Epoch milliseconds as `2026-03-29T12:30:00.000Z`.
    pub fn serialize<S: Serializer>(
        epoch_ms: &(impl Into<Option<i64>> + Copy),
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        (*epoch_ms).into().map(format_instant).serialize(serializer)
    }

    /// Epoch milliseconds, as tables have them.
    pub fn deserialize<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
        T::deserialize(deserializer)
    }
}

/// Fields that the contract does not name.
#[derive(JsonSchema)]
#[schemars(inline, with = "Map<String, Json>")]
pub struct Extra;

impl Extra {
    /// What is kept as JSON text by name, as the values it is. What a producer wrote that is no JSON stays text.
    pub fn serialize<S: Serializer>(fields: &[(String, String)], serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(fields.len()))?;
        for (name, text) in fields {
            let value = serde_json::from_str(text).unwrap_or_else(|_| Json::String(text.clone()));
            map.serialize_entry(name, &value)?;
        }
        map.end()
    }

    /// JSON text by name, as tables have it.
    pub fn deserialize<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
        T::deserialize(deserializer)
    }
}

/// Money that is told as [`Money`](struct@Money) wherever it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct Amount(#[serde(with = "Money")] pub i64);

/// The customer's sliding windows, flat among the fields of an answer; with `Option`s where there may be none.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ToldWindows<Count, Mean> {
    /// Customer's transactions in the 3 hours up to this one, itself included, all currencies.
    customer_transaction_count_3h: Count,
    /// Mean amount of those in this transaction's currency, rounded half-even.
    customer_avg_amount_3h: Mean,
    /// Customer's transactions in the 6 hours up to this one, itself included, all currencies.
    customer_transaction_count_6h: Count,
    /// Mean amount of those in this transaction's currency, rounded half-even.
    customer_avg_amount_6h: Mean,
    /// Customer's transactions in the 12 hours up to this one, itself included, all currencies.
    customer_transaction_count_12h: Count,
    /// Mean amount of those in this transaction's currency, rounded half-even.
    customer_avg_amount_12h: Mean,
    /// Customer's transactions in the 24 hours up to this one, itself included, all currencies.
    customer_transaction_count_24h: Count,
    /// Mean amount of those in this transaction's currency, rounded half-even.
    customer_avg_amount_24h: Mean,
}

/// Windows that are there.
pub type KnownWindows = ToldWindows<i32, Amount>;
/// Windows that may not be known yet: null then.
pub type MaybeWindows = ToldWindows<Option<i32>, Option<Amount>>;

impl<Count, Mean> ToldWindows<Count, Mean> {
    fn each(count: impl Fn(fn(&Windows) -> i32) -> Count, mean: impl Fn(fn(&Windows) -> i64) -> Mean) -> Self {
        Self {
            customer_transaction_count_3h: count(|it| it.customer_transaction_count_3h),
            customer_avg_amount_3h: mean(|it| it.customer_avg_amount_3h),
            customer_transaction_count_6h: count(|it| it.customer_transaction_count_6h),
            customer_avg_amount_6h: mean(|it| it.customer_avg_amount_6h),
            customer_transaction_count_12h: count(|it| it.customer_transaction_count_12h),
            customer_avg_amount_12h: mean(|it| it.customer_avg_amount_12h),
            customer_transaction_count_24h: count(|it| it.customer_transaction_count_24h),
            customer_avg_amount_24h: mean(|it| it.customer_avg_amount_24h),
        }
    }
}

impl KnownWindows {
    /// For `#[serde(with = "…")]` of a field that holds [`Windows`].
    pub fn serialize<S: Serializer>(windows: &Windows, serializer: S) -> Result<S::Ok, S::Error> {
        Serialize::serialize(&Self::each(|of| of(windows), |of| Amount(of(windows))), serializer)
    }
}

impl MaybeWindows {
    /// The windows of a score, if there is one.
    pub fn of(windows: Option<&Windows>) -> Self {
        Self::each(|of| windows.map(of), |of| windows.map(|windows| Amount(of(windows))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize)]
    struct Told {
        #[serde(with = "Money")]
        amount: i64,
        #[serde(with = "Money")]
        sum: i128,
        #[serde(with = "Instant")]
        at: i64,
        #[serde(with = "Extra")]
        extra: Vec<(String, String)>,
    }

    #[test]
    fn money_keeps_its_digits_and_unknown_fields_are_what_they_were() {
        let extra = [("points", "{\"n\":0.10}"), ("odd", "{n")].map(|(name, text)| (name.to_owned(), text.to_owned()));
        let told = Told { amount: 109_900, sum: i128::from(i64::MAX) * 100, at: 1, extra: extra.to_vec() };
        assert_eq!(
            serde_json::to_string(&told).expect("JSON"),
            r#"{"amount":10.99,"sum":92233720368547758.07,"at":"1970-01-01T00:00:00.001Z","extra":{"points":{"n":0.10},"odd":"{n"}}"#
        );
    }
}
