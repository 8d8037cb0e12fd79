//! Faults on purpose, under load, on real services; and an oracle that looks at what is left.
//!
//! - [`schedule`]: which fault comes when, as data, made from a seed.
//! - [`stage`]: a sandbox with several processes of every service; [`proxy`] stands in their connections, [`volume`] under their data.
//! - [`conductor`]: carries a schedule out; [`mod@run`]: from an empty stage to a verdict.
//! - [`report`]: what a run came to, in figures and lines.
//! - [`recovery`]: how long the lag takes to be back after one kill.

pub mod conductor;
pub mod proxy;
pub mod recovery;
pub mod report;
pub mod run;
pub mod schedule;
pub mod stage;
pub mod volume;

pub use run::{Plan, run};
pub use schedule::Schedule;
