//! How far long work is: a line that is rewritten on a terminal, a line now and then elsewhere; on standard error.

use millrace_runtime::scan;
use std::{
    io::{IsTerminal, Write},
    time::{Duration, Instant},
};

const REDRAW: Duration = Duration::from_millis(200);
const LINE_EVERY: Duration = Duration::from_secs(5);

/// Progress of one piece of work; its line is gone when it is dropped.
pub struct Progress {
    what: String,
    terminal: bool,
    last: Instant,
    drawn: bool,
}

impl Progress {
    /// Begins; nothing is shown of what takes no time.
    pub fn of(what: impl Into<String>) -> Self {
        Self { what: what.into(), terminal: std::io::stderr().is_terminal(), last: Instant::now(), drawn: false }
    }

    /// Shows a text when it is time to.
    pub fn show(&mut self, text: impl FnOnce() -> String) {
        if self.last.elapsed() < if self.terminal { REDRAW } else { LINE_EVERY } {
            return;
        }
        self.last = Instant::now();
        let mut out = std::io::stderr().lock();
        // Nobody is there to be told when standard error is closed.
        let _ = if self.terminal {
            self.drawn = true;
            write!(out, "\r\x1b[K{}: {}", self.what, text()).and_then(|()| out.flush())
        } else {
            writeln!(out, "{}: {}", self.what, text())
        };
    }

    /// Shows how far a scan of a topic is.
    pub fn scan(&mut self, at: scan::Progress) {
        self.show(|| {
            let percent = if at.of > 0 { 100 * at.offsets / at.of } else { 100 };
            format!("{} of {} offsets ({percent} %)", at.offsets, at.of)
        });
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.drawn {
            let _ = write!(std::io::stderr().lock(), "\r\x1b[K");
        }
    }
}
