//! Scoring that knows what has come by the log, and learns what comes.

use super::{Scoring, rules::RuleSet, running::Models};
use millrace_runtime::{
    RuntimeError,
    follow::{Followed, follow},
    lifecycle::Shutdown,
    log::Log,
};
use millrace_schemas::event::{ConfigurationChange, MerchantRisk};

impl Scoring {
    /// Scoring by the configuration and the merchants' figures that the log holds; what comes is learnt until the shutdown.
    ///
    /// # Errors
    /// When the log cannot be read now.
    pub async fn informed(log: &Log, models: Models, shutdown: &Shutdown) -> Result<Self, RuntimeError> {
        let scoring = Self::with_models(RuleSet::built_in(), models);
        let configured = scoring.clone();
        follow(log, shutdown, move |change: Followed<ConfigurationChange>| {
            let offset = change.offset;
            match configured.configure(&change.event) {
                Ok(()) => tracing::info!(offset, version = configured.configuration(), "a change of the configuration"),
                Err(error) => tracing::error!(offset, %error, "a change of the configuration is passed over"),
            }
        })
        .await?;
        let informed = scoring.clone();
        follow(log, shutdown, move |risk: Followed<MerchantRisk>| informed.learn(risk.event)).await?;
        Ok(scoring)
    }
}
