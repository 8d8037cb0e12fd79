//! Configuration that every service has, and how all of it is read: defaults, then a TOML file, then environment variables
//! `MILLRACE__SECTION__KEY`, then `--set section.key=value`. Unknown keys are refused.

use figment::{
    Figment,
    providers::{Env, Format, Serialized, Toml},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::{fmt, path::Path};

/// Prefix of environment variables that set configuration; `__` stands between section and key.
pub const ENV_PREFIX: &str = "MILLRACE__";

/// Why the configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A value or key is wrong; says which, and from which file, variable or flag.
    #[error("configuration: {0}")]
    Invalid(Box<figment::Error>),
    /// `--set` without `=`.
    #[error("configuration: --set takes section.key=value, not {0:?}")]
    BadSet(String),
    /// The file named on the command line is not there.
    #[error("configuration: there is no file {0}")]
    NoFile(String),
}

/// Reads configuration from all its sources. `sets` are `section.key=value`; a value is read as TOML where it can be, else as text.
pub fn load<C>(file: Option<&Path>, sets: &[String]) -> Result<C, ConfigError>
where
    C: Default + Serialize + DeserializeOwned,
{
    let mut sources = Figment::from(Serialized::defaults(C::default()));
    if let Some(file) = file {
        if !file.is_file() {
            return Err(ConfigError::NoFile(file.display().to_string()));
        }
        sources = sources.merge(Toml::file_exact(file));
    }
    sources = sources.merge(Env::prefixed(ENV_PREFIX).split("__"));
    for set in sets {
        let (key, value) = set.split_once('=').ok_or_else(|| ConfigError::BadSet(set.clone()))?;
        let value: figment::value::Value = value.parse().unwrap_or_else(|never| match never {});
        sources = sources.merge(Serialized::global(key, value));
    }
    sources.extract().map_err(|error| ConfigError::Invalid(Box::new(error)))
}

/// A value that is never shown: not in logs, not in `config check`.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// The value itself, for whoever needs it to log in.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether none is set.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<String> for Secret {
    fn from(value: String) -> Self {
        Self(value)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.shown())
    }
}

impl Secret {
    fn shown(&self) -> &'static str {
        if self.0.is_empty() { "" } else { "[redacted]" }
    }
}

impl Serialize for Secret {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.shown())
    }
}

/// How the broker is reached and what its topics are called.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct KafkaConfig {
    /// `host:port` of brokers to begin with, separated by commas.
    pub brokers: String,
    /// Put before the name of every topic, consumer group, transactional id and subject, so that deployments can share a cluster.
    pub topic_prefix: String,
    /// Partitions of topics that are created. Fixed once they exist.
    pub partitions: i32,
    /// Replicas of topics that are created; 3 in production.
    pub replication_factor: i32,
    /// `plaintext`, `ssl`, `sasl_plaintext` or `sasl_ssl`. Certificates and host names are always verified.
    pub security_protocol: String,
    /// File with the CA certificates to trust, PEM; empty for the system's.
    pub ssl_ca_file: String,
    /// `PLAIN`, `SCRAM-SHA-256` or `SCRAM-SHA-512`.
    pub sasl_mechanism: String,
    /// User of SASL.
    pub sasl_username: String,
    /// Password of SASL.
    pub sasl_password: Secret,
    /// How long a request about topics, offsets or groups may take.
    pub request_timeout_ms: u64,
    /// A gateway's append that has no acknowledgement after this long has failed.
    pub ack_timeout_ms: u64,
    /// Memory for events that wait for their acknowledgement; when it is full, appends fail at once.
    pub producer_queue_kib: u32,
    /// Largest record a producer sends, in bytes.
    pub max_message_bytes: usize,
}

impl Default for KafkaConfig {
    fn default() -> Self {
        Self {
            brokers: "127.0.0.1:9092".into(),
            topic_prefix: String::new(),
            partitions: 4,
            replication_factor: 1,
            security_protocol: "plaintext".into(),
            ssl_ca_file: String::new(),
            sasl_mechanism: String::new(),
            sasl_username: String::new(),
            sasl_password: Secret::default(),
            request_timeout_ms: 10_000,
            ack_timeout_ms: 5_000,
            producer_queue_kib: 65_536,
            max_message_bytes: 1_000_000,
        }
    }
}

/// How the schema registry is reached.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RegistryConfig {
    /// Base of the Confluent API.
    pub url: String,
    /// User of basic authentication; empty for none.
    pub username: String,
    /// Password of basic authentication.
    pub password: Secret,
    /// How long a request may take.
    pub timeout_ms: u64,
}

impl Default for RegistryConfig {
    fn default() -> Self {
        Self {
            url: "http://127.0.0.1:8081/apis/ccompat/v7".into(),
            username: String::new(),
            password: Secret::default(),
            timeout_ms: 5_000,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Default, Serialize, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Config {
        kafka: KafkaConfig,
        registry: RegistryConfig,
    }

    #[test]
    fn flags_set_values_of_every_type() {
        let sets = ["kafka.brokers=a:1,b:2".to_owned(), "kafka.partitions=8".to_owned()];
        let config: Config = load(None, &sets).expect("valid");
        assert_eq!((config.kafka.brokers.as_str(), config.kafka.partitions), ("a:1,b:2", 8));
    }

    #[test]
    fn unknown_keys_are_refused_by_name() {
        let error = load::<Config>(None, &["kafka.brokerz=x".to_owned()]).expect_err("unknown key").to_string();
        assert!(error.contains("brokerz"), "{error}");
    }

    #[test]
    fn secrets_do_not_show() {
        let config: Config = load(None, &["kafka.sasl_password=hunter2".to_owned()]).expect("valid");
        assert_eq!(config.kafka.sasl_password.expose(), "hunter2");
        let shown = format!("{config:?}{}", serde_json::to_string(&config).expect("json"));
        assert!(!shown.contains("hunter2") && shown.contains("[redacted]"), "{shown}");
    }
}
