//! Starting the supervisor's process so that it survives the terminal, and ending it.

use std::fs::OpenOptions;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::Signal;

use crate::{Error, Home, Identity, Result, State, files};

/// Longer than everything a supervisor stops in order may take.
const STOP_WITHIN: Duration = Duration::from_secs(90);
const KILL_WITHIN: Duration = Duration::from_secs(10);

/// Starts `program args` as the home's supervisor, with what it says in `supervisor.log`. It makes a session of its own in
/// [`super::supervise`] and so survives the terminal.
///
/// # Errors
/// When the program or its log cannot be used.
pub fn launch(home: &Home, program: &Path, args: &[&str]) -> Result<Child> {
    let log = home.log("supervisor");
    files::create_folder(&home.logs())?;
    let said =
        OpenOptions::new().create(true).write(true).truncate(true).open(&log).map_err(Error::io("open", &log))?;
    let also = said.try_clone().map_err(Error::io("open", &log))?;
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::null()).stdout(said).stderr(also);
    command.spawn().map_err(Error::io("start", program))
}

/// Ends the home's supervisor, and with it everything. Returns the process that was ended.
///
/// # Errors
/// [`Error::NotRunning`] when there is none.
pub fn stop(home: &Home) -> Result<Identity> {
    let supervisor = State::of_running(home)?.supervisor;
    supervisor.signal(Signal::TERM);
    supervisor.signal(Signal::CONT);
    if !supervisor.wait_gone(STOP_WITHIN) {
        supervisor.signal(Signal::KILL);
        if !supervisor.wait_gone(KILL_WITHIN) {
            return Err(Error::WillNotStop { pid: supervisor.pid });
        }
    }
    Ok(supervisor)
}
