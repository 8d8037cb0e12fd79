//! The life of one process, driven by one task: wait, start, become ready, end, start again.

use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{sleep, timeout};

use super::Restart;
use super::backoff::Backoff;
use super::board::{Board, Phase, UnitState};
use super::child::Child;
use super::probe;
use crate::spec::{Kind, Spec};

/// What can be done to a supervised process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Start it, when it is down or waits for its next start.
    Start,
    /// SIGTERM, SIGKILL when that takes too long; it stays down.
    Stop,
    /// SIGKILL; it stays down.
    Kill,
    /// SIGSTOP: it stays as it is and does nothing.
    Pause,
    /// SIGCONT.
    Resume,
    /// As [`Action::Stop`], for good.
    End,
}

/// An action and who wants to hear that it was done.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) action: Action,
    pub(super) done: oneshot::Sender<()>,
}

/// What to do after an attempt to run the process.
enum Next {
    /// It ended or failed by itself: start it again, or leave it, as the group's policy says.
    Failed { why: String, ran: Duration },
    /// Wait for a request to start it.
    Rest(Phase),
    /// Start it at once.
    Start,
    /// The group ends.
    End,
}

/// What to wait for while the process runs.
enum Event {
    Ended(std::io::Result<ExitStatus>),
    Ready,
    TooLate,
    Asked(Option<Request>),
}

/// One process and everything needed to drive it.
pub(super) struct Unit {
    spec: Spec,
    log: PathBuf,
    restart: Restart,
    board: watch::Sender<Board>,
    requests: mpsc::Receiver<Request>,
}

impl Unit {
    pub(super) fn new(
        spec: Spec,
        logs: &Path,
        restart: Restart,
        board: watch::Sender<Board>,
        requests: mpsc::Receiver<Request>,
    ) -> Self {
        let log = logs.join(format!("{}.log", spec.name));
        Self { spec, log, restart, board, requests }
    }

    /// Drives the process until the group ends.
    pub(super) async fn run(mut self) {
        let mut backoff = Backoff::default();
        loop {
            let next = match self.attempt().await {
                Next::Failed { why, ran } => self.failed(why, backoff.after(ran)).await,
                Next::Rest(phase) => self.rest(phase).await,
                next => next,
            };
            if matches!(next, Next::End) {
                return self.update(|state| state.phase = Phase::Stopped);
            }
        }
    }

    /// Waits for those it comes after, then runs the process once.
    async fn attempt(&mut self) -> Next {
        self.update(|state| state.phase = Phase::Waiting);
        let (spec, mut board) = (&self.spec, self.board.subscribe());
        let settled = board.wait_for(|board| board.all_settled(spec.after.iter().map(String::as_str)));
        tokio::select! {
            _ = settled => {}
            request = self.requests.recv() => return rest_or_end(request),
        }
        if let Kind::Task { unless: Some(file), .. } = &self.spec.kind
            && file.exists()
        {
            return Next::Rest(Phase::Done);
        }
        match Child::start(&self.spec, &self.log) {
            Ok(child) => self.drive(child).await,
            Err(error) => {
                let why = format!("could not be started ({}: {error})", self.spec.program.display());
                Next::Failed { why, ran: Duration::ZERO }
            }
        }
    }

    /// Drives a running process to its end.
    async fn drive(&mut self, mut child: Child) -> Next {
        let started = Instant::now();
        let identity = child.identity().cloned();
        self.update(|state| {
            state.phase = Phase::Starting;
            state.process = identity;
        });
        let mut ready = false;
        let next = loop {
            match self.next_event(&mut child, ready, started).await {
                Event::Ready => {
                    ready = true;
                    self.settled(Phase::Ready, started);
                }
                Event::Ended(status) => break self.ended(status, started),
                Event::TooLate => {
                    child.kill().await;
                    let why = format!("was not ready after {} s and was killed", started.elapsed().as_secs());
                    break Next::Failed { why, ran: Duration::ZERO };
                }
                Event::Asked(request) => match self.asked(request, child).await {
                    Ok(still_running) => child = still_running,
                    Err(next) => break next,
                },
            }
        };
        self.update(|state| state.process = None);
        next
    }

    async fn next_event(&mut self, child: &mut Child, ready: bool, started: Instant) -> Event {
        let (within, probe) = match &self.spec.kind {
            Kind::Service { probe, ready_within, .. } => (*ready_within, Some(probe)),
            Kind::Task { within, .. } => (*within, None),
        };
        let becomes_ready = async {
            match probe {
                Some(probe) => probe::until_ready(probe).await,
                None => std::future::pending().await,
            }
        };
        let left = within.saturating_sub(started.elapsed());
        tokio::select! {
            status = child.ended() => Event::Ended(status),
            request = self.requests.recv() => Event::Asked(request),
            outcome = timeout(left, becomes_ready), if !ready => if outcome.is_ok() { Event::Ready } else { Event::TooLate },
        }
    }

    /// Does what is asked to a running process; gives it back when it still runs.
    async fn asked(&mut self, request: Option<Request>, child: Child) -> Result<Child, Next> {
        let Some(Request { action, done }) = request else {
            self.stop(child).await;
            return Err(Next::End);
        };
        match action {
            Action::Start => {}
            Action::Pause => child.signal(Signal::STOP),
            Action::Resume => child.signal(Signal::CONT),
            Action::Kill => {
                child.kill().await;
                self.down(done);
                return Err(Next::Rest(Phase::Stopped));
            }
            Action::Stop | Action::End => {
                self.stop(child).await;
                self.down(done);
                return Err(if action == Action::End { Next::End } else { Next::Rest(Phase::Stopped) });
            }
        }
        let _ = done.send(());
        Ok(child)
    }

    /// It is down on request. The board says so before the asker hears of it, who may look there.
    fn down(&self, done: oneshot::Sender<()>) {
        self.update(|state| {
            state.phase = Phase::Stopped;
            state.process = None;
        });
        let _ = done.send(());
    }

    async fn stop(&self, child: Child) {
        self.update(|state| state.phase = Phase::Stopping);
        match &self.spec.kind {
            Kind::Service { stop_within, .. } => child.stop(*stop_within).await,
            Kind::Task { .. } => child.kill().await,
        }
    }

    /// The process ended without being asked to: for a task, that may be its success.
    fn ended(&self, status: std::io::Result<ExitStatus>, started: Instant) -> Next {
        let ran = started.elapsed();
        match (status, &self.spec.kind) {
            (Ok(status), Kind::Task { .. }) if status.success() => {
                self.settled(Phase::Done, started);
                Next::Rest(Phase::Done)
            }
            (Ok(status), _) => Next::Failed { why: format!("ended by itself ({status})"), ran },
            (Err(error), _) => Next::Failed { why: format!("was lost track of ({error})"), ran },
        }
    }

    async fn failed(&mut self, why: String, pause: Duration) -> Next {
        let phase = if self.restart == Restart::Always { Phase::Restarting } else { Phase::Failed };
        self.update(|state| {
            state.phase = phase;
            state.restarts += 1;
            state.trouble = Some(why);
        });
        if self.restart == Restart::Never {
            return self.rest(Phase::Failed).await;
        }
        tokio::select! {
            () = sleep(pause) => Next::Start,
            request = self.requests.recv() => match rest_or_end(request) {
                Next::Rest(phase) => self.rest(phase).await,
                next => next,
            },
        }
    }

    /// Waits for a request to start, or for the end of the group.
    async fn rest(&mut self, phase: Phase) -> Next {
        self.update(|state| state.phase = phase);
        loop {
            match rest_or_end(self.requests.recv().await) {
                Next::Rest(_) => {}
                next => return next,
            }
        }
    }

    fn settled(&self, phase: Phase, started: Instant) {
        self.update(|state| {
            state.phase = phase;
            state.ready_after_ms = Some(started.elapsed().as_millis() as u64);
            state.trouble = None;
        });
    }

    fn update(&self, change: impl FnOnce(&mut UnitState)) {
        self.board.send_modify(|board| board.update(&self.spec.name, change));
    }
}

/// What a request means to a process that does not run.
fn rest_or_end(request: Option<Request>) -> Next {
    let Some(Request { action, done }) = request else { return Next::End };
    let _ = done.send(());
    match action {
        Action::Start => Next::Start,
        Action::End => Next::End,
        Action::Stop | Action::Kill | Action::Pause | Action::Resume => Next::Rest(Phase::Stopped),
    }
}
