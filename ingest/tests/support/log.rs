//! A log in memory that acknowledges, or not, as a test says.

use millrace_ingest::EventLog;
use millrace_runtime::{
    Headers,
    producer::{AppendError, Appended},
};
use millrace_schemas::{Event, Topic};
use serde_json::Value as Json;
use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};
use tokio::sync::watch;

/// Appending an event with this key panics.
pub const DEFECT_KEY: &str = "c-defect";

/// How the log treats what is appended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Acknowledges at once.
    Acknowledge,
    /// Acknowledges nothing until the mode changes.
    Stall,
    /// Refuses at once.
    Refuse,
}

/// An appended record.
#[derive(Debug, Clone)]
pub struct Logged {
    pub key: String,
    pub event: Json,
    pub headers: Headers,
}

/// Clones share their records.
#[derive(Clone)]
pub struct MemoryLog {
    records: Arc<Mutex<Vec<(Topic, Logged)>>>,
    mode: Arc<watch::Sender<Mode>>,
    bytes_max: Arc<Mutex<usize>>,
    refused_key: Arc<Mutex<Option<String>>>,
}

impl Default for MemoryLog {
    fn default() -> Self {
        Self {
            records: Arc::default(),
            mode: Arc::new(watch::Sender::new(Mode::Acknowledge)),
            bytes_max: Arc::new(Mutex::new(usize::MAX)),
            refused_key: Arc::default(),
        }
    }
}

impl MemoryLog {
    pub fn set(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }

    /// Events with more bytes, as JSON, are too large from now on.
    pub fn set_bytes_max(&self, bytes: usize) {
        *self.bytes_max.lock().expect("no panic") = bytes;
    }

    /// Events with this key are refused at once from now on.
    pub fn refuse_key(&self, key: &str) {
        *self.refused_key.lock().expect("no panic") = Some(key.to_owned());
    }

    /// What a topic holds, in order.
    pub fn of(&self, topic: Topic) -> Vec<Logged> {
        let records = self.records.lock().expect("no panic");
        records.iter().filter(|(of, _)| *of == topic).map(|(_, logged)| logged.clone()).collect()
    }

    /// Waits until a topic holds so many records.
    pub async fn wait_for(&self, topic: Topic, count: usize) {
        let deadline = Instant::now() + Duration::from_secs(10);
        while self.count(topic) < count {
            assert!(Instant::now() < deadline, "{} of {count} records of {topic} after 10 s", self.count(topic));
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// How many records a topic holds.
    pub fn count(&self, topic: Topic) -> usize {
        self.of(topic).len()
    }

    /// The last event of a topic.
    pub fn last(&self, topic: Topic) -> Json {
        self.of(topic).pop().expect("a record").event
    }

    /// Everything, as text to be searched.
    pub fn text(&self) -> String {
        let records = self.records.lock().expect("no panic");
        records
            .iter()
            .map(|(topic, logged)| format!("{topic} {} {} {}\n", logged.key, logged.event, payload(&logged.event)))
            .collect()
    }
}

/// The bytes of a dead letter as text.
pub fn payload(letter: &Json) -> String {
    let bytes: Vec<u8> = letter["payload"]
        .as_array()
        .map(|bytes| bytes.iter().filter_map(|byte| byte.as_u64().and_then(|byte| u8::try_from(byte).ok())).collect())
        .unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

impl EventLog for MemoryLog {
    async fn append<E: Event>(&self, event: &E, headers: Headers) -> Result<Appended, AppendError> {
        let json = serde_json::to_value(event).expect("events are JSON too");
        let (bytes, max) = (json.to_string().len(), *self.bytes_max.lock().expect("no panic"));
        if bytes > max {
            return Err(AppendError::TooLarge { bytes, max });
        }
        let mut mode = self.mode.subscribe();
        let key = String::from_utf8(event.key()).expect("keys are text");
        assert_ne!(key, DEFECT_KEY, "a defect");
        let key_refused = self.refused_key.lock().expect("no panic").as_ref() == Some(&key);
        if key_refused || *mode.borrow() == Mode::Refuse {
            return Err(AppendError::Unavailable("refused".into()));
        }
        let offset = {
            let mut records = self.records.lock().expect("no panic");
            records.push((E::TOPIC, Logged { key, event: json, headers }));
            records.iter().filter(|(of, _)| *of == E::TOPIC).count() - 1
        };
        mode.wait_for(|mode| *mode != Mode::Stall).await.map_err(|_| AppendError::Unavailable("gone".into()))?;
        Ok(Appended { partition: 0, offset: i64::try_from(offset).expect("few records"), timestamp: super::NOW })
    }

    fn health(&self) -> Result<(), String> {
        match *self.mode.borrow() {
            Mode::Acknowledge => Ok(()),
            Mode::Stall | Mode::Refuse => Err("the log does not acknowledge".into()),
        }
    }
}
