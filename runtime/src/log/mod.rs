//! The deployment's log: its topics, its schemas, its epoch, and how far its readers are.

mod groups;
mod lag;
mod progress;
mod schemas;
mod settings;
mod topics;

pub use lag::{GroupLag, PartitionLag};
pub use progress::{Progress, Stored};
pub use schemas::Schemas;
pub use topics::{TopicState, TopicStatus};

use crate::{
    RuntimeError,
    config::{KafkaConfig, RegistryConfig},
    kafka, reader,
    registry::Registry,
};
use millrace_schemas::Topic;
use rdkafka::{
    ClientConfig,
    admin::AdminClient,
    client::DefaultClientContext,
    consumer::{BaseConsumer, Consumer as _},
};
use std::sync::Arc;

/// A connection to the log for everything but the flow of records. Cheap to clone.
#[derive(Clone)]
pub struct Log {
    kafka: KafkaConfig,
    registry: Registry,
    client: Arc<BaseConsumer>,
}

impl Log {
    /// Connects lazily: nothing is asked of the broker yet.
    pub fn new(kafka: &KafkaConfig, registry: &RegistryConfig) -> Result<Self, RuntimeError> {
        let registry = Registry::new(registry).map_err(|error| RuntimeError::Fatal(error.to_string()))?;
        let client: BaseConsumer = self::kafka::reader(kafka, "log")
            .create()
            .map_err(|error| RuntimeError::Fatal(format!("kafka configuration: {error}")))?;
        Ok(Self { kafka: kafka.clone(), registry, client: Arc::new(client) })
    }

    /// How the broker is reached.
    pub fn kafka(&self) -> &KafkaConfig {
        &self.kafka
    }

    /// The schema registry.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// A topic's name in this deployment.
    pub fn topic_name(&self, topic: Topic) -> String {
        reader::topic_name(&self.kafka, topic)
    }

    /// Tells one life of the log from another: the cluster's id and the deployment's prefix.
    pub async fn epoch(&self) -> Result<String, RuntimeError> {
        let prefix = self.kafka.topic_prefix.clone();
        self.blocking(move |client, timeout| {
            let id = client.client().fetch_cluster_id(timeout);
            id.map(|id| format!("{prefix}{id}"))
                .ok_or_else(|| RuntimeError::Transient("the broker does not tell its cluster's id in time".into()))
        })
        .await
    }

    /// Partitions a topic has now.
    pub async fn partitions(&self, topic: Topic) -> Result<i32, RuntimeError> {
        let name = self.topic_name(topic);
        self.blocking(move |client, timeout| {
            let metadata = client
                .fetch_metadata(Some(&name), timeout)
                .map_err(|error| RuntimeError::kafka("asking for topics", &error))?;
            let count = metadata.topics().first().map_or(0, |topic| topic.partitions().len());
            if count == 0 {
                return Err(RuntimeError::Fatal(format!("there is no topic {name}; run `millrace topics create`")));
            }
            Ok(count as i32)
        })
        .await
    }

    fn admin(&self) -> Result<AdminClient<DefaultClientContext>, RuntimeError> {
        let config: ClientConfig = kafka::client(&self.kafka, "admin");
        config.create().map_err(|error| RuntimeError::Fatal(format!("kafka configuration: {error}")))
    }

    /// Runs what librdkafka only does by blocking, off the async threads.
    async fn blocking<T, F>(&self, work: F) -> Result<T, RuntimeError>
    where
        T: Send + 'static,
        F: FnOnce(&BaseConsumer, std::time::Duration) -> Result<T, RuntimeError> + Send + 'static,
    {
        let (client, timeout) = (Arc::clone(&self.client), kafka::request_timeout(&self.kafka));
        tokio::task::spawn_blocking(move || work(&client, timeout))
            .await
            .unwrap_or_else(|error| Err(RuntimeError::Fatal(format!("a request to the broker panicked: {error}"))))
    }
}
