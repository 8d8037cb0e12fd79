//! Writing again what an earlier process was writing, before anything else is written of the same partitions.

use super::{Sink, cut::Cut, group::Group, intent::Piece, partition::Start, write::Writer};
use crate::{
    Record, RuntimeError,
    config::KafkaConfig,
    reader::{From, Read, Reader},
};
use millrace_schemas::Topic;
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

/// How long the records of a piece may take to come.
const WITHIN: Duration = Duration::from_secs(30);
/// How long a poll may wait.
const POLL: Duration = Duration::from_millis(20);

impl<S: Sink, G: Group> Writer<S, G> {
    /// Writes every batch again that some of a topic's partitions wait for, and commits those. A batch may have pieces of partitions that
    /// are others' now: they write it too, with the same token. `read` gives the records of a piece as they stand in the log.
    pub(super) async fn resolve(
        &self,
        topic: Topic,
        starts: &mut BTreeMap<i32, Start>,
        assignment: u64,
        read: impl Fn(&Piece) -> Result<Vec<Record>, RuntimeError>,
    ) -> Result<(), RuntimeError> {
        while let Some(intent) = starts.values().find_map(|start| start.unresolved.clone()) {
            tracing::info!(sink = S::NAME, %topic, ?intent, "writing again what may or may not be in the store");
            let cut = Cut::again(topic, self.epoch(), &intent, &read)?;
            let waiting = starts.iter().filter(|(_, start)| start.unresolved.as_ref() == Some(&intent));
            let before = waiting.map(|(number, start)| (*number, start.stored)).collect();
            let stored = self.store_and_commit(&cut, &before, assignment).await?;
            for (part, edge) in cut.batch.parts.iter().zip(cut.edges) {
                let Some(stored) = stored.get(&part.partition) else { continue };
                let start = Start { stored: *stored, sources: edge.after, next: part.last + 1, unresolved: None };
                starts.insert(part.partition, start);
            }
        }
        Ok(())
    }
}

/// The records of a piece, read from the log.
pub(super) fn read(kafka: &KafkaConfig, topic: Topic, piece: &Piece) -> Result<Vec<Record>, RuntimeError> {
    let until = Instant::now() + WITHIN;
    let Piece { partition, first, last, .. } = *piece;
    let mut reader = Reader::new(kafka, topic, &[partition], From::Offset(first))?;
    let mut records = Vec::with_capacity(piece.rows);
    loop {
        match reader.next(POLL)? {
            Read::Record(record) if record.offset < last => records.push(*record),
            Read::Record(record) => {
                records.extend((record.offset == last).then_some(*record));
                return Ok(records);
            }
            Read::End(_) | Read::Idle if Instant::now() > until => {
                return Err(RuntimeError::Transient(format!(
                    "{topic} partition {partition}: offsets {first} to {last} cannot be read again in time"
                )));
            }
            Read::End(_) | Read::Idle => {}
        }
    }
}
