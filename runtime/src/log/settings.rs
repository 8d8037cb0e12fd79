//! Whether topics are kept, stamped and sized as the catalogue says, whoever made or changed them.

use super::Log;
use crate::{RuntimeError, kafka};
use millrace_schemas::Topic;
use rdkafka::{
    admin::{AdminOptions, ConfigResource, ResourceSpecifier},
    error::RDKafkaErrorCode,
};
use std::collections::BTreeMap;

/// Settings of one topic by name.
type Settings = BTreeMap<String, String>;

/// What another setting than the catalogue's means.
#[derive(Debug, PartialEq, Eq)]
enum Deviation {
    /// Records would be lost, or what is decided would depend on more than the log.
    Refused(&'static str),
    /// It is worse than it could be.
    Odd,
}

impl Log {
    /// Refuses topics whose settings lose records or make decisions depend on producers' clocks; warns of others that are not the
    /// catalogue's.
    pub async fn check_settings(&self) -> Result<(), RuntimeError> {
        let names: Vec<String> = Topic::ALL.iter().map(|topic| self.topic_name(*topic)).collect();
        let topics: Vec<ResourceSpecifier<'_>> = names.iter().map(|name| ResourceSpecifier::Topic(name)).collect();
        let options = AdminOptions::new().request_timeout(Some(kafka::request_timeout(&self.kafka)));
        let asked = self.admin()?.describe_configs(&topics, &options).await;
        let answers = asked.map_err(|error| RuntimeError::kafka("asking for topics' settings", &error))?;
        for (topic, answer) in Topic::ALL.iter().zip(answers) {
            match answer {
                Ok(found) => self.check_topic_settings(*topic, &settings(&found))?,
                Err(RDKafkaErrorCode::TopicAuthorizationFailed) => {
                    tracing::warn!(%topic, "its settings are not checked: this user may not describe its configuration");
                }
                Err(code) => {
                    return Err(RuntimeError::Transient(format!("asking for the settings of {topic}: {code}")));
                }
            }
        }
        Ok(())
    }

    fn check_topic_settings(&self, topic: Topic, found: &Settings) -> Result<(), RuntimeError> {
        let name = self.topic_name(topic);
        for (setting, wanted) in self.settings(topic) {
            let Some(value) = found.get(setting).filter(|value| **value != wanted) else { continue };
            match judge(setting, &wanted, value, found) {
                Some(Deviation::Refused(why)) => {
                    return Err(RuntimeError::Fatal(format!(
                        "topic {name} has {setting}={value}, so {why}; it must be {wanted}: \
                         kafka-configs.sh --alter --topic {name} --add-config {setting}={wanted}"
                    )));
                }
                Some(Deviation::Odd) => {
                    tracing::warn!(topic = name, setting, value, wanted, "a topic's setting is not the catalogue's");
                }
                None => {}
            }
        }
        Ok(())
    }
}

fn settings(found: &ConfigResource) -> Settings {
    found.entries.iter().filter_map(|entry| Some((entry.name.clone(), entry.value.clone()?))).collect()
}

/// Judges a value that is not the wanted one; `None` when it makes no difference.
fn judge(setting: &str, wanted: &str, value: &str, all: &Settings) -> Option<Deviation> {
    let number = |text: &str| text.parse::<i64>().unwrap_or(i64::MAX);
    let is_less = number(value) < number(wanted);
    let deletes = all.get("cleanup.policy").is_some_and(|policy| policy.contains("delete"));
    match setting {
        "cleanup.policy" if wanted == "delete" => Some(Deviation::Refused("only the last record of each key is kept")),
        "retention.ms" | "retention.bytes" if !deletes => None,
        "retention.ms" | "retention.bytes" if wanted == "-1" => Some(Deviation::Refused("old records are deleted")),
        "message.timestamp.type" if wanted == "LogAppendTime" => {
            Some(Deviation::Refused("what is decided depends on the clocks of producers"))
        }
        "max.message.bytes" if is_less => Some(Deviation::Refused("records that are taken in elsewhere do not fit")),
        "max.message.bytes" | "min.insync.replicas" if !is_less => None,
        _ => Some(Deviation::Odd),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(setting: &str, wanted: &str, value: &str, policy: &str) -> Option<Deviation> {
        let all = Settings::from([("cleanup.policy".into(), policy.into()), (setting.into(), value.into())]);
        judge(setting, wanted, value, &all)
    }

    #[test]
    fn what_loses_records_is_refused_and_what_keeps_more_is_not() {
        let refused = |deviation| matches!(deviation, Some(Deviation::Refused(_)));
        assert!(refused(of("retention.ms", "-1", "604800000", "delete")));
        assert!(refused(of("retention.bytes", "-1", "1000", "compact,delete")));
        assert!(refused(of("cleanup.policy", "delete", "compact", "compact")));
        assert!(refused(of("cleanup.policy", "delete", "compact,delete", "compact,delete")));
        assert!(refused(of("message.timestamp.type", "LogAppendTime", "CreateTime", "delete")));
        assert!(refused(of("max.message.bytes", "4194304", "1000", "delete")));
        assert_eq!(of("retention.ms", "-1", "604800000", "compact"), None, "a compacted topic has no retention");
        assert_eq!(of("max.message.bytes", "1000", "4194304", "delete"), None);
        assert_eq!(of("min.insync.replicas", "1", "2", "delete"), None);
        assert_eq!(of("retention.ms", "2592000000", "1000", "delete"), Some(Deviation::Odd));
        assert_eq!(of("message.timestamp.type", "CreateTime", "LogAppendTime", "delete"), Some(Deviation::Odd));
        assert_eq!(of("min.insync.replicas", "2", "1", "delete"), Some(Deviation::Odd));
    }
}
