//! What operators want of workers, through the log: the topic `controls` holds the last word for each.

use crate::{
    Headers, Record, RuntimeError,
    clock::{Clock as _, Ids as _, RandomIds, SystemClock},
    config::KafkaConfig,
    lifecycle::Shutdown,
    log::{Log, Schemas},
    metrics as names,
    producer::EventProducer,
    reader::{From, Read, Reader},
};
use millrace_schemas::{
    Topic,
    event::{Control, ControlState},
    wire::Codec,
};
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

/// How long a look for the next word may wait; a worker obeys at most twice this later.
const LOOK: Duration = Duration::from_millis(200);
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
    let codec = log.codec().await?;
    let kafka = log.kafka().clone();
    let reading = tokio::task::spawn_blocking(move || {
        let deadline = crate::kafka::request_timeout(&kafka);
        Reader::new(&kafka, Topic::Controls, &[0], From::Beginning)?.read_to_end(1, deadline)
    });
    let records =
        reading.await.map_err(|error| RuntimeError::Fatal(format!("reading controls panicked: {error}")))??;
    let controls = records.iter().filter_map(|record| decode(codec.codec(), record));
    Ok(controls.map(|control| (control.worker.clone(), control)).collect())
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
        orders.obey(worker, &read(log).await?);
        let (schemas, kafka) = (log.codec().await?, log.kafka().clone());
        let (follower, shutdown) = (orders.clone(), shutdown.clone());
        std::thread::Builder::new()
            .name(format!("{worker}-controls"))
            .spawn(move || follower.run(worker, &schemas, &kafka, &shutdown))
            .map_err(|error| RuntimeError::Fatal(format!("starting a thread: {error}")))?;
        Ok(orders)
    }

    fn run(&self, worker: &'static str, schemas: &Schemas, kafka: &KafkaConfig, shutdown: &Shutdown) {
        while !shutdown.is_cancelled() {
            if let Err(error) = self.read_on(worker, schemas, kafka, shutdown) {
                tracing::warn!(worker, error = %error, "reading what operators want, again from the beginning");
                let until = Instant::now() + Duration::from_secs(1);
                while Instant::now() < until && !shutdown.is_cancelled() {
                    std::thread::sleep(LOOK);
                }
            }
        }
    }

    fn read_on(
        &self,
        worker: &'static str,
        schemas: &Schemas,
        kafka: &KafkaConfig,
        shutdown: &Shutdown,
    ) -> Result<(), RuntimeError> {
        let mut reader = Reader::new(kafka, Topic::Controls, &[0], From::Beginning)?;
        let mut last = BTreeMap::new();
        let mut is_at_end = false;
        while !shutdown.is_cancelled() {
            match reader.next(LOOK)? {
                Read::Record(record) => {
                    last.extend(decode(schemas.codec(), &record).map(|control| (control.worker.clone(), control)));
                }
                Read::End(_) => is_at_end = true,
                Read::Idle => {}
            }
            // What was said before the last word is history.
            if is_at_end {
                self.obey(worker, &last);
            }
        }
        Ok(())
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

fn decode(codec: &Codec, record: &Record) -> Option<Control> {
    let decoded = codec.decode::<Control>(Some(record.value.as_deref()?));
    decoded.inspect_err(|error| tracing::error!(offset = record.offset, %error, "not a control")).ok()
}
