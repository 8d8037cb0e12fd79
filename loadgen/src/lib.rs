//! Load for a gateway: files sent as they are, receipts made up from a seed, and transactions at a fixed rate whose answers are timed.
//!
//! - [`mod@send`]: files to the gateway, every answer counted and kept.
//! - [`read`]: files of JSON, NDJSON, XML and CSV to items, as a stream.
//! - [`mapping`]: how the rows of a CSV file become transactions or receipts.
//! - [`receipts`]: receipts made up from a seed.
//! - [`open_loop`]: single transactions at fixed times, and how long their answers took.
//! - [`queries`]: what people ask the query API about a year, and how long answers take.
//! - [`visible`]: how long it takes from sending a receipt until figures hold it.
//! - [`mod@grade`]: a labelled stream through the pipeline, and how well its answers tell fraud.
//! - [`item`]: one transaction or receipt on its way.

mod decimal;
mod gateway;
pub mod grade;
pub mod item;
pub mod mapping;
pub mod open_loop;
pub mod queries;
pub mod read;
pub mod receipts;
pub mod send;
pub mod visible;

pub use gateway::GatewayError;
pub use send::{SendArgs, SendError, SendOptions, SendReport, send};
