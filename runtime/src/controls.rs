//! What operators want of workers, through the log: the topic `controls` holds the last word for each.

use crate::{
    Headers, RuntimeError,
    clock::{Clock as _, Ids as _, RandomIds, SystemClock},
    follow::{Followed, follow, read_all},
    lifecycle::Shutdown,
    log::Log,
    metrics as names,
    producer::EventProducer,
};
use millrace_schemas::event::{Control, ControlState};
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

/// How long every process of a worker may take to obey.
const OBEYS_WITHIN: Duration = Duration::from_secs(1);

/// Says what a worker shall do from now on; every process of it obeys within a second. Returns when the log has it.
pub async fn set(
    log: &Log,
    worker: &str,
    state: ControlState,
    reason: Option<String>,
) -> Result<Control, RuntimeError> {
    let control = Control {
        event_id: RandomIds.event_id().to_string(),
        worker: worker.to_owned(),
        state,
        since: SystemClock.now_ms(),
        reason,
    };
    let producer = EventProducer::connect(log, "controls").await?;
    let appended = producer.append(&control, Headers::new()).await;
    appended.map_err(|error| RuntimeError::Transient(format!("telling {worker}: {error}")))?;
    Ok(control)
}

/// Makes every process of a processor stand still, for its outcomes to be repaired. Whether an operator had it paused before.
pub(crate) async fn hold(log: &Log, processor: &str) -> Result<bool, RuntimeError> {
    if read(log).await?.get(processor).is_some_and(|control| control.state == ControlState::Paused) {
        return Ok(true);
    }
    set(log, processor, ControlState::Paused, Some("missing outcomes are being written".into())).await?;
    tokio::time::sleep(OBEYS_WITHIN).await;
    Ok(false)
}

/// Ends a repair: each process rebuilds its memory from the log, passing over snapshots of before, and goes on unless it was paused.
/// They do so even where nothing was written, since an earlier repair may have ended before it said so.
pub(crate) async fn release(log: &Log, processor: &str, was_paused: bool) -> Result<(), RuntimeError> {
    set(log, &repairs_of(processor), ControlState::Running, None).await?;
    if !was_paused {
        set(log, processor, ControlState::Running, None).await?;
    }
    Ok(())
}

/// The name under which it stands when a processor's outcomes were repaired last.
fn repairs_of(processor: &str) -> String {
    format!("{processor}.repaired")
}

/// The last word for each worker that one was ever said to, by name.
pub async fn read(log: &Log) -> Result<BTreeMap<String, Control>, RuntimeError> {
    let all = read_all::<Control>(log).await?;
    Ok(all.into_iter().map(|followed| (followed.event.worker.clone(), followed.event)).collect())
}

/// What operators want of one worker now. Cheap to clone and to ask.
#[derive(Debug, Clone, Default)]
pub(crate) struct Orders(Arc<State>);

#[derive(Debug, Default)]
struct State {
    is_paused: AtomicBool,
    /// Id of the last repair.
    repaired: Mutex<Option<String>>,
}

/// What was read of the topic.
#[derive(Default)]
struct Said {
    /// The last word for each worker.
    last: BTreeMap<String, Control>,
    /// Whether it was read to its end once.
    is_all_known: bool,
}

impl Orders {
    pub(crate) fn is_paused(&self) -> bool {
        self.0.is_paused.load(Ordering::Relaxed)
    }

    /// Names the last repair of the worker's outcomes, if there ever was one.
    pub(crate) fn repaired(&self) -> Option<String> {
        self.0.repaired.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Follows the log's last word for a worker until the shutdown; returns when what the log holds already is known. What a
    /// worker does for as long as the broker is away is what it did before.
    pub(crate) async fn follow(log: &Log, worker: &'static str, shutdown: &Shutdown) -> Result<Self, RuntimeError> {
        let orders = Self::default();
        // What was said before the last word is history: it is obeyed once all of it is known.
        let said = Arc::<Mutex<Said>>::default();
        let (follower, heard) = (orders.clone(), Arc::clone(&said));
        follow(log, shutdown, move |Followed { event, .. }: Followed<Control>| {
            let mut said = heard.lock().unwrap_or_else(PoisonError::into_inner);
            said.last.insert(event.worker.clone(), event);
            if said.is_all_known {
                follower.obey(worker, &said.last);
            }
        })
        .await?;
        let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
        said.is_all_known = true;
        orders.obey(worker, &said.last);
        drop(said);
        Ok(orders)
    }

    fn obey(&self, worker: &'static str, last: &BTreeMap<String, Control>) {
        let repaired = last.get(&repairs_of(worker)).map(|control| control.event_id.clone());
        *self.0.repaired.lock().unwrap_or_else(PoisonError::into_inner) = repaired;
        let control = last.get(worker);
        let pauses = control.is_some_and(|control| control.state == ControlState::Paused);
        if self.0.is_paused.swap(pauses, Ordering::Relaxed) != pauses {
            let reason = control.and_then(|control| control.reason.as_deref()).unwrap_or_default();
            tracing::warn!(worker, reason, "{}", if pauses { "paused by an operator" } else { "resumed" });
        }
        names::gauge(names::WORKER_PAUSED, &[("worker", worker.into())], if pauses { 1.0 } else { 0.0 });
    }
}
