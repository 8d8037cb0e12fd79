//! What transactions turned out to be.

use super::TimeResolution;
use crate::contract::sent::{Id, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a transaction turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LabelKind {
    /// `fraud`: somebody else's doing.
    Fraud,
    /// `legitimate`: the customer's own.
    Legitimate,
    /// `chargeback`: reversed by the card's issuer.
    Chargeback,
}

impl LabelKind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Fraud, Self::Legitimate, Self::Chargeback];

    /// As it is written.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fraud => "fraud",
            Self::Legitimate => "legitimate",
            Self::Chargeback => "chargeback",
        }
    }
}

/// What a transaction turned out to be, as somebody says. Keyed by customer_id. Its identity is label_id within customer_id.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("examples" = [{
    "customer_id": "customer-17", "transaction_id": "txn-1", "label": "fraud", "source": "analyst",
    "decided_at": "2026-03-05T09:00:00Z",
}]))]
pub struct Label {
    /// Id of this event, a UUID. Set by whoever produces it; not used for deduplication.
    #[schemars(skip)]
    pub event_id: String,
    /// When it was decided, by the source's statement.
    #[schemars(with = "Timestamp")]
    pub decided_at: i64,
    /// When the producer (normally the gateway) took it in.
    #[schemars(skip)]
    pub received_at: i64,
    /// Customer of the transaction; the key of the record.
    #[schemars(with = "Id")]
    pub customer_id: String,
    /// Source's id of the label, unique within the customer; without one it is made of transaction_id, label, source and decided_at.
    #[schemars(with = "Option<Id>")]
    pub label_id: String,
    /// Client's id of the transaction, unique within the customer.
    #[schemars(with = "Id")]
    pub transaction_id: String,
    /// Id of the transaction across systems, derived from customer_id and transaction_id.
    #[schemars(with = "Option<uuid::Uuid>")]
    pub trn_id: String,
    /// fraud: somebody else's doing; legitimate: the customer's own; chargeback: reversed by the card's issuer.
    pub label: LabelKind,
    /// Who says so, such as an analyst, a bank's feed or the customer.
    #[schemars(with = "Id")]
    pub source: String,
    /// IANA zone in which a local time without offset was read; null when the client gave an offset.
    #[schemars(skip)]
    pub time_zone: Option<String>,
    /// exact: one instant fits; ambiguous_earlier: the local time occurs twice (clocks go back) and the earlier one was taken; gap_forward: the local time does not exist (clocks go forward) and was moved forward by the length of the gap.
    #[schemars(skip)]
    pub time_resolution: TimeResolution,
    /// Fields the contract does not name, kept as JSON text by name. Never holds card data.
    #[schemars(skip)]
    pub extra: BTreeMap<String, String>,
}
