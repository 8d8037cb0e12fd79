use super::*;
use crate::config::GatewayConfig;
use millrace_runtime::clock::RandomIds;
use millrace_schemas::event::{Journal as _, Receipt, Transaction};
use proptest::prelude::*;
use serde_json::{Value as Json, json};

/// 2026-11-20T12:00:00Z.
const NOW: i64 = 1_795_176_000_000;

fn parse<E: Kind>(format: Format, body: &str) -> Result<Parsed<E>, BodyError> {
    let settings =
        Settings::new(GatewayConfig { zone: "Europe/Berlin".into(), ..GatewayConfig::default() }).expect("valid");
    let parser = Parser { settings: &settings, rules: &Rules::default(), ids: &RandomIds, received_at: NOW };
    parser.body(format, &Bytes::copy_from_slice(body.as_bytes()))
}

fn only<E: Kind>(format: Format, body: &str) -> Result<E, Invalid> {
    parse(format, body).expect(body).items.remove(0).content
}

fn transaction(change: impl FnOnce(&mut Json)) -> Result<Transaction, Invalid> {
    let mut json = transaction_json();
    change(&mut json);
    only(Format::Json, &json.to_string())
}

fn transaction_json() -> Json {
    json!({
        "customer_id": "c-1", "transaction_id": "t-1", "amount": "10.99", "currency": "EUR", "type": 55, "merchant_id": "m-1",
        "card_bin": "411111", "ip_address": "10.0.0.1", "device_id": "d-1", "location": "Berlin", "channel": "online",
        "timestamp": "2026-11-20T12:00:00Z",
    })
}

fn found<E: std::fmt::Debug>(result: Result<E, Invalid>) -> Vec<(String, String)> {
    result.expect_err("invalid").errors.into_iter().map(|error| (error.path, error.code)).collect()
}

fn one(path: &str, code: &str) -> Vec<(String, String)> {
    vec![(path.to_owned(), code.to_owned())]
}

#[test]
fn a_transaction_has_its_fields_and_is_stamped() {
    let event = transaction(|json| json["customer_segments"] = json!(["gold"])).expect("valid");
    assert_eq!((event.amount, event.transaction_type, event.occurred_at), (109_900, 55, NOW));
    assert_eq!((event.received_at, event.customer_segments.as_slice()), (NOW, &["gold".to_owned()][..]));
    assert_eq!(event.event_id.len(), 36);
}

#[test]
fn every_error_is_found_at_once() {
    let invalid = transaction(|json| {
        json["amount"] = json!("1.00001");
        json["currency"] = json!("XXY");
        json["type"] = json!("55");
        json["ip_address"] = json!(null);
        json["customer_segments"] = json!(["", 5]);
    });
    assert_eq!(
        found(invalid),
        [
            ("/amount", "too_precise"),
            ("/type", "wrong_type"),
            ("/ip_address", "missing"),
            ("/customer_segments/1", "wrong_type"),
            ("/currency", "unknown_currency"),
            ("/customer_segments/0", "empty"),
        ]
        .map(|(path, code)| (path.to_owned(), code.to_owned()))
    );
}

#[test]
fn one_record_has_one_content_however_it_is_written() {
    let json = r#"{"customer_id":"c-1","transaction_id":"t-1","amount":10.99,"currency":"EUR","type":55,"merchant_id":"m-1",
        "card_bin":"411111","ip_address":"10.0.0.1","device_id":"d-1","location":"Berlin","channel":"online",
        "timestamp":"2026-11-20T12:00:00Z","is_fraud":false,"latitude":-0.0,"note":{"b":"2","a":["x","y"]}}"#;
    let reordered = r#"{"note":{"a":[ "x" , "\u0079"],"b":"2"},"latitude":0,"is_fraud":false,"timestamp":"2026-11-20T12:00:00.000Z",
        "channel":"online","location":"Berlin","device_id":"d-1","ip_address":"10.0.0.1","card_bin":"411111","merchant_id":"m-1",
        "type":5.5e1,"currency":"EUR","amount":"10.9900","transaction_id":"t-1","customer_id":"c-1","card_id":null}"#;
    let xml = "<transaction><customer_id>c-1</customer_id><transaction_id>t-1</transaction_id><amount> 10.99 </amount>
        <currency>EUR</currency><type>55</type><merchant_id>m-1</merchant_id><card_bin>411111</card_bin>
        <ip_address>10.0.0.1</ip_address><device_id>d-1</device_id><location><![CDATA[Berlin]]></location>
        <channel>onl&#105;ne</channel><timestamp>2026-11-20T12:00:00Z</timestamp><is_fraud>0</is_fraud><latitude>0</latitude>
        <note><a><item>x</item><item>y</item></a><b>2</b></note></transaction>";
    let events = [(Format::Json, json), (Format::Json, reordered), (Format::Xml, xml)]
        .map(|(format, body)| only::<Transaction>(format, body).expect(body));
    let hashes = events.each_ref().map(|event| event.content_hash().expect("encodes"));
    assert_eq!((hashes[0], hashes[0]), (hashes[1], hashes[2]), "{events:#?}");
    assert_ne!(
        transaction(|json| json["amount"] = json!("10.98")).expect("valid").content_hash().expect("encodes"),
        hashes[0]
    );
}

#[test]
fn a_return_names_its_original_and_its_lines_their_rate_of_vat_in_both_formats() {
    let json = r#"{"transaction_id": "r-2", "timestamp": "2026-11-20T12:00:00Z", "place_id": "p-1", "place_name": "Shop",
        "items": [{"product_id": "a", "quantity": -1, "price": 10.99, "category": "g", "nds_rate": 20},
                  {"product_id": "b", "quantity": -1, "price": 1, "category": "g", "nds_rate": "5.5"}],
        "total_amount": -11.99, "payment_method": "cash", "original_transaction_id": "r-1"}"#;
    let xml = "<receipt><transaction_id>r-2</transaction_id><timestamp>2026-11-20T12:00:00Z</timestamp><place_id>p-1</place_id>
        <place_name>Shop</place_name><items><item><product_id>a</product_id><quantity>-1</quantity><price>10.99</price>
        <category>g</category><nds_rate>20</nds_rate></item><item><product_id>b</product_id><quantity>-1</quantity><price>1</price>
        <category>g</category><nds_rate>5.5</nds_rate></item></items><total_amount>-11.99</total_amount>
        <payment_method>cash</payment_method><original_transaction_id>r-1</original_transaction_id></receipt>";
    let told = only::<Receipt>(Format::Json, json).expect("valid");
    assert_eq!(told.original_transaction_id.as_deref(), Some("r-1"));
    assert_eq!(told.items.iter().map(|item| item.nds_rate).collect::<Vec<_>>(), [Some(200_000), Some(55_000)]);
    assert_eq!(told.canonical(), only::<Receipt>(Format::Xml, xml).expect("valid").canonical());
    let sold =
        json.replace("-11.99", "11.99").replace("\"quantity\": -1", "\"quantity\": 1").replace("\"5.5\"", "100.1");
    let refused = [("/items/1/nds_rate", "out_of_range"), ("/original_transaction_id", "original_of_no_return")];
    let refused = refused.map(|(path, code)| (path.to_owned(), code.to_owned()));
    assert_eq!(found(only::<Receipt>(Format::Json, &sold)), refused);
}

#[test]
fn receipts_agree_in_both_formats_and_have_defaults() {
    let json = r#"{"transaction_id":"r-1","timestamp":"2026-11-20T12:00:00","place_id":"p-1","place_name":"Shop","items":[
        {"product_id":"a","quantity":2,"price":10.99,"category":"groceries"},
        {"product_id":"b","quantity":"0.500000","price":"5.49","category":"electronics"}],
        "total_amount":24.725,"payment_method":"credit_card"}"#;
    let xml = "<receipt><transaction_id>r-1</transaction_id><timestamp>2026-11-20T12:00:00</timestamp><place_id>p-1</place_id>
        <place_name>Shop</place_name><items>
        <item><product_id>a</product_id><quantity>2</quantity><price>10.99</price><category>groceries</category></item>
        <item><product_id>b</product_id><quantity>0.5</quantity><price>5.49</price><category>electronics</category></item></items>
        <total_amount>24.725</total_amount><payment_method>credit_card</payment_method><nds_amount>0</nds_amount></receipt>";
    let json = only::<Receipt>(Format::Json, json).expect("valid");
    let xml = only::<Receipt>(Format::Xml, xml).expect("valid");
    assert_eq!(json.content_hash().expect("encodes"), xml.content_hash().expect("encodes"));
    assert_eq!((json.currency.as_str(), json.nds_amount, json.tips_amount), ("RUB", 0, 0));
    assert_eq!((json.time_zone.as_deref(), json.occurred_at), (Some("Europe/Berlin"), NOW - 3_600_000));
}

#[test]
fn rules_that_rest_on_an_unreadable_field_are_left_out() {
    let body = json!({
        "transaction_id": "r-1", "timestamp": "2026-11-20T12:00:00", "place_id": "p-1", "place_name": "Shop",
        "items": [{"product_id": "a", "quantity": "x", "price": 1, "category": "c"}], "total_amount": 5, "payment_method": "cash",
    });
    assert_eq!(found(only::<Receipt>(Format::Json, &body.to_string())), one("/items/0/quantity", "not_a_number"));
}

#[test]
fn local_times_say_how_they_were_read() {
    let event = transaction(|json| json["timestamp"] = json!("2026-10-25T02:30:00")).expect("valid");
    assert_eq!(event.time_resolution, TimeResolution::AmbiguousEarlier);
    assert_eq!(found(transaction(|json| json["timestamp"] = json!("2026-10-25"))), one("/timestamp", "bad_timestamp"));
}

#[test]
fn a_name_that_stands_twice_is_refused_at_every_depth() {
    let twice = transaction_json().to_string().replacen('{', "{\"amount\":\"1\",\"x\":[{\"y\":1,\"y\":2}],", 1);
    let invalid = only::<Transaction>(Format::Json, &twice);
    assert_eq!(
        found(invalid),
        [("/amount".to_owned(), "duplicate_field".to_owned()), ("/x/0/y".to_owned(), "duplicate_field".to_owned())]
    );
}

#[test]
fn unknown_fields_are_kept_as_json() {
    let event = transaction(|json| json["note"] = json!({"z": 1.10, "a": [true, null, "x"]})).expect("valid");
    assert_eq!(event.extra["note"], r#"{"a":[true,null,"x"],"z":1.1}"#);
}

#[test]
fn card_data_is_refused_wherever_it_is_and_never_repeated() {
    const CARD: &str = "4111 1111 1111 1111";
    let cases: [(&str, Json); 6] = [
        ("/cvv", json!({"cvv": "123"})),
        ("/note", json!({"note": CARD})),
        ("/a/b/card_number", json!({"a": {"b": {"card_number": 1}}})),
        ("/note", json!({"note": {"x": [CARD]}})),
        ("/[redacted]", json!({(CARD): 1})),
        ("/card_id", json!({"card_id": "4111111111111111"})),
    ];
    for (path, more) in cases {
        let invalid =
            transaction(|json| json.as_object_mut().expect("object").extend(more.as_object().expect("object").clone()))
                .expect_err("card data");
        assert_eq!(invalid.held, Held::CardData, "{more}");
        assert_eq!((invalid.errors[0].path.as_str(), invalid.errors[0].code.as_str()), (path, "card_data"), "{more}");
        assert!(!format!("{invalid:?}").contains("1111 1111"), "{invalid:?}");
    }
}

#[test]
fn card_data_is_seen_beside_other_errors() {
    let wrong_type = transaction(|json| json["location"] = json!({"cvv": "123"})).expect_err("wrong type");
    assert_eq!((wrong_type.held, wrong_type.errors.len()), (Held::CardData, 1));
    let missing = transaction(|json| *json = json!({"pan": "1"})).expect_err("missing");
    assert_eq!(missing.held, Held::CardData);
    let clean = transaction(|json| json["amount"] = json!(-1)).expect_err("negative");
    assert_eq!(clean.held, Held::Clean);
}

#[test]
fn errors_are_told_in_a_bounded_number() {
    let items: Vec<Json> = (0..1_000).map(|_| json!({})).collect();
    let invalid = only::<Receipt>(Format::Json, &json!({"items": items}).to_string()).expect_err("invalid");
    assert_eq!(invalid.errors.len(), 101);
    assert_eq!(invalid.errors[100].code, "more_errors");
}

#[test]
fn paths_are_the_formats_own() {
    let errors = found(only::<Receipt>(
        Format::Xml,
        "<receipts><receipt><items><item><price>x</price></item></items></receipt></receipts>",
    ));
    assert!(errors.contains(&("/receipts/receipt[1]/items/item[1]/price".into(), "not_a_number".into())), "{errors:?}");
    let errors = found(only::<Receipt>(Format::Ndjson, "{\"items\":[{\"price\":\"x\"}]}"));
    assert!(errors.contains(&("/0/items/0/price".into(), "not_a_number".into())), "{errors:?}");
}

#[test]
fn entries_of_a_list_have_one_name_in_xml() {
    let invalid =
        only::<Transaction>(Format::Xml, "<transaction><customer_segments><a>x</a></customer_segments></transaction>");
    assert!(found(invalid).contains(&("/transaction/customer_segments/item[1]".into(), "unexpected_element".into())));
}

proptest! {
    #[test]
    fn no_json_panics(text in "(\\{|\\}|\\[|\\]|:|,|\"items\"|\"amount\"|\"price\"|\"x\"|1|1e9|null|true){0,40}") {
        let _ = parse::<Receipt>(Format::Json, &text);
        let _ = parse::<Transaction>(Format::Ndjson, &text);
    }
}
