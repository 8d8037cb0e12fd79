//! A progress bar on a terminal, a line now and then elsewhere; on standard error.

use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use tokio::time::{MissedTickBehavior, interval};

use super::tally::Tally;

const REDRAW: Duration = Duration::from_millis(200);
const LINE_EVERY: Duration = Duration::from_secs(5);

/// Shows progress until it is dropped.
pub(super) async fn show(tally: Arc<Tally>, file_bytes: u64) {
    if std::io::stderr().is_terminal() {
        show_bar(&tally, file_bytes).await;
    } else {
        show_lines(&tally, file_bytes).await;
    }
}

async fn show_bar(tally: &Tally, file_bytes: u64) {
    let bar = ProgressBar::new(file_bytes);
    let template = "{wide_bar} {bytes}/{total_bytes} {msg} {elapsed}";
    bar.set_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()));
    let _erase = EraseOnDrop(bar.clone());
    let mut ticks = interval(REDRAW);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        ticks.tick().await;
        bar.set_position(tally.file_bytes.load(Ordering::Relaxed));
        bar.set_message(describe(tally));
    }
}

async fn show_lines(tally: &Tally, file_bytes: u64) {
    let mut ticks = interval(LINE_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    ticks.tick().await;
    loop {
        ticks.tick().await;
        let read = tally.file_bytes.load(Ordering::Relaxed);
        let percent = if file_bytes > 0 {
            format!(" ({:.0} % read)", read as f64 * 100.0 / file_bytes as f64)
        } else {
            String::new()
        };
        eprintln!("{:.0} s: {}{percent}", tally.elapsed().as_secs_f64(), describe(tally));
    }
}

fn describe(tally: &Tally) -> String {
    let (answered, refused) = tally.so_far();
    let rate = answered as f64 / tally.elapsed().as_secs_f64().max(0.001);
    format!("{answered} items answered, {refused} refused, {rate:.0}/s")
}

/// Leaves a clean line for the report.
struct EraseOnDrop(ProgressBar);

impl Drop for EraseOnDrop {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
