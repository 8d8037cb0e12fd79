//! Schemas against the Rust types, against their examples and golden bytes, and against all their earlier versions.

use apache_avro::{Schema, reader::datum::GenericDatumReader};
use millrace_schemas::{
    Event, Topic,
    event::{
        ConfigurationChange, Control, DeadLetter, DeadLetterAction, Duplicate, Label, MatchInput, MatchStep,
        MerchantRisk, ProcessorEpoch, Purchase, Receipt, ReceiptMatch, Reconciliation, Reply, Request, SchemaRecord,
        Transaction, TransactionScore,
    },
    wire::{self, Codec},
};
use serde_json::{Value as Json, json};
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

/// Places of a schema by the names that lead there, each with values that no other place of the examples has, or all it can have: every
/// symbol of an enum, both booleans, null.
fn places(schema: &Json, named: &mut BTreeMap<String, Json>, at: &str, into: &mut Vec<(String, Json)>) {
    let own = |kind: &str| match kind {
        "boolean" => vec![json!(true), json!(false)],
        "int" | "long" => vec![json!(987_654)],
        "double" => vec![json!(0.671_875)],
        "string" | "bytes" => vec![json!("of this place alone")],
        _ => panic!("{at}: this test does not know {kind}"),
    };
    let mut push = |values: Vec<Json>| into.extend(values.into_iter().map(|value| (at.to_owned(), value)));
    match schema {
        Json::String(name) => match named.get(name).cloned() {
            Some(definition) => places(&definition, named, at, into),
            None => push(own(name)),
        },
        Json::Array(branches) => {
            assert!(branches.len() == 2 && branches[0] == "null", "{at}: a union of null and something else");
            push(vec![Json::Null]);
            places(&branches[1], named, at, into);
        }
        _ => {
            if let Some(name) = schema["name"].as_str() {
                named.insert(name.to_owned(), schema.clone());
            }
            match schema["type"].as_str().expect("a type by name") {
                "enum" => push(schema["symbols"].as_array().expect("symbols").clone()),
                "map" => push(vec![json!({"own": own(schema["values"].as_str().expect("plain values"))[0]})]),
                "array" => match schema["items"].as_str().filter(|name| !named.contains_key(*name)) {
                    Some(plain) => push(vec![json!([own(plain)[0]])]),
                    None => places(&schema["items"], named, at, into),
                },
                "record" => {
                    for field in schema["fields"].as_array().expect("fields") {
                        let name = field["name"].as_str().expect("a name");
                        places(&field["type"], named, &format!("{at}/{name}"), into);
                    }
                }
                plain => push(own(plain)),
            }
        }
    }
}

/// A place of an example; of an array, in the first item that has it.
fn find<'j>(json: &'j mut Json, names: &[&str]) -> Option<&'j mut Json> {
    match (json, names) {
        (json, []) => Some(json),
        (Json::Array(items), names) => items.iter_mut().find_map(|item| find(item, names)),
        (json, [first, rest @ ..]) => find(json.get_mut(first)?, rest),
    }
}

/// Types are written and read without their schemas, so fields, variants and options have to stand as the schemas have them.
fn check_places<E: Event + PartialEq + Debug>() {
    let (topic, codec) = (E::TOPIC, codec());
    let mut all = Vec::new();
    places(&serde_json::from_str(topic.schema()).expect("JSON"), &mut BTreeMap::new(), "", &mut all);
    for (at, value) in all {
        let (mut seen, names) = (false, at.split('/').skip(1).collect::<Vec<_>>());
        for mut example in examples(topic, topic.versions().len()) {
            let Some(place) = find(&mut example, &names) else { continue };
            *place = value.clone();
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
fn every_place_is_written_and_read_where_the_schema_has_it() {
    each_event!(check_places);
}

/// Data that the own reader takes, a library takes too, and for the same event; the rest both refuse.
fn check_damages<E: Event>() {
    let (topic, codec) = (E::TOPIC, codec());
    let id = codec.write_id(topic).expect("an id");
    let schema = Schema::parse_str(topic.schema()).expect("a schema");
    let library = GenericDatumReader::builder(&schema).build().expect("a reader");
    // Compared as bytes: some damages make numbers that are none, which equal nothing.
    let rewritten = |event: E| wire::datum(&event).expect("it was read");
    let own = |datum: &[u8]| codec.decode::<E>(Some(&wire::frame(id, datum))).ok().map(rewritten);
    let other = |mut datum: &[u8]| {
        let event: E = library.read_deser(&mut datum).ok()?;
        datum.is_empty().then(|| rewritten(event))
    };
    let (mut taken, mut refused) = (0, 0);
    for whole in golden(topic, topic.versions().len(), &[]) {
        assert_eq!((own(&whole), other(&whole)), (Some(whole.clone()), Some(whole.clone())), "{topic}");
        let cuts = (0..whole.len()).map(|end| whole[..end].to_vec());
        let damage = |at: usize, mask: u8| [&whole[..at], &[whole[at] ^ mask], &whole[at + 1..]].concat();
        let damages = (0..whole.len()).flat_map(|at| [1, 2, 0x40, 0x80, 0xff].map(|mask| damage(at, mask)));
        for datum in cuts.chain(damages) {
            let read = own(&datum);
            assert_eq!(read, other(&datum), "{topic}: {datum:?}");
            *(if read.is_some() { &mut taken } else { &mut refused }) += 1;
        }
        // Of integers that are too long the library drops the upper bits.
        for datum in (0..whole.len()).map(|at| [&whole[..at], &[0xff; 4], &whole[at..]].concat()) {
            let read = own(&datum);
            assert!(read.is_none() || read == other(&datum), "{topic}: {datum:?}");
        }
    }
    assert!(taken > 10 && refused > 10, "{topic}: {taken} taken, {refused} refused");
}

#[test]
fn damaged_data_are_read_as_a_library_reads_them() {
    each_event!(check_damages);
}

/// Who only looks at a log has no ids to write with, and knows its own schemas by what they say.
#[test]
fn a_codec_that_only_reads_knows_own_schemas_whatever_their_docs() {
    let reworded = Topic::Labels.schema().replace("\"doc\": \"", "\"doc\": \"In other words: ");
    assert_ne!(reworded, Topic::Labels.schema());
    let record = SchemaRecord { id: 7, subject: "labels-value".into(), schema: reworded };
    let reader = Codec::reader(&[record]).expect("valid");
    let label: Label = serde_json::from_value(examples(Topic::Labels, 1).remove(0)).expect("example");
    let value = wire::frame(7, &wire::datum(&label).expect("encodes"));
    assert_eq!(reader.decode::<Label>(Some(&value)).expect("decodes"), label);
    assert!(reader.encode(&label).expect_err("no id to write with").to_string().contains("can only decode"));
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
