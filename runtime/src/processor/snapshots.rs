//! Taking snapshots beside the flow: one partition at a time, written by a thread of its own when the group has committed what
//! they hold.

use super::{
    Processor, ProcessorConfig,
    committer::{Committed as Commits, Committer},
    decide::Partition,
    snapshot::{self, Identity, Snapshot},
};
use crate::RuntimeError;
use std::{
    collections::BTreeMap,
    path::Path,
    sync::mpsc::{Receiver, Sender, channel},
    thread::JoinHandle,
    time::{Duration, Instant},
};

/// How long a snapshot waits for its commit before it is dropped.
const COMMIT_MAX: Duration = Duration::from_secs(60);

/// Where a partition's outputs ended when a snapshot of it was last taken, or when it was restored.
struct Anchor {
    end: i64,
    emitted: Option<(i64, i64)>,
    at: Instant,
}

/// A snapshot that waits for its commit.
struct Taken {
    identity: Identity,
    snapshot: Snapshot,
    committed: Commits,
}

/// Takes snapshots of the running partitions.
pub(super) struct Snapshots {
    every: Duration,
    anchors: BTreeMap<i32, Anchor>,
    taken: Option<Sender<Taken>>,
    thread: Option<JoinHandle<()>>,
}

impl Snapshots {
    /// `None` when they are not configured.
    pub(super) fn start(config: &ProcessorConfig) -> Result<Option<Self>, RuntimeError> {
        let Some(folder) = config.snapshot_folder.clone() else { return Ok(None) };
        let (taken, waiting) = channel();
        let thread = std::thread::Builder::new()
            .name("snapshots".into())
            .spawn(move || write_all(&folder, &waiting))
            .map_err(|error| RuntimeError::Fatal(format!("starting a thread: {error}")))?;
        let every = Duration::from_millis(config.snapshot_every_ms);
        Ok(Some(Self { every, anchors: BTreeMap::new(), taken: Some(taken), thread: Some(thread) }))
    }

    /// Begins with a partition whose outputs end at an offset, all of which it has taken back.
    pub(super) fn begin<P: Processor>(&mut self, number: i32, partition: &Partition<P>, end: i64) {
        self.anchors.insert(number, Anchor { end, emitted: partition.emitted(), at: Instant::now() });
    }

    /// Forgets the partitions: they are gone.
    pub(super) fn forget(&mut self) {
        self.anchors.clear();
    }

    /// The partition whose turn it is, if it has written anything since.
    pub(super) fn due<P: Processor>(&self, partitions: &BTreeMap<i32, Partition<P>>) -> Option<i32> {
        let waited = self.anchors.iter().filter(|(_, anchor)| anchor.at.elapsed() >= self.every);
        let wrote = |(number, anchor): &(&i32, &Anchor)| {
            partitions.get(*number).is_some_and(|partition| partition.emitted() != anchor.emitted)
        };
        waited.filter(wrote).min_by_key(|(_, anchor)| anchor.at).map(|(number, _)| *number)
    }

    /// Takes a snapshot of a partition. `end` is where its outputs end now: whatever it decides from here on lies behind.
    pub(super) fn take<P: Processor>(
        &mut self,
        identity: Identity,
        partition: &Partition<P>,
        end: i64,
        committer: &Committer,
    ) {
        let (number, now) = (identity.partition, Instant::now());
        let Some(anchor) = self.anchors.insert(number, Anchor { end, emitted: partition.emitted(), at: now }) else {
            return;
        };
        let (Some(snapshot), Some(committed)) = (partition.save(anchor.end), committer.when_committed()) else {
            return;
        };
        if let Some(taken) = &self.taken {
            // A thread that has ended writes no snapshots, and none is needed.
            let _ = taken.send(Taken { identity, snapshot, committed });
        }
    }
}

impl Drop for Snapshots {
    fn drop(&mut self) {
        self.taken = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn write_all(folder: &Path, waiting: &Receiver<Taken>) {
    for Taken { identity, snapshot, committed } in waiting {
        if committed.recv_timeout(COMMIT_MAX).is_err() {
            continue;
        }
        let Identity { processor, partition, .. } = &identity;
        let (began, through) = (Instant::now(), snapshot.through);
        match snapshot::write(folder, &identity, &snapshot) {
            Ok(()) => {
                let took_ms = began.elapsed().as_millis() as u64;
                tracing::info!(processor, partition, through, took_ms, "snapshot written");
            }
            Err(error) => {
                let folder = folder.display();
                tracing::warn!(processor, partition, %folder, %error, "a snapshot cannot be written; a restart takes longer");
            }
        }
    }
}
