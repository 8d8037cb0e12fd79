//! What is known about each process of a group: written by the tasks that drive them, read by whoever waits or reports.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::Identity;

/// Where a process is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Those it comes after are not ready yet.
    Waiting,
    /// It runs and is not ready yet.
    Starting,
    /// It is ready.
    Ready,
    /// A task that succeeded, or whose work was done before.
    Done,
    /// It ended unasked and will be started again after a pause.
    Restarting,
    /// It was asked to stop and still runs.
    Stopping,
    /// It was stopped or killed on request.
    Stopped,
    /// It ended unasked, or did not become ready, and stays down.
    Failed,
}

impl Phase {
    /// Whether those that come after it may start.
    pub fn is_settled(self) -> bool {
        matches!(self, Phase::Ready | Phase::Done)
    }
}

/// What is known about one process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnitState {
    /// Where it is in its life.
    pub phase: Phase,
    /// The process, while there is one.
    pub process: Option<Identity>,
    /// How often it ended unasked or failed to become ready.
    pub restarts: u32,
    /// Since when it is in this phase, epoch milliseconds.
    pub since_ms: i64,
    /// How long it last took from its start to being ready or done, milliseconds.
    pub ready_after_ms: Option<u64>,
    /// What it is reached at; empty when nothing reaches it.
    pub address: String,
    /// Why it failed or is restarted, in words; `None` when nothing is wrong.
    pub trouble: Option<String>,
}

/// Every process of a group by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Board(BTreeMap<String, UnitState>);

impl Board {
    /// What is known about a process.
    pub fn get(&self, name: &str) -> Option<&UnitState> {
        self.0.get(name)
    }

    /// Every process by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &UnitState)> {
        self.0.iter().map(|(name, state)| (name.as_str(), state))
    }

    /// Whether every one of these is ready or done.
    pub fn all_settled<'a>(&self, names: impl IntoIterator<Item = &'a str>) -> bool {
        names.into_iter().all(|name| self.get(name).is_some_and(|state| state.phase.is_settled()))
    }

    /// Whether every process is ready or done.
    pub fn is_settled(&self) -> bool {
        self.0.values().all(|state| state.phase.is_settled())
    }

    pub(super) fn add(&mut self, name: &str, address: &str) {
        let state = UnitState {
            phase: Phase::Waiting,
            process: None,
            restarts: 0,
            since_ms: now_ms(),
            ready_after_ms: None,
            address: address.to_owned(),
            trouble: None,
        };
        self.0.insert(name.to_owned(), state);
    }

    /// Changes what is known about a process; its phase began now when it changed.
    pub(super) fn update(&mut self, name: &str, change: impl FnOnce(&mut UnitState)) {
        if let Some(state) = self.0.get_mut(name) {
            let before = state.phase;
            change(state);
            if state.phase != before {
                state.since_ms = now_ms();
            }
        }
    }
}

fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64)
}
