//! Which ids took effect so long ago that the processor has forgotten them.
//!
//! Of what came within its horizon the processor says itself whether a replayed letter is a duplicate. A letter that waited may be
//! as old as an effect that is forgotten by now: when the letter came, the processor knew of it; when it is replayed, it does not.

use crate::{
    RuntimeError,
    config::KafkaConfig,
    log::Log,
    reader::From,
    scan::{Progress, Scan},
};
use millrace_schemas::{
    Event,
    event::{Derived, Journal as _},
    wire::Codec,
};
use std::collections::{BTreeMap, BTreeSet};

/// How much earlier an output is looked for than its input's time says, since outputs bear the time of the processor's clock.
const SKEW_MS: i64 = 3_600_000;

/// An effect of an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Effect {
    /// Hash of its content; see [`millrace_schemas::event::Journal::content_hash`].
    pub content: u64,
    /// Offset of the journal record that took effect.
    pub offset: i64,
    /// When the broker appended that record, epoch milliseconds.
    pub at: i64,
}

/// Times of the journal between which effects are looked for, epoch milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stretch {
    /// The first time.
    pub from: i64,
    /// The last time.
    pub until: i64,
}

impl Stretch {
    /// What was remembered when a letter came and may be forgotten when it is replayed; `now` with some room.
    pub fn forgotten(received_at: i64, now: i64, horizon_ms: i64) -> Self {
        Self { from: received_at.saturating_sub(horizon_ms), until: now.saturating_sub(horizon_ms) }
    }

    /// Whether a time lies in it.
    pub fn holds(&self, at: i64) -> bool {
        (self.from..=self.until).contains(&at)
    }
}

/// Looks among the outputs `Out` for effects of ids in a stretch of time. Blocks its thread.
pub fn effects<Out: Derived>(
    log: &Log,
    codec: &Codec,
    partitions: i32,
    wanted: &BTreeSet<u128>,
    stretch: Stretch,
    progress: &mut dyn FnMut(Progress),
) -> Result<BTreeMap<u128, Vec<Effect>>, RuntimeError> {
    let mut found: BTreeMap<u128, Vec<Effect>> = BTreeMap::new();
    if wanted.is_empty() || stretch.until < stretch.from {
        return Ok(found);
    }
    let mut scan = outputs::<Out>(log.kafka(), partitions, stretch)?;
    while let Some(record) = scan.next_record()? {
        let output: Out = codec.decode(record.value.as_deref()).map_err(|error| {
            RuntimeError::Fatal(format!("{} {}/{}: {error}", record.topic, record.partition, record.offset))
        })?;
        progress(scan.progress());
        let (source, journal) = (output.source(), output.journal());
        if source.timestamp > stretch.until {
            scan.end(record.partition);
        } else if stretch.holds(source.timestamp) && wanted.contains(&journal.identity_hash()) {
            let content = journal.content_hash().map_err(|error| RuntimeError::Fatal(error.to_string()))?;
            let effect = Effect { content, offset: source.offset, at: source.timestamp };
            found.entry(journal.identity_hash()).or_default().push(effect);
        }
    }
    Ok(found)
}

fn outputs<Out: Event>(kafka: &KafkaConfig, partitions: i32, stretch: Stretch) -> Result<Scan, RuntimeError> {
    let all: Vec<i32> = (0..partitions).collect();
    Scan::new(kafka, Out::TOPIC, &all, From::Time((stretch.from - SKEW_MS).max(0)))
}
