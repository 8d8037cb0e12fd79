//! Schemas against the Rust types, against their examples and golden bytes, and against all their earlier versions.

use millrace_schemas::{
    Event, Topic,
    event::{
        ConfigurationChange, Control, DeadLetter, DeadLetterAction, Duplicate, Label, MatchInput, MatchStep,
        MerchantRisk, ProcessorEpoch, Purchase, Receipt, ReceiptMatch, Reconciliation, Reply, Request, SchemaRecord,
        Transaction, TransactionScore,
    },
    wire::{self, Codec},
};
use serde_json::Value as Json;
use std::{collections::BTreeMap, fmt::Debug, path::PathBuf};

fn file(topic: Topic, version: usize, kind: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("avro/{topic}/v{version}.{kind}"))
}

fn examples(topic: Topic, version: usize) -> Vec<Json> {
    let path = file(topic, version, "example.json");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The log's schemas, each version under an id of its own.
fn records() -> Vec<SchemaRecord> {
    let versions = Topic::ALL.iter().flat_map(|topic| topic.versions().iter().map(move |schema| (topic, *schema)));
    let record = |(id, (topic, schema)): (usize, (&Topic, &str))| SchemaRecord {
        id: id as i32 + 1,
        subject: format!("{topic}-value"),
        schema: schema.to_owned(),
    };
    versions.enumerate().map(record).collect()
}

fn codec() -> Codec {
    Codec::new(&records()).expect("every topic has its schema")
}

/// One line of hex for each example.
fn golden(topic: Topic, version: usize, actual: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let path = file(topic, version, "golden");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        let lines: Vec<String> =
            actual.iter().map(|bytes| bytes.iter().map(|b| format!("{b:02x}")).collect()).collect();
        std::fs::write(&path, lines.join("\n") + "\n").expect("golden file is written");
    }
    let text = std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{}: {error}; UPDATE_GOLDEN=1 writes it", path.display()));
    let byte = |line: &str, at: usize| u8::from_str_radix(&line[at..at + 2], 16).expect("hex");
    text.lines().map(|line| (0..line.len()).step_by(2).map(|at| byte(line, at)).collect()).collect()
}

/// Fields of an example in the order and shape of the event's own JSON.
fn check<E: Event + PartialEq + Debug>() {
    let (topic, version) = (E::TOPIC, E::TOPIC.versions().len());
    let codec = codec();
    let events: Vec<E> = examples(topic, version)
        .into_iter()
        .map(|example| serde_json::from_value(example).unwrap_or_else(|error| panic!("{topic} example: {error}")))
        .collect();
    let data: Vec<Vec<u8>> =
        events.iter().map(|event| wire::datum(event).unwrap_or_else(|error| panic!("{error}"))).collect();
    assert_eq!(data, golden(topic, version, &data), "{topic}: the bytes of an event have changed");
    for (event, example) in events.iter().zip(examples(topic, version)) {
        let value = codec.encode(event).expect("encodes");
        assert_eq!(&codec.decode::<E>(Some(&value)).expect("decodes"), event, "{topic}");
        let (subject, json) = codec.decode_json(Some(&value)).expect("decodes");
        assert_eq!((subject, json), (format!("{topic}-value"), example), "{topic}");
    }
}

/// Golden bytes of every earlier version are read by today's code.
fn check_earlier<E: Event>() {
    let codec = codec();
    for (index, _) in E::TOPIC.versions().iter().enumerate() {
        let id = records().iter().position(|record| record.schema == E::TOPIC.versions()[index]).expect("registered")
            as u32
            + 1;
        for datum in golden(E::TOPIC, index + 1, &[]) {
            codec
                .decode::<E>(Some(&wire::frame(id, &datum)))
                .unwrap_or_else(|error| panic!("{} v{}: {error}", E::TOPIC, index + 1));
        }
    }
}

macro_rules! each_event {
    ($check:ident) => {
        $check::<Transaction>();
        $check::<Receipt>();
        $check::<Label>();
        $check::<TransactionScore>();
        $check::<Purchase>();
        $check::<DeadLetter>();
        $check::<Duplicate>();
        $check::<Reply>();
        $check::<Request>();
        $check::<DeadLetterAction>();
        $check::<Reconciliation>();
        $check::<SchemaRecord>();
        $check::<ConfigurationChange>();
        $check::<ProcessorEpoch>();
        $check::<MerchantRisk>();
        $check::<MatchInput>();
        $check::<MatchStep>();
        $check::<ReceiptMatch>();
        $check::<Control>();
    };
}

#[test]
fn types_examples_and_golden_bytes_agree_with_the_schemas() {
    each_event!(check);
}

/// Every value of a place that has only a few: each symbol of an enum, and null. By JSON pointer; of an array, in its first item.
fn choices(schema: &Json, named: &mut BTreeMap<String, Json>, at: &str, into: &mut Vec<(String, Json)>) {
    match schema {
        Json::String(name) => {
            if let Some(definition) = named.get(name).cloned() {
                choices(&definition, named, at, into);
            }
        }
        Json::Array(branches) => {
            assert!(
                branches.len() == 2 && branches[0] == "null",
                "{at}: a union of null and something else: {branches:?}"
            );
            into.push((at.to_owned(), Json::Null));
            choices(&branches[1], named, at, into);
        }
        Json::Object(object) => {
            if let Some(Json::String(name)) = object.get("name") {
                named.insert(name.clone(), schema.clone());
            }
            let list = |key: &str| object.get(key).and_then(Json::as_array).into_iter().flatten();
            into.extend(list("symbols").map(|symbol| (at.to_owned(), symbol.clone())));
            for field in list("fields") {
                choices(&field["type"], named, &format!("{at}/{}", field["name"].as_str().expect("a name")), into);
            }
            if let Some(items) = object.get("items") {
                choices(items, named, &format!("{at}/0"), into);
            }
        }
        _ => {}
    }
}

/// Types are written without their schemas, so their variants and options have to stand as the schemas have them.
fn check_choices<E: Event + PartialEq + Debug>() {
    let (topic, codec) = (E::TOPIC, codec());
    let mut all = Vec::new();
    let schema = serde_json::from_str(topic.schema()).expect("JSON");
    choices(&schema, &mut BTreeMap::new(), "", &mut all);
    for (at, choice) in all {
        let mut seen = false;
        for mut example in examples(topic, topic.versions().len()) {
            let Some(place) = example.pointer_mut(&at) else { continue };
            *place = choice.clone();
            seen = true;
            let event: E =
                serde_json::from_value(example.clone()).unwrap_or_else(|error| panic!("{topic}{at}: {error}"));
            let value = codec.encode(&event).expect("encodes");
            assert_eq!(codec.decode_json(Some(&value)).expect("a library reads it").1, example, "{topic}{at}");
            assert_eq!(codec.decode::<E>(Some(&value)).expect("decodes"), event, "{topic}{at}");
        }
        assert!(seen, "no example of {topic} has {at}");
    }
}

#[test]
fn every_symbol_and_every_null_is_written_where_the_schema_has_it() {
    each_event!(check_choices);
}

#[test]
fn golden_bytes_of_every_version_are_read() {
    if std::env::var_os("UPDATE_GOLDEN").is_none() {
        each_event!(check_earlier);
    }
}

#[test]
fn every_version_reads_all_earlier_ones() {
    for topic in Topic::ALL {
        let versions = topic.versions();
        for (newer, reader) in versions.iter().enumerate() {
            for (older, writer) in versions[..newer].iter().enumerate() {
                wire::can_read(writer, reader)
                    .unwrap_or_else(|reason| panic!("{topic} v{} cannot read v{}: {reason}", newer + 1, older + 1));
            }
        }
    }
}

#[test]
fn the_gate_names_the_field_that_breaks_compatibility() {
    let v1 = Topic::Transactions.schema();
    let required =
        v1.replacen("\"fields\": [", "\"fields\": [\n  {\"name\": \"iban\", \"type\": \"string\", \"doc\": \"x\"},", 1);
    let reason = wire::can_read(v1, &required).expect_err("a new field without default");
    assert!(reason.contains("iban"), "{reason}");
    let retyped =
        v1.replacen("\"name\": \"amount\", \"type\": \"long\"", "\"name\": \"amount\", \"type\": \"string\"", 1);
    let reason = wire::can_read(v1, &retyped).expect_err("another type");
    assert!(reason.contains("amount"), "{reason}");
    let optional = v1.replacen(
        "\"fields\": [",
        "\"fields\": [\n  {\"name\": \"iban\", \"type\": [\"null\", \"string\"], \"default\": null},",
        1,
    );
    assert_eq!(wire::can_read(v1, &optional), Ok(()));
}

#[test]
fn a_writer_with_more_fields_is_read_and_one_of_another_record_is_not() {
    let codec = codec();
    let newer = Topic::Duplicates.schema().replacen(
        "\"fields\": [",
        "\"fields\": [{\"name\": \"note\", \"type\": [\"null\", \"string\"], \"default\": null, \"doc\": \"x\"},",
        1,
    );
    codec.add(&SchemaRecord { id: 99, subject: "duplicates-value".into(), schema: newer }).expect("valid");
    let event: Duplicate = serde_json::from_value(examples(Topic::Duplicates, 1).remove(0)).expect("example");
    let mut datum = vec![0];
    datum.extend(wire::datum(&event).expect("encodes"));
    assert_eq!(codec.decode::<Duplicate>(Some(&wire::frame(99, &datum))).expect("resolved"), event);

    let receipts = codec.write_id(Topic::Receipts).expect("id");
    let error = codec.decode::<Duplicate>(Some(&wire::frame(receipts, &datum))).expect_err("another record");
    assert_eq!(error.code(), "incompatible_schema");
}

#[test]
fn what_is_not_an_event_says_what_it_is() {
    let codec = codec();
    let id = codec.write_id(Topic::Transactions).expect("id");
    for (value, code) in [
        (None, "null_value"),
        (Some(b"".to_vec()), "not_wire_format"),
        (Some(b"{\"amount\": 1}".to_vec()), "not_wire_format"),
        (Some(vec![0, 0, 0]), "not_wire_format"),
        (Some(wire::frame(4_000_000, b"x")), "unknown_schema"),
        (Some(wire::frame(id, b"\xff\xff")), "bad_datum"),
    ] {
        assert_eq!(codec.decode::<Transaction>(value.as_deref()).expect_err("refused").code(), code, "{value:?}");
    }
    let mut longer = codec
        .encode::<Transaction>(&serde_json::from_value(examples(Topic::Transactions, 1).remove(0)).expect("example"))
        .expect("encodes");
    longer.push(0);
    assert_eq!(codec.decode::<Transaction>(Some(&longer)).expect_err("bytes too many").code(), "bad_datum");
}

/// Every named record or enum has one definition, wherever it is embedded.
#[test]
fn embedded_records_are_those_of_the_journals() {
    fn collect(schema: &Json, into: &mut BTreeMap<String, Json>) {
        match schema {
            Json::Object(object) => {
                if let (Some(Json::String(name)), Some("record" | "enum")) =
                    (object.get("name"), object.get("type").and_then(Json::as_str))
                {
                    let mut definition = schema.clone();
                    if let Some(definition) = definition.as_object_mut() {
                        definition.remove("namespace");
                    }
                    let first = into.entry(name.clone()).or_insert_with(|| definition.clone());
                    assert_eq!(*first, definition, "{name} is defined twice, and differently");
                }
                object.values().for_each(|value| collect(value, into));
            }
            Json::Array(values) => values.iter().for_each(|value| collect(value, into)),
            _ => {}
        }
    }
    let mut definitions = BTreeMap::new();
    for topic in Topic::ALL {
        collect(&serde_json::from_str(topic.schema()).expect("JSON"), &mut definitions);
    }
    assert!(definitions.contains_key("Transaction") && definitions.contains_key("FieldError"));
}

#[test]
fn every_field_is_documented() {
    fn visit(schema: &Json, at: &str) {
        match schema {
            Json::Object(object) => {
                for field in object.get("fields").and_then(Json::as_array).into_iter().flatten() {
                    let name = format!("{at}.{}", field["name"].as_str().unwrap_or_default());
                    assert!(field["doc"].as_str().is_some_and(|doc| doc.len() > 10), "{name} has no doc");
                    visit(&field["type"], &name);
                }
                object.iter().filter(|(key, _)| *key == "items").for_each(|(_, value)| visit(value, at));
            }
            Json::Array(values) => values.iter().for_each(|value| visit(value, at)),
            _ => {}
        }
    }
    for topic in Topic::ALL {
        visit(&serde_json::from_str(topic.schema()).expect("JSON"), topic.name());
    }
}
