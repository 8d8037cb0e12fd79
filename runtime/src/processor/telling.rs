//! Telling a waiting gateway what was decided, as soon as it is: see [`crate::replies`].

use super::decide::Outcome;
use crate::{Record, RuntimeError, config::KafkaConfig, kafka, metrics as names, reader, replies::ReplyTo};
use millrace_schemas::{
    Event as _, Topic,
    event::{Derived, Journal as _, Reply, ReplyOutcome, Score},
    ids,
    wire::Codec,
};
use rdkafka::{
    ClientContext,
    message::DeliveryResult,
    producer::{BaseRecord, ProducerContext, ThreadedProducer},
};
use std::sync::Arc;

/// Writes replies beside the transactions. What cannot be written at once is dropped and counted: deciding never waits for it.
pub(super) struct Telling<Out> {
    /// What is told of an output.
    score: fn(&Out) -> Score,
    producer: ThreadedProducer<Deliveries>,
    codec: Arc<Codec>,
    epoch: String,
    topic: String,
    partitions: i32,
    processor: &'static str,
}

impl<Out: Derived> Telling<Out> {
    /// Begins to write replies; `partitions` are those of their topic.
    pub(super) fn start(
        score: fn(&Out) -> Score,
        config: &KafkaConfig,
        processor: &'static str,
        codec: Arc<Codec>,
        epoch: String,
        partitions: i32,
    ) -> Result<Self, RuntimeError> {
        let producer = kafka::reply_producer(config, processor)
            .create_with_context(Deliveries(processor))
            .map_err(|error| RuntimeError::Fatal(format!("kafka configuration: {error}")))?;
        Ok(Self {
            score,
            producer,
            codec,
            epoch,
            topic: reader::topic_name(config, Topic::Replies),
            partitions,
            processor,
        })
    }

    /// Tells whoever waits for a record what became of it. Of an output that was written before a restart nobody is told: the reply
    /// was, or its client has given up.
    pub(super) fn tell(&self, record: &Record, outcome: &Outcome<Out>) {
        let Some(to) = ReplyTo::of(&record.headers) else { return };
        let partition = to.partition(self.partitions);
        let Some(reply) = reply(&self.epoch, record, to, outcome, self.score) else { return };
        let value = match self.codec.encode(&reply) {
            Ok(value) => value,
            Err(error) => {
                tracing::error!(%error, "a reply cannot be written");
                return;
            }
        };
        let key = reply.key();
        let written = BaseRecord::<[u8], [u8]>::to(&self.topic).partition(partition).key(&key).payload(&value);
        if let Err((error, _)) = self.producer.send(written) {
            tracing::debug!(%error, "a reply is dropped");
            count(self.processor, "dropped");
        }
    }
}

fn reply<Out: Derived>(
    epoch: &str,
    record: &Record,
    to: ReplyTo,
    outcome: &Outcome<Out>,
    score: fn(&Out) -> Score,
) -> Option<Reply> {
    let source = record.source();
    let told = |outcome| Reply {
        event_id: ids::derived_event_id(epoch, &source).to_string(),
        slot: to.slot,
        correlation_id: to.correlation_id,
        source,
        outcome,
        trn_id: None,
        score: None,
        first_offset: None,
        errors: Vec::new(),
    };
    match outcome {
        Outcome::Emit(output) => Some(Reply {
            trn_id: Some(output.journal().trn_id().to_string()),
            score: Some(score(output)),
            ..told(ReplyOutcome::Scored)
        }),
        Outcome::Duplicate(duplicate) => Some(Reply {
            trn_id: Some(duplicate.trn_id.clone()),
            first_offset: Some(duplicate.first_offset),
            ..told(ReplyOutcome::Duplicate)
        }),
        Outcome::DeadLetter(letter) => Some(Reply { errors: letter.errors.clone(), ..told(ReplyOutcome::Refused) }),
        Outcome::Done => None,
    }
}

/// Counts what became of replies.
struct Deliveries(&'static str);

impl ClientContext for Deliveries {}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        count(self.0, if result.is_ok() { "sent" } else { "dropped" });
    }
}

fn count(processor: &'static str, outcome: &'static str) {
    names::count(names::PROCESSOR_REPLIES_TOTAL, &[("processor", processor.into()), ("outcome", outcome.into())], 1);
}
