//! What scoring decides by: changes of it, and from where on they are in force.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What part of the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConfigurationKind {
    /// `rules`: rules, with all else that their file names.
    Rules,
    /// `thresholds`: from which score on a transaction is reviewed or blocked.
    Thresholds,
    /// `lists`: what is blocked whatever its score.
    Lists,
    /// `model`.
    Model,
}

impl ConfigurationKind {
    /// As it is written.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rules => "rules",
            Self::Thresholds => "thresholds",
            Self::Lists => "lists",
            Self::Model => "model",
        }
    }
}

/// What is done with a part of the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConfigurationAction {
    /// `apply`: the content is in force; a model's is known from now on.
    Apply,
    /// `activate`: the model named scores.
    Activate,
    /// `shadow`: the model named scores beside the active one.
    Shadow,
}

/// One change of what scoring decides by. Keyed by its kind; in the order of the log, they are the configuration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ConfigurationChange {
    /// Id of this event, a UUID.
    pub event_id: String,
    /// What is changed: rules with all that their file names, thresholds, blocklists, or the model.
    pub kind: ConfigurationKind,
    /// apply: the content is in force, a model's is known from now on; activate: the model named scores; shadow: the model named
    /// scores beside it.
    pub action: ConfigurationAction,
    /// The model that is meant, by its version; null with activate or shadow means none.
    pub name: Option<String>,
    /// Version of the content, as scores name it; for people, since readers compute it again.
    pub version: String,
    /// A TOML file in UTF-8, or the bundle of a model; empty where nothing is applied.
    #[serde(with = "serde_bytes")]
    pub content: Vec<u8>,
    /// When the operator said so, by the operator's clock.
    pub decided_at: i64,
    /// Why, in the operator's words.
    pub reason: Option<String>,
}

/// From which offset on a processor decides a partition by what. Keyed by processor/partition; written before the first such decision.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProcessorEpoch {
    /// Id of this event: a hash of its content, so the same change has the same one.
    pub event_id: String,
    /// The processor, such as scoring.
    pub processor: String,
    /// The journal it reads.
    pub topic: String,
    /// Partition of the journal.
    pub partition: i32,
    /// The first offset that is decided so.
    pub from_offset: i64,
    /// Versions of what decisions stand on besides the input and what came before, by name: configuration, merchant-risk.
    pub basis: BTreeMap<String, String>,
}

/// What is known of a merchant's past transactions, as scores take it in. Keyed by merchant_id; the last record of a version has an
/// empty one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MerchantRisk {
    /// Id of this event: a hash of day and merchant_id.
    pub event_id: String,
    /// The version: the last UTC day whose labels are in it, in days since 1970-01-01.
    pub day: i32,
    /// Merchant; empty in the record that ends a version.
    pub merchant_id: String,
    /// Transactions that occurred on the day that ended delay_days before the end of the version's day.
    pub count_1d: i32,
    /// Those of them whose last label is fraud or chargeback.
    pub frauds_1d: i32,
    /// The same of the 7 days that ended then.
    pub count_7d: i32,
    /// Those of them whose last label is fraud or chargeback.
    pub frauds_7d: i32,
    /// The same of the 30 days that ended then.
    pub count_30d: i32,
    /// Those of them whose last label is fraud or chargeback.
    pub frauds_30d: i32,
    /// In the record that ends a version; null in the others.
    pub end: Option<MerchantRiskEnd>,
}

/// What a version is made of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MerchantRiskEnd {
    /// Days that labels are given to come in.
    pub delay_days: i32,
    /// Merchants that have figures other than zero in this version.
    pub merchants: i32,
    /// Sum, without carry, of the hashes of their figures: readers that miss one notice.
    pub checksum: i64,
    /// For each partition of transaction-scores, the offset behind the last record counted.
    pub scores_until: Vec<i64>,
    /// For each partition of labels, the offset behind the last record counted.
    pub labels_until: Vec<i64>,
}
