//! A pool's thread: takes what waits, scores it, and puts the score where its ticket finds it.

use super::{Shared, ticket::Slot};
use crate::scoring::model::loaded::Scorer;
use crossbeam_channel::Receiver;
use std::{sync::Arc, time::Instant};

/// A score to compute.
pub(super) struct Job {
    pub row: Vec<f32>,
    pub slot: Arc<Slot>,
}

/// Until the pool is gone.
pub(super) fn run(mut scorer: Scorer, queue: &Receiver<Job>, shared: &Shared) {
    for Job { row, slot } in queue {
        // What nobody waits for would keep the next from its turn.
        let delivered = !slot.is_abandoned() && {
            let began = Instant::now();
            let score = scorer.score(&row);
            shared.gauges.took(began.elapsed());
            if let Err(error) = &score {
                tracing::warn!(%error, "the model failed");
            }
            // A score that is late has counted as a failure already, and its coming does not make up for that.
            slot.fill(score, |score| match score {
                Ok(_) => shared.succeeded(),
                Err(_) => shared.failed(shared.clock.now()),
            })
        };
        if !delivered {
            shared.counts.late.add_one();
        }
        shared.gauges.pending.decrement(1.0);
    }
}
