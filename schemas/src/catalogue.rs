//! Topics as data (`topics.toml`) and the schema versions of their subjects (`avro/<topic>/v<n>.avsc`).

use serde::Deserialize;
use std::{collections::BTreeMap, fmt, str::FromStr, sync::LazyLock};

macro_rules! topics {
    ($($variant:ident = $name:literal: [$($version:literal),+],)+) => {
        /// A topic of the log.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Topic {
            $(#[doc = concat!("`", $name, "`")] $variant,)+
        }

        impl Topic {
            /// Every topic, in the catalogue's order.
            pub const ALL: &[Topic] = &[$(Topic::$variant,)+];

            /// Name without any deployment's prefix.
            pub const fn name(self) -> &'static str {
                match self { $(Topic::$variant => $name,)+ }
            }

            /// Avro schemas of its subject, version 1 first.
            pub const fn versions(self) -> &'static [&'static str] {
                match self {
                    $(Topic::$variant => &[$(include_str!(concat!("../avro/", $name, "/v", $version, ".avsc")),)+],)+
                }
            }
        }
    };
}

topics! {
    Transactions = "transactions": [1],
    Receipts = "receipts": [1, 2],
    Labels = "labels": [1],
    TransactionScores = "transaction-scores": [1, 2],
    Purchases = "purchases": [1, 2],
    MatchInput = "match-input": [1],
    MatchSteps = "match-steps": [1],
    ReceiptMatches = "receipt-matches": [1],
    MerchantRisk = "merchant-risk": [1],
    DeadLetters = "dead-letters": [1],
    Duplicates = "duplicates": [1],
    Replies = "replies": [1],
    Requests = "requests": [1],
    DeadLetterActions = "dead-letter-actions": [1],
    Reconciliation = "reconciliation": [1],
    Schemas = "schemas": [1],
    Configuration = "configuration": [1],
    ProcessorEpochs = "processor-epochs": [1],
    Controls = "controls": [1],
}

/// What stamps a topic's records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stamp {
    /// The broker, when it appends (`LogAppendTime`).
    Append,
    /// The producer (`CreateTime`).
    Create,
}

/// How a topic is made; the fields are explained at the top of `topics.toml`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TopicSpec {
    /// What the record's key holds.
    pub key: String,
    /// What stamps its records.
    pub time: Stamp,
    /// How long records are kept, in milliseconds; `None` for ever.
    pub retention_ms: Option<i64>,
    /// After how long a segment that is written to is closed, in milliseconds; only closed ones are deleted.
    pub segment_ms: Option<i64>,
    /// Whether only the last record of each key is kept.
    #[serde(default)]
    pub compact: bool,
    /// Where only the last record of each key is kept: how long the earlier ones stay, in milliseconds.
    #[serde(default)]
    pub compact_after_ms: Option<i64>,
    /// Topics of one group have equal partition counts.
    pub group: Option<String>,
    /// A fixed number of partitions; else the deployment's.
    pub partitions: Option<i32>,
    /// Largest record batch the broker takes, in bytes; else the deployment's.
    pub max_message_bytes: Option<i64>,
    /// One line for people who watch topics.
    pub purpose: String,
}

static SPECS: LazyLock<BTreeMap<String, TopicSpec>> =
    LazyLock::new(|| toml::from_str(include_str!("../topics.toml")).expect("topics.toml is checked by a test"));

impl Topic {
    /// How the topic is made.
    pub fn spec(self) -> &'static TopicSpec {
        SPECS.get(self.name()).expect("every topic is in topics.toml, as a test checks")
    }

    /// The schema that is written today: its subject's last version.
    pub const fn schema(self) -> &'static str {
        let versions = self.versions();
        versions[versions.len() - 1]
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// No topic has this name.
#[derive(Debug, thiserror::Error)]
#[error("no topic {0:?}; topics are {known}", known = Topic::ALL.iter().map(|t| t.name()).collect::<Vec<_>>().join(", "))]
pub struct UnknownTopic(String);

impl FromStr for Topic {
    type Err = UnknownTopic;

    fn from_str(name: &str) -> Result<Self, UnknownTopic> {
        Topic::ALL.iter().copied().find(|topic| topic.name() == name).ok_or_else(|| UnknownTopic(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_catalogue_names_exactly_the_topics() {
        let in_file: Vec<&str> = SPECS.keys().map(String::as_str).collect();
        let mut in_code: Vec<&str> = Topic::ALL.iter().map(|t| t.name()).collect();
        in_code.sort_unstable();
        assert_eq!(in_file, in_code);
    }

    #[test]
    fn every_schema_file_is_a_version_in_the_catalogue() {
        for topic in Topic::ALL {
            let folder = format!("{}/avro/{topic}", env!("CARGO_MANIFEST_DIR"));
            let files = std::fs::read_dir(&folder).expect("folder of the subject").filter(|entry| {
                entry.as_ref().is_ok_and(|e| e.path().extension().is_some_and(|extension| extension == "avsc"))
            });
            assert_eq!(files.count(), topic.versions().len(), "{folder}");
        }
    }
}
