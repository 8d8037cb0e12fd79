//! A receipt as it is stored, in the contract's names and units.

use super::{Status, TrnStatus, Verdict, item::StoredAt};
use crate::context::Context;
use millrace_schemas::{
    contract::told::{Amount, Instant},
    event::{Receipt, ReceiptItem},
    money::{format_quantity, json_number},
};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Number, Value as Json};
use std::collections::BTreeMap;
use uuid::Uuid;

/// A receipt as it is stored, with its ids. Times are UTC; unknown fields stand beside the known ones.
#[derive(Serialize, JsonSchema)]
pub(crate) struct StoredReceipt<'a> {
    /// The till's id of it.
    transaction_id: &'a str,
    /// When the purchase took place.
    #[serde(with = "Instant")]
    timestamp: i64,
    /// Place of purchase.
    place_id: &'a str,
    /// Name of the place at that time.
    place_name: &'a str,
    /// Its lines.
    #[schemars(with = "Vec<StoredItem<'a>>")]
    items: Vec<Json>,
    /// Total to pay, VAT included, tips not included; negative on a return.
    total_amount: Amount,
    /// VAT contained in the total.
    nds_amount: Amount,
    /// Tips on top of the total.
    tips_amount: Amount,
    /// ISO 4217 code.
    currency: &'a str,
    /// Means of payment.
    payment_method: &'a str,
    /// The card transaction that paid it.
    #[serde(skip_serializing_if = "Option::is_none")]
    payment_transaction_id: Option<&'a str>,
    /// Of a return: the receipt whose goods came back.
    #[serde(skip_serializing_if = "Option::is_none")]
    original_transaction_id: Option<&'a str>,
    /// Id across systems.
    #[schemars(with = "Uuid")]
    trn_id: Option<&'a str>,
    /// Whether the log has it.
    trn_status: TrnStatus,
    /// What became of it.
    status: Status,
    /// When it was taken in.
    #[serde(with = "Instant")]
    received_at: i64,
    /// Id of its event.
    #[serde(skip_serializing_if = "Option::is_none")]
    event_id: Option<Uuid>,
    #[serde(flatten)]
    stored: StoredAt,
}

/// A line of a receipt as it is stored; unknown fields stand beside the known ones.
#[derive(Serialize, JsonSchema)]
struct StoredItem<'a> {
    /// Product sold.
    product_id: &'a str,
    /// How many units; negative on a return.
    #[schemars(with = "Number")]
    quantity: Json,
    /// Price of one unit, VAT included.
    price: Amount,
    /// Category of the goods.
    category: &'a str,
    /// VAT rate of the line in percent.
    #[serde(skip_serializing_if = "Option::is_none")]
    nds_rate: Option<Amount>,
}

/// The receipt with its ids and where it is stored.
pub(crate) fn stored(receipt: &Receipt, context: &Context, verdict: &Verdict) -> Json {
    let known = StoredReceipt {
        transaction_id: &receipt.transaction_id,
        timestamp: receipt.occurred_at,
        place_id: &receipt.place_id,
        place_name: &receipt.place_name,
        items: receipt.items.iter().map(item).collect(),
        total_amount: Amount(receipt.total_amount),
        nds_amount: Amount(receipt.nds_amount),
        tips_amount: Amount(receipt.tips_amount),
        currency: &receipt.currency,
        payment_method: &receipt.payment_method,
        payment_transaction_id: receipt.payment_transaction_id.as_deref(),
        original_transaction_id: receipt.original_transaction_id.as_deref(),
        trn_id: verdict.trn_id.as_deref(),
        trn_status: verdict.trn_status(),
        status: verdict.status,
        received_at: verdict.received_at(context),
        event_id: verdict.stored.map(|stored| stored.event_id),
        stored: StoredAt::of(verdict),
    };
    beside(&receipt.extra, &known)
}

fn item(item: &ReceiptItem) -> Json {
    let known = StoredItem {
        product_id: &item.product_id,
        quantity: json_number(format_quantity(item.quantity)),
        price: Amount(item.price),
        category: &item.category,
        nds_rate: item.nds_rate.map(Amount),
    };
    beside(&item.extra, &known)
}

/// Unknown fields and known ones; a client's own field never hides one of the contract.
fn beside(extra: &BTreeMap<String, String>, known: &impl Serialize) -> Json {
    let value = |text: &String| serde_json::from_str(text).unwrap_or(Json::Null);
    let mut fields: Map<String, Json> = extra.iter().map(|(name, text)| (name.clone(), value(text))).collect();
    if let Ok(Json::Object(known)) = serde_json::to_value(known) {
        fields.extend(known);
    }
    Json::Object(fields)
}
