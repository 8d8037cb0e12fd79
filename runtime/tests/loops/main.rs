//! The loops on a real broker.

mod counting;
mod deployment;
mod processor;
mod recording;
mod torn;
