//! Starting a process that logs to a file and cannot outlive the thread that started it.

use std::io;
use std::path::Path;
use std::process::{ExitStatus, Stdio};

use rustix::process::{Pid, Signal, getppid, kill_process, set_parent_process_death_signal};
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;
use tokio::process::{Child as TokioChild, Command};
use tokio::time::timeout;

use super::rotate::{LOG_BYTES_MAX, RotatingFile};
use crate::Identity;
use crate::spec::Spec;

/// A running process of a group.
#[derive(Debug)]
pub(super) struct Child {
    process: TokioChild,
    identity: Option<Identity>,
}

impl Child {
    /// Starts the process, with everything it says appended to `log`.
    pub(super) fn start(spec: &Spec, log: &Path) -> io::Result<Self> {
        let log = RotatingFile::open(log, LOG_BYTES_MAX)?;
        let (reader, writer) = io::pipe()?;
        let mut command = Command::new(&spec.program);
        command.args(&spec.args).envs(spec.env.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).stdout(writer.try_clone()?).stderr(writer);
        // A group of its own: Ctrl-C at the terminal reaches the supervisor only, which stops everyone in order.
        command.process_group(0).kill_on_drop(true);
        end_with_parent(&mut command);
        let process = command.spawn()?;
        tokio::spawn(copy(pipe::Receiver::from_owned_fd(reader.into())?, log));
        let identity = process.id().and_then(|pid| Identity::of(pid.cast_signed()));
        Ok(Self { process, identity })
    }

    pub(super) fn identity(&self) -> Option<&Identity> {
        self.identity.as_ref()
    }

    /// Waits until it ends by itself; may be given up and called again.
    pub(super) async fn ended(&mut self) -> io::Result<ExitStatus> {
        self.process.wait().await
    }

    /// An own child keeps its id until it is waited for, so the id alone is enough here.
    pub(super) fn signal(&self, signal: Signal) {
        if let Some(pid) = self.process.id().and_then(|pid| Pid::from_raw(pid.cast_signed())) {
            let _ = kill_process(pid, signal);
        }
    }

    /// Kills it and returns when it is gone.
    pub(super) async fn kill(mut self) {
        let _ = self.process.kill().await;
    }

    /// Asks it to end, kills it when it does not in time, and returns when it is gone.
    pub(super) async fn stop(mut self, within: std::time::Duration) {
        self.signal(Signal::TERM);
        // One that was stopped in its tracks hears nothing before it goes on.
        self.signal(Signal::CONT);
        if timeout(within, self.process.wait()).await.is_err() {
            self.kill().await;
        }
    }
}

/// Has the kernel kill the process when the thread that starts it ends, however that happens.
fn end_with_parent(command: &mut Command) {
    let parent = Pid::from_raw(std::process::id().cast_signed());
    let before_exec = move || {
        set_parent_process_death_signal(Some(Signal::KILL))?;
        // Had the parent ended just before, the signal would never come.
        if getppid() == parent { Ok(()) } else { Err(io::Error::other("the supervisor has ended")) }
    };
    // SAFETY: between fork and exec only functions that are safe after a fork may run; this makes two system calls and
    // allocates nothing unless the process is about to be given up.
    #[allow(unsafe_code)]
    unsafe {
        command.pre_exec(before_exec);
    }
}

/// Copies what a process says to its log until the process and all it started have closed it.
async fn copy(mut from: pipe::Receiver, mut log: RotatingFile) {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        match from.read(&mut buffer).await {
            Ok(0) | Err(_) => return,
            // A log that cannot be written (the disk is full) must not stop the process from being read.
            Ok(read) => _ = log.append(&buffer[..read]),
        }
    }
}
