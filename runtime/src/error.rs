//! Errors by what the caller does about them.

use rdkafka::error::KafkaError;

/// What stops a loop.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    /// Passes by itself: start over, from what is committed.
    #[error("{0}")]
    Transient(String),
    /// The broker takes what this process says for that of one which was replaced. Once, it passes like [`Self::Transient`]: a broker
    /// that was away forgets its members, and then takes what they still had to say for another's. Twice, another process runs in
    /// the same slot.
    #[error("{0}")]
    Fenced(String),
    /// Needs an operator: the process ends.
    #[error("{0}")]
    Fatal(String),
}

impl RuntimeError {
    /// Label of metrics and logs.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Transient(_) => "transient",
            Self::Fenced(_) => "fenced",
            Self::Fatal(_) => "fatal",
        }
    }

    /// A Kafka error met while doing something: fatal where librdkafka says that its client is of no more use for anything but a
    /// restart of the process's work, else transient.
    pub(crate) fn kafka(doing: &str, error: &KafkaError) -> Self {
        Self::Transient(format!("{doing}: {error}"))
    }
}
