//! The supervisor's process: holds the home, clears what was left over, runs everything until it is told to stop.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;
use std::time::{Duration, Instant};

use tokio::runtime;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::Layout;
use crate::state::{Binary, inode};
use crate::supervisor::{Board, Group, Restart};
use crate::{Error, Home, Identity, Parts, Result, State, files, sweep};

/// Runs the stack until SIGTERM or SIGINT, then stops all of it in order. Returns when nothing runs any more.
///
/// Must be called on the main thread: the processes it starts end with the thread that started them.
///
/// # Errors
/// [`Error::Locked`] when another supervisor has the home, [`Error::PortTaken`] when someone listens where the stack wants to.
pub fn supervise(layout: &Layout, version: &str) -> Result<()> {
    let home = &layout.home;
    // Fails only for the leader of a group, such as a command started from a terminal: that one should end with it.
    let _ = rustix::process::setsid();
    let _lock = lock(home)?;
    for (name, process) in sweep::leftovers(home)? {
        eprintln!("{name} was left over from a supervisor that was killed; stopped pid {}", process.pid);
    }
    wait_for_ports(layout)?;
    let specs = layout.specs()?;
    let runtime = runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(Error::io("start a runtime for", home.folder()))?;
    runtime.block_on(async {
        let mut terminate =
            signal(SignalKind::terminate()).map_err(Error::io("listen to signals for", home.folder()))?;
        let mut interrupt =
            signal(SignalKind::interrupt()).map_err(Error::io("listen to signals for", home.folder()))?;
        let mut group = Group::new(home.logs(), Restart::Always);
        let writer = tokio::spawn(write_down(first_state(layout, version)?, home.clone(), group.board()));
        group.start(specs)?;
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        group.shut_down().await;
        writer.await.map_err(|_| Error::Ended)
    })
}

/// Refuses ports that are taken. Where a stack ran before, its ports get a moment: the sockets of a large process that was killed
/// outlive what can be seen of it.
fn wait_for_ports(layout: &Layout) -> Result<()> {
    const PATIENCE: Duration = Duration::from_secs(15);
    let ran_before = State::read(&layout.home)?.is_some();
    let end = Instant::now() + if ran_before { PATIENCE } else { Duration::ZERO };
    loop {
        match layout.ports.check_free(layout.listens_on()) {
            Err(_) if Instant::now() < end => std::thread::sleep(Duration::from_millis(50)),
            checked => return checked,
        }
    }
}

/// Takes the home for this process. A reader who looks whether it is taken may have it for an instant: hence the patience.
fn lock(home: &Home) -> Result<File> {
    const PATIENCE: Duration = Duration::from_secs(2);
    let path = home.lock_file();
    files::create_folder(path.parent().unwrap_or(Path::new("/")))?;
    let file = OpenOptions::new().create(true).append(true).open(&path).map_err(Error::io("open", &path))?;
    let end = Instant::now() + PATIENCE;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if Instant::now() < end => std::thread::sleep(Duration::from_millis(20)),
            Err(TryLockError::WouldBlock) => return Err(Error::Locked { home: home.folder().to_owned() }),
            Err(TryLockError::Error(error)) => return Err(Error::io("lock", &path)(error)),
        }
    }
}

fn first_state(layout: &Layout, version: &str) -> Result<State> {
    Ok(State {
        supervisor: Identity::own().ok_or(Error::Ended)?,
        binary: Binary::at(&layout.binary)?,
        millrace: version.to_owned(),
        parts: Parts::versions(),
        ports: layout.ports.clone(),
        units: Board::default(),
        folder: inode(layout.home.folder())?,
    })
}

/// Writes the state down at once and on every change, until the group is gone.
async fn write_down(mut state: State, home: Home, mut board: watch::Receiver<Board>) {
    loop {
        state.units = board.borrow_and_update().clone();
        // The processes run on; the next change is another chance.
        if let Err(error) = state.write(&home) {
            eprintln!("the state could not be written down: {error}");
        }
        if board.changed().await.is_err() {
            return;
        }
    }
}
