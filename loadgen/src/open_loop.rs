//! Open loop: transactions go out at fixed times, whatever became of those before, as those of many independent clients do.
//!
//! Latency counts from the time a request was meant to go out. A system that stalls is so charged for everyone whom it kept waiting,
//! not only for the one request that it held (coordinated omission).

mod latencies;
mod schedule;
mod target;
mod transactions;

pub use latencies::{Latencies, Quantiles};
pub use schedule::Schedule;
pub use target::{Answers, Target};
pub use transactions::Transactions;
