//! What happens to a request with a body, from its headers to its answer: the chain that all else serves.

mod told;

use crate::{
    admission::Charge,
    answer::{self, BatchAnswer, ItemAnswer, Status, Verdict},
    app::App,
    audit::{Audit, Refused},
    body::{self, Encoding, Media, Unread},
    context::Context,
    log::EventLog,
    metrics,
    parse::{Held, Item, Kind, Parsed, Parser},
    problem::{Refusal, problem},
    respond::{self, Render, Root},
    store,
    tree::{BodyError, Format, Shape},
};
use axum::{body::Body, extract::Request, response::Response};
use bytes::Bytes;
use http::StatusCode;
use millrace_schemas::{contract::Problem, event::DeadLetter};
use serde_json::Value as Json;
use std::{sync::Arc, time::Duration};
use tokio::time::Instant;

/// Bodies above this are decompressed and parsed apart from the threads that serve connections.
const INLINE_MAX: usize = 64 << 10;

/// How one item that is stored is answered.
pub(crate) enum Style<E> {
    /// 202 with its ids.
    Accepted,
    /// 200 with its score, for which the client waits this long.
    Scored(Duration),
    /// 201 with what this makes of it.
    Created(Root, fn(&E, &Context, &Verdict) -> Json),
}

/// Takes a request in. The work goes on when the client leaves, so that a batch is never half done and unrecorded, and a panic is an
/// answer. What is wrong with how the answer is asked for is told once the body is read, as all else that is wrong with a request.
pub(crate) async fn take_in<E: Kind, L: EventLog>(
    app: Arc<App<L>>,
    style: Result<Style<E>, Refusal>,
    request: Request,
) -> Response {
    let began = Instant::now();
    let context = Arc::new(Context::of(&request, app.gateway.ids.as_ref(), app.now()));
    let (parts, body) = request.into_parts();
    let media = Media::of(&parts.headers);
    let render = Render::negotiate(&parts.headers, media.as_ref().ok().map(|media| media.format));
    let (style, media) = match style {
        Ok(style) => (style, media),
        Err(refusal) => (Style::Accepted, Err(refusal)),
    };
    let intake = Intake { app: Arc::clone(&app), context: Arc::clone(&context), render, style, began };
    let response = match app.tasks.spawn(intake.run(media, body)).await {
        Ok(response) => response,
        Err(error) => {
            tracing::error!(request_id = context.request_id, error = %error, "a request met a defect");
            metrics::refused(Refusal::Internal.code());
            respond::refuse(&Refusal::Internal, render, &context)
        }
    };
    respond::finish(response, &context, app.settings.config.retry_after_s)
}

/// One request on its way.
struct Intake<E, L> {
    app: Arc<App<L>>,
    context: Arc<Context>,
    render: Render,
    style: Style<E>,
    began: Instant,
}

/// A body that was taken apart.
struct Received<E> {
    format: Format,
    /// The text, decompressed.
    text: Bytes,
    parsed: Parsed<E>,
    /// Its memory, until it is answered.
    charge: Charge,
}

/// A request that is refused as a whole.
struct Whole {
    unread: Unread,
    held: Held,
}

impl<E: Kind, L: EventLog> Intake<E, L> {
    async fn run(self, media: Result<Media, Refusal>, body: Body) -> Response {
        let received = match self.app.admission.enter() {
            Ok(charge) => self.receive(media, body, charge).await,
            Err(full) => {
                body::drop_rest(body).await;
                Err(Whole::new(Refusal::Overloaded(full), Bytes::new(), Held::Clean))
            }
        };
        match received {
            Ok(received) => self.settle(received).await,
            Err(whole) => self.refuse(whole).await,
        }
    }

    /// From bytes to items.
    async fn receive(
        &self,
        media: Result<Media, Refusal>,
        body: Body,
        mut charge: Charge,
    ) -> Result<Received<E>, Whole> {
        let settings = &self.app.settings;
        let encoding = media.as_ref().map_or(None, |media| Some(media.encoding));
        let sent = body::read(body, settings.config.body_max_bytes, settings.body_timeout(), &mut charge)
            .await
            .map_err(|unread| Whole { unread, held: held(encoding) })?;
        let media = media.map_err(|refusal| {
            let is_unsearchable = matches!(refusal, Refusal::ContentEncoding | Refusal::Parameter(_));
            let held = if is_unsearchable { Held::Unsearchable } else { Held::Unknown };
            Whole::new(refusal, sent.clone(), held)
        })?;
        let inline = media.encoding == Encoding::Identity && sent.len() <= INLINE_MAX;
        let (app, received_at) = (Arc::clone(&self.app), self.context.received_at);
        let work = move || read(&app, media, &sent, charge, received_at);
        if inline {
            return work();
        }
        tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
    }

    /// From items to their places in the log, the trace of the request, and the answer.
    async fn settle(&self, received: Received<E>) -> Response {
        let Received { format, text, parsed: Parsed { shape, mut items }, charge: _charge } = received;
        let headers = self.context.record_headers(format.name());
        let (outcomes, told) = match self.wait(shape, &items) {
            Some(wait) => {
                let (outcome, told) = self.store_and_wait(wait, &headers, &items).await;
                (vec![outcome], Some(told))
            }
            None => {
                let within = self.app.settings.ack_timeout();
                (store::store(&self.app, &headers, shape, &items, within).await, None)
            }
        };
        let mut verdicts = Vec::with_capacity(items.len());
        for (item, outcome) in items.iter_mut().zip(outcomes) {
            let verdict = Verdict::of(item, outcome);
            metrics::item(E::TOPIC, verdict.status);
            verdicts.push(verdict);
        }
        if let Some(told) = told
            && let Some(verdict) = verdicts.pop_if(|verdict| verdict.status.is_stored() || told.is_refusal())
        {
            return self.tell(told, headers, text.len(), verdict);
        }
        let status = answer::http_status(shape, &verdicts);
        let audit = Audit { app: &self.app, context: &self.context, headers };
        if is_audited(shape, status, &verdicts) {
            let letters = letters(&audit, format, &items, &verdicts);
            audit.write(audit.request(status, text.len(), &verdicts), letters).await;
        }
        self.log(status, text.len(), verdicts.len());
        self.answer(shape, status, &items, &verdicts)
    }

    fn answer(&self, shape: Shape, status: StatusCode, items: &[Item<E>], verdicts: &[Verdict]) -> Response {
        let (Shape::One, [verdict], [item]) = (shape, verdicts, items) else {
            return respond::respond(status, self.render, Root::Results, &BatchAnswer::of(&self.context, verdicts));
        };
        match (&item.content, &self.style) {
            (Ok(event), Style::Created(root, stored)) if verdict.status.is_stored() => {
                respond::respond(StatusCode::CREATED, self.render, *root, &stored(event, &self.context, verdict))
            }
            _ if verdict.status.is_stored() => {
                respond::respond(status, self.render, Root::Result, &ItemAnswer::alone(&self.context, verdict))
            }
            _ => self.problem(status, verdict),
        }
    }

    /// One item that is not stored.
    fn problem(&self, status: StatusCode, verdict: &Verdict) -> Response {
        let detail = match verdict.errors.as_slice() {
            [only] if only.path.is_empty() => only.message.clone(),
            [only] => format!("{} {}", only.path, only.message),
            several => format!("{} errors", several.len()),
        };
        let problem = Problem {
            trn_id: verdict.trn_id.as_deref(),
            errors: &verdict.errors,
            ..problem(status, verdict.status.name(), &detail, &self.context)
        };
        respond::respond(status, self.render, Root::Problem, &problem)
    }

    /// A request that is refused as a whole.
    async fn refuse(&self, whole: Whole) -> Response {
        let Whole { unread: Unread { refusal, bytes, size }, held } = whole;
        let (status, code) = refusal.kind();
        metrics::refused(code);
        if status != StatusCode::SERVICE_UNAVAILABLE {
            let message = refusal.to_string();
            let audit =
                Audit { app: &self.app, context: &self.context, headers: self.context.record_headers("unread") };
            let errors = refusal.errors();
            let content_type = self.context.content_type.as_deref().unwrap_or("application/octet-stream");
            let refused = Refused {
                index: None,
                key: None,
                content_type,
                payload: &bytes,
                size,
                held,
                code,
                message: &message,
                errors: &errors,
            };
            let is_empty = size == 0 || refusal == Refusal::Body(BodyError::Empty);
            let letters = if is_empty { Vec::new() } else { vec![audit.letter(E::TOPIC, &refused)] };
            audit.write(audit.refused_request(status, bytes.len() as u64, Some((code, &message))), letters).await;
        }
        self.log(status, bytes.len(), 0);
        respond::refuse(&refusal, self.render, &self.context)
    }

    fn log(&self, status: StatusCode, body_bytes: usize, items: usize) {
        let Context { request_id, client, path, .. } = self.context.as_ref();
        if status.is_success() {
            tracing::debug!(request_id, client, path, status = status.as_u16(), body_bytes, items, "taken in");
        } else {
            tracing::info!(request_id, client, path, status = status.as_u16(), body_bytes, items, "refused");
        }
    }
}

impl Whole {
    fn new(refusal: Refusal, bytes: Bytes, held: Held) -> Self {
        Self { unread: Unread { refusal, size: bytes.len() as u64, bytes }, held }
    }
}

/// Decompresses and parses. Takes as long as the body is large.
fn read<E: Kind, L>(
    app: &App<L>,
    media: Media,
    sent: &Bytes,
    mut charge: Charge,
    received_at: i64,
) -> Result<Received<E>, Whole> {
    let text = body::decode(sent, media.encoding, app.settings.config.decoded_max_bytes, &mut charge)
        .map_err(|unread| Whole { unread, held: Held::Unknown })?;
    metrics::body(text.len());
    let parser =
        Parser { settings: &app.settings, rules: &app.gateway.rules, ids: app.gateway.ids.as_ref(), received_at };
    match parser.body(media.format, &text) {
        Ok(parsed) => Ok(Received { format: media.format, text, parsed, charge }),
        Err(error) => Err(Whole::new(Refusal::Body(error), text, Held::Unknown)),
    }
}

/// Part of a compressed body cannot be searched for card data.
fn held(encoding: Option<Encoding>) -> Held {
    match encoding {
        Some(Encoding::Identity) | None => Held::Unknown,
        Some(Encoding::Gzip | Encoding::Zstd) => Held::Unsearchable,
    }
}

/// A single item that is accepted has its trace in its event; what is answered 503 can have none.
fn is_audited(shape: Shape, status: StatusCode, verdicts: &[Verdict]) -> bool {
    let accepted_alone = shape == Shape::One && verdicts.iter().all(|verdict| verdict.status == Status::Accepted);
    status != StatusCode::SERVICE_UNAVAILABLE && !accepted_alone
}

/// The dead letters of the items that are refused.
fn letters<E: Kind, L: EventLog>(
    audit: &Audit<'_, L>,
    format: Format,
    items: &[Item<E>],
    verdicts: &[Verdict],
) -> Vec<DeadLetter> {
    let refused = items.iter().zip(verdicts).enumerate().filter(|(_, (_, verdict))| verdict.status.is_refused());
    let letter = |(index, (item, verdict)): (usize, (&Item<E>, &Verdict))| {
        let (code, message) = verdict.errors.first().map_or(("", ""), |error| (&error.code, &error.message));
        audit.letter(
            E::TOPIC,
            &Refused {
                index: Some(index),
                key: verdict.identity.as_ref().map(|identity| identity.owner.as_str()),
                content_type: format.item_media_type(),
                payload: &item.raw,
                size: item.raw.len() as u64,
                held: item.content.as_ref().map_or_else(|invalid| invalid.held, |_| Held::Clean),
                code,
                message,
                errors: &verdict.errors,
            },
        )
    };
    refused.map(letter).collect()
}
