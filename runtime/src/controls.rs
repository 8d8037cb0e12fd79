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
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

/// How long a look for the next word may wait; a worker obeys at most twice this later.
const LOOK: Duration = Duration::from_millis(200);

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

/// Whether a worker is paused now. Cheap to clone and to ask.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pause(Arc<AtomicBool>);

impl Pause {
    pub(crate) fn is_on(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Follows the log's last word for a worker until the shutdown; returns when what the log holds already is known. What a
    /// worker does for as long as the broker is away is what it did before.
    pub(crate) async fn follow(log: &Log, worker: &'static str, shutdown: &Shutdown) -> Result<Self, RuntimeError> {
        let pause = Self::default();
        let last = read(log).await?.remove(worker);
        pause.obey(worker, last.as_ref());
        let (schemas, kafka) = (log.codec().await?, log.kafka().clone());
        let (follower, shutdown) = (pause.clone(), shutdown.clone());
        std::thread::Builder::new()
            .name(format!("{worker}-controls"))
            .spawn(move || follower.run(worker, &schemas, &kafka, &shutdown))
            .map_err(|error| RuntimeError::Fatal(format!("starting a thread: {error}")))?;
        Ok(pause)
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
        let mut last = None;
        let mut is_at_end = false;
        while !shutdown.is_cancelled() {
            match reader.next(LOOK)? {
                Read::Record(record) => {
                    last = decode(schemas.codec(), &record).filter(|control| control.worker == worker).or(last);
                }
                Read::End(_) => is_at_end = true,
                Read::Idle => {}
            }
            // What was said before the last word is history.
            if is_at_end {
                self.obey(worker, last.as_ref());
            }
        }
        Ok(())
    }

    fn obey(&self, worker: &'static str, control: Option<&Control>) {
        let pauses = control.is_some_and(|control| control.state == ControlState::Paused);
        if self.0.swap(pauses, Ordering::Relaxed) != pauses {
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
