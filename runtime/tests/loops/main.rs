//! The loops on a real broker.

mod counting;
mod deployment;
mod hanging;
mod operators;
mod pause;
mod processor;
mod recording;
mod snapshots;
mod starts;
mod torn;
