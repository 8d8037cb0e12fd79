//! The pool: deadlines, a bounded queue, a breaker, and that every score is counted once. Engines wait for the test, and the clock is
//! the test's own, so that nothing depends on luck.

use super::{LIGHTGBM, bundle, model};
use millrace_processors::scoring::model::{
    Cause, Engine, EngineError, Model, Pool, PoolOptions, Scorer, Ticket,
    pool::{Clock, Counted},
};
use std::{
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

/// A clock that stands still until it is moved.
struct Still {
    began: Instant,
    moved_ms: AtomicU64,
}

impl Still {
    fn new() -> Arc<Self> {
        Arc::new(Self { began: Instant::now(), moved_ms: AtomicU64::new(0) })
    }

    fn advance(&self, ms: u64) {
        self.moved_ms.fetch_add(ms, Ordering::SeqCst);
    }
}

impl Clock for Still {
    fn now(&self) -> Instant {
        self.began + Duration::from_millis(self.moved_ms.load(Ordering::SeqCst))
    }
}

/// What engines of a test do: a row with a negative amount waits until the gate is opened, and all fail while they are told to.
#[derive(Default)]
struct Control {
    open: Mutex<bool>,
    changed: Condvar,
    held: Mutex<usize>,
    failing: AtomicBool,
}

impl Control {
    fn hold(&self) {
        *self.held.lock().unwrap() += 1;
        self.changed.notify_all();
        let open = self.open.lock().unwrap();
        drop(self.changed.wait_while(open, |open| !*open).unwrap());
    }

    fn open(&self) {
        *self.open.lock().unwrap() = true;
        self.changed.notify_all();
    }

    /// Until so many engines are held.
    fn until_held(&self, wanted: usize) {
        while *self.held.lock().unwrap() < wanted {
            thread::yield_now();
        }
    }
}

struct Controlled {
    real: Box<dyn Engine>,
    control: Arc<Control>,
}

impl Engine for Controlled {
    fn run(&mut self, row: &[f32]) -> Result<f32, EngineError> {
        if row[0] < 0.0 {
            self.control.hold();
        }
        if self.control.failing.load(Ordering::SeqCst) {
            return Err(EngineError::new("told to fail"));
        }
        self.real.run(row)
    }
}

struct Stage {
    pool: Pool,
    control: Arc<Control>,
    clock: Arc<Still>,
    row: Vec<f32>,
    /// The row that is held.
    slow: Vec<f32>,
}

fn stage(options: PoolOptions) -> Stage {
    let (right, control, clock) = (Arc::new(model(LIGHTGBM)), Arc::new(Control::default()), Still::new());
    let own = Arc::clone(&control);
    let engines =
        move || Ok(Box::new(Controlled { real: right.engine()?, control: Arc::clone(&own) }) as Box<dyn Engine>);
    let model = Arc::new(Model::with_engines(bundle(LIGHTGBM), Box::new(engines)).unwrap());
    let row = model.bundle().golden().rows()[0].row.clone();
    let mut slow = row.clone();
    slow[0] = -1.0;
    let pool = Pool::with_clock(model, &options, Arc::clone(&clock) as Arc<dyn Clock>).unwrap();
    Stage { pool, control, clock, row, slow }
}

impl Stage {
    /// Until counters are as expected: threads count after the ticket has its score.
    fn until_counted(&self, expected: Counted) {
        let give_up = Instant::now() + Duration::from_secs(20);
        while self.pool.counted() != expected {
            assert!(Instant::now() < give_up, "{:?} and not {expected:?}", self.pool.counted());
            thread::yield_now();
        }
    }
}

#[test]
fn scores_are_collected_in_the_order_they_were_asked_for() {
    let model = Arc::new(model(LIGHTGBM));
    let pool = Pool::new(Arc::clone(&model), &PoolOptions { deadline_ms: 60_000, ..PoolOptions::default() }).unwrap();
    let mut scorer = Scorer::new(Arc::clone(&model)).unwrap();
    let rows: Vec<Vec<f32>> = model.bundle().golden().rows().iter().map(|golden| golden.row.clone()).collect();
    let tickets: Vec<_> = rows.iter().cycle().take(600).map(|row| pool.score_row(row.clone())).collect();
    for (ticket, row) in tickets.into_iter().zip(rows.iter().cycle()) {
        assert_eq!(ticket.wait().unwrap(), scorer.score(row).unwrap());
    }
    let tickets: Vec<_> = rows.iter().map(|row| pool.score_row(row.clone())).collect();
    for (score, row) in Ticket::wait_all(tickets).into_iter().zip(&rows) {
        assert_eq!(score.unwrap(), scorer.score(row).unwrap());
    }
    assert_eq!(pool.counted(), Counted { ok: 660, ..Counted::default() });
}

#[test]
fn a_model_that_takes_too_long_delays_nobody_past_the_deadline() {
    let stage = stage(PoolOptions { threads: 1, ..PoolOptions::default() });
    let ticket = stage.pool.score_row(stage.slow.clone());
    stage.control.until_held(1);
    stage.clock.advance(100);
    // The model is still at it: this returns although nobody has let it go on.
    assert_eq!(ticket.wait(), Err(Cause::Timeout));
    stage.until_counted(Counted { timeout: 1, ..Counted::default() });
    stage.control.open();
    stage.until_counted(Counted { timeout: 1, late: 1, ..Counted::default() });
    assert!(stage.pool.score_row(stage.row.clone()).wait().is_ok(), "the thread goes on");
}

/// With the machine's clock: a model that would take for ever, and a caller who waits a tenth of a second and not less.
#[test]
fn a_deadline_ends_by_itself() {
    let held = stage(PoolOptions::default());
    let real = Pool::new(Arc::clone(held.pool.model()), &PoolOptions::default()).unwrap();
    let began = Instant::now();
    assert_eq!(real.score_row(held.slow.clone()).wait(), Err(Cause::Timeout));
    assert!(began.elapsed() >= Duration::from_millis(100), "{:?}", began.elapsed());
    held.control.open();
}

#[test]
fn while_a_thread_is_free_nobody_waits_for_a_slow_one() {
    let stage = stage(PoolOptions { threads: 2, ..PoolOptions::default() });
    let slow = stage.pool.score_row(stage.slow.clone());
    stage.control.until_held(1);
    // The clock stands still: each of these comes while the slow one is held.
    for _ in 0..100 {
        assert!(stage.pool.score_row(stage.row.clone()).wait().is_ok());
    }
    stage.control.open();
    assert!(slow.wait().is_ok());
    assert_eq!(stage.pool.counted(), Counted { ok: 101, ..Counted::default() });
}

#[test]
fn what_finds_no_room_is_refused_at_once() {
    let stage = stage(PoolOptions { threads: 1, queue_max: 2, ..PoolOptions::default() });
    let held = stage.pool.score_row(stage.slow.clone());
    stage.control.until_held(1);
    let queued = [(), ()].map(|()| stage.pool.score_row(stage.row.clone()));
    assert_eq!(stage.pool.score_row(stage.row.clone()).wait(), Err(Cause::Overload));
    stage.control.open();
    assert!(held.wait().is_ok());
    for ticket in queued {
        assert!(ticket.wait().is_ok());
    }
    assert_eq!(stage.pool.counted(), Counted { ok: 3, overload: 1, ..Counted::default() });
}

#[test]
fn what_nobody_waits_for_any_more_is_not_begun() {
    let stage = stage(PoolOptions { threads: 1, ..PoolOptions::default() });
    let held = stage.pool.score_row(stage.slow.clone());
    stage.control.until_held(1);
    let behind: Vec<_> = (0..5).map(|_| stage.pool.score_row(stage.slow.clone())).collect();
    drop(behind);
    stage.control.open();
    assert!(held.wait().is_ok());
    stage.until_counted(Counted { ok: 1, dropped: 5, late: 5, ..Counted::default() });
    assert_eq!(*stage.control.held.lock().unwrap(), 1, "only the first was begun");
}

#[test]
fn failures_in_a_row_open_the_breaker_and_a_success_after_a_while_closes_it() {
    let options = PoolOptions { threads: 1, breaker_failures: 3, breaker_open_ms: 5_000, ..PoolOptions::default() };
    let stage = stage(options);
    let ask = || stage.pool.score_row(stage.row.clone()).wait().map(|_| ());
    stage.control.failing.store(true, Ordering::SeqCst);
    assert_eq!([ask(), ask(), ask()], [Err(Cause::ModelError); 3]);
    assert_eq!(ask(), Err(Cause::BreakerOpen));
    stage.clock.advance(4_999);
    assert_eq!(ask(), Err(Cause::BreakerOpen));
    stage.clock.advance(1);
    assert_eq!(ask(), Err(Cause::ModelError), "one is tried");
    assert_eq!(ask(), Err(Cause::BreakerOpen));
    stage.control.failing.store(false, Ordering::SeqCst);
    stage.clock.advance(5_000);
    assert_eq!([ask(), ask(), ask()], [Ok(()); 3]);
    assert_eq!(stage.pool.counted(), Counted { ok: 3, model_error: 4, breaker_open: 3, ..Counted::default() });
}

#[test]
fn a_model_that_is_always_late_opens_the_breaker() {
    let stage = stage(PoolOptions { threads: 2, breaker_failures: 2, ..PoolOptions::default() });
    for held in 1..=2 {
        let ticket = stage.pool.score_row(stage.slow.clone());
        stage.control.until_held(held);
        stage.clock.advance(100);
        assert_eq!(ticket.wait(), Err(Cause::Timeout));
    }
    // That both come in the end makes nothing good.
    stage.control.open();
    stage.until_counted(Counted { timeout: 2, late: 2, ..Counted::default() });
    assert_eq!(stage.pool.score_row(stage.row.clone()).wait(), Err(Cause::BreakerOpen));
}

#[test]
fn a_score_that_came_in_time_is_given_to_who_asks_late() {
    let stage = stage(PoolOptions { threads: 1, ..PoolOptions::default() });
    let ticket = stage.pool.score_row(stage.row.clone());
    // One thread: when the second has its score, so has the first.
    assert!(stage.pool.score_row(stage.row.clone()).wait().is_ok());
    stage.clock.advance(10_000);
    assert!(ticket.wait().is_ok());
}

#[test]
fn a_pool_is_dropped_without_waiting_for_what_hangs() {
    let Stage { pool, control, slow, .. } = stage(PoolOptions { threads: 1, ..PoolOptions::default() });
    let ticket = pool.score_row(slow);
    control.until_held(1);
    drop(pool);
    control.open();
    assert!(ticket.wait().is_ok(), "what was begun is still finished");
}

#[test]
fn causes_have_the_names_that_events_carry() {
    let names = Cause::ALL.map(Cause::name);
    assert_eq!(names, ["timeout", "overload", "model_error", "breaker_open"]);
    assert!(Cause::ALL.into_iter().all(|cause| Cause::named(cause.name()) == Some(cause)));
    assert_eq!(Cause::named("luck"), None);
}

#[test]
fn options_that_make_no_sense_are_refused() {
    let model = Arc::new(model(LIGHTGBM));
    let refused = |options: PoolOptions| Pool::new(Arc::clone(&model), &options).err().unwrap().to_string();
    assert_eq!(
        refused(PoolOptions { threads: 0, ..PoolOptions::default() }),
        "model pool: threads is 0; it must be 1 to 256"
    );
    assert!(refused(PoolOptions { queue_max: 0, ..PoolOptions::default() }).contains("queue_max is 0"));
    assert!(refused(PoolOptions { deadline_ms: 0, ..PoolOptions::default() }).contains("at least 1"));
}
