//! ClickHouse: one row for each event, and rollups that follow every insert.
//!
//! - [`client`]: how the server is reached, and what can be asked of it; [`lookup`] finds one event's rows,
//!   [`outcomes`] what became of a request.
//! - [`migrate`]: numbered schema changes, in `clickhouse/migrations`.
//! - [`sink`]: batches of the log into tables, each record once.
//! - [`tables`]: which column holds what; [`rowbinary`] is the bytes of a value.
//!
//! Exactly once rests on three things: a batch always becomes the same bytes; every table, rollups included, takes a token
//! once; and where it is not sure that the last attempt ended well, the rows are counted afterwards.

pub mod client;
mod config;
mod error;
mod insert;
pub mod lookup;
pub mod migrate;
pub mod outcomes;
pub mod rowbinary;
pub mod sink;
pub mod tables;
mod views;

pub use client::ClickHouse;
pub use config::{ClickHouseConfig, DatabaseName};
pub use error::ClickHouseError;
pub use sink::ClickHouseSink;
