//! The Confluent wire format: a zero byte, the schema's id in four big-endian bytes, the Avro datum.
//!
//! A [`Codec`] knows schemas by id from the `schemas` topic, so neither writing nor reading needs the registry. An id it does not
//! know is for the caller to find (in the registry) and [`Codec::add`].
//!
//! Data of this program's own schemas are written by `writer.rs` and read by `reader.rs`, which take an event's type for its schema. Data
//! of other versions are read by apache-avro, which knows what evolves into what.

use crate::{Event, Topic, event::SchemaRecord};
use apache_avro::{Schema, reader::datum::GenericDatumReader, schema_compatibility::SchemaCompatibility, types::Value};
use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, LazyLock, RwLock},
};

mod json;
mod reader;
#[cfg(test)]
mod tests;
mod writer;

pub use json::to_json;

/// Bytes before the datum.
const HEADER: usize = 5;
/// Room that an event is given to begin with, in bytes: most have fewer, and need not be moved while they are written.
const ROOM: usize = 2_048;

/// A record that cannot be decoded; [`code`](DecodeError::code) is its dead letter's.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// No value at all.
    #[error("the record has no value")]
    Null,
    /// Not in the Confluent wire format: it does not begin with a zero byte, as bare JSON does not.
    #[error("not in the Confluent wire format: a zero byte, a 4-byte schema id and an Avro datum were expected{hint}")]
    NotWireFormat {
        /// What it looks like instead.
        hint: &'static str,
    },
    /// Nobody has told the codec this schema id.
    #[error("schema id {0} is not known")]
    UnknownSchema(u32),
    /// The writer's schema is not one of this topic's, or has changed in a way that cannot be read.
    #[error("schema id {id} cannot be read as {expected}: {reason}")]
    Incompatible {
        /// The writer's schema.
        id: u32,
        /// Record expected on this topic.
        expected: String,
        /// What does not fit.
        reason: String,
    },
    /// The datum is not of the writer's schema.
    #[error("the datum does not follow schema id {id}: {reason}")]
    Datum {
        /// The writer's schema.
        id: u32,
        /// What does not fit.
        reason: String,
    },
}

impl DecodeError {
    /// Stable code, as in dead letters.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Null => "null_value",
            Self::NotWireFormat { .. } => "not_wire_format",
            Self::UnknownSchema(_) => "unknown_schema",
            Self::Incompatible { .. } => "incompatible_schema",
            Self::Datum { .. } => "bad_datum",
        }
    }
}

/// An event that cannot be written; a defect of the program, since types are checked against schemas by tests.
#[derive(Debug, thiserror::Error)]
#[error("{topic} event cannot be written: {reason}")]
pub struct EncodeError {
    topic: Topic,
    reason: String,
}

/// The `schemas` topic does not allow this codec.
#[derive(Debug, thiserror::Error)]
pub enum CodecError {
    /// A schema of the log is not valid Avro.
    #[error("schema id {id} in the schemas topic is not valid: {reason}")]
    Invalid {
        /// The schema's id.
        id: i32,
        /// What the Avro library says.
        reason: String,
    },
    /// The schema this program writes has no id yet.
    #[error("the schemas topic has no id for the {0} schema of this program; run `millrace topics create`")]
    Unregistered(Topic),
}

/// A schema parsed once and kept for the life of the process, since readers and writers borrow it.
#[derive(Clone, Copy)]
struct Parsed {
    schema: &'static Schema,
}

impl Parsed {
    fn new(text: &str) -> Result<Self, apache_avro::Error> {
        Ok(Self { schema: Box::leak(Box::new(Schema::parse_str(text)?)) })
    }

    fn full_name(self) -> String {
        self.schema.name().map_or_else(|| "no record".to_owned(), ToString::to_string)
    }
}

/// This program's own schemas: what it writes, and the shape it reads everything into.
static OWN: LazyLock<BTreeMap<Topic, Parsed>> = LazyLock::new(|| {
    let own = |topic: &Topic| Parsed::new(topic.schema()).expect("embedded schemas are checked by tests");
    Topic::ALL.iter().map(|topic| (*topic, own(topic))).collect()
});

/// How a known schema id is read.
struct Known {
    id: u32,
    subject: String,
    parsed: Parsed,
    /// Topics whose own schema this is.
    own_of: Vec<Topic>,
    /// Reads the datum as it was written.
    plain: GenericDatumReader<'static>,
}

/// Encodes and decodes events; cheap to share.
pub struct Codec {
    known: RwLock<HashMap<u32, Arc<Known>>>,
    write_ids: BTreeMap<Topic, u32>,
}

impl Codec {
    /// A codec of the schemas in the log; every topic's own schema must be among them.
    pub fn new(records: &[SchemaRecord]) -> Result<Self, CodecError> {
        let mut codec = Self::reader(records)?;
        for topic in Topic::ALL {
            let id = find_id(records, *topic).ok_or(CodecError::Unregistered(*topic))?;
            codec.write_ids.insert(*topic, id);
        }
        Ok(codec)
    }

    /// A codec that can only decode, from whatever schemas there are.
    pub fn reader(records: &[SchemaRecord]) -> Result<Self, CodecError> {
        let codec = Self { known: RwLock::default(), write_ids: BTreeMap::new() };
        records.iter().try_for_each(|record| codec.add(record))?;
        Ok(codec)
    }

    /// Makes one more schema id readable.
    pub fn add(&self, record: &SchemaRecord) -> Result<(), CodecError> {
        let invalid = |reason: apache_avro::Error| CodecError::Invalid { id: record.id, reason: reason.to_string() };
        let parsed = Parsed::new(&record.schema).map_err(invalid)?;
        let plain = GenericDatumReader::builder(parsed.schema).build().map_err(invalid)?;
        let id = record.id.cast_unsigned();
        let is_own = |(_, own): &(&Topic, &Parsed)| own.schema == parsed.schema;
        let own_of = OWN.iter().filter(is_own).map(|(topic, _)| *topic).collect();
        let known = Known { id, subject: record.subject.clone(), parsed, own_of, plain };
        self.known.write().unwrap_or_else(std::sync::PoisonError::into_inner).insert(id, Arc::new(known));
        Ok(())
    }

    /// The schema id this codec writes a topic's events with.
    pub fn write_id(&self, topic: Topic) -> Option<u32> {
        self.write_ids.get(&topic).copied()
    }

    /// An event as a record's value.
    pub fn encode<E: Event>(&self, event: &E) -> Result<Vec<u8>, EncodeError> {
        let id = self
            .write_id(E::TOPIC)
            .ok_or_else(|| EncodeError { topic: E::TOPIC, reason: "this codec can only decode".to_owned() })?;
        let mut value = Vec::with_capacity(ROOM);
        value.extend_from_slice(&header(id));
        append(event, value)
    }

    /// A record's value as an event of its topic, whichever version it was written with.
    pub fn decode<E: Event>(&self, value: Option<&[u8]>) -> Result<E, DecodeError> {
        let (id, mut datum) = split(value)?;
        let bad_datum = |reason: String| DecodeError::Datum { id, reason };
        let known = if self.write_id(E::TOPIC) == Some(id) { None } else { Some(self.known(id)?) };
        let event;
        match known.filter(|known| !known.own_of.contains(&E::TOPIC)) {
            None => (event, datum) = reader::read(datum).map_err(|error| bad_datum(error.to_string()))?,
            Some(other) => event = read_resolved(&other, OWN[&E::TOPIC], &mut datum)?,
        }
        if datum.is_empty() { Ok(event) } else { Err(bad_datum(format!("{} bytes too many", datum.len()))) }
    }

    /// A record's value as it was written, for people to look at: its subject and its JSON.
    pub fn decode_json(&self, value: Option<&[u8]>) -> Result<(String, serde_json::Value), DecodeError> {
        let (id, mut datum) = split(value)?;
        let known = self.known(id)?;
        let value = known
            .plain
            .read_value(&mut datum)
            .map_err(|reason| DecodeError::Datum { id, reason: reason.to_string() })?;
        Ok((known.subject.clone(), to_json(value)))
    }

    fn known(&self, id: u32) -> Result<Arc<Known>, DecodeError> {
        let known = self.known.read().unwrap_or_else(std::sync::PoisonError::into_inner).get(&id).cloned();
        known.ok_or(DecodeError::UnknownSchema(id))
    }
}

/// The schema id and the datum of a record's value.
pub fn split(value: Option<&[u8]>) -> Result<(u32, &[u8]), DecodeError> {
    let value = value.ok_or(DecodeError::Null)?;
    match value {
        [0, a, b, c, d, datum @ ..] => Ok((u32::from_be_bytes([*a, *b, *c, *d]), datum)),
        _ => Err(DecodeError::NotWireFormat { hint: looks_like(value) }),
    }
}

/// A datum with its header.
pub fn frame(id: u32, datum: &[u8]) -> Vec<u8> {
    [&header(id), datum].concat()
}

fn header(id: u32) -> [u8; HEADER] {
    let [a, b, c, d] = id.to_be_bytes();
    [0, a, b, c, d]
}

/// An event's Avro datum under this program's own schema.
pub fn datum<E: Event>(event: &E) -> Result<Vec<u8>, EncodeError> {
    append(event, Vec::with_capacity(ROOM))
}

fn append<E: Event>(event: &E, into: Vec<u8>) -> Result<Vec<u8>, EncodeError> {
    writer::write(event, into).map_err(|reason| EncodeError { topic: E::TOPIC, reason: reason.to_string() })
}

/// Decodes the `schemas` topic itself with nothing but this program's own schema of it, whose encoding never changes.
pub fn decode_schema_record(value: Option<&[u8]>) -> Result<SchemaRecord, DecodeError> {
    let (id, datum) = split(value)?;
    reader::read(datum)
        .map(|(record, _)| record)
        .map_err(|reason| DecodeError::Datum { id, reason: reason.to_string() })
}

/// Whether data of `writer` can be read as `reader`; the error names the field that is in the way.
pub fn can_read(writer: &str, reader: &str) -> Result<(), String> {
    let parse = |text: &str| Schema::parse_str(text).map_err(|error| error.to_string());
    let (writer, reader) = (parse(writer)?, parse(reader)?);
    SchemaCompatibility::can_read(&writer, &reader).map(|_| ()).map_err(|error| chain(&error))
}

/// The id under which the log has this program's schema of a topic.
pub fn find_id(records: &[SchemaRecord], topic: Topic) -> Option<u32> {
    let own = OWN[&topic].schema.canonical_form();
    let same = |record: &&SchemaRecord| {
        Schema::parse_str(&record.schema).is_ok_and(|schema| schema.canonical_form() == own)
            && same_but_for_docs(&record.schema, topic.schema())
    };
    records.iter().find(same).map(|record| record.id.cast_unsigned())
}

/// Docs may be reworded; the canonical form drops defaults too, which decide how older data is read.
fn same_but_for_docs(a: &str, b: &str) -> bool {
    fn without_docs(schema: serde_json::Value) -> serde_json::Value {
        use serde_json::Value as Json;
        match schema {
            Json::Object(object) => Json::Object(
                object.into_iter().filter(|(key, _)| key != "doc").map(|(k, v)| (k, without_docs(v))).collect(),
            ),
            Json::Array(values) => Json::Array(values.into_iter().map(without_docs).collect()),
            plain => plain,
        }
    }
    let parse = |text: &str| serde_json::from_str(text).ok().map(without_docs);
    parse(a).is_some() && parse(a) == parse(b)
}

fn read_resolved<E: Event>(known: &Known, own: Parsed, datum: &mut &[u8]) -> Result<E, DecodeError> {
    let incompatible = |reason: String| DecodeError::Incompatible { id: known.id, expected: own.full_name(), reason };
    if known.parsed.full_name() != own.full_name() {
        return Err(incompatible(format!("it is a schema of {}", known.parsed.full_name())));
    }
    SchemaCompatibility::can_read(known.parsed.schema, own.schema).map_err(|error| incompatible(chain(&error)))?;
    let bad_datum = |reason: apache_avro::Error| DecodeError::Datum { id: known.id, reason: reason.to_string() };
    let value: Value = known.plain.read_value(datum).map_err(bad_datum)?;
    let value = value.resolve(own.schema).map_err(|error| incompatible(error.to_string()))?;
    apache_avro::from_value(&value).map_err(|error| incompatible(error.to_string()))
}

fn looks_like(value: &[u8]) -> &'static str {
    match value.first() {
        None => "; the value is empty",
        Some(b'{' | b'[') => "; this looks like bare JSON",
        Some(b'<') => "; this looks like XML",
        Some(b'O') if value.starts_with(b"Obj\x01") => "; this is an Avro container file",
        Some(_) => "",
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
