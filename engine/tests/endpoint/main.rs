//! The endpoint as its clients meet it: each test starts one as a process of its own, on a free port, with an empty
//! directory.

mod access;
mod clients;
mod compression;
mod healing;
mod inserts;
mod protocol;
mod sessions;
mod stopping;
mod streaming;
mod support;
