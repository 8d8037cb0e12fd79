//! Carries a schedule out.

use super::{
    report::Happened,
    schedule::{Fault, Schedule},
    stage::Stage,
};
use crate::load::Load;
use millrace_local::supervisor::{Action, Phase};
use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{
    task::{JoinHandle, JoinSet},
    time::{Instant, MissedTickBehavior, interval, sleep, sleep_until},
};

/// How long a process that ended by itself stays down, as under a supervisor.
const RESTART_AFTER: Duration = Duration::from_millis(500);
/// How often is looked whether one did.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// How often a line of progress is printed.
const PROGRESS_EVERY: Duration = Duration::from_secs(10);

/// Who carries out one schedule on one stage.
pub struct Conductor {
    stage: Arc<Stage>,
    load: Arc<Load>,
    happened: Mutex<Happened>,
    /// Processes that are down on purpose, and parts without room: nobody starts them again meanwhile.
    down: Mutex<BTreeSet<String>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Conductor {
    /// Nothing has happened yet.
    pub fn new(stage: Arc<Stage>, load: Arc<Load>) -> Arc<Self> {
        Arc::new(Self { stage, load, happened: Mutex::default(), down: Mutex::default() })
    }

    /// Carries a schedule out; returns when all its faults are over, or `enough` items are acknowledged.
    pub async fn perform(self: &Arc<Self>, schedule: &Schedule, enough: u64) -> Happened {
        let (schedule, left_out) = schedule.clone().possible(self.stage.has_volumes());
        lock(&self.happened).left_out = left_out as u64;
        let nurse: JoinHandle<()> = tokio::spawn(Arc::clone(self).nurse());
        let began = Instant::now();
        let mut faults = JoinSet::new();
        let mut steps = schedule.steps.iter().peekable();
        let (mut look, mut last_line) = (interval(LOOK_EVERY), began);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while began.elapsed() < schedule.length() && self.load.acknowledged() < enough {
            let next = steps.peek().map(|step| began + Duration::from_millis(step.at_ms));
            tokio::select! {
                () = sleep_until(next.unwrap_or(began + schedule.length())), if next.is_some() => {
                    if let Some(step) = steps.next() {
                        let (conductor, fault) = (Arc::clone(self), step.fault.clone());
                        faults.spawn(async move { conductor.inflict(fault).await });
                    }
                }
                _ = look.tick() => {}
            }
            if last_line.elapsed() >= PROGRESS_EVERY {
                last_line = Instant::now();
                self.progress(began.elapsed(), schedule.length());
            }
        }
        while let Some(ended) = faults.join_next().await {
            ended.expect("a fault panicked");
        }
        nurse.abort();
        // Until it has ended, it holds on to the stage and the load.
        let _ = nurse.await;
        lock(&self.happened).clone()
    }

    fn progress(&self, elapsed: Duration, length: Duration) {
        let happened = lock(&self.happened);
        eprintln!(
            "chaos: {:>4} of {} s, {} items answered, {} requests failed, {} kills, {} other faults",
            elapsed.as_secs(),
            length.as_secs(),
            self.load.acknowledged(),
            self.load.failed(),
            happened.kills(),
            happened.faults.values().sum::<u64>()
        );
    }

    /// Starts processes again that ended by themselves, as a supervisor would, and remembers that they did.
    async fn nurse(self: Arc<Self>) {
        loop {
            for process in self.stage.processes() {
                let (Phase::Failed, trouble) = self.stage.phase(process) else { continue };
                if lock(&self.down).contains(process) {
                    continue;
                }
                let why = trouble.unwrap_or_default();
                eprintln!("chaos: {process} {why}");
                lock(&self.happened).ended_by_itself(process, why);
                sleep(RESTART_AFTER).await;
                self.stage.act(process, Action::Start);
            }
            sleep(LOOK_EVERY).await;
        }
    }

    /// One fault, from its beginning to its end.
    async fn inflict(&self, fault: Fault) {
        let runs = |process: &str| matches!(self.stage.phase(process).0, Phase::Ready | Phase::Starting);
        match &fault {
            Fault::Kill { victim, down_ms } if runs(victim) => {
                self.count_kill(victim);
                self.stage.act(victim, Action::Kill);
                sleep(Duration::from_millis(*down_ms)).await;
                self.stage.act(victim, Action::Start);
                return;
            }
            Fault::Restart { victim } if runs(victim) => {
                self.stage.act(victim, Action::Stop);
                self.stage.act(victim, Action::Start);
            }
            Fault::Freeze { victim, for_ms } if runs(victim) => {
                self.stage.act(victim, Action::Pause);
                sleep(Duration::from_millis(*for_ms)).await;
                self.stage.act(victim, Action::Resume);
            }
            Fault::Kill { .. } | Fault::Restart { .. } | Fault::Freeze { .. } => {
                lock(&self.happened).missed += 1;
                return;
            }
            Fault::Reset { link } => self.stage.link(link).reset(),
            Fault::Stall { link, direction, for_ms } => {
                self.stage.link(link).stall(*direction);
                sleep(Duration::from_millis(*for_ms)).await;
                self.stage.link(link).release();
            }
            Fault::StallFrom { link, bytes, for_ms } => {
                self.stage.link(link).stall_from(*bytes);
                sleep(Duration::from_millis(*for_ms)).await;
                self.stage.link(link).release();
            }
            Fault::FullDisk { part, for_ms } => self.without_room(part, Duration::from_millis(*for_ms)).await,
            Fault::ClockJump { by_ms } => self.load.jump(*by_ms),
        }
        *lock(&self.happened).faults.entry(fault.kind().to_owned()).or_default() += 1;
    }

    /// A part that ends because its disk is full is started again when there is room.
    async fn without_room(&self, part: &str, time: Duration) {
        let Some(volume) = self.stage.volume(part) else { return };
        lock(&self.down).insert(part.to_owned());
        volume.fill().expect("a volume can be made full");
        sleep(time).await;
        volume.free().expect("a volume can be given its room back");
        lock(&self.down).remove(part);
    }

    fn count_kill(&self, victim: &str) {
        *lock(&self.happened).kills.entry(victim.to_owned()).or_default() += 1;
    }
}
