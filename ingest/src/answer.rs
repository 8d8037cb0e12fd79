//! What the client is told of its items.

mod item;
mod receipt;
mod score;

pub(crate) use item::{BatchAnswer, ItemAnswer};
pub(crate) use receipt::{StoredReceipt, stored as stored_receipt};
pub(crate) use score::{Moment, ScoreAnswer, default_told};

use crate::{
    context::Context,
    idempotency::Stored,
    parse::{Identity, Item, Kind},
    store::Outcome,
    tree::Shape,
};
use http::StatusCode;
use millrace_schemas::{
    event::{FieldError, TimeResolution},
    ids::trn_id,
    rules::Path,
};
use schemars::JsonSchema;
use serde::Serialize;

/// Whether the log has an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) enum TrnStatus {
    Ok,
    Error,
}

/// What became of an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Status {
    Accepted,
    Duplicate,
    Conflict,
    Invalid,
    TooLarge,
    Retry,
}

impl Status {
    pub fn name(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Duplicate => "duplicate",
            Self::Conflict => "conflict",
            Self::Invalid => "invalid",
            Self::TooLarge => "too_large",
            Self::Retry => "retry",
        }
    }

    /// Whether the log has it.
    pub fn is_stored(self) -> bool {
        matches!(self, Self::Accepted | Self::Duplicate)
    }

    /// Whether it is refused for good.
    pub fn is_refused(self) -> bool {
        matches!(self, Self::Conflict | Self::Invalid | Self::TooLarge)
    }

    /// Status of the answer when this is the only item.
    fn http(self) -> StatusCode {
        match self {
            Self::Accepted | Self::Duplicate => StatusCode::ACCEPTED,
            Self::Conflict => StatusCode::CONFLICT,
            Self::Invalid => StatusCode::UNPROCESSABLE_ENTITY,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Retry => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

/// What is told of one item.
#[derive(Debug)]
pub(crate) struct Verdict {
    pub owner_field: &'static str,
    pub id_field: &'static str,
    pub identity: Option<Identity>,
    /// Id across systems, where the item has ids.
    pub trn_id: Option<String>,
    pub status: Status,
    pub stored: Option<Stored>,
    /// How the client's time was read, when it did not name exactly one instant.
    pub resolution: Option<TimeResolution>,
    pub errors: Vec<FieldError>,
}

impl Verdict {
    /// Takes the errors out of an item that is refused.
    pub fn of<E: Kind>(item: &mut Item<E>, outcome: Outcome) -> Self {
        let (status, stored) = match outcome {
            Outcome::Accepted(stored) => (Status::Accepted, Some(stored)),
            Outcome::Duplicate(stored) => (Status::Duplicate, Some(stored)),
            Outcome::Conflict => (Status::Conflict, None),
            Outcome::Invalid | Outcome::NotEncodable => (Status::Invalid, None),
            Outcome::TooLarge { .. } => (Status::TooLarge, None),
            Outcome::Retry => (Status::Retry, None),
        };
        let mut errors: Vec<FieldError> = explanation(outcome)
            .map(|(code, message)| FieldError { path: item.place.locate(&Path::root()), code: code.into(), message })
            .into_iter()
            .collect();
        let (identity, resolution) = match &mut item.content {
            Ok(event) => {
                let identity = Identity { owner: event.owner().into(), business_id: event.business_id().into() };
                (Some(identity), Some(event.resolution()).filter(|resolution| *resolution != TimeResolution::Exact))
            }
            Err(invalid) => {
                errors.append(&mut invalid.errors);
                (invalid.identity.take(), None)
            }
        };
        let trn_id = identity.as_ref().map(|id| trn_id(E::TOPIC, &id.owner, &id.business_id).to_string());
        Self { owner_field: E::OWNER, id_field: E::BUSINESS_ID, identity, trn_id, status, stored, resolution, errors }
    }

    /// Where the item is stored says when it was taken in; else it is this request's time.
    fn received_at(&self, context: &Context) -> i64 {
        self.stored.map_or(context.received_at, |stored| stored.received_at)
    }

    fn trn_status(&self) -> TrnStatus {
        if self.status.is_stored() { TrnStatus::Ok } else { TrnStatus::Error }
    }

    /// The id in a field that has one, where the item is of the kind and has ids.
    fn id(&self, field: &str) -> Option<&str> {
        let Identity { owner, business_id } = self.identity.as_ref()?;
        match field {
            _ if field == self.owner_field => Some(owner),
            _ if field == self.id_field => Some(business_id),
            _ => None,
        }
    }
}

/// Code and words for what befell a valid item.
fn explanation(outcome: Outcome) -> Option<(&'static str, String)> {
    match outcome {
        Outcome::Accepted(_) | Outcome::Duplicate(_) | Outcome::Invalid => None,
        Outcome::Conflict => Some(("conflict", "this id was taken before, with other content".into())),
        Outcome::TooLarge { bytes, max } => {
            Some(("too_large", format!("takes {bytes} bytes in the log; at most {max} are taken")))
        }
        Outcome::NotEncodable => {
            Some(("not_encodable", "cannot be written to the log: a defect of the gateway".into()))
        }
        Outcome::Retry => {
            Some(("unavailable", "not acknowledged in time: it may be stored; try again with the same id".into()))
        }
    }
}

/// Status of the whole answer.
pub(crate) fn http_status(shape: Shape, verdicts: &[Verdict]) -> StatusCode {
    let any = |test: fn(Status) -> bool| verdicts.iter().any(|verdict| test(verdict.status));
    let all_stored = verdicts.iter().all(|verdict| verdict.status.is_stored());
    match (shape, verdicts) {
        (Shape::One, [verdict]) => verdict.status.http(),
        _ if all_stored => StatusCode::ACCEPTED,
        _ if any(Status::is_stored) => StatusCode::MULTI_STATUS,
        _ if any(|status| status == Status::Retry) => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::UNPROCESSABLE_ENTITY,
    }
}

/// How many items became what.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct Counts {
    /// How many are stored.
    pub accepted: usize,
    /// How many were stored before.
    pub duplicates: usize,
    /// How many are refused for good.
    pub rejected: usize,
    /// How many are to be sent again.
    pub retry: usize,
}

impl Counts {
    pub fn of(verdicts: &[Verdict]) -> Self {
        verdicts.iter().fold(Self::default(), |mut counts, verdict| {
            match verdict.status {
                Status::Accepted => counts.accepted += 1,
                Status::Duplicate => counts.duplicates += 1,
                Status::Conflict | Status::Invalid | Status::TooLarge => counts.rejected += 1,
                Status::Retry => counts.retry += 1,
            }
            counts
        })
    }
}
