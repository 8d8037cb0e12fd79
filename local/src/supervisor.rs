//! Keeps a group of processes running: started in order, probed until ready, restarted with backoff, stopped in reverse.
//!
//! * [`Group`]: the processes, each driven by a task of its own ([`mod@unit`]); must live on one thread, see below
//! * [`board`]: what is known about each, published to whoever waits for it
//! * [`child`]: starting a process that cannot outlive its supervisor; [`probe`]: asking whether it is ready
//! * [`keeper`]: a group on a thread of its own, for callers that are not asynchronous
//!
//! The kernel kills a child when the *thread* that started it ends. A group therefore belongs on a thread that lives as long
//! as its processes should: a current-thread runtime, in the main function or in a [`Keeper`].

mod backoff;
mod board;
mod child;
mod keeper;
mod order;
mod probe;
mod rotate;
mod unit;

use std::collections::BTreeMap;
use std::path::PathBuf;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

pub use board::{Board, Phase, UnitState};
pub use keeper::{Ending, Keeper};
pub use unit::Action;

use crate::spec::Spec;
use crate::{Error, Result};
use unit::{Request, Unit};

/// What happens to a process that ends without being asked to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restart {
    /// It is started again, after a pause that grows with each failure.
    Always,
    /// It stays down and counts as failed: a test wants to see that.
    Never,
}

/// A group of supervised processes.
#[derive(Debug)]
pub struct Group {
    logs: PathBuf,
    restart: Restart,
    board: watch::Sender<Board>,
    units: BTreeMap<String, Driven>,
}

#[derive(Debug)]
struct Driven {
    after: Vec<String>,
    requests: mpsc::Sender<Request>,
    task: JoinHandle<()>,
}

impl Group {
    /// An empty group whose processes log into files in `logs`.
    pub fn new(logs: PathBuf, restart: Restart) -> Self {
        Self { logs, restart, board: watch::Sender::new(Board::default()), units: BTreeMap::new() }
    }

    /// Starts processes, each as soon as those it comes after are ready.
    ///
    /// # Errors
    /// [`Error::Order`] when one waits for a name that is not in the group, or for itself; then none is started.
    pub fn start(&mut self, specs: Vec<Spec>) -> Result<()> {
        let known = self.units.iter().map(|(name, unit)| (name.as_str(), unit.after.as_slice()));
        order::check(known.chain(specs.iter().map(|spec| (spec.name.as_str(), spec.after.as_slice()))))?;
        for spec in &specs {
            self.board.send_modify(|board| board.add(&spec.name, &spec.address));
        }
        for spec in specs {
            let (requests, inbox) = mpsc::channel(8);
            let (name, after) = (spec.name.clone(), spec.after.clone());
            let unit = Unit::new(spec, &self.logs, self.restart, self.board.clone(), inbox);
            self.units.insert(name, Driven { after, requests, task: tokio::spawn(unit.run()) });
        }
        Ok(())
    }

    /// What is known about each process, now and from now on.
    pub fn board(&self) -> watch::Receiver<Board> {
        self.board.subscribe()
    }

    /// Asks for something to be done to one process; the receiver hears when it is.
    ///
    /// # Errors
    /// [`Error::Unknown`] when there is no such process.
    pub fn act(&self, name: &str, action: Action) -> Result<oneshot::Receiver<()>> {
        let Some(unit) = self.units.get(name) else {
            let known = self.units.keys().cloned().collect::<Vec<_>>().join(", ");
            return Err(Error::Unknown { name: name.to_owned(), known });
        };
        let (done, hears) = oneshot::channel();
        unit.requests.try_send(Request { action, done }).map_err(|_| Error::Ended)?;
        Ok(hears)
    }

    /// Stops everything, the last started first, and returns when nothing runs any more.
    pub async fn shut_down(self) {
        let after = self.units.iter().map(|(name, unit)| (name.as_str(), unit.after.as_slice()));
        let steps: Vec<Vec<String>> = order::stopping(after);
        let mut units = self.units;
        for step in steps {
            let stopping: Vec<Driven> = step.iter().filter_map(|name| units.remove(name)).collect();
            for unit in &stopping {
                let (done, _) = oneshot::channel();
                // A unit that no longer listens has ended already.
                let _ = unit.requests.send(Request { action: Action::End, done }).await;
            }
            for unit in stopping {
                let _ = unit.task.await;
            }
        }
    }
}
