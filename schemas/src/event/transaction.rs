//! The journal of transactions.

use super::TimeResolution;
use crate::{
    contract::sent::{CardBin, Currency, Id, Money, Text, Timestamp},
    rules::{LATITUDE_MAX, LONGITUDE_MAX, RISK_MAX, SEGMENTS_MAX},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A financial transaction as received. Keyed by customer_id. Its identity is transaction_id within customer_id. Fields that
/// are not named here are kept, but for card data, which is refused.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("examples" = [{
    "customer_id": "customer-17", "transaction_id": "txn-1", "amount": 10.99, "currency": "EUR", "type": 55,
    "merchant_id": "merchant-9", "card_bin": "411111", "ip_address": "203.0.113.7", "device_id": "device-3",
    "location": "Berlin", "channel": "online", "timestamp": "2026-03-01T12:00:00+01:00",
}]))]
pub struct Transaction {
    /// Id of this event, a UUID. Set by whoever produces it; not used for deduplication.
    #[schemars(skip)]
    pub event_id: String,
    /// When the transaction took place, by the client's statement.
    #[schemars(rename = "timestamp", with = "Timestamp")]
    pub occurred_at: i64,
    /// When the producer (normally the gateway) took it in.
    #[schemars(skip)]
    pub received_at: i64,
    /// Customer who pays; the key of the record.
    #[schemars(with = "Id")]
    pub customer_id: String,
    /// Client's id of the transaction, unique within the customer; a retry has the same.
    #[schemars(with = "Id")]
    pub transaction_id: String,
    /// Amount, in ten-thousandths of the currency unit; not negative.
    #[schemars(with = "Money", description = "Amount; not negative.", extend("minimum" = 0))]
    pub amount: i64,
    /// ISO 4217 code, upper case.
    #[schemars(with = "Currency")]
    pub currency: String,
    /// Client's transaction type code.
    #[serde(rename = "type")]
    #[schemars(range(min = 0, max = i32::MAX))]
    pub transaction_type: i32,
    /// Merchant paid.
    #[schemars(with = "Id")]
    pub merchant_id: String,
    /// Issuer identification number: the first 6 to 8 digits of the card, never more.
    #[schemars(with = "CardBin")]
    pub card_bin: String,
    /// Client's IPv4 or IPv6 address.
    pub ip_address: String,
    /// Device the transaction was made from.
    #[schemars(with = "Id")]
    pub device_id: String,
    /// Place in words, as the client knows it.
    #[schemars(with = "Text")]
    pub location: String,
    /// Channel, such as online, mobile, pos or atm.
    #[schemars(with = "Id")]
    pub channel: String,
    /// Label asserted by the client. Never an input to the score.
    pub is_fraud: Option<bool>,
    /// Upstream's risk of the merchant, 0 to 1.
    #[schemars(range(min = 0, max = RISK_MAX))]
    pub merchant_risk_score: Option<f64>,
    /// Upstream's risk of the card, 0 to 1.
    #[schemars(range(min = 0, max = RISK_MAX))]
    pub card_risk_score: Option<f64>,
    /// Upstream's risk of the customer, 0 to 1.
    #[schemars(range(min = 0, max = RISK_MAX))]
    pub customer_risk_score: Option<f64>,
    /// Upstream's alert: too many transactions.
    pub is_velocity_alert: Option<bool>,
    /// Upstream's alert: unusual place.
    pub is_location_alert: Option<bool>,
    /// Upstream's alert: unusual device.
    pub is_device_alert: Option<bool>,
    /// Segments the upstream puts the customer in.
    #[schemars(with = "Option<Vec<Id>>", length(max = SEGMENTS_MAX))]
    pub customer_segments: Vec<String>,
    /// Upstream's category of the transaction.
    #[schemars(with = "Option<Id>")]
    pub transaction_category: Option<String>,
    /// Upstream's flag of a high amount.
    pub is_high_value: Option<bool>,
    /// Token of the card; never its number.
    #[schemars(with = "Option<Id>")]
    pub card_id: Option<String>,
    /// Latitude of the place in degrees, WGS 84.
    #[schemars(range(min = -LATITUDE_MAX, max = LATITUDE_MAX))]
    pub latitude: Option<f64>,
    /// Longitude of the place in degrees, WGS 84.
    #[schemars(range(min = -LONGITUDE_MAX, max = LONGITUDE_MAX))]
    pub longitude: Option<f64>,
    /// Category of the merchant.
    #[schemars(with = "Option<Id>")]
    pub merchant_category: Option<String>,
    /// IANA zone in which a local time without offset was read; null when the client gave an offset.
    #[schemars(skip)]
    pub time_zone: Option<String>,
    /// exact: one instant fits; ambiguous_earlier: the local time occurs twice (clocks go back) and the earlier one was taken; gap_forward: the local time does not exist (clocks go forward) and was moved forward by the length of the gap.
    #[schemars(skip)]
    pub time_resolution: TimeResolution,
    /// Fields the contract does not name, kept as JSON text by name. Never holds card data.
    #[schemars(skip)]
    pub extra: BTreeMap<String, String>,
}
