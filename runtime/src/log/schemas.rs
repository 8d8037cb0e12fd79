//! The schemas of the log: every one used stands in the `schemas` topic, so neither writing nor reading needs the registry.

use super::Log;
use crate::{
    RuntimeError,
    config::KafkaConfig,
    kafka,
    reader::{From, Reader},
    registry::{Registry, RegistryError},
};
use millrace_schemas::{
    Event, Topic,
    event::SchemaRecord,
    wire::{self, Codec, CodecError, DecodeError},
};
use rdkafka::producer::{FutureProducer, FutureRecord};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};
use tokio::runtime::Handle;

/// How long an id that nobody knows is believed to stay unknown.
const UNKNOWN_FOR: Duration = Duration::from_secs(10);
/// Most unknown ids remembered.
const UNKNOWN_MAX: usize = 1_024;

impl Log {
    /// Registers this program's schemas, and those the log has, with the registry; writes the new ones into the `schemas` topic.
    ///
    /// The log's ids hold. A registry that lost its data is given the log's schemas again, in the order of their ids; when it then
    /// gives them other ids, that is an error, since its clients could not decode the log.
    pub async fn register_schemas(&self) -> Result<Vec<SchemaRecord>, RuntimeError> {
        let mut records = self.schemas().await?;
        for record in &records {
            let id = self.register(&record.subject, &record.schema).await?;
            if id != record.id {
                return Err(RuntimeError::Fatal(format!(
                    "the registry gives schema id {id} to {}, but the log uses {} for the same schema; the registry holds other data \
                     than when the log was written: point registry.url to the right one, or restore its data",
                    record.subject, record.id
                )));
            }
        }
        for topic in Topic::ALL {
            let subject = format!("{}-value", self.topic_name(*topic));
            for schema in topic.versions() {
                let id = self.register(&subject, schema).await?;
                let record = SchemaRecord { id, subject: subject.clone(), schema: (*schema).to_owned() };
                if !records.iter().any(|known| known.id == id) {
                    self.write_schema(&record).await?;
                    records.push(record);
                }
            }
            // Said again each time: a registry that lost its data lost this too.
            self.registry.set_compatibility(&subject, "BACKWARD_TRANSITIVE").await.map_err(from_registry)?;
        }
        Ok(records)
    }

    /// The `schemas` topic, one record for each id, in the ids' order.
    pub async fn schemas(&self) -> Result<Vec<SchemaRecord>, RuntimeError> {
        let config = self.kafka.clone();
        self.blocking(move |_, timeout| read_schemas(&config, timeout)).await
    }

    /// A codec of the log's schemas, which finds the schemas of other writers when it meets them.
    pub async fn codec(&self) -> Result<Schemas, RuntimeError> {
        let records = self.schemas().await?;
        let codec = Codec::new(&records).map_err(|error| match error {
            // Whoever makes the topics is about to register the schemas.
            CodecError::Unregistered(_) => RuntimeError::Transient(error.to_string()),
            CodecError::Invalid { .. } => RuntimeError::Fatal(error.to_string()),
        })?;
        Ok(Schemas {
            codec: Arc::new(codec),
            log: self.clone(),
            registry: self.registry.clone(),
            unknown: Arc::default(),
        })
    }

    async fn register(&self, subject: &str, schema: &str) -> Result<i32, RuntimeError> {
        self.registry.register(subject, schema).await.map_err(from_registry)
    }

    async fn write_schema(&self, record: &SchemaRecord) -> Result<(), RuntimeError> {
        let producer: FutureProducer = kafka::event_producer(&self.kafka, "schemas")
            .create()
            .map_err(|error| RuntimeError::Fatal(format!("kafka configuration: {error}")))?;
        let datum = wire::datum(record).map_err(|error| RuntimeError::Fatal(error.to_string()))?;
        // The first schemas are written before any codec is complete; the topic's own schema needs no id to be read.
        let own_id =
            if record.schema == Topic::Schemas.schema() { record.id.cast_unsigned() } else { self.own_id().await? };
        let (name, key, value) = (self.topic_name(Topic::Schemas), record.key(), wire::frame(own_id, &datum));
        producer
            .send(FutureRecord::to(&name).key(&key).payload(&value), kafka::request_timeout(&self.kafka))
            .await
            .map(|_| ())
            .map_err(|(error, _)| RuntimeError::kafka("writing a schema", &error))
    }

    /// The id of the `schemas` topic's own schema.
    async fn own_id(&self) -> Result<u32, RuntimeError> {
        let subject = format!("{}-value", self.topic_name(Topic::Schemas));
        Ok(self.register(&subject, Topic::Schemas.schema()).await?.cast_unsigned())
    }
}

fn from_registry(error: RegistryError) -> RuntimeError {
    match error {
        RegistryError::Unreachable { .. } => RuntimeError::Transient(error.to_string()),
        RegistryError::Refused { .. } => RuntimeError::Fatal(error.to_string()),
    }
}

fn read_schemas(config: &KafkaConfig, deadline: Duration) -> Result<Vec<SchemaRecord>, RuntimeError> {
    let records = Reader::new(config, Topic::Schemas, &[0], From::Beginning)?.read_to_end(1, deadline)?;
    let mut by_id = BTreeMap::new();
    for record in records.iter().filter(|record| record.value.is_some()) {
        match wire::decode_schema_record(record.value.as_deref()) {
            Ok(schema) => {
                by_id.insert(schema.id, schema);
            }
            Err(error) => {
                tracing::error!(offset = record.offset, error = %error, "a record of the schemas topic cannot be decoded")
            }
        }
    }
    Ok(by_id.into_values().collect())
}

/// The codec of a running service. Cheap to clone.
#[derive(Clone)]
pub struct Schemas {
    codec: Arc<Codec>,
    log: Log,
    registry: Registry,
    /// Ids nobody knew, and until when that is believed.
    unknown: Arc<Mutex<BTreeMap<u32, Instant>>>,
}

impl Schemas {
    /// The codec itself.
    pub fn codec(&self) -> &Arc<Codec> {
        &self.codec
    }

    /// Decodes an event. A schema id the log does not have is looked for in the registry and put into the log.
    ///
    /// The outer error is of the way there (the registry does not answer); the inner one of the record.
    pub fn decode<E: Event>(
        &self,
        runtime: &Handle,
        value: Option<&[u8]>,
    ) -> Result<Result<E, DecodeError>, RuntimeError> {
        match self.codec.decode(value) {
            Err(DecodeError::UnknownSchema(id)) if !self.believed_unknown(id) => {
                if runtime.block_on(self.find(id))? {
                    Ok(self.codec.decode(value))
                } else {
                    self.believe_unknown(id);
                    Ok(Err(DecodeError::UnknownSchema(id)))
                }
            }
            decided => Ok(decided),
        }
    }

    /// Makes an id known from the log or the registry; false when neither has it.
    async fn find(&self, id: u32) -> Result<bool, RuntimeError> {
        let in_log = self.log.schemas().await?.into_iter().find(|record| record.id.cast_unsigned() == id);
        let (record, new) = match in_log {
            Some(record) => (record, false),
            None => match self.registry.schema(id).await.map_err(from_registry)? {
                Some(record) => (record, true),
                None => return Ok(false),
            },
        };
        if let Err(error) = self.codec.add(&record) {
            tracing::warn!(schema_id = id, error = %error, "a schema of the registry is not valid");
            return Ok(false);
        }
        if new {
            self.log.write_schema(&record).await?;
            tracing::info!(schema_id = id, subject = %record.subject, "a new schema is used in the log");
        }
        Ok(true)
    }

    fn believed_unknown(&self, id: u32) -> bool {
        let unknown = self.unknown.lock().unwrap_or_else(PoisonError::into_inner);
        unknown.get(&id).is_some_and(|until| Instant::now() < *until)
    }

    fn believe_unknown(&self, id: u32) {
        let mut unknown = self.unknown.lock().unwrap_or_else(PoisonError::into_inner);
        if unknown.len() >= UNKNOWN_MAX {
            unknown.clear();
        }
        unknown.insert(id, Instant::now() + UNKNOWN_FOR);
    }
}
