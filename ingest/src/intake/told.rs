//! Answering a client that waits for its transaction's score.

use super::{Intake, Style, is_audited};
use crate::{
    answer::{self, Moment, ScoreAnswer, Verdict},
    audit::Audit,
    log::EventLog,
    metrics,
    parse::{Item, Kind},
    respond::{self, Root},
    store::{self, Outcome},
    tree::Shape,
    waiting::{Told, Wait},
};
use axum::response::Response;
use http::StatusCode;
use millrace_runtime::{Headers, headers};
use millrace_schemas::event::{DEFAULT_SCORE_CODE, Request};
use std::sync::Arc;
use uuid::Uuid;

impl<E: Kind, L: EventLog> Intake<E, L> {
    /// The client's wait, when it sent one valid item and wants to wait.
    pub(super) fn wait(&self, shape: Shape, items: &[Item<E>]) -> Option<Wait> {
        let (Style::Scored(patience), Some(waiting)) = (&self.style, &self.app.gateway.waiting) else { return None };
        let (Shape::One, [Item { content: Ok(event), .. }]) = (shape, items) else { return None };
        let event_id = Uuid::parse_str(event.event_id()).ok()?;
        Some(waiting.wait(event_id, event.trn_id(), *patience))
    }

    /// Appends the one item and waits for what becomes of it, as long as the client does in all.
    pub(super) async fn store_and_wait(&self, wait: Wait, common: &Headers, items: &[Item<E>]) -> (Outcome, Told) {
        let headers = common.clone().with(headers::REPLY_TO, wait.reply_to());
        let within = wait.left().min(self.app.settings.ack_timeout());
        let outcomes = store::store(&self.app, &headers, Shape::One, items, within).await;
        let (outcome, told) = wait.settle(outcomes.first().copied().unwrap_or(Outcome::Retry)).await;
        if let (Told::Refused(_), [Item { content: Ok(event), .. }]) = (&told, items) {
            // The first record of this id has other content than this gateway remembers.
            self.app.memory.forget(E::TOPIC, event.identity_hash());
        }
        (outcome, told)
    }

    /// The answer to the one item that was stored. Its trace is written meanwhile: an answer that must come in time does not wait
    /// for it. What the processor refused has its dead letter from there.
    pub(super) fn tell(&self, told: Told, common: Headers, body_bytes: usize, mut verdict: Verdict) -> Response {
        let scored = match told {
            Told::Refused(errors) => {
                verdict.errors = errors;
                let status = answer::http_status(Shape::One, std::slice::from_ref(&verdict));
                self.trace(self.audit(&common).request(status, body_bytes, std::slice::from_ref(&verdict)), common);
                self.log(status, body_bytes, 1);
                return self.problem(status, &verdict);
            }
            Told::Score(scored) => Some(scored),
            Told::Nothing => None,
        };
        let (status, verdicts) = (StatusCode::OK, std::slice::from_ref(&verdict));
        let decision = self.app.settings.config.default_decision;
        if scored.is_none() || is_audited(Shape::One, status, verdicts) {
            let mut request = self.audit(&common).request(status, body_bytes, verdicts);
            if scored.is_none() {
                request.code = Some(DEFAULT_SCORE_CODE.to_owned());
                request.message = Some(answer::default_told(decision, self.began.elapsed()));
            }
            self.trace(request, common);
        }
        metrics::scored(scored.as_deref().map(|scored| scored.score.decision_source), self.began.elapsed());
        self.log(status, body_bytes, 1);
        let moment = Moment { took: self.began.elapsed(), now: self.app.now() };
        let answer = ScoreAnswer::of(scored.as_deref(), decision, &self.context, &verdict, &moment);
        respond::respond(status, self.render, Root::Result, &answer)
    }

    fn audit(&self, headers: &Headers) -> Audit<'_, L> {
        Audit { app: &self.app, context: &self.context, headers: headers.clone() }
    }

    fn trace(&self, request: Request, headers: Headers) {
        let (app, context) = (Arc::clone(&self.app), Arc::clone(&self.context));
        self.app.tasks.spawn(async move {
            Audit { app: &app, context: &context, headers }.write(request, Vec::new()).await;
        });
    }
}
