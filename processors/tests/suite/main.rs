//! What the processors do, from outside.

mod common;
mod golden;
mod receipts;
mod restore;
mod room;
mod rules;
mod scoring;
mod windows;
