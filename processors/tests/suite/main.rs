//! What the processors do, from outside.

mod common;
mod customers;
mod golden;
mod idle;
mod matching;
mod merchants;
mod models;
mod receipts;
mod restore;
mod room;
mod rules;
mod scoring;
mod windows;
