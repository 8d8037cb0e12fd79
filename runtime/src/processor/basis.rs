//! What decisions stand on besides an input and what came before it, and from which offset on: the topic `processor-epochs`.
//!
//! A version that has become known is taken up between two inputs: what was decided is committed, then a record that says from which
//! offset on the new version holds, then it goes on. So whoever decides an input again, since its outcome was told but not committed,
//! decides it by the same version: after a takeover, what stands in the journal then is decided as before, and a newer version waits.

use super::{committer::Journal, decide::Output, marker::Last};
use crate::{Headers, Record, RuntimeError, log::Schemas};
use millrace_schemas::{
    Event as _, Topic,
    event::ProcessorEpoch,
    ids,
    wire::{Codec, EncodeError},
};
use std::collections::BTreeMap;
use tokio::runtime::Handle;

/// Versions of what decisions stand on besides an input and what came before it, by name. Empty where nothing else is looked at.
pub type Basis = BTreeMap<String, String>;

/// The one partition of the topic: epochs are few, and one order holds for all.
pub(super) const PARTITION: i32 = 0;

/// The record that says from where on a basis holds.
pub(super) fn epoch(
    codec: &Codec,
    processor: &str,
    journal: &Journal,
    partition: i32,
    last: Option<&Last>,
    basis: &Basis,
) -> Result<Output, EncodeError> {
    let from_offset = last.map_or(0, |last| last.offset + 1);
    let place = [processor.as_bytes(), &partition.to_be_bytes(), &from_offset.to_be_bytes(), journal.epoch.as_bytes()];
    let versions = basis.iter().flat_map(|(name, version)| [name.as_bytes(), version.as_bytes()]);
    let parts: Vec<&[u8]> = place.into_iter().chain(versions).collect();
    let epoch = ProcessorEpoch {
        event_id: ids::event_id_of(&parts).to_string(),
        processor: processor.to_owned(),
        topic: journal.topic.name().to_owned(),
        partition,
        from_offset,
        basis: basis.clone(),
    };
    Ok(Output {
        topic: Topic::ProcessorEpochs,
        partition: PARTITION,
        key: epoch.key(),
        value: codec.encode(&epoch)?,
        headers: Headers::new(),
    })
}

/// The basis a record of the topic names, when it is of this processor and partition.
pub(super) fn of_record(
    schemas: &Schemas,
    runtime: &Handle,
    record: &Record,
    processor: &str,
    partition: i32,
) -> Result<Option<Basis>, RuntimeError> {
    let epoch = schemas.decode::<ProcessorEpoch>(runtime, record.value.as_deref())?.map_err(|error| {
        RuntimeError::Fatal(format!("{} offset {}: {error}", Topic::ProcessorEpochs, record.offset))
    })?;
    Ok((epoch.processor == processor && epoch.partition == partition).then_some(epoch.basis))
}
