//! Taking in once more what was refused: a dead letter's text goes through the same parser and rules as on its first day.

use crate::{
    config::{GatewayConfig, Settings},
    parse::{Kind, Parser},
    tree::{Format, Shape},
};
use bytes::Bytes;
use millrace_runtime::clock::Ids;
use millrace_schemas::{
    Topic,
    event::{FieldError, Label, Receipt, Transaction},
    rules::Rules,
};

/// An event that is valid now.
#[derive(Debug, Clone, PartialEq)]
pub enum Taken {
    /// For the transactions' journal.
    Transaction(Box<Transaction>),
    /// For the receipts' journal.
    Receipt(Box<Receipt>),
    /// For the labels.
    Label(Box<Label>),
}

/// Why there is none.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Refused {
    /// It cannot be read as one item of its target.
    #[error("{0}")]
    Unreadable(String),
    /// It breaks rules.
    #[error("{}", told(.0))]
    Invalid(Vec<FieldError>),
}

/// Takes in the text of one item, as the dead letter of a refused item has it. The event gets a new id and the time of its first
/// receipt, epoch milliseconds: what it does not say itself is read as on that day.
///
/// # Errors
/// When the text still is no valid event, or `target` is not a journal of the gateway.
pub fn take(
    config: &GatewayConfig,
    rules: &Rules,
    ids: &dyn Ids,
    target: Topic,
    content_type: &str,
    text: &[u8],
    received_at: i64,
) -> Result<Taken, Refused> {
    let settings = Settings::new(config.clone()).map_err(|error| Refused::Unreadable(error.to_string()))?;
    let format = [Format::Json, Format::Xml].into_iter().find(|format| format.item_media_type() == content_type);
    let format = format.ok_or_else(|| Refused::Unreadable(format!("an item is never of type {content_type:?}")))?;
    let parser = Parser { settings: &settings, rules, ids, received_at };
    match target {
        Topic::Transactions => one(&parser, format, text).map(Box::new).map(Taken::Transaction),
        Topic::Receipts => one(&parser, format, text).map(Box::new).map(Taken::Receipt),
        Topic::Labels => one(&parser, format, text).map(Box::new).map(Taken::Label),
        other => Err(Refused::Unreadable(format!("the gateway writes nothing to {other}"))),
    }
}

fn one<E: Kind>(parser: &Parser<'_>, format: Format, text: &[u8]) -> Result<E, Refused> {
    let parsed = parser
        .body::<E>(format, &Bytes::copy_from_slice(text))
        .map_err(|error| Refused::Unreadable(error.to_string()))?;
    let mut items = parsed.items;
    match (parsed.shape, items.pop()) {
        (Shape::One, Some(item)) => item.content.map_err(|invalid| Refused::Invalid(invalid.errors)),
        _ => Err(Refused::Unreadable("the text is not one item".to_owned())),
    }
}

fn told(errors: &[FieldError]) -> String {
    match errors {
        [] => "refused".to_owned(),
        [only] => format!("{} {}", only.path, only.message).trim().to_owned(),
        [first, rest @ ..] => format!("{} {} (and {} more errors)", first.path, first.message, rest.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use millrace_runtime::clock::RandomIds;

    const RECEIVED: i64 = 1_795_176_000_000;

    fn take_again(target: Topic, content_type: &str, text: &str, rules: Rules) -> Result<Taken, Refused> {
        let config = GatewayConfig::default();
        take(&config, &rules, &RandomIds, target, content_type, text.as_bytes(), RECEIVED)
    }

    fn receipt(total: &str) -> String {
        format!(
            r#"{{"transaction_id": "r-1", "timestamp": "2026-11-20T12:00:00Z", "place_id": "p-1", "place_name": "Shop",
            "items": [{{"product_id": "apples", "quantity": 1, "price": 10, "category": "groceries"}}],
            "total_amount": {total}, "payment_method": "cash", "currency": "EUR"}}"#
        )
    }

    #[test]
    fn what_was_refused_by_a_rule_is_taken_when_the_rule_has_changed() {
        let json = "application/json";
        let refused = take_again(Topic::Receipts, json, &receipt("10.50"), Rules::default()).expect_err("off by 0.50");
        assert!(matches!(&refused, Refused::Invalid(errors) if errors[0].path == "/total_amount"), "{refused:?}");
        let wider = Rules { total_tolerance: 5_000, ..Rules::default() };
        match take_again(Topic::Receipts, json, &receipt("10.50"), wider) {
            Ok(Taken::Receipt(receipt)) => assert_eq!((receipt.received_at, receipt.event_id.len()), (RECEIVED, 36)),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_label_is_taken_again_as_on_its_first_day() {
        let label = r#"<label><customer_id>c-1</customer_id><transaction_id>t-1</transaction_id><label>fraud</label>
            <source>analyst</source><decided_at>2026-11-20T12:00:00Z</decided_at></label>"#;
        match take_again(Topic::Labels, "application/xml", label, Rules::default()) {
            Ok(Taken::Label(label)) => assert_eq!((label.received_at, label.label.name()), (RECEIVED, "fraud")),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_is_not_one_item_is_told() {
        for (target, content_type, text, says) in [
            (Topic::Receipts, "application/json", "[]", "no items"),
            (Topic::Receipts, "application/json", "[{}, {}]", "not one item"),
            (Topic::Transactions, "application/json", "{", "not well-formed"),
            (Topic::Transactions, "text/csv", "a,b", "never of type"),
            (Topic::Purchases, "application/json", "{}", "writes nothing to purchases"),
        ] {
            let refused = take_again(target, content_type, text, Rules::default()).expect_err(text);
            assert!(refused.to_string().contains(says), "{refused}");
        }
    }
}
