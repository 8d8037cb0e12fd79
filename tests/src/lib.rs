//! What the tests on real services share: where the services are, and a deployment of one's own on them.
//!
//! `make test` starts one broker, one registry and one ClickHouse endpoint for the whole run (`millrace sandbox -- cargo test`) and
//! says where they are in the environment. Each test has its own topic prefix and database, so tests run side by side.
//!
//! - [`deployment`]: topics, schemas and tables of one test, and services inside the test's process.
//! - [`services`]: services as processes, to be killed and started again.
//! - [`outcomes`]: what became of each record of a journal.
//! - [`oracle`], [`python`]: the programs in `oracle/` and `clients/`.
//! - [`matching`]: what matching should do, by brute force.
//! - [`made_up`]: transactions from a seed; [`load`] sends items until they are acknowledged, and keeps books.
//! - [`chaos`]: faults by a schedule, under load, and the oracle's verdict.
//! - [`sse`]: a client of the live stream.
//! - [`rates`]: how fast the services get through a log.
//! - [`rollups`]: rollups against the tables they are made of.
//! - [`wait`]: waiting for conditions, with a deadline.

pub mod chaos;
pub mod deployment;
pub mod load;
pub mod made_up;
#[path = "../../processors/tests/suite/matching/oracle.rs"]
pub mod matching;
pub mod oracle;
pub mod outcomes;
pub mod python;
pub mod rates;
pub mod rollups;
pub mod services;
pub mod sse;
pub mod wait;

pub use deployment::Deployment;
pub use services::{Service, Services};
