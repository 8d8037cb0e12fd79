//! ClickHouse: one row for each event, and rollups that follow every insert.
//!
//! - [`client`]: how the server is reached, and what can be asked of it; [`lookup`] finds one event's rows,
//!   [`outcomes`] what became of a request, [`scores`] and [`transactions`] read one transaction, [`statistics`] a customer's hours,
//!   [`figures`] the views of `clickhouse/analytics.sql`.
//! - [`migrate`]: numbered schema changes, in `clickhouse/migrations`; [`definition`]: what they come to, for a set made anew.
//! - [`set`]: tables and rollups of one version; `switches`: which one is live; [`mod@follow`]: the projector, which fills that one.
//! - [`what_if`] and [`shadows`]: what other thresholds, and another model, would have come to.
//! - [`rebuild`]: filling another set beside it and switching to it.
//! - [`sink`]: batches of the log into tables, each record once.
//! - [`held`]: what the tables hold of a stretch of the log.
//! - [`tables`]: which column holds what; [`rowbinary`] is the bytes of a value.
//!
//! Exactly once rests on three things: a batch always becomes the same bytes; every table, rollups included, takes a token
//! once; and where it is not sure that the last attempt ended well, the rows are counted afterwards.

pub mod client;
mod config;
mod ddl;
pub mod definition;
mod error;
pub mod figures;
pub mod follow;
pub mod held;
mod horizon;
mod insert;
pub mod lookup;
pub mod migrate;
pub mod outcomes;
pub mod rebuild;
pub mod rowbinary;
pub mod scores;
pub mod set;
pub mod shadows;
pub mod sink;
pub mod statistics;
pub mod switches;
pub mod tables;
pub mod transactions;
mod views;
pub mod what_if;

pub use client::ClickHouse;
pub use config::{ClickHouseConfig, DatabaseName};
pub use error::ClickHouseError;
pub use follow::follow;
pub use sink::ClickHouseSink;
