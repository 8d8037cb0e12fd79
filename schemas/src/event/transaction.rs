//! The journal of transactions.

use super::TimeResolution;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A financial transaction as received. Keyed by customer_id. Its identity is transaction_id within customer_id.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Transaction {
    /// Id of this event, a UUID. Set by whoever produces it; not used for deduplication.
    pub event_id: String,
    /// When the transaction took place, by the client's statement.
    pub occurred_at: i64,
    /// When the producer (normally the gateway) took it in.
    pub received_at: i64,
    /// Customer who pays; the key of the record.
    pub customer_id: String,
    /// Client's id of the transaction, unique within the customer.
    pub transaction_id: String,
    /// Amount, in ten-thousandths of the currency unit; not negative.
    pub amount: i64,
    /// ISO 4217 code, upper case.
    pub currency: String,
    /// Client's transaction type code.
    #[serde(rename = "type")]
    pub transaction_type: i32,
    /// Merchant paid.
    pub merchant_id: String,
    /// Issuer identification number: the first 6 to 8 digits of the card, never more.
    pub card_bin: String,
    /// Client's IPv4 or IPv6 address.
    pub ip_address: String,
    /// Device the transaction was made from.
    pub device_id: String,
    /// Place in words, as the client knows it.
    pub location: String,
    /// Channel, such as online, mobile, pos or atm.
    pub channel: String,
    /// Label asserted by the client. Never an input to the score.
    pub is_fraud: Option<bool>,
    /// Upstream's risk of the merchant, 0 to 1.
    pub merchant_risk_score: Option<f64>,
    /// Upstream's risk of the card, 0 to 1.
    pub card_risk_score: Option<f64>,
    /// Upstream's risk of the customer, 0 to 1.
    pub customer_risk_score: Option<f64>,
    /// Upstream's alert: too many transactions.
    pub is_velocity_alert: Option<bool>,
    /// Upstream's alert: unusual place.
    pub is_location_alert: Option<bool>,
    /// Upstream's alert: unusual device.
    pub is_device_alert: Option<bool>,
    /// Segments the upstream puts the customer in.
    pub customer_segments: Vec<String>,
    /// Upstream's category of the transaction.
    pub transaction_category: Option<String>,
    /// Upstream's flag of a high amount.
    pub is_high_value: Option<bool>,
    /// Token of the card; never its number.
    pub card_id: Option<String>,
    /// Latitude of the place in degrees, WGS 84.
    pub latitude: Option<f64>,
    /// Longitude of the place in degrees, WGS 84.
    pub longitude: Option<f64>,
    /// Category of the merchant.
    pub merchant_category: Option<String>,
    /// IANA zone in which a local time without offset was read; null when the client gave an offset.
    pub time_zone: Option<String>,
    /// exact: one instant fits; ambiguous_earlier: the local time occurs twice (clocks go back) and the earlier one was taken; gap_forward: the local time does not exist (clocks go forward) and was moved forward by the length of the gap.
    pub time_resolution: TimeResolution,
    /// Fields the contract does not name, kept as JSON text by name. Never holds card data.
    pub extra: BTreeMap<String, String>,
}
