//! Which process exactly: an id alone may by now belong to a stranger, so its start, the boot and the command go with it.

use std::fs;
use std::time::{Duration, Instant};

use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open, pidfd_send_signal};
use serde::{Deserialize, Serialize};

/// One process, told apart from every other that ever had or will have its id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Process id.
    pub pid: i32,
    /// When it started, in clock ticks since the machine did.
    pub started: u64,
    /// The machine's boot, since ticks start anew with it.
    pub boot: String,
    /// Its command line, arguments separated by spaces.
    pub command: String,
}

impl Identity {
    /// The process that has this id now; `None` when there is none or it only waits to be reaped.
    pub fn of(pid: i32) -> Option<Self> {
        const LOOKS: u32 = 50;
        for _ in 0..LOOKS {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
            let started = start_of_living(&stat)?;
            let command = command_line(pid)?;
            if !command.is_empty() {
                let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?.trim().to_owned();
                return Some(Self { pid, started, boot, command });
            }
            // It is just becoming another program: for an instant it has no command line.
            std::thread::sleep(Duration::from_millis(1));
        }
        None
    }

    /// This process.
    pub fn own() -> Option<Self> {
        Self::of(i32::try_from(std::process::id()).ok()?)
    }

    /// Whether exactly this process still lives.
    pub fn is_alive(&self) -> bool {
        Self::of(self.pid).is_some_and(|now| now == *self)
    }

    /// Sends a signal if, and only if, the process is still this one. Returns whether it was sent.
    ///
    /// The descriptor is opened first and the process compared after, so that the id cannot change hands in between.
    pub fn signal(&self, signal: Signal) -> bool {
        let Some(pid) = Pid::from_raw(self.pid) else { return false };
        match pidfd_open(pid, PidfdFlags::empty()) {
            Ok(descriptor) => self.is_alive() && pidfd_send_signal(descriptor, signal).is_ok(),
            // A kernel without process descriptors; the comparison alone must do.
            Err(rustix::io::Errno::NOSYS) => self.is_alive() && kill_process(pid, signal).is_ok(),
            Err(_) => false,
        }
    }

    /// Waits until the process is gone, at most `deadline`. Returns whether it is.
    pub fn wait_gone(&self, deadline: Duration) -> bool {
        const LOOK_EVERY: Duration = Duration::from_millis(20);
        let end = Instant::now() + deadline;
        while self.is_alive() {
            if Instant::now() >= end {
                return false;
            }
            std::thread::sleep(LOOK_EVERY);
        }
        true
    }
}

/// The start time in a line of `/proc/PID/stat`, unless the process is dead already.
///
/// The second column is the program's name in brackets, which may hold spaces and brackets itself: read on after the last.
fn start_of_living(stat: &str) -> Option<u64> {
    const STATE: usize = 0;
    const START_TIME: usize = 19;
    let (_, after_name) = stat.rsplit_once(')')?;
    let columns: Vec<&str> = after_name.split_whitespace().collect();
    if matches!(*columns.get(STATE)?, "Z" | "X" | "x") {
        return None;
    }
    columns.get(START_TIME)?.parse().ok()
}

/// The command line of a process, arguments separated by spaces.
pub(crate) fn command_line(pid: i32) -> Option<String> {
    let raw = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let words: Vec<_> = raw.split(|byte| *byte == 0).filter(|word| !word.is_empty()).collect();
    Some(String::from_utf8_lossy(&words.join(&b' ')).into_owned())
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command};

    use super::*;

    fn sleeper() -> (Child, Identity) {
        let child = Command::new("sleep").arg("60").spawn().unwrap();
        let identity = Identity::of(child.id().cast_signed()).unwrap();
        (child, identity)
    }

    #[test]
    fn a_process_is_alive_until_it_ends_even_when_nobody_reaps_it() {
        let (mut child, identity) = sleeper();
        assert_eq!(identity.command, "sleep 60");
        assert!(identity.is_alive());
        assert!(identity.signal(Signal::KILL));
        assert!(identity.wait_gone(Duration::from_secs(10)));
        assert!(!identity.signal(Signal::KILL));
        child.wait().unwrap();
    }

    #[test]
    fn whatever_differs_makes_it_a_stranger_that_gets_no_signal() {
        let (mut child, identity) = sleeper();
        let strangers = [
            Identity { started: identity.started + 1, ..identity.clone() },
            Identity { boot: "another".to_owned(), ..identity.clone() },
            Identity { command: "sleep 61".to_owned(), ..identity.clone() },
        ];
        for stranger in strangers {
            assert!(!stranger.is_alive(), "{stranger:?}");
            assert!(!stranger.signal(Signal::KILL), "{stranger:?}");
        }
        assert!(identity.is_alive());
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn a_program_with_brackets_in_its_name_is_read_right() {
        let rest = (1..=40).map(|n| n.to_string()).collect::<Vec<_>>().join(" ");
        assert_eq!(start_of_living(&format!("7 (a) b) S {rest}")), Some(19));
        assert_eq!(start_of_living(&format!("7 (a) Z {rest}")), None);
        assert_eq!(start_of_living("torn"), None);
    }
}
