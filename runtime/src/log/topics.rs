//! Making topics from the catalogue, and checking that what exists is what the catalogue says.

use super::Log;
use crate::{RuntimeError, kafka};
use millrace_schemas::{Topic, catalogue::Stamp};
use rdkafka::{
    admin::{AdminOptions, NewTopic, TopicReplication},
    consumer::Consumer as _,
    error::RDKafkaErrorCode,
};
use serde::Serialize;
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

/// Whether a topic was there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TopicState {
    /// Made now.
    Created,
    /// It was there already.
    Existing,
}

/// A topic as it stands on the broker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TopicStatus {
    /// Name with the deployment's prefix.
    pub name: String,
    /// One line from the catalogue.
    pub purpose: String,
    /// What the key holds.
    pub key: String,
    /// Partitions; 0 when it does not exist.
    pub partitions: i32,
    /// Records between the first and the last offset, over all partitions; transactions' markers and compacted ones count.
    pub offsets: i64,
}

impl Log {
    /// Makes every topic of the catalogue that does not exist, and checks the partition counts and settings of those that do.
    pub async fn create_topics(&self) -> Result<Vec<(Topic, TopicState)>, RuntimeError> {
        let settings: Vec<_> =
            Topic::ALL.iter().map(|topic| (*topic, self.topic_name(*topic), self.settings(*topic))).collect();
        let new: Vec<NewTopic<'_>> = settings
            .iter()
            .map(|(topic, name, settings)| {
                let empty = NewTopic::new(
                    name,
                    self.planned_partitions(*topic),
                    TopicReplication::Fixed(self.kafka.replication_factor),
                );
                settings.iter().fold(empty, |topic, (key, value)| topic.set(key, value))
            })
            .collect();
        let options = AdminOptions::new().operation_timeout(Some(kafka::request_timeout(&self.kafka)));
        let answers = self
            .admin()?
            .create_topics(&new, &options)
            .await
            .map_err(|error| RuntimeError::kafka("creating topics", &error))?;
        let states = settings.iter().zip(answers).map(|((topic, name, _), answer)| match answer {
            Ok(_) => Ok((*topic, TopicState::Created)),
            Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => Ok((*topic, TopicState::Existing)),
            Err((_, code)) => Err(RuntimeError::Fatal(format!("creating topic {name}: {code}"))),
        });
        let states: Vec<_> = states.collect::<Result<_, _>>()?;
        self.wait_for_leaders().await?;
        self.check_settings().await?;
        Ok(states)
    }

    /// A partition that was just made has no leader for a moment.
    async fn wait_for_leaders(&self) -> Result<(), RuntimeError> {
        let until = Instant::now() + kafka::request_timeout(&self.kafka);
        loop {
            match self.check_topics().await {
                Err(RuntimeError::Transient(_)) if Instant::now() < until => {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                checked => return checked,
            }
        }
    }

    /// Refuses topics that are missing, and groups of topics whose partition counts differ: a key would be in different
    /// partitions of each.
    pub async fn check_topics(&self) -> Result<(), RuntimeError> {
        let mut missing = Vec::new();
        let mut groups: BTreeMap<&str, Vec<(String, i32)>> = BTreeMap::new();
        for (topic, status) in Topic::ALL.iter().zip(self.topics().await?) {
            if status.partitions == 0 {
                missing.push(status.name);
            } else if let Some(group) = topic.spec().group.as_deref() {
                groups.entry(group).or_default().push((status.name, status.partitions));
            }
        }
        if !missing.is_empty() {
            let message = format!("there is no topic {}; run `millrace topics create`", missing.join(", "));
            return Err(RuntimeError::Transient(message));
        }
        for (group, topics) in groups {
            if topics.iter().any(|(_, partitions)| *partitions != topics[0].1) {
                let counts: Vec<String> = topics.iter().map(|(name, count)| format!("{name} {count}")).collect();
                return Err(RuntimeError::Fatal(format!(
                    "topics of group {group:?} must have equal partition counts but have {}; partition counts are fixed at creation, \
                     so make the topics anew under another kafka.topic_prefix and copy the journals into them",
                    counts.join(", ")
                )));
            }
        }
        Ok(())
    }

    /// Every topic of the catalogue as it stands.
    pub async fn topics(&self) -> Result<Vec<TopicStatus>, RuntimeError> {
        let names: Vec<(Topic, String)> = Topic::ALL.iter().map(|topic| (*topic, self.topic_name(*topic))).collect();
        self.blocking(move |client, timeout| {
            let failed = |error| RuntimeError::kafka("asking for topics", &error);
            let metadata = client.fetch_metadata(None, timeout).map_err(failed)?;
            let mut all = Vec::with_capacity(names.len());
            for (topic, name) in names {
                let found = metadata.topics().iter().find(|found| found.name() == name);
                let partitions = found.map_or(0, |found| found.partitions().len() as i32);
                let mut offsets = 0;
                for partition in 0..partitions {
                    let (low, high) = client.fetch_watermarks(&name, partition, timeout).map_err(failed)?;
                    offsets += high - low;
                }
                let spec = topic.spec();
                all.push(TopicStatus {
                    name,
                    purpose: spec.purpose.clone(),
                    key: spec.key.clone(),
                    partitions,
                    offsets,
                });
            }
            Ok(all)
        })
        .await
    }

    fn planned_partitions(&self, topic: Topic) -> i32 {
        topic.spec().partitions.unwrap_or(self.kafka.partitions)
    }

    /// How a topic is made.
    pub(super) fn settings(&self, topic: Topic) -> Vec<(&'static str, String)> {
        let spec = topic.spec();
        let stamp = match spec.time {
            Stamp::Append => "LogAppendTime",
            Stamp::Create => "CreateTime",
        };
        // Headers and the batch around a record take some room too.
        let largest = spec.max_message_bytes.unwrap_or(self.kafka.max_message_bytes as i64 + 65_536);
        let mut settings = vec![
            ("cleanup.policy", if spec.compact { "compact" } else { "delete" }.to_owned()),
            ("retention.ms", spec.retention_ms.unwrap_or(-1).to_string()),
            ("retention.bytes", "-1".to_owned()),
            ("message.timestamp.type", stamp.to_owned()),
            ("max.message.bytes", largest.to_string()),
            ("min.insync.replicas", (self.kafka.replication_factor - 1).clamp(1, 2).to_string()),
        ];
        settings.extend(spec.compact_after_ms.map(|ms| ("min.compaction.lag.ms", ms.to_string())));
        settings.extend(spec.segment_ms.map(|ms| ("segment.ms", ms.to_string())));
        settings
    }
}
