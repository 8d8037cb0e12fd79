//! What is taken in.

use super::reference;
use serde_json::{Map, Value as Json, json};

/// Schemas by name.
pub(super) fn schemas() -> Map<String, Json> {
    let all = json!({
        "Money": {
            "description": "An amount in units of the currency, with up to 4 digits after the point; as a text too.",
            "anyOf": [
                {"type": "number", "minimum": -1e12, "maximum": 1e12},
                {"type": "string", "pattern": "^-?[0-9]+([.][0-9]+)?([eE][+-]?[0-9]+)?$"},
            ],
        },
        "Transaction": {
            "type": "object",
            "description": "A card transaction. Fields that are not named here are kept, but for card numbers and codes, which are refused.",
            "required": [
                "customer_id", "transaction_id", "amount", "currency", "type", "merchant_id", "card_bin", "ip_address", "device_id",
                "location", "channel", "timestamp",
            ],
            "properties": {
                "customer_id": id("Customer who pays."),
                "transaction_id": id("Your id of it, unique within the customer; a retry has the same."),
                "amount": reference("Money"),
                "currency": currency(),
                "type": {"type": "integer", "minimum": 0, "maximum": 2_147_483_647, "description": "Your code of its type."},
                "merchant_id": id("Merchant paid."),
                "card_bin": {"type": "string", "pattern": "^[0-9]{6,8}$", "description": "First 6 to 8 digits of the card."},
                "ip_address": {"type": "string", "description": "Client's address, IPv4 or IPv6."},
                "device_id": id("Device."),
                "location": {"type": "string", "minLength": 1, "maxLength": 256, "description": "Place in words."},
                "channel": id("online, mobile, pos, atm or another."),
                "timestamp": time("When it took place."),
                "is_fraud": maybe("boolean", "Label that you assert. Never an input to the score."),
                "merchant_risk_score": maybe("number", "Your own score of the merchant."),
                "card_risk_score": maybe("number", "Your own score of the card."),
                "customer_risk_score": maybe("number", "Your own score of the customer."),
                "is_velocity_alert": maybe("boolean", "Your own alert."),
                "is_location_alert": maybe("boolean", "Your own alert."),
                "is_device_alert": maybe("boolean", "Your own alert."),
                "customer_segments": {"type": ["array", "null"], "items": {"type": "string"}, "maxItems": 64},
                "transaction_category": maybe("string", "Your category."),
                "is_high_value": maybe("boolean", "Your own flag."),
                "card_id": maybe("string", "Token of the card, never its number."),
                "latitude": maybe("number", "Degrees, WGS 84."),
                "longitude": maybe("number", "Degrees, WGS 84."),
                "merchant_category": maybe("string", "Category of the merchant."),
            },
            "examples": [{
                "customer_id": "customer-17", "transaction_id": "txn-1", "amount": 10.99, "currency": "EUR", "type": 55,
                "merchant_id": "merchant-9", "card_bin": "411111", "ip_address": "203.0.113.7", "device_id": "device-3",
                "location": "Berlin", "channel": "online", "timestamp": "2026-03-01T12:00:00+01:00",
            }],
        },
        "ReceiptItem": {
            "type": "object",
            "description": "A line of a receipt.",
            "required": ["product_id", "quantity", "price", "category"],
            "properties": {
                "product_id": id("Product sold."),
                "quantity": {
                    "description": "Units, with up to 6 digits after the point; negative where goods came back.",
                    "anyOf": [{"type": "number"}, {"type": "string", "pattern": "^-?[0-9]+([.][0-9]+)?([eE][+-]?[0-9]+)?$"}],
                },
                "price": reference("Money"),
                "category": id("Category of the goods."),
            },
        },
        "Receipt": {
            "type": "object",
            "description": "A purchase receipt, or a return with a negative total. Fields that are not named here are kept.",
            "required": ["place_id", "transaction_id", "place_name", "items", "total_amount", "payment_method", "timestamp"],
            "properties": {
                "transaction_id": id("The till's id of it, unique within the place; a retry has the same."),
                "timestamp": time("When it was made out."),
                "place_id": id("Place of purchase."),
                "place_name": {"type": "string", "minLength": 1, "maxLength": 256, "description": "Name of the place."},
                "items": {"type": "array", "minItems": 1, "maxItems": 10_000, "items": reference("ReceiptItem")},
                "total_amount": reference("Money"),
                "nds_amount": {"anyOf": [reference("Money"), {"type": "null"}], "description": "VAT within the total."},
                "tips_amount": {"anyOf": [reference("Money"), {"type": "null"}], "description": "Tips on top of the total."},
                "currency": {"anyOf": [currency(), {"type": "null"}], "description": "The configured one where it is absent."},
                "payment_method": id("Means of payment."),
                "payment_transaction_id": maybe("string", "The card transaction that paid it."),
            },
            "examples": [{
                "transaction_id": "receipt-1", "timestamp": "2026-03-01T12:00:00", "place_id": "place-1", "place_name": "Corner shop",
                "items": [
                    {"product_id": "apples", "quantity": 2, "price": 10.99, "category": "groceries"},
                    {"product_id": "cable", "quantity": 1, "price": 5.49, "category": "electronics"},
                ],
                "total_amount": 27.47, "nds_amount": 2.47, "tips_amount": 3.00, "payment_method": "credit_card",
            }],
        },
        "Label": {
            "type": "object",
            "description": "What a transaction turned out to be, as somebody says.",
            "required": ["customer_id", "transaction_id", "label", "source", "decided_at"],
            "properties": {
                "customer_id": id("Customer of the transaction."),
                "transaction_id": id("Your id of the transaction."),
                "label": {"type": "string", "enum": ["fraud", "legitimate", "chargeback"]},
                "source": id("Who says so."),
                "decided_at": time("When it was decided."),
                "label_id": maybe("string", "Your id of the label; made of what is said where it is absent."),
            },
            "examples": [{
                "customer_id": "customer-17", "transaction_id": "txn-1", "label": "fraud", "source": "analyst",
                "decided_at": "2026-03-05T09:00:00Z",
            }],
        },
    });
    all.as_object().cloned().unwrap_or_default()
}

fn id(about: &str) -> Json {
    json!({"type": "string", "minLength": 1, "maxLength": 128, "description": about})
}

fn maybe(kind: &str, about: &str) -> Json {
    json!({"type": [kind, "null"], "description": about})
}

fn currency() -> Json {
    json!({"type": "string", "pattern": "^[A-Z]{3}$", "description": "ISO 4217 code."})
}

fn time(about: &str) -> Json {
    let about = format!("{about} ISO 8601; without an offset it is read in the configured zone.");
    json!({"type": "string", "description": about})
}
