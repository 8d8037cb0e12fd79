//! The HTTP gateway: takes in transactions, receipts and labels, and answers once Kafka has them.
//!
//! A request goes through these in order; `intake` is the chain.
//!
//! - [`config`]: every limit, with a safe default.
//! - `server`, `routes`: connections, draining, paths.
//! - `admission`: how much may be in flight; beyond it the answer is an early 503.
//! - `context`: who sent it, its request id and trace.
//! - `body`: media type, content encoding and charset; bytes to text, within limits.
//! - `tree`: JSON, NDJSON and XML to one tree of values.
//! - `parse`: a tree to an event, with every error and where it is.
//! - `idempotency`, `store`: what is new is appended, and known to be stored.
//! - `patience`, [`waiting`]: clients that wait for their transaction's score, and how long.
//! - `audit`: what was refused is kept, without card data.
//! - `answer`, `problem`, `respond`: what the client is told, in JSON or XML.
//! - `contract`: all of it as an OpenAPI document.
//! - [`log`]: the seam to Kafka.
//! - [`again`]: what was refused, taken in once more.

mod admission;
pub mod again;
mod answer;
mod app;
mod audit;
mod body;
pub mod config;
mod context;
mod contract;
mod idempotency;
mod intake;
pub mod log;
mod metrics;
mod parse;
mod patience;
mod problem;
mod respond;
mod routes;
mod server;
mod store;
mod tree;
pub mod waiting;

pub use app::Gateway;
pub use config::GatewayConfig;
pub use log::EventLog;
pub use server::{GatewayError, serve};
