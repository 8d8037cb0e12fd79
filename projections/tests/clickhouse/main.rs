//! The ClickHouse projection against the real engine: schema, rows, rollups, and that every batch takes effect once.

mod analytics;
mod calendar;
mod database;
mod events;
mod exactly_once;
mod grading;
mod labels;
mod lookup;
mod matches;
mod migrations;
mod oracle;
mod places;
mod questions;
mod requests;
mod rollups;
mod rows;
mod sets;
mod statistics;
mod steps;
mod transactions;
