//! What operators do to topics and groups by other means.

use crate::deployment::until;
use millrace_runtime::log::Log;
use millrace_schemas::Topic;
use rdkafka::{
    ClientConfig, Offset, TopicPartitionList,
    admin::{AdminClient, AdminOptions, AlterConfig, NewPartitions, ResourceSpecifier},
    client::DefaultClientContext,
    consumer::{BaseConsumer, CommitMode, Consumer as _},
};
use std::time::Duration;

fn client(log: &Log) -> ClientConfig {
    let mut client = ClientConfig::new();
    client.set("bootstrap.servers", &log.kafka().brokers);
    client
}

fn admin(log: &Log) -> AdminClient<DefaultClientContext> {
    client(log).create().expect("an admin client")
}

fn group(log: &Log, name: &str) -> String {
    format!("{}millrace-{name}", log.kafka().topic_prefix)
}

/// Deletes a worker's group with its offsets.
pub async fn delete_group(log: &Log, name: &str) {
    let group = group(log, name);
    when_empty(async || {
        let deleted = admin(log).delete_groups(&[&group], &AdminOptions::new()).await.expect("an answer");
        deleted.into_iter().next().expect("an answer").map_err(|(_, code)| code.to_string())
    })
    .await;
}

/// Sets a worker's offset of a partition, with nothing beside it.
pub async fn set_offset(log: &Log, name: &str, topic: Topic, partition: i32, offset: i64) {
    let member: BaseConsumer = client(log).set("group.id", group(log, name)).create().expect("a consumer");
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(&log.topic_name(topic), partition, Offset::Offset(offset)).expect("an offset");
    when_empty(async || member.commit(&list, CommitMode::Sync).map_err(|error| error.to_string())).await;
}

/// Does something to a group as soon as the broker lets it: a static member that has ended stays in its group for its session.
async fn when_empty<T>(attempt: impl AsyncFn() -> Result<T, String>) {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
    while let Err(refused) = attempt().await {
        assert!(tokio::time::Instant::now() < deadline, "{refused}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Deletes a topic and makes it anew, empty.
pub async fn make_anew(log: &Log, topic: Topic) {
    let name = log.topic_name(topic);
    let deleted = admin(log).delete_topics(&[&name], &AdminOptions::new()).await.expect("an answer");
    deleted.into_iter().next().expect("an answer").expect("deleted");
    let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
    loop {
        // The broker refuses a name for a moment after it was deleted.
        match log.create_topics().await {
            Ok(_) if log.topics().await.expect("topics").iter().any(|it| it.name == name && it.offsets == 0) => return,
            other => assert!(tokio::time::Instant::now() < deadline, "{other:?}"),
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Deletes the records of a partition below an offset.
pub async fn delete_records(log: &Log, topic: Topic, partition: i32, below: i64) {
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(&log.topic_name(topic), partition, Offset::Offset(below)).expect("an offset");
    admin(log).delete_records(&list, &AdminOptions::new()).await.expect("deleted");
}

/// Gives topics more partitions.
pub async fn set_partitions(log: &Log, topics: &[Topic], count: usize) {
    let names: Vec<String> = topics.iter().map(|topic| log.topic_name(*topic)).collect();
    let new: Vec<NewPartitions<'_>> = names.iter().map(|name| NewPartitions::new(name, count)).collect();
    for made in admin(log).create_partitions(&new, &AdminOptions::new()).await.expect("an answer") {
        made.expect("made");
    }
    // The broker tells of them a moment later.
    let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
    for topic in topics {
        while log.partitions(*topic).await.expect("topic") != count as i32 {
            assert!(tokio::time::Instant::now() < deadline, "{topic} has not {count} partitions");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// Sets a setting of a topic; the others fall back to the broker's own. Returns when the broker itself says so: it learns later than
/// the controller, which answers.
pub async fn set(log: &Log, topic: Topic, setting: &str, value: &str) {
    let name = log.topic_name(topic);
    let change = AlterConfig::new(ResourceSpecifier::Topic(&name)).set(setting, value);
    for changed in admin(log).alter_configs(&[change], &AdminOptions::new()).await.expect("an answer") {
        changed.expect("changed");
    }
    let is_set = async || {
        let asked = admin(log).describe_configs(&[ResourceSpecifier::Topic(&name)], &AdminOptions::new()).await;
        let found = asked.expect("an answer").remove(0).expect("a topic");
        let entries = found.entries.into_iter();
        entries.filter(|entry| entry.name == setting && entry.value.as_deref() == Some(value)).collect::<Vec<_>>()
    };
    until(is_set, 1).await;
}
