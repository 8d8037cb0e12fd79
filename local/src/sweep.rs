//! What a supervisor that was killed may have left running, found by what it wrote down and stopped before the next start.
//!
//! The kernel kills the children of a killed supervisor, so that almost always nothing is left; this is the second net.
//! A process is stopped only when its id, start, boot and command are all those written down.

use std::fs;
use std::time::Duration;

use rustix::process::Signal;

use crate::{Home, Identity, Result, State};

const END_WITHIN: Duration = Duration::from_secs(10);

/// Makes this process the parent of whatever its descendants leave behind, so that [`orphans`] finds it.
pub fn adopt_orphans() {
    // A kernel that cannot only leaves the second net out.
    let _ = rustix::process::set_child_subreaper(rustix::process::Pid::from_raw(1));
}

/// Kills every child of this process and their children in turn. Returns what was killed.
///
/// Call it when nothing that this process started itself runs any more.
pub fn orphans() -> Vec<Identity> {
    const GENERATIONS_MAX: u32 = 100;
    let mut killed = Vec::new();
    for _ in 0..GENERATIONS_MAX {
        let children: Vec<Identity> = children_of(std::process::id()).collect();
        if children.is_empty() {
            break;
        }
        for child in children {
            child.signal(Signal::KILL);
            child.wait_gone(END_WITHIN);
            killed.push(child);
        }
    }
    killed
}

fn children_of(parent: u32) -> impl Iterator<Item = Identity> {
    let pids = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    pids.filter(move |pid| parent_of(*pid) == Some(parent)).filter_map(Identity::of)
}

/// The second column after the name in brackets, which may itself hold brackets, is the parent's id.
fn parent_of(pid: i32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

/// Stops what an earlier supervisor of this home left running. Returns what was stopped, as name and process.
///
/// Call it only while holding the home's lock: otherwise the processes may be those of a supervisor that lives.
///
/// # Errors
/// When the state file cannot be read.
pub fn leftovers(home: &Home) -> Result<Vec<(String, Identity)>> {
    let Some(state) = State::read(home)?.filter(|state| state.is_of(home)) else { return Ok(Vec::new()) };
    let recorded = state.units.iter().filter_map(|(name, unit)| Some((name.to_owned(), unit.process.clone()?)));
    let left: Vec<(String, Identity)> = recorded.filter(|(_, process)| process.signal(Signal::TERM)).collect();
    for (_, process) in &left {
        process.signal(Signal::CONT);
    }
    for (_, process) in &left {
        if !process.wait_gone(END_WITHIN) {
            process.signal(Signal::KILL);
            process.wait_gone(END_WITHIN);
        }
    }
    Ok(left)
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command};

    use super::*;
    use crate::state::{Binary, inode};
    use crate::supervisor::Board;
    use crate::{Parts, Ports};

    struct Sleeper(Child);

    impl Sleeper {
        fn new() -> Self {
            Self(Command::new("sleep").arg("600").spawn().unwrap())
        }

        fn identity(&self) -> Identity {
            Identity::of(self.0.id().cast_signed()).unwrap()
        }
    }

    impl Drop for Sleeper {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    /// What a supervisor that ran `processes` wrote down.
    fn written_down(home: &Home, processes: &[(&str, Identity)]) -> State {
        let unit = |process: &Identity| {
            let phase = "ready";
            serde_json::json!({ "phase": phase, "process": process, "restarts": 0, "since_ms": 0, "ready_after_ms": 1, "address": "", "trouble": null })
        };
        let units: serde_json::Map<_, _> = processes.iter().map(|(name, it)| ((*name).to_owned(), unit(it))).collect();
        let units: Board = serde_json::from_value(units.into()).unwrap();
        let state = State {
            supervisor: Identity {
                pid: 1,
                started: 1,
                boot: "before".to_owned(),
                command: "millrace supervise".to_owned(),
            },
            binary: Binary { path: "millrace".into(), length: 0, modified_ms: 0 },
            millrace: "0".to_owned(),
            parts: Parts::versions(),
            ports: Ports::new(None).unwrap(),
            units,
            folder: inode(home.folder()).unwrap(),
        };
        std::fs::create_dir_all(home.state_file().parent().unwrap()).unwrap();
        state.write(home).unwrap();
        state
    }

    #[test]
    fn what_was_left_over_is_stopped_and_strangers_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::at(folder.path());
        let (left, stranger) = (Sleeper::new(), Sleeper::new());
        let by_then = Identity { started: 1, ..stranger.identity() };
        written_down(&home, &[("kafka", left.identity()), ("registry", by_then)]);
        let stopped = leftovers(&home).unwrap();
        assert_eq!(stopped.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["kafka"]);
        assert!(Identity::of(left.0.id().cast_signed()).is_none());
        assert!(stranger.identity().is_alive());
    }

    #[test]
    fn a_copied_home_does_not_stop_the_processes_of_the_original() {
        let (folder, copy) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (home, copied) = (Home::at(folder.path()), Home::at(copy.path()));
        let running = Sleeper::new();
        let state = written_down(&home, &[("kafka", running.identity())]);
        std::fs::create_dir_all(copied.state_file().parent().unwrap()).unwrap();
        state.write(&copied).unwrap();
        assert_eq!(leftovers(&copied).unwrap(), []);
        assert!(running.identity().is_alive());
    }

    #[test]
    fn a_home_that_never_ran_has_nothing_left_over() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(leftovers(&Home::at(folder.path())).unwrap(), []);
    }
}
