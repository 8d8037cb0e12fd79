//! The gateway over real HTTP: what it answers, what it writes, and how it behaves when the log or a client does not.

#[allow(dead_code, unused_imports, reason = "each test target uses a part")]
#[path = "../support/mod.rs"]
mod support;

mod audit;
mod contract;
mod drain;
mod idempotency;
mod labels;
mod limits;
mod service;
mod stall;
