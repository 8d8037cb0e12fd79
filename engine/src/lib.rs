//! A local ClickHouse endpoint: libchdb, ClickHouse's engine as a library, behind ClickHouse's own HTTP interface, so
//! that the same clients and the same SQL work against it as against a server.
//!
//! What it does, what differs from a server and what holds after a crash is in the crate's `README.md`.
//!
//! The way of a request: [`server`] accepts it, [`auth`] lets it in, [`request`] reads what it asks, [`query`] answers;
//! [`running`] is the statement seen from there, [`job`] its thread, on which [`statement`] and [`sql`] find the statement
//! in URL and body, [`connection`] prepares a connection, and [`ffi`] calls the engine, held in bounds by [`confinement`].
#![allow(rustdoc::private_intra_doc_links)]

mod app;
mod auth;
mod body;
mod compression;
mod config;
mod confinement;
mod connection;
mod database;
mod datadir;
mod error;
mod exception;
mod ffi;
mod flush;
mod form;
mod heal;
mod job;
mod jobs;
mod metrics;
mod outgoing;
mod query;
mod request;
mod response;
mod running;
mod server;
mod session;
mod spool;
mod sql;
mod statement;

pub use config::{Credentials, EngineConfig, Secret};
pub use error::EngineError;
pub use server::run;
