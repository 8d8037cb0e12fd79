//! Sending against a gateway that answers as each test tells it to.

mod files;
mod gateway;
mod retries;
