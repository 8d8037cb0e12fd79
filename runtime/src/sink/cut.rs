//! Making a batch: of what waits in partitions, or of what stands in the log where an earlier process was writing it.

use super::{
    Batch, Part,
    intent::{Intent, Piece},
    partition::{Limits, Partition},
};
use crate::{Record, RuntimeError, sources::LastSources};
use millrace_schemas::Topic;

/// Most partitions in one batch: all of them are named beside each.
pub(super) const PARTS_MAX: usize = 16;

/// A batch, and what markers say of the records around it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Cut {
    pub(super) batch: Batch,
    /// One for each part.
    pub(super) edges: Vec<Edge>,
}

/// What is around a part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Edge {
    /// Highest offset the store has before it is written.
    pub(super) stored: Option<i64>,
    /// Last sources before the part,
    pub(super) before: LastSources,
    /// and after it.
    pub(super) after: LastSources,
    /// Records between first and last that are left out, since their sources were seen before.
    pub(super) left_out: usize,
}

impl Edge {
    /// Leaves out of a part the second copies that a torn transaction left; its offsets may begin or end with one.
    pub(super) fn of(part: &mut Part, before: LastSources, stored: Option<i64>) -> Self {
        let (mut after, count) = (before.clone(), part.records.len());
        part.records.retain(|record| after.take(record));
        Self { stored, before, after, left_out: count - part.records.len() }
    }
}

impl Cut {
    /// What a group is told before the batch is written.
    pub(super) fn intent(&self) -> Intent {
        let pieces = self.batch.parts.iter().zip(&self.edges).map(|(part, edge)| Piece::of(part, edge.before.clone()));
        Intent { pieces: pieces.collect() }
    }

    /// A batch of what waits in partitions of a topic, once one of them has waited long enough: then of all of them, the longest wait
    /// first, as far as the limits go. `None` when there is nothing to write yet.
    pub(super) fn of_waiting<'a>(
        topic: Topic,
        epoch: &str,
        limits: &Limits,
        partitions: impl Iterator<Item = (i32, &'a mut Partition)>,
    ) -> Option<Self> {
        let mut waiting: Vec<_> = partitions.filter(|(_, partition)| partition.released() > 0).collect();
        if !waiting.iter().any(|(_, partition)| partition.is_due(limits)) {
            return None;
        }
        waiting.sort_by_key(|(_, partition)| partition.since());
        let (mut parts, mut edges, mut left) = (Vec::new(), Vec::new(), *limits);
        for (number, partition) in waiting.into_iter().take(PARTS_MAX) {
            // The first takes a record though it has more bytes than a batch may.
            let Some((part, edge)) = partition.cut(number, &left, usize::from(parts.is_empty())) else { break };
            left = left.less(&part);
            parts.push(part);
            edges.push(edge);
        }
        let batch = Batch { topic, epoch: epoch.to_owned(), parts };
        (!batch.parts.is_empty()).then_some(Self { batch, edges })
    }

    /// The batch of an intent once more, of the records that stand in the log between the offsets of each piece.
    ///
    /// # Errors
    /// When they are not what they were.
    pub(super) fn again(
        topic: Topic,
        epoch: &str,
        intent: &Intent,
        mut read: impl FnMut(&Piece) -> Result<Vec<Record>, RuntimeError>,
    ) -> Result<Self, RuntimeError> {
        let (mut parts, mut edges) = (Vec::new(), Vec::new());
        for piece in &intent.pieces {
            let Piece { partition, first, last, .. } = *piece;
            let mut part = Part { partition, first, last, records: read(piece)? };
            edges.push(Edge::of(&mut part, piece.before.clone(), None));
            let now = Piece::of(&part, piece.before.clone());
            if now != *piece {
                return Err(RuntimeError::Fatal(format!(
                    "{topic} partition {partition}: offsets {first} to {last} were being written as {piece:?} but the log now holds {now:?}"
                )));
            }
            parts.push(part);
        }
        Ok(Self { batch: Batch { topic, epoch: epoch.to_owned(), parts }, edges })
    }
}
