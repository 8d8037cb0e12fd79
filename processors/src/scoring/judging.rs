//! From what a transaction looks like to its score, by rules or by a model that is asked on other threads.

use super::{
    configuration::Configuration,
    features::Features,
    model::{Cause, ModelScore, Pool, Ticket},
    windows::WindowsView,
};
use millrace_runtime::processor::{Awaited, Context, Made};
use millrace_schemas::event::{DEFAULT_SCORING, Decision, DecisionSource, ShadowScore, Transaction, TransactionScore};
use std::{fmt, sync::Arc, time::Duration};

/// What is decided where the model that should give a score did not.
pub const DEFAULT_DECISION: Decision = Decision::Review;

/// The models that a memory decides by.
#[derive(Clone, Default)]
pub(super) struct Asked {
    pub active: Option<Arc<Pool>>,
    pub shadow: Option<Arc<Pool>>,
}

impl fmt::Debug for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let model = |pool: &Option<Arc<Pool>>| pool.as_ref().map(|pool| pool.model().id().to_owned());
        f.debug_struct("Asked").field("active", &model(&self.active)).field("shadow", &model(&self.shadow)).finish()
    }
}

/// A transaction as it is seen, before its judgement.
pub(super) struct Unjudged {
    pub transaction: Transaction,
    pub context: Context,
    pub windows: WindowsView,
    pub features: Features,
    pub configuration: Arc<Configuration>,
}

impl Unjudged {
    /// Judges, at once where no model is asked.
    pub fn judge(self, models: &Asked) -> Made<TransactionScore> {
        // The shadow first, so that it seldom is what is waited for.
        let shadow = models.shadow.as_ref().map(|pool| (pool.score(&self.features), pool.shadow_grace()));
        let active = models.active.as_ref().map(|pool| pool.score(&self.features));
        if shadow.is_none() && active.is_none() {
            return Made::Now(self.judged(None, None));
        }
        Made::Later(Box::new(Waiting { unjudged: self, active, shadow }))
    }

    fn judged(self, model: Option<Result<ModelScore, Cause>>, shadow: Option<Option<f64>>) -> TransactionScore {
        let Self { transaction, context, windows, features, configuration } = self;
        let rules = &configuration.rules;
        let (verdict, decision_source) = match &model {
            None => (rules.judge(&features, None), DecisionSource::Rules),
            Some(Ok(scored)) => (rules.judge(&features, Some(scored)), DecisionSource::Model),
            Some(Err(_)) => {
                (rules.judge_without_model(&features, DEFAULT_SCORING, DEFAULT_DECISION), DecisionSource::Default)
            }
        };
        let (raw_scoring, default_cause) = match model {
            Some(Ok(scored)) => (Some(scored.raw), None),
            Some(Err(cause)) => (None, Some(cause.name().to_owned())),
            None => (None, None),
        };
        let shadow_of = |scoring| configuration.shadow.clone().map(|model| ShadowScore { model, scoring });
        TransactionScore {
            event_id: context.event_id,
            occurred_at: transaction.occurred_at,
            received_at: transaction.received_at,
            trn_id: context.trn_id,
            source: context.source,
            transaction,
            scoring: verdict.scoring,
            decision: verdict.decision,
            decision_source,
            reasons: verdict.reasons,
            model: configuration.active.clone(),
            configuration: configuration.version().to_owned(),
            windows: windows.to_event(),
            window_exact: windows.exact,
            features: features.to_event(),
            raw_scoring,
            default_cause,
            shadow: shadow.and_then(shadow_of),
        }
    }
}

/// A transaction whose models were asked.
struct Waiting {
    unjudged: Unjudged,
    active: Option<Ticket>,
    /// With how long it is awaited when the active one is there.
    shadow: Option<(Ticket, Duration)>,
}

impl Awaited<TransactionScore> for Waiting {
    fn is_ready_within(&self, time: Duration) -> bool {
        let waited_for = self.active.as_ref().or(self.shadow.as_ref().map(|(ticket, _)| ticket));
        waited_for.is_none_or(|ticket| ticket.is_ready_within(time))
    }

    fn finish(self: Box<Self>) -> TransactionScore {
        let model = self.active.map(Ticket::wait);
        let shadow = self.shadow.map(|(ticket, grace)| {
            if !ticket.is_ready_within(grace) {
                return None;
            }
            ticket.wait().ok().map(|scored| scored.score)
        });
        self.unjudged.judged(model, shadow)
    }
}
