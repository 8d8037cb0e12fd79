//! What Millrace's events are: Avro schemas, the Rust types that match them, the topic catalogue, the Confluent wire codec,
//! and the rules every event has to keep. Pure: no network, no clock.
//!
//! - [`catalogue`]: topics and the schema versions of their subjects, read from `topics.toml` and `avro/`.
//! - [`contract`]: schemas of what clients send and are told, from the types themselves.
//! - [`event`]: one type for each subject.
//! - [`rules`]: what makes an event valid; the gateway and the processors share it.
//! - [`wire`]: bytes to events and back.
//! - [`money`], [`time`], [`ids`]: exact decimals, instants of local times, identities and hashes.

pub mod catalogue;
pub mod contract;
pub mod event;
pub mod ids;
pub mod money;
pub mod rules;
pub mod time;
pub mod wire;

pub use catalogue::Topic;
pub use event::Event;
