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
