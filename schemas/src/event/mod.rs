//! One type for each subject; fields have the names, order and meaning of the `.avsc` files in `avro/`.

mod audit;
mod common;
mod configuration;
mod features;
mod label;
mod letters;
mod matching;
mod purchase;
mod receipt;
mod reconciliation;
mod reply;
mod score;
mod transaction;

pub use audit::{Control, ControlState, DEFAULT_SCORE_CODE, ItemResult, Request, SchemaRecord};
pub use common::{FieldError, Source, TimeResolution};
pub use configuration::{
    ConfigurationAction, ConfigurationChange, ConfigurationKind, MerchantRisk, MerchantRiskEnd, ProcessorEpoch,
};
pub use features::FeatureValues;
pub use label::{Label, LabelKind};
pub use letters::{DeadLetter, DeadLetterAction, Duplicate, LetterAction};
pub use matching::{
    MatchDifference, MatchInput, MatchInputKind, MatchItem, MatchOutcome, MatchReason, MatchStep, ReceiptMatch, Settled,
};
pub use purchase::{Purchase, PurchaseLine, ReceiptKind};
pub use receipt::{Receipt, ReceiptItem};
pub use reconciliation::{MoneySum, OffsetDifference, Reconciliation};
pub use reply::{Reply, ReplyOutcome, Score};
pub use score::{DEFAULT_SCORING, Decision, DecisionSource, Reason, ShadowScore, TransactionScore, Windows};
pub use transaction::Transaction;

use crate::{Topic, ids, wire};
use serde::{Serialize, de::DeserializeOwned};
use uuid::Uuid;

/// An event of one topic.
pub trait Event: Serialize + DeserializeOwned + Clone + Send + Sync + 'static {
    /// Topic whose records hold this type.
    const TOPIC: Topic;

    /// Key of the record, UTF-8.
    fn key(&self) -> Vec<u8>;
}

/// An event of a journal: what came in from outside, which may come twice.
pub trait Journal: Event {
    /// Owner of the business id and key of the record: the customer of a transaction or label, the place of a receipt.
    fn owner(&self) -> &str;

    /// Business id, unique within the owner.
    fn business_id(&self) -> &str;

    /// The same event without what whoever produced it added: event id, time of receipt, how its time was resolved.
    fn canonical(&self) -> Self;

    /// When it happened, by the client's statement, epoch milliseconds.
    fn occurred_at(&self) -> i64;

    /// Id across systems.
    fn trn_id(&self) -> Uuid {
        ids::trn_id(Self::TOPIC, self.owner(), self.business_id())
    }

    /// Hash of owner and business id.
    fn identity_hash(&self) -> u128 {
        ids::identity_hash(self.owner(), self.business_id())
    }

    /// Hash of the canonical content: equal for the same record sent as JSON or XML, with other key order or `"10.99"` for `10.99`.
    fn content_hash(&self) -> Result<u64, wire::EncodeError> {
        Ok(ids::content_hash(&wire::datum(&self.canonical())?))
    }
}

macro_rules! event {
    ($type:ty, $topic:ident, $self:ident => $key:expr) => {
        impl Event for $type {
            const TOPIC: Topic = Topic::$topic;

            fn key(&$self) -> Vec<u8> {
                $key
            }
        }
    };
}

event!(Transaction, Transactions, self => self.customer_id.clone().into_bytes());
event!(Receipt, Receipts, self => self.place_id.clone().into_bytes());
event!(Label, Labels, self => self.customer_id.clone().into_bytes());
event!(TransactionScore, TransactionScores, self => self.transaction.customer_id.clone().into_bytes());
event!(Purchase, Purchases, self => self.receipt.place_id.clone().into_bytes());
event!(DeadLetter, DeadLetters, self => match (&self.key, &self.request_id) {
    (Some(key), _) => key.clone(),
    (None, Some(request)) => request.clone().into_bytes(),
    (None, None) => self.event_id.clone().into_bytes(),
});
event!(Duplicate, Duplicates, self => self.trn_id.clone().into_bytes());
event!(Request, Requests, self => self.request_id.clone().into_bytes());
event!(DeadLetterAction, DeadLetterActions, self => self.letter_id.clone().into_bytes());
event!(Reconciliation, Reconciliation, self => format!("{}/{}", self.topic, self.partition).into_bytes());
event!(Reply, Replies, self => self.slot.to_string().into_bytes());
event!(SchemaRecord, Schemas, self => self.id.to_string().into_bytes());
event!(ConfigurationChange, Configuration, self => self.kind.name().as_bytes().to_vec());
event!(ProcessorEpoch, ProcessorEpochs, self => format!("{}/{}", self.processor, self.partition).into_bytes());
event!(MerchantRisk, MerchantRisk, self => self.merchant_id.clone().into_bytes());
event!(MatchInput, MatchInput, self => self.place_id.clone().into_bytes());
event!(MatchStep, MatchSteps, self => self.input.place_id.clone().into_bytes());
event!(ReceiptMatch, ReceiptMatches, self => self.receipt.place_id.clone().into_bytes());
event!(Control, Controls, self => self.worker.clone().into_bytes());

impl Journal for Transaction {
    fn owner(&self) -> &str {
        &self.customer_id
    }

    fn business_id(&self) -> &str {
        &self.transaction_id
    }

    fn canonical(&self) -> Self {
        Self {
            event_id: String::new(),
            received_at: 0,
            time_zone: None,
            time_resolution: TimeResolution::Exact,
            ..self.clone()
        }
    }

    fn occurred_at(&self) -> i64 {
        self.occurred_at
    }
}

impl Journal for Receipt {
    fn owner(&self) -> &str {
        &self.place_id
    }

    fn business_id(&self) -> &str {
        &self.transaction_id
    }

    fn canonical(&self) -> Self {
        Self {
            event_id: String::new(),
            received_at: 0,
            time_zone: None,
            time_resolution: TimeResolution::Exact,
            ..self.clone()
        }
    }

    fn occurred_at(&self) -> i64 {
        self.occurred_at
    }
}

impl Journal for Label {
    fn owner(&self) -> &str {
        &self.customer_id
    }

    fn business_id(&self) -> &str {
        &self.label_id
    }

    fn canonical(&self) -> Self {
        Self {
            event_id: String::new(),
            received_at: 0,
            time_zone: None,
            time_resolution: TimeResolution::Exact,
            ..self.clone()
        }
    }

    fn occurred_at(&self) -> i64 {
        self.decided_at
    }
}

/// No journal of the outside, but what matching decides by is one to it: each record has one outcome, and a second copy is a duplicate.
impl Journal for MatchInput {
    fn owner(&self) -> &str {
        &self.place_id
    }

    fn business_id(&self) -> &str {
        &self.event_id
    }

    fn canonical(&self) -> Self {
        self.clone()
    }

    fn occurred_at(&self) -> i64 {
        self.occurred_at
    }
}

/// An event that a processor derives from one journal record, and from which its memory of that record can be rebuilt.
pub trait Derived: Event {
    /// The journal event it is derived from.
    type From: Journal;

    /// The whole journal event.
    fn journal(&self) -> &Self::From;

    /// Where in the journal it stands.
    fn source(&self) -> &Source;
}

impl Derived for TransactionScore {
    type From = Transaction;

    fn journal(&self) -> &Transaction {
        &self.transaction
    }

    fn source(&self) -> &Source {
        &self.source
    }
}

impl Derived for Purchase {
    type From = Receipt;

    fn journal(&self) -> &Receipt {
        &self.receipt
    }

    fn source(&self) -> &Source {
        &self.source
    }
}

impl Derived for MatchStep {
    type From = MatchInput;

    fn journal(&self) -> &MatchInput {
        &self.input
    }

    fn source(&self) -> &Source {
        &self.source
    }
}
