//! Bodies that are refused as a whole, or whose structure is wrong.

use crate::{
    case::{Case, Told},
    support::{CARD, receipt, transaction, xml},
};
use serde_json::json;
use std::io::Write as _;

const XML: &str = "application/xml";
const JSON: &str = "application/json";

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).expect("in memory");
    encoder.finish().expect("in memory")
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 3).expect("in memory")
}

fn cut(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.truncate(bytes.len() - 5);
    bytes
}

pub fn cases() -> Vec<Case> {
    [json_syntax(), xml_syntax(), structure(), media(), compressed()].into_iter().flatten().collect()
}

fn json_syntax() -> Vec<Case> {
    let malformed = |name: &str, body: &str| Case::json(name, body, 400, Told::Code("malformed"));
    let good = transaction().to_string();
    vec![
        Case::json("an empty body", "", 400, Told::Code("empty_body")),
        Case::json("a body of spaces", " \r\n\t", 400, Told::Code("empty_body")),
        malformed("an object that is not closed", &good[..good.len() - 1]),
        malformed("an array that is not closed", &format!("[{good},{good}")),
        malformed("a trailing comma", &format!("[{good},]")),
        malformed("two objects", &format!("{good}{good}")),
        malformed("NaN", &good.replace("10.99", "NaN")),
        malformed("Infinity", &good.replace("10.99", "-Infinity")),
        malformed("a hexadecimal number", &good.replace("10.99", "0x10")),
        malformed("a number with a leading zero", &good.replace("10.99", "010.99")),
        malformed("single quotes", &good.replace('"', "'")),
        malformed("a comment", &good.replace("10.99", "10.99 /* EUR */")),
        malformed("a raw control character", &good.replace("Berlin", "Ber\nlin")),
        malformed("half a surrogate pair", &good.replace("Berlin", "\\ud800")),
        malformed("a card number in what is not JSON", &format!("{{\"note\": {CARD}")),
        Case::new(
            "bytes that are not UTF-8",
            JSON,
            good.replace("Berlin", "B?")
                .into_bytes()
                .iter()
                .map(|b| if *b == b'?' { 0xe9 } else { *b })
                .collect::<Vec<u8>>(),
            400,
            Told::Code("malformed"),
        ),
        Case::new(
            "UTF-16 with its mark",
            JSON,
            good.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>(),
            400,
            Told::Code("malformed"),
        ),
    ]
}

fn xml_syntax() -> Vec<Case> {
    let good = xml("transaction", &transaction());
    let malformed = |name: &str, body: String| Case::xml(name, body, 400, Told::Code("malformed"));
    let laughs = "<!DOCTYPE t [<!ENTITY a \"ha\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;&a;\"><!ENTITY c \"&b;&b;&b;&b;&b;&b;&b;&b;\">]>";
    vec![
        malformed("text that is not XML", "hello".into()),
        malformed("an element that is not closed", good.replace("</transaction>", "")),
        malformed("end tags in the wrong order", good.replace("</amount><currency>", "<currency></amount>")),
        malformed("two roots", format!("{good}{good}")),
        malformed("an ampersand of its own", good.replace("Berlin", "Ber & lin")),
        malformed("a reference to a forbidden character", good.replace("Berlin", "&#x1F;")),
        malformed("text between items", format!("<transactions>{good}, {good}</transactions>")),
        Case::xml("entity expansion", format!("{laughs}{}", good.replace("Berlin", "&c;")), 400, Told::Code("doctype")),
        Case::xml(
            "an external entity",
            format!("<!DOCTYPE t [<!ENTITY x SYSTEM \"file:///etc/hostname\">]>{}", good.replace("Berlin", "&x;")),
            400,
            Told::Code("doctype"),
        ),
        Case::xml(
            "an external document type",
            format!("<!DOCTYPE transaction SYSTEM \"http://127.0.0.1/t.dtd\">{good}"),
            400,
            Told::Code("doctype"),
        ),
        Case::xml("an unknown entity", good.replace("Berlin", "&nbsp;"), 400, Told::Code("entity")),
        Case::xml(
            "XML that declares another encoding",
            format!("<?xml version=\"1.0\" encoding=\"windows-1251\"?>{good}"),
            415,
            Told::Code("charset"),
        ),
        Case::xml(
            "a root of another kind",
            xml("receipt", &receipt()),
            422,
            Told::Errors(vec![("/receipt", "unexpected_root")]),
        ),
        Case::xml("an unknown root", "<data/>", 422, Told::Errors(vec![("/data", "unexpected_root")])),
        Case::xml(
            "a root that is a card number",
            format!("<_{CARD}/>"),
            422,
            Told::Errors(vec![("/[redacted]", "unexpected_root")]),
        ),
        Case::xml(
            "attributes",
            good.replace("<amount>", "<amount unit=\"cent\">"),
            422,
            Told::Errors(vec![("/transaction/amount/@unit", "attribute")]),
        ),
        Case::xml(
            "text beside elements",
            good.replace("<amount>", "1<amount>"),
            422,
            Told::Errors(vec![("/transaction", "mixed_content")]),
        ),
        Case::xml(
            "an element that stands twice",
            good.replace("<currency>", "<amount>1</amount><currency>"),
            422,
            Told::Errors(vec![("/transaction/amount", "duplicate_field")]),
        ),
    ]
}

fn structure() -> Vec<Case> {
    let nested = |open: &str, close: &str, depth: usize| format!("{}1{}", open.repeat(depth), close.repeat(depth));
    let with_note = |note: &str| transaction().to_string().replacen('{', &format!("{{\"note\":{note},"), 1);
    vec![
        Case::json("a number for a body", "17", 422, Told::Errors(vec![("", "wrong_type")])),
        Case::json("a string for a body", "\"hello\"", 422, Told::Errors(vec![("", "wrong_type")])),
        Case::json("null for a body", "null", 422, Told::Errors(vec![("", "wrong_type")])),
        Case::json("an empty array", "[]", 422, Told::Errors(vec![("", "no_items")])),
        Case::xml("an empty envelope", "<transactions/>", 422, Told::Errors(vec![("", "no_items")])),
        Case::json(
            "a name that stands twice",
            transaction().to_string().replacen('{', "{\"amount\":1,", 1),
            422,
            Told::Errors(vec![("/amount", "duplicate_field")]),
        ),
        Case::json(
            "a name that stands twice in an unknown field",
            with_note("{\"x\":1,\"x\":2}"),
            422,
            Told::Errors(vec![("/note/x", "duplicate_field")]),
        ),
        Case::json(
            "arrays nested too deep",
            with_note(&nested("[", "]", 20_000)),
            422,
            Told::Errors(vec![("/note/0/0/0/0/0/0/0", "too_deep")]),
        ),
        Case::json(
            "objects nested too deep",
            with_note(&nested("{\"x\":", "}", 1_000)),
            422,
            Told::Errors(vec![("/note/x/x/x/x/x/x/x", "too_deep")]),
        ),
        Case::xml(
            "elements nested too deep",
            xml("transaction", &transaction())
                .replace("<amount>", &format!("<note>{}</note><amount>", nested("<x>", "</x>", 1_000))),
            422,
            Told::Errors(vec![("/transaction/note/x/x/x/x/x/x/x", "too_deep")]),
        ),
        Case::json(
            "too many values",
            with_note(&format!("[{}0]", "0,".repeat(3_000))),
            422,
            Told::Errors(vec![("/note", "too_many_values")]),
        ),
        Case::json(
            "a card number under too deep a nesting",
            with_note(&format!("{}\"{CARD}\"{}", "[".repeat(50), "]".repeat(50))),
            422,
            Told::Errors(vec![("/note/0/0/0/0/0/0/0", "too_deep")]),
        ),
    ]
}

fn media() -> Vec<Case> {
    let good = transaction().to_string();
    let mut untyped = Case::json("no content type", &good, 415, Told::Code("media_type"));
    untyped.headers.retain(|(name, _)| *name != "content-type");
    vec![
        untyped,
        Case::new("a form", "application/x-www-form-urlencoded", good.clone(), 415, Told::Code("media_type")),
        Case::new("plain text", "text/plain", good.clone(), 415, Told::Code("media_type")),
        Case::new(
            "a charset that is not UTF-8",
            "application/json; charset=windows-1251",
            good.clone(),
            415,
            Told::Code("charset"),
        ),
        Case::json("an unknown content encoding", &good, 415, Told::Code("content_encoding"))
            .header("content-encoding", "br"),
        Case::json("two content encodings", &good, 415, Told::Code("content_encoding"))
            .header("content-encoding", "gzip, zstd"),
        Case::json("JSON that says it is XML", &good, 400, Told::Code("malformed")).header("content-type", XML),
        Case::xml("XML that says it is JSON", xml("transaction", &transaction()), 400, Told::Code("malformed"))
            .header("content-type", JSON),
    ]
}

fn compressed() -> Vec<Case> {
    let good = transaction().to_string().into_bytes();
    let bomb = vec![b' '; 50 << 20];
    let encoded = |name: &str, encoding: &'static str, body: Vec<u8>, status: u16, code: &'static str| {
        Case::new(name, JSON, body, status, Told::Code(code)).header("content-encoding", encoding)
    };
    let with_card = json!({"note": CARD}).to_string();
    vec![
        encoded("a gzip bomb", "gzip", gzip(&bomb), 413, "body_too_large"),
        encoded("a zstd bomb", "zstd", zstd(&bomb), 413, "body_too_large"),
        encoded("a gzip bomb inside gzip", "gzip", gzip(&gzip(&bomb)), 400, "malformed"),
        encoded("gzip that is cut off", "gzip", cut(gzip(&good)), 400, "bad_encoding"),
        encoded("zstd that is cut off", "zstd", cut(zstd(&good)), 400, "bad_encoding"),
        encoded("plain text that says it is gzip", "gzip", good.clone(), 400, "bad_encoding"),
        encoded("plain text that says it is zstd", "zstd", good.clone(), 400, "bad_encoding"),
        encoded("gzip with something after it", "gzip", [gzip(&good), b"xyz".to_vec()].concat(), 400, "bad_encoding"),
        encoded("gzip of nothing", "gzip", gzip(b""), 400, "empty_body"),
        encoded("a card number in gzip that is cut off", "gzip", cut(gzip(with_card.as_bytes())), 400, "bad_encoding"),
        Case::json(
            "a body that is too large",
            format!("[\"{}\"]", "x".repeat(100_000)),
            413,
            Told::Code("body_too_large"),
        ),
        Case::json("too many items", format!("[{}{{}}]", "{},".repeat(20)), 413, Told::Code("too_many_items")),
        Case::new("too many lines", "application/x-ndjson", "{}\n".repeat(21), 413, Told::Code("too_many_items")),
        Case::xml(
            "too many elements",
            format!("<transactions>{}</transactions>", "<transaction/>".repeat(21)),
            413,
            Told::Code("too_many_items"),
        ),
    ]
}
