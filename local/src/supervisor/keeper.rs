//! A group on a thread of its own: for tests, which come and go on threads of their own, and for anything not asynchronous.

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc as blocking;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use super::{Action, Board, Group, Phase, Restart};
use crate::spec::Spec;
use crate::{Error, Result, files};

/// A supervised group that ends with this value: everything it runs is stopped when it is dropped.
#[derive(Debug)]
pub struct Keeper {
    logs: PathBuf,
    orders: mpsc::UnboundedSender<Order>,
    board: watch::Receiver<Board>,
    thread: Option<JoinHandle<()>>,
}

/// How a [`Keeper`] ends.
#[derive(Default)]
pub struct Ending {
    /// Whether Ctrl-C and SIGTERM stop everything before they end this process.
    pub on_signals: bool,
    /// Called when nothing runs any more.
    pub then: Option<Box<dyn FnOnce() + Send>>,
}

enum Order {
    Start(Vec<Spec>, blocking::Sender<Result<()>>),
    Act(String, Action, blocking::Sender<Result<()>>),
    Wait(Vec<String>, Duration, blocking::Sender<bool>),
}

/// Keepers that end this process on a signal: the last of them to be done does.
static ENDING_ON_SIGNALS: AtomicUsize = AtomicUsize::new(0);

impl Keeper {
    /// An empty group on a new thread; its processes log into files in `logs`.
    ///
    /// # Errors
    /// When the system gives no thread, or no signals to listen to.
    pub fn new(logs: PathBuf, restart: Restart, ending: Ending) -> Result<Self> {
        let (orders, inbox) = mpsc::unbounded_channel();
        let (started, hears) = blocking::channel();
        let group_logs = logs.clone();
        let thread = thread::Builder::new().name("keeper".to_owned());
        let thread = thread.spawn(move || keep(group_logs, restart, ending, inbox, &started));
        let thread = thread.map_err(Error::io("start a thread for", &logs))?;
        let board = hears.recv().map_err(|_| Error::Ended)?.map_err(Error::io("start a runtime for", &logs))?;
        Ok(Self { logs, orders, board, thread: Some(thread) })
    }

    /// Starts processes, each as soon as those it comes after are ready; does not wait for any.
    ///
    /// # Errors
    /// As [`Group::start`].
    pub fn start(&self, specs: Vec<Spec>) -> Result<()> {
        self.order(|reply| Order::Start(specs, reply))?
    }

    /// Has something done to one process and returns when it is done. After [`Action::Start`] the process is not ready yet:
    /// see [`Keeper::wait_ready`].
    ///
    /// # Errors
    /// [`Error::Unknown`] when there is no such process.
    pub fn act(&self, name: &str, action: Action) -> Result<()> {
        self.order(|reply| Order::Act(name.to_owned(), action, reply))?
    }

    /// Waits until all of these are ready or done.
    ///
    /// # Errors
    /// [`Error::NotReady`] for the first that failed or is not ready by the deadline, with the end of its log.
    pub fn wait_ready(&self, names: &[&str], within: Duration) -> Result<()> {
        let waited_for: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        if self.order(|reply| Order::Wait(waited_for, within, reply))? {
            return Ok(());
        }
        let board = self.board();
        let culprit = names.iter().find(|name| failed(&board, name));
        let culprit = culprit.or_else(|| names.iter().find(|name| !board.all_settled([**name])));
        let name = culprit.or(names.first()).map_or(String::new(), |name| (*name).to_owned());
        let trouble = board.get(&name).and_then(|state| state.trouble.clone());
        let why = trouble.unwrap_or_else(|| format!("was not ready after {} s", within.as_secs()));
        let log = self.logs.join(format!("{name}.log"));
        Err(Error::NotReady { why, tail: files::tail(&log, 15), log, name })
    }

    /// What is known about each process now.
    pub fn board(&self) -> Board {
        self.board.borrow().clone()
    }

    fn order<T>(&self, order: impl FnOnce(blocking::Sender<T>) -> Order) -> Result<T> {
        let (reply, hears) = blocking::channel();
        self.orders.send(order(reply)).map_err(|_| Error::Ended)?;
        hears.recv().map_err(|_| Error::Ended)
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        let (nobody, _) = mpsc::unbounded_channel();
        // Without anyone left to give orders the thread ends, and everything with it.
        self.orders = nobody;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

type Started = std::io::Result<watch::Receiver<Board>>;

fn keep(
    logs: PathBuf,
    restart: Restart,
    ending: Ending,
    orders: mpsc::UnboundedReceiver<Order>,
    started: &blocking::Sender<Started>,
) {
    let runtime = match runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return drop(started.send(Err(error))),
    };
    runtime.block_on(async {
        let mut signals = match ending.on_signals.then(Signals::listen).transpose() {
            Ok(signals) => signals,
            Err(error) => return drop(started.send(Err(error))),
        };
        let mut group = Group::new(logs, restart);
        let _ = started.send(Ok(group.board()));
        let signal = tokio::select! {
            () = obey(&mut group, orders) => None,
            signal = Signals::next(signals.as_mut()) => Some(signal),
        };
        group.shut_down().await;
        if let Some(then) = ending.then {
            then();
        }
        let others = signals.map_or(0, |_| ENDING_ON_SIGNALS.fetch_sub(1, Ordering::SeqCst) - 1);
        if let Some(number) = signal
            && others == 0
        {
            std::process::exit(128 + number);
        }
    });
}

async fn obey(group: &mut Group, mut orders: mpsc::UnboundedReceiver<Order>) {
    while let Some(order) = orders.recv().await {
        match order {
            Order::Start(specs, reply) => _ = reply.send(group.start(specs)),
            Order::Act(name, action, reply) => match group.act(&name, action) {
                Ok(done) => _ = tokio::spawn(async move { reply.send(done.await.map_err(|_| Error::Ended)) }),
                Err(error) => _ = reply.send(Err(error)),
            },
            Order::Wait(names, within, reply) => _ = tokio::spawn(wait(group.board(), names, within, reply)),
        }
    }
}

async fn wait(mut board: watch::Receiver<Board>, names: Vec<String>, within: Duration, reply: blocking::Sender<bool>) {
    let all_settled = |board: &Board| board.all_settled(names.iter().map(String::as_str));
    let decided = |board: &Board| all_settled(board) || names.iter().any(|name| failed(board, name));
    let _ = timeout(within, board.wait_for(decided)).await;
    let _ = reply.send(all_settled(&board.borrow()));
}

fn failed(board: &Board, name: &str) -> bool {
    board.get(name).is_none_or(|state| state.phase == Phase::Failed)
}

struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn listen() -> std::io::Result<Self> {
        let signals = Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? };
        ENDING_ON_SIGNALS.fetch_add(1, Ordering::SeqCst);
        Ok(signals)
    }

    /// The number of the next signal; never, when none are listened to.
    async fn next(signals: Option<&mut Self>) -> i32 {
        let Some(Self { interrupt, terminate }) = signals else { return std::future::pending().await };
        tokio::select! {
            _ = interrupt.recv() => SignalKind::interrupt().as_raw_value(),
            _ = terminate.recv() => SignalKind::terminate().as_raw_value(),
        }
    }
}
