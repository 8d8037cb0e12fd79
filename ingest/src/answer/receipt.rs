//! A receipt as it is stored, in the contract's names and units.

use super::Verdict;
use crate::context::Context;
use millrace_schemas::{
    event::{Receipt, ReceiptItem},
    money::{format_money, format_quantity, json_number},
    time::format_instant,
};
use serde_json::{Map, Value as Json, json};
use std::collections::BTreeMap;

/// The receipt with its ids and where it is stored. Times are in UTC; unknown fields stand beside the known ones.
pub(crate) fn stored(receipt: &Receipt, context: &Context, verdict: &Verdict) -> Json {
    let mut fields = unknown(&receipt.extra);
    let mut put = |name: &str, value: Json| fields.insert(name.to_owned(), value);
    put("transaction_id", json!(receipt.transaction_id));
    put("timestamp", json!(format_instant(receipt.occurred_at)));
    put("place_id", json!(receipt.place_id));
    put("place_name", json!(receipt.place_name));
    put("items", receipt.items.iter().map(item).collect());
    put("total_amount", money(receipt.total_amount));
    put("nds_amount", money(receipt.nds_amount));
    put("tips_amount", money(receipt.tips_amount));
    put("currency", json!(receipt.currency));
    put("payment_method", json!(receipt.payment_method));
    if let Some(id) = &receipt.payment_transaction_id {
        put("payment_transaction_id", json!(id));
    }
    if let Some(id) = &receipt.original_transaction_id {
        put("original_transaction_id", json!(id));
    }
    put("trn_id", json!(verdict.trn_id));
    put("trn_status", json!(verdict.trn_status()));
    put("status", json!(verdict.status));
    put("received_at", json!(format_instant(verdict.received_at(context))));
    if let Some(stored) = &verdict.stored {
        put("event_id", json!(stored.event_id));
        put("partition", json!(stored.partition));
        put("offset", json!(stored.offset));
    }
    if let Some(resolution) = verdict.resolution {
        put("timestamp_resolution", json!(resolution));
    }
    Json::Object(fields)
}

fn item(item: &ReceiptItem) -> Json {
    let mut fields = unknown(&item.extra);
    fields.insert("product_id".into(), json!(item.product_id));
    fields.insert("quantity".into(), json_number(format_quantity(item.quantity)));
    fields.insert("price".into(), money(item.price));
    fields.insert("category".into(), json!(item.category));
    if let Some(rate) = item.nds_rate {
        fields.insert("nds_rate".into(), money(rate));
    }
    Json::Object(fields)
}

fn unknown(extra: &BTreeMap<String, String>) -> Map<String, Json> {
    extra.iter().map(|(name, text)| (name.clone(), serde_json::from_str(text).unwrap_or(Json::Null))).collect()
}

pub(super) fn money(value: i64) -> Json {
    json_number(format_money(value))
}
