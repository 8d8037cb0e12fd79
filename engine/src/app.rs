//! What all requests share.

use std::path::PathBuf;
use std::sync::Arc;

use crate::config::EngineConfig;
use crate::confinement::Confinement;
use crate::database::Database;
use crate::jobs::Jobs;
use crate::metrics::Metrics;
use crate::session::Sessions;

/// The endpoint's state.
pub(crate) struct App {
    pub(crate) config: EngineConfig,
    pub(crate) sessions: Sessions,
    pub(crate) jobs: Arc<Jobs>,
    pub(crate) metrics: Metrics,
    /// Every call of the engine is made on a thread of its.
    pub(crate) confinement: Arc<Confinement>,
    /// Directory for results that are kept back.
    pub(crate) spool: PathBuf,
    /// Last, so that it closes after the sessions' connections.
    pub(crate) database: Database,
}
