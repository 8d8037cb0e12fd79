//! What the gateway's answer means for each item of a request.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::xml_answer::from_xml;

/// What became of an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ItemStatus {
    /// Stored by this request.
    Accepted,
    /// An earlier record has the same id and content.
    Duplicate,
    /// An earlier record has the same id and other content.
    Conflict,
    /// Breaks a rule.
    Invalid,
    /// Larger than the gateway takes.
    TooLarge,
    /// Not stored; to be sent again.
    Retry,
}

/// The answer for one item.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ItemAnswer {
    pub status: ItemStatus,
    /// Codes of its errors, each once.
    pub codes: Vec<String>,
    /// As answered; an answer for the whole request stands for each of its items.
    pub detail: Value,
}

/// The answer for a request.
#[derive(Debug, PartialEq)]
pub(super) enum Answer {
    /// One answer for each item, in order.
    Items(Vec<ItemAnswer>),
    /// Nothing is known to be stored: send all again. Says why.
    Retry(String),
    /// Sending on is pointless. Says why.
    Refused(String),
}

/// A body as JSON; XML is read as the JSON it stands for, anything else is null.
pub(super) fn parse(content_type: &str, body: &[u8]) -> Value {
    if content_type.contains("xml") {
        std::str::from_utf8(body).ok().and_then(from_xml).unwrap_or(Value::Null)
    } else {
        serde_json::from_slice(body).unwrap_or(Value::Null)
    }
}

/// Reads the answer to a request of `count` items.
pub(super) fn interpret(http_status: u16, answer: &Value, count: usize) -> Answer {
    if let Some(results) = answer.get("results").and_then(Value::as_array) {
        return Answer::Items(by_item(results, count));
    }
    let whole =
        |status| Answer::Items(vec![ItemAnswer { status, codes: codes(answer), detail: answer.clone() }; count]);
    match http_status {
        200..=202 if count == 1 => {
            let said = answer.get("status").and_then(|status| serde_json::from_value(status.clone()).ok());
            let is_duplicate =
                matches!(answer.get("duplicate"), Some(Value::Bool(true))) || answer["duplicate"] == "true";
            whole(said.unwrap_or(if is_duplicate { ItemStatus::Duplicate } else { ItemStatus::Accepted }))
        }
        400 | 422 => whole(ItemStatus::Invalid),
        409 => whole(ItemStatus::Conflict),
        413 => whole(ItemStatus::TooLarge),
        408 | 425 | 429 | 500 | 502..=504 => Answer::Retry(explain(http_status, answer)),
        200..=299 => {
            Answer::Refused(format!("the gateway answered {http_status} without a result for each of {count} items"))
        }
        _ => Answer::Refused(explain(http_status, answer)),
    }
}

fn by_item(results: &[Value], count: usize) -> Vec<ItemAnswer> {
    // An item without a readable result is sent again: its id makes that safe.
    let unknown = ItemAnswer {
        status: ItemStatus::Retry,
        codes: Vec::new(),
        detail: json!({"status": "retry", "detail": "no result"}),
    };
    let mut items = vec![unknown; count];
    for (position, result) in results.iter().enumerate() {
        let index = match &result["index"] {
            Value::Number(number) => number.as_u64(),
            Value::String(text) => text.parse().ok(),
            _ => Some(position as u64),
        };
        let status = serde_json::from_value(result["status"].clone()).ok();
        let item = index.and_then(|index| items.get_mut(usize::try_from(index).ok()?));
        if let (Some(item), Some(status)) = (item, status) {
            *item = ItemAnswer { status, codes: codes(result), detail: result.clone() };
        }
    }
    items
}

/// Codes of the errors of an item or a problem, each once.
fn codes(answer: &Value) -> Vec<String> {
    let listed = answer["errors"].as_array().into_iter().flatten().map(|error| &error["code"]);
    let mut codes: Vec<String> = listed.filter_map(Value::as_str).map(str::to_owned).collect();
    if codes.is_empty() {
        codes.extend(answer["code"].as_str().map(str::to_owned));
    }
    codes.sort();
    codes.dedup();
    codes
}

fn explain(http_status: u16, answer: &Value) -> String {
    let said = ["detail", "title"].iter().find_map(|field| answer[*field].as_str());
    match said {
        Some(said) => format!("the gateway answered {http_status}: {said}"),
        None => format!("the gateway answered {http_status}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statuses(answer: &Answer) -> Vec<ItemStatus> {
        let Answer::Items(items) = answer else { panic!("{answer:?}") };
        items.iter().map(|item| item.status).collect()
    }

    #[test]
    fn each_item_of_a_batch_has_its_own_result() {
        let body = json!({"request_id": "r", "accepted": 1, "duplicates": 1, "rejected": 1, "results": [
            {"index": 2, "status": "invalid", "errors": [{"path": "/price", "code": "negative_price"}, {"path": "", "code": "negative_price"}]},
            {"index": 0, "status": "accepted", "trn_id": "t"},
            {"index": 1, "status": "duplicate"},
        ]});
        let answer = interpret(207, &body, 3);
        assert_eq!(statuses(&answer), [ItemStatus::Accepted, ItemStatus::Duplicate, ItemStatus::Invalid]);
        let Answer::Items(items) = answer else { unreachable!() };
        assert_eq!(items[2].codes, ["negative_price"]);
        assert_eq!(items[0].detail["trn_id"], "t");
    }

    #[test]
    fn an_item_without_a_readable_result_is_sent_again() {
        let body = json!({"results": [{"index": 0, "status": "accepted"}, {"index": 7, "status": "accepted"}, {"index": 1, "status": "odd"}]});
        assert_eq!(statuses(&interpret(202, &body, 2)), [ItemStatus::Accepted, ItemStatus::Retry]);
    }

    #[test]
    fn the_answer_to_a_single_item_goes_by_its_status() {
        for (http_status, body, status) in [
            (202, json!({"trn_status": "Ok"}), ItemStatus::Accepted),
            (200, json!({"duplicate": true}), ItemStatus::Duplicate),
            (202, json!({"status": "duplicate"}), ItemStatus::Duplicate),
            (409, json!({"code": "conflict"}), ItemStatus::Conflict),
            (422, json!({"errors": [{"code": "missing"}]}), ItemStatus::Invalid),
            (400, Value::Null, ItemStatus::Invalid),
            (413, Value::Null, ItemStatus::TooLarge),
        ] {
            assert_eq!(statuses(&interpret(http_status, &body, 1)), [status], "{http_status} {body}");
        }
    }

    #[test]
    fn a_refusal_of_the_whole_request_stands_for_each_item() {
        let Answer::Items(items) = interpret(400, &json!({"code": "malformed_body"}), 2) else { panic!() };
        assert!(items.len() == 2 && items.iter().all(|item| item.codes == ["malformed_body"]));
    }

    #[test]
    fn what_may_pass_is_sent_again_and_what_cannot_stops_the_run() {
        for status in [429, 500, 502, 503, 504] {
            assert!(matches!(interpret(status, &Value::Null, 2), Answer::Retry(_)), "{status}");
        }
        for status in [301, 401, 403, 404, 405, 415] {
            assert!(matches!(interpret(status, &json!({"title": "no"}), 2), Answer::Refused(_)), "{status}");
        }
        assert!(
            matches!(interpret(202, &Value::Null, 2), Answer::Refused(_)),
            "an answer that says nothing about the items"
        );
    }

    #[test]
    fn xml_answers_mean_the_same() {
        let body = "<?xml version=\"1.0\"?><response><request_id>r</request_id><results><result><index>1</index><status>invalid</status>\
                    <errors><error><path>/receipts/receipt[2]/price</path><code>negative_price</code><message>a &lt; b</message></error></errors>\
                    </result><result><index>0</index><status>accepted</status><errors/></result></results></response>";
        let parsed = parse("application/xml; charset=utf-8", body.as_bytes());
        assert_eq!(parsed["request_id"], "r");
        assert_eq!(parsed["results"][0]["errors"][0]["message"], "a < b");
        assert_eq!(statuses(&interpret(207, &parsed, 2)), [ItemStatus::Accepted, ItemStatus::Invalid]);
        assert_eq!(parse("application/xml", b"<a><b></a>"), Value::Null);
        assert_eq!(parse("text/html", b"<html>"), Value::Null);
    }
}
