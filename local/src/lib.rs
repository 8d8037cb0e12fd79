//! The local stack: broker, registry, ClickHouse endpoint and services as processes of this machine, without containers.
//!
//! * where things are: [`Home`], [`Parts`], [`Ports`]
//! * what a process is, as data: [`Spec`], and the ones the stack is made of: [`stack`]
//! * what keeps processes running: [`supervisor`], and what keeps them from being orphaned: [`Identity`], [`sweep`]
//! * a stack of its own for tests, gone afterwards: [`Sandbox`]
//!
//! Absent on purpose: anything that speaks to Kafka, the registry or ClickHouse beyond asking whether they are ready.

mod error;
mod files;
mod home;
mod identity;
mod listener;
mod parts;
mod ports;
mod sandbox;
mod spec;
pub mod stack;
mod state;
pub mod supervisor;
pub mod sweep;

pub use error::{Error, Result};
pub use home::Home;
pub use identity::Identity;
pub use parts::{Parts, Versions};
pub use ports::Ports;
pub use sandbox::{Part, Sandbox, SandboxOptions};
pub use spec::{Kind, Probe, Spec};
pub use state::{Binary, State};
