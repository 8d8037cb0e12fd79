//! What the tests on real services share: where the services are, and a deployment of one's own on them.
//!
//! `make test` starts one broker, one registry and one ClickHouse endpoint for the whole run (`millrace sandbox -- cargo test`) and
//! says where they are in the environment. Each test has its own topic prefix and database, so tests run side by side.

pub mod deployment;
pub mod python;
pub mod wait;

pub use deployment::Deployment;
