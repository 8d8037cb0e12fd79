//! Starting a processor: what its process is told, what is checked first, and starting over.

use super::{
    Processor,
    committer::Journal,
    decide::Decider,
    input::Inputs,
    leftover::Reach,
    telling::Telling,
    worker::{Parts, Worker},
};
use crate::{RuntimeError, controls::Orders, lifecycle::Shutdown, log::Log};
use millrace_schemas::{Event, Topic, event::Derived, rules::Checked, rules::Rules, time::DAY_MS};
use serde::{Deserialize, Serialize};
use std::{path::PathBuf, sync::Arc, time::Duration};
use tokio::{runtime::Handle, sync::OnceCell};

/// What a processor's process is told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ProcessorConfig {
    /// Number of this process among those of the same processor. A restart in the same slot is quick, and fences what was before.
    pub slot: u32,
    /// How long an id is remembered, in milliseconds of the broker's time; an id that comes again later is a new event.
    pub dedup_horizon_ms: i64,
    /// A worker that commits nothing for this long although it has work ends its process, for the supervisor to start it again.
    pub stall_max_ms: u64,
    /// Folder for snapshots of memory, which make restarts quick; none are taken without one. They may be deleted at any time.
    pub snapshot_folder: Option<PathBuf>,
    /// Time between two snapshots of a partition.
    pub snapshot_every_ms: u64,
    /// How long a shutdown or rebalance waits for what is decided to be committed.
    pub drain_timeout_ms: u64,
}

impl Default for ProcessorConfig {
    fn default() -> Self {
        Self {
            slot: 0,
            dedup_horizon_ms: DAY_MS,
            stall_max_ms: 60_000,
            snapshot_folder: None,
            snapshot_every_ms: 60_000,
            drain_timeout_ms: 10_000,
        }
    }
}

/// Runs a processor until the shutdown. Starts over, with growing pauses, after what passes; returns what does not.
pub async fn run<P>(
    processor: P,
    log: Log,
    rules: Rules,
    config: ProcessorConfig,
    shutdown: Shutdown,
) -> Result<(), RuntimeError>
where
    P: Processor + Clone,
    <P::Out as Derived>::From: Checked,
{
    let orders = OnceCell::new();
    let mut is_first = true;
    crate::lifecycle::restarting(P::NAME, &shutdown, || {
        let worker = Start {
            is_first: std::mem::replace(&mut is_first, false),
            orders: &orders,
            processor: processor.clone(),
            log: log.clone(),
            rules,
            config: config.clone(),
            shutdown: shutdown.clone(),
        };
        worker.run_once()
    })
    .await
}

struct Start<'a, P: Processor> {
    /// Whether nothing has failed yet.
    is_first: bool,
    /// Followed from the first start that gets so far.
    orders: &'a OnceCell<Orders>,
    processor: P,
    log: Log,
    rules: Rules,
    config: ProcessorConfig,
    shutdown: Shutdown,
}

impl<P: Processor> Start<'_, P>
where
    <P::Out as Derived>::From: Checked,
{
    async fn run_once(self) -> Result<(), RuntimeError> {
        self.log.check_topics().await?;
        self.log.check_settings().await?;
        let orders = self.orders.get_or_try_init(|| Orders::follow(&self.log, P::NAME, &self.shutdown)).await?.clone();
        let topic = <P::Out as Derived>::From::TOPIC;
        let (epoch, partitions) = (self.log.epoch().await?, self.log.partitions(topic).await?);
        if !self.is_first {
            // What failed may be that a transaction is open which nobody ends.
            let (processor, slot, outputs) = (P::NAME, self.config.slot, P::Out::TOPIC);
            Reach { processor, slot, journal: topic, outputs, partitions }.end_leftovers(&self.log).await?;
        }
        for committed in self.log.committed(P::NAME, topic).await? {
            committed.check(&self.log.topic_name(topic), &epoch, partitions)?;
        }
        let inputs = Inputs {
            schemas: self.log.codec().await?,
            runtime: Handle::current(),
            rules: self.rules,
            partitions,
            max_bytes: self.log.kafka().max_message_bytes,
        };
        let decider = Decider {
            processor: self.processor,
            epoch: epoch.clone(),
            horizon_ms: self.config.dedup_horizon_ms,
            repaired: orders.repaired(),
        };
        let telling = match P::TELLS {
            Some(score) => {
                let codec = Arc::clone(inputs.schemas.codec());
                let replies = self.log.partitions(Topic::Replies).await?;
                Some(Telling::start(score, self.log.kafka(), P::NAME, codec, epoch.clone(), replies)?)
            }
            None => None,
        };
        let beat = crate::lifecycle::Heartbeat::default();
        let stall_max = Duration::from_millis(self.config.stall_max_ms);
        let parts = Parts {
            inputs,
            decider,
            telling,
            journal: Journal { topic, epoch, partitions },
            kafka: self.log.kafka().clone(),
            config: self.config,
            orders,
            beat: beat.clone(),
        };
        let shutdown = self.shutdown;
        let thread = tokio::task::spawn_blocking(move || Worker::start(parts)?.run(&shutdown));
        beat.watch(thread, stall_max).await
    }
}
