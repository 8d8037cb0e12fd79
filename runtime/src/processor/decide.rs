//! What becomes of one record that was read: the first of an id wins.

use super::{
    Awaited, Basis, Context, Made, Memory, Processor,
    dedup::{Dedup, Seen},
    input::Refusal,
    offsets::Offsets,
    snapshot::{Identity, Snapshot},
};
use crate::{Headers, Record, RuntimeError};
use millrace_schemas::{
    Event, Topic,
    event::{DeadLetter, Derived, Duplicate, FieldError, Journal},
    ids,
    rules::may_hold_card_data,
    wire::{Codec, EncodeError},
};
use std::time::Duration;

pub(super) type In<P> = <<P as Processor>::Out as Derived>::From;

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

/// What one record became, as far as it is known.
#[expect(
    clippy::large_enum_variant,
    reason = "the large one is the usual one: boxed, it would cost each record an allocation"
)]
pub(super) enum Step<Out> {
    Settled(Outcome<Out>),
    Awaited(Box<dyn Awaited<Out>>),
}

impl<Out> Step<Out> {
    /// Whether nothing is waited for any more, after waiting this long at most.
    pub(super) fn is_ready_within(&self, time: Duration) -> bool {
        match self {
            Self::Settled(_) => true,
            Self::Awaited(awaited) => awaited.is_ready_within(time),
        }
    }

    /// The outcome, whatever it waits for.
    pub(super) fn settle(self) -> Outcome<Out> {
        match self {
            Self::Settled(outcome) => outcome,
            Self::Awaited(awaited) => Outcome::Emit(awaited.finish()),
        }
    }
}

/// Decides; holds for all partitions.
pub(super) struct Decider<P: Processor> {
    pub(super) processor: P,
    pub(super) epoch: String,
    pub(super) horizon_ms: i64,
    /// The last repair of the processor's outcomes that its memory knows of.
    pub(super) repaired: Option<String>,
}

/// A partition's memory: the processor's, and what was seen.
pub(super) struct Partition<P: Processor> {
    memory: P::Memory,
    dedup: Dedup,
    /// Source of the last output: its offset, and the broker's time of it.
    emitted: Option<(i64, i64)>,
    /// Journal offsets from where the partition begins whose outcome is in the log already.
    outcomes: Offsets,
    /// Journal offset of the last input that was decided.
    through: Option<i64>,
    /// What its memory decides by; `None` before one was taken up.
    basis: Option<Basis>,
}

impl<P: Processor> Partition<P> {
    /// The memory as it is, for a file; `None` when there is nothing to save, the processor's cannot be saved, or the outputs are
    /// ahead of the inputs, which a snapshot would not tell.
    pub(super) fn save(&self, continue_at: i64) -> Option<Snapshot> {
        Some(Snapshot {
            through: self.through.filter(|through| self.outcomes.last().is_none_or(|last| last <= *through))?,
            continue_at,
            emitted: self.emitted?,
            remembered: self.dedup.remembered().collect(),
            memory: self.memory.save()?,
        })
    }

    /// Offset and broker's time of the last input that has an output.
    pub(super) fn emitted(&self) -> Option<(i64, i64)> {
        self.emitted
    }

    /// What it decides by.
    pub(super) fn basis(&self) -> Option<&Basis> {
        self.basis.as_ref()
    }

    /// Notes that an input has an outcome in the log.
    pub(super) fn note(&mut self, offset: i64) {
        self.outcomes.insert(offset);
    }
}

impl<P: Processor> Decider<P> {
    /// The memory of a partition of which nothing was read.
    pub(super) fn partition(&self) -> Partition<P> {
        Partition {
            memory: self.processor.memory(),
            dedup: Dedup::new(self.horizon_ms),
            emitted: None,
            outcomes: Offsets::default(),
            through: None,
            basis: None,
        }
    }

    /// Makes a partition decide by a basis; false when it is not known here.
    pub(super) fn take_up(&self, partition: &mut Partition<P>, basis: &Basis) -> bool {
        let is_known = self.processor.take_up(&mut partition.memory, basis);
        if is_known {
            partition.basis = Some(basis.clone());
        }
        is_known
    }

    /// The memory of a snapshot; `None` when the processor cannot read its own.
    pub(super) fn load(&self, snapshot: Snapshot) -> Option<Partition<P>> {
        let mut partition = self.partition();
        for id in snapshot.remembered {
            partition.dedup.remember(id.identity, id.content, id.offset, id.time);
        }
        partition.emitted = Some(snapshot.emitted);
        partition.memory.load(&snapshot.memory).then_some(partition)
    }

    /// What snapshots of a partition are of.
    pub(super) fn identity(&self, partition: i32) -> Identity {
        Identity {
            processor: P::NAME.to_owned(),
            memory: self.processor.memory_version(),
            epoch: self.epoch.clone(),
            partition,
            horizon_ms: self.horizon_ms,
            repaired: self.repaired.clone(),
        }
    }

    /// Decides one record, read as an input or refused.
    pub(super) fn decide(
        &self,
        partition: &mut Partition<P>,
        record: &Record,
        input: Result<In<P>, Refusal>,
    ) -> Result<Step<P::Out>, RuntimeError> {
        partition.through = Some(record.offset);
        if partition.outcomes.contains(record.offset) {
            return Ok(Step::Settled(Outcome::Done));
        }
        if partition.outcomes.last().is_some_and(|last| record.offset < last) {
            tracing::error!(
                topic = %record.topic, partition = record.partition, offset = record.offset,
                "later records have their outcomes in the log, this one has not; it is decided now"
            );
        }
        match input {
            Ok(input) => self.first_wins(partition, record, input),
            Err(refusal) => Ok(Step::Settled(Outcome::DeadLetter(self.dead_letter(record, refusal)))),
        }
    }

    /// The first record of an id is processed; a later one is a duplicate, or a conflict when it says something else.
    fn first_wins(
        &self,
        partition: &mut Partition<P>,
        record: &Record,
        input: In<P>,
    ) -> Result<Step<P::Out>, RuntimeError> {
        let (identity, content) = (input.identity_hash(), input.content_hash().map_err(defect)?);
        let source = record.source();
        let event_id = ids::derived_event_id(&self.epoch, &source).to_string();
        let trn_id = input.trn_id().to_string();
        Ok(Step::Settled(match partition.dedup.look(identity, content, record.timestamp) {
            Seen::Never => {
                partition.dedup.remember(identity, content, record.offset, record.timestamp);
                partition.emitted = Some((record.offset, record.timestamp));
                match partition.memory.begin(input, Context { source, event_id, trn_id }) {
                    Made::Now(output) => Outcome::Emit(output),
                    Made::Later(awaited) => return Ok(Step::Awaited(awaited)),
                }
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
        }))
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
            partition.emitted.is_some_and(|(last, _)| source.offset <= last)
        };
        if is_taken {
            return Ok(());
        }
        let content = journal.content_hash().map_err(defect)?;
        partition.dedup.remember(identity, content, source.offset, source.timestamp);
        partition.memory.restore(output);
        partition.emitted = partition.emitted.max(Some((source.offset, source.timestamp)));
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
