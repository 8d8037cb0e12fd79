//! Stores that are filled from the log. Everything in them can be deleted and filled again.
//!
//! - [`clickhouse`]: tables and rollups for analytics.
//! - [`query`]: what they answer over HTTP.
//! - [`score`]: a score as it is told.
//! - [`reconciler`]: proving that they and the log agree.

pub mod clickhouse;
pub mod query;
pub mod reconciler;
pub mod score;
mod told;
