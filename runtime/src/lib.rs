//! How Millrace talks to Kafka. The only crate that imports `rdkafka`.
//!
//! - [`processor`]: consume, decide, produce and commit in one Kafka transaction; a processor is a pure [`processor::Memory`].
//! - [`sink`]: consume, batch, write to a store exactly once; a projection is a [`sink::Sink`].
//! - [`producer`]: append an event and know that it is stored; what the gateway stands on.
//! - [`log`]: the deployment's topics: making and checking them, its schemas, its epoch, offsets and lag.
//! - [`letters`]: dead letters, what operators did about them, and taking them in again.
//! - [`reader`]: reading a stretch of a topic, for memory to be rebuilt and people to watch.
//! - [`feed`]: following a derived topic as it grows, from a place that its reader keeps.
//! - [`mod@follow`]: knowing all that a small topic holds, such as the configuration, and what comes.
//! - [`gather`]: making versions of what two topics say together.
//! - [`relay`]: writing each record of some topics, or what it becomes, by another key.
//! - [`replies`]: telling a waiting gateway what became of its record.
//! - [`reconcile`]: whether every record of a journal has exactly one outcome.
//! - [`scan`]: reading all there is of a topic, with progress.
//! - [`roundtrip`]: the bare way through the broker and back, as a measure of what goes that way.
//! - [`SourcePosition`]: what a derived record is derived from, by which a second copy of it is told.
//! - [`controls`]: pausing workers and letting them go on.
//! - [`config`], [`clock`], [`telemetry`], [`lifecycle`]: what every service has in common.

pub mod clock;
pub mod config;
pub mod controls;
mod error;
pub mod feed;
pub mod follow;
pub mod gather;
mod kafka;
pub mod letters;
pub mod lifecycle;
pub mod log;
pub mod metrics;
pub mod processor;
pub mod producer;
pub mod reader;
pub mod reconcile;
pub mod record;
pub mod registry;
pub mod relay;
pub mod replies;
pub mod roundtrip;
pub mod sabotage;
pub mod scan;
pub mod sink;
mod sources;
pub mod telemetry;
mod transaction;

pub use error::RuntimeError;
pub use record::{Headers, Record, headers};
pub use sources::SourcePosition;
