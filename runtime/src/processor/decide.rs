//! What becomes of one record: the chain every record of a journal goes through.

use super::{
    Context, Memory, Processor,
    dedup::{Dedup, Seen},
};
use crate::{Headers, Record, RuntimeError, kafka::partition_of, log::Schemas};
use millrace_schemas::{
    Event, Topic,
    event::{DeadLetter, Derived, Duplicate, FieldError, Journal},
    ids,
    rules::{Checked, Rules, may_hold_card_data},
    wire::{Codec, EncodeError},
};
use tokio::runtime::Handle;

type In<P> = <<P as Processor>::Out as Derived>::From;

/// Most bytes of a refused record that its dead letter keeps; with its errors it fits the topic.
const LETTER_PAYLOAD_MAX: usize = 2 << 20;
/// What a dead letter holds instead of card data: that is in the journal, where its producer put it, and goes no further.
const CARD_DATA: &[u8] = b"[not kept: card data]";
/// Most errors a dead letter tells of.
const LETTER_ERRORS_MAX: usize = 100;

/// What one record became. Every arm settles its offset.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Outcome<Out> {
    /// The processor's output.
    Emit(Out),
    /// A later record with the id and content of an earlier one.
    Duplicate(Duplicate),
    /// It cannot be processed, or contradicts an earlier one.
    DeadLetter(DeadLetter),
    /// Its output is already in the log, from before a restart.
    Done,
}

impl<Out> Outcome<Out> {
    /// Label of metrics.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Emit(_) => "emit",
            Self::Duplicate(_) => "duplicate",
            Self::DeadLetter(_) => "dead_letter",
            Self::Done => "done",
        }
    }
}

/// A record that does not pass, as its dead letter tells it.
pub(super) struct Refusal(Vec<FieldError>);

impl Refusal {
    fn whole(code: &str, message: impl Into<String>) -> Self {
        Self(vec![FieldError { path: String::new(), code: code.to_owned(), message: message.into() }])
    }
}

/// What holds for all records of one assignment.
pub(super) struct Decider<P: Processor> {
    pub(super) schemas: Schemas,
    pub(super) runtime: Handle,
    pub(super) rules: Rules,
    pub(super) epoch: String,
    pub(super) partitions: i32,
    pub(super) horizon_ms: i64,
    /// Larger records are refused: their outputs might not fit their topics.
    pub(super) input_max_bytes: usize,
    pub(super) processor: P,
}

/// A partition's memory: the processor's, and what was seen.
pub(super) struct Partition<P: Processor> {
    memory: P::Memory,
    dedup: Dedup,
    /// Journal offsets up to this one have their output in the log.
    done_through: i64,
}

impl<P: Processor> Decider<P>
where
    In<P>: Checked,
{
    /// The memory of a partition of which nothing was read.
    pub(super) fn partition(&self) -> Partition<P> {
        Partition { memory: self.processor.memory(), dedup: Dedup::new(self.horizon_ms), done_through: -1 }
    }

    /// Decides one record. The error is of the way to a schema, never of the record.
    pub(super) fn decide(
        &self,
        partition: &mut Partition<P>,
        record: &Record,
    ) -> Result<Outcome<P::Out>, RuntimeError> {
        if record.offset <= partition.done_through {
            return Ok(Outcome::Done);
        }
        let outcome = match self.input(record)? {
            Ok(input) => self.first_wins(partition, record, &input)?,
            Err(refusal) => Outcome::DeadLetter(self.dead_letter(record, refusal)),
        };
        Ok(outcome)
    }

    /// The record as an input that keeps every rule.
    fn input(&self, record: &Record) -> Result<Result<In<P>, Refusal>, RuntimeError> {
        let bytes = record.value.as_ref().map_or(0, bytes::Bytes::len);
        if bytes > self.input_max_bytes {
            let message = format!("the record has {bytes} bytes; at most {} are taken", self.input_max_bytes);
            return Ok(Err(Refusal::whole("too_large", message)));
        }
        let decoded = self.schemas.decode::<In<P>>(&self.runtime, record.value.as_deref())?;
        let input = match decoded {
            Ok(input) => input,
            Err(error) => return Ok(Err(Refusal::whole(error.code(), error.to_string()))),
        };
        Ok(self.check_key(record, &input).and_then(|()| self.check_rules(record, &input)).map(|()| input))
    }

    fn check_key(&self, record: &Record, input: &In<P>) -> Result<(), Refusal> {
        let Some(key) = record.key.as_deref() else {
            return Err(Refusal::whole("null_key", format!("the record has no key; it must be {:?}", input.owner())));
        };
        if key != input.owner().as_bytes() {
            let message = format!("the key is {:?} but must be {:?}", String::from_utf8_lossy(key), input.owner());
            return Err(Refusal::whole("key_mismatch", message));
        }
        let home = partition_of(key, self.partitions);
        if home != record.partition {
            let message = format!(
                "the key belongs to partition {home} by murmur2, as Java clients partition; set the producer's partitioner"
            );
            return Err(Refusal::whole("wrong_partition", message));
        }
        Ok(())
    }

    fn check_rules(&self, record: &Record, input: &In<P>) -> Result<(), Refusal> {
        let violations = input.check(&self.rules, record.received_at());
        if violations.is_empty() {
            Ok(())
        } else {
            Err(Refusal(violations.iter().map(|v| v.to_field_error()).collect()))
        }
    }

    /// The first record of an id is processed; a later one is a duplicate, or a conflict when it says something else.
    fn first_wins(
        &self,
        partition: &mut Partition<P>,
        record: &Record,
        input: &In<P>,
    ) -> Result<Outcome<P::Out>, RuntimeError> {
        let (identity, content) = (input.identity_hash(), input.content_hash().map_err(defect)?);
        let source = record.source();
        let event_id = ids::derived_event_id(&self.epoch, &source).to_string();
        let trn_id = input.trn_id().to_string();
        Ok(match partition.dedup.look(identity, content, record.timestamp) {
            Seen::Never => {
                partition.dedup.remember(identity, content, record.offset, record.timestamp);
                Outcome::Emit(partition.memory.process(input, &Context { source, event_id, trn_id }))
            }
            Seen::Same(first_offset) => {
                Outcome::Duplicate(Duplicate { event_id, received_at: record.timestamp, trn_id, source, first_offset })
            }
            Seen::Other(first_offset) => {
                let message = format!(
                    "{} {:?} of {:?} came before with other content, at offset {first_offset}",
                    record.topic,
                    input.business_id(),
                    input.owner()
                );
                Outcome::DeadLetter(self.dead_letter(record, Refusal::whole("conflict", message)))
            }
        })
    }

    fn dead_letter(&self, record: &Record, Refusal(errors): Refusal) -> DeadLetter {
        dead_letter(&self.epoch, record, errors, LETTER_PAYLOAD_MAX)
    }

    /// Takes back a committed output; `is_repair` when it was written later than its turn.
    pub(super) fn restore(
        &self,
        partition: &mut Partition<P>,
        output: &P::Out,
        is_repair: bool,
    ) -> Result<(), RuntimeError> {
        let (source, journal) = (output.source(), output.journal());
        let identity = journal.identity_hash();
        // A torn transaction can leave an output twice; the later one is no fact.
        let is_taken = if is_repair {
            partition.dedup.is_first(identity, source.offset)
        } else {
            source.offset <= partition.done_through
        };
        if is_taken {
            return Ok(());
        }
        let content = journal.content_hash().map_err(defect)?;
        partition.dedup.remember(identity, content, source.offset, source.timestamp);
        partition.memory.restore(output);
        partition.done_through = partition.done_through.max(source.offset);
        Ok(())
    }
}

/// The dead letter of a record, with its original bytes up to a limit.
pub(crate) fn dead_letter(epoch: &str, record: &Record, mut errors: Vec<FieldError>, payload_max: usize) -> DeadLetter {
    let holds_card_data = errors.iter().any(|error| error.code == "card_data");
    errors.truncate(LETTER_ERRORS_MAX);
    let first = errors.first().cloned().unwrap_or_else(|| FieldError {
        path: String::new(),
        code: "unknown".into(),
        message: String::new(),
    });
    let original = record.value.as_deref().unwrap_or_default();
    let undecoded =
        matches!(first.code.as_str(), "not_wire_format" | "unknown_schema" | "incompatible_schema" | "bad_datum");
    let payload = if holds_card_data || undecoded && may_hold_card_data(original) {
        CARD_DATA.to_vec()
    } else {
        original[..original.len().min(payload_max)].to_vec()
    };
    let source = record.source();
    DeadLetter {
        event_id: ids::derived_event_id(epoch, &source).to_string(),
        received_at: record.received_at(),
        source_topic: Some(source.topic.clone()),
        source_partition: Some(source.partition),
        source_offset: Some(source.offset),
        request_id: record.headers.text(crate::headers::REQUEST_ID).map(ToOwned::to_owned),
        request_index: record.headers.request_index(),
        target_topic: source.topic,
        key: record.key.as_deref().map(<[u8]>::to_vec),
        content_type: "avro/binary".to_owned(),
        payload_bytes: original.len() as i64,
        truncated: payload != original,
        payload,
        code: first.code,
        message: first.message,
        errors,
        attempt: record.attempt(),
    }
}

fn defect(error: EncodeError) -> RuntimeError {
    RuntimeError::Fatal(error.to_string())
}

/// A record to be written for an input, in the input's own partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Output {
    pub(super) topic: Topic,
    pub(super) partition: i32,
    pub(super) key: Vec<u8>,
    pub(super) value: Vec<u8>,
    pub(super) headers: Headers,
}

/// An outcome as the record that says it; nothing for what is done already.
pub(super) fn output<Out: Derived>(
    codec: &Codec,
    record: &Record,
    outcome: &Outcome<Out>,
) -> Result<Option<Output>, RuntimeError> {
    fn one<E: Event>(codec: &Codec, record: &Record, key: Vec<u8>, event: &E) -> Result<Option<Output>, RuntimeError> {
        let value = codec.encode(event).map_err(defect)?;
        let headers = record.derived_headers();
        Ok(Some(Output { topic: E::TOPIC, partition: record.partition, key, value, headers }))
    }
    match outcome {
        Outcome::Emit(event) => one(codec, record, event.key(), event),
        Outcome::Duplicate(event) => one(codec, record, record.key.as_deref().unwrap_or_default().to_vec(), event),
        Outcome::DeadLetter(event) => one(codec, record, event.key(), event),
        Outcome::Done => Ok(None),
    }
}
