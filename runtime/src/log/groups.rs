//! Consumer groups: who is in them, and forgetting one that is of no more use.

use super::Log;
use crate::{RuntimeError, kafka};
use millrace_schemas::Topic;
use rdkafka::{admin::AdminOptions, consumer::Consumer as _, error::RDKafkaErrorCode};
use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

/// Longer than the session of a member.
const EMPTY_WITHIN: Duration = Duration::from_secs(30);

impl Log {
    /// Slots of the processes that the broker takes for members of a group, by the group's name such as `clickhouse`. One that was
    /// killed is a member until its session times out.
    pub async fn slots(&self, group: &str) -> Result<BTreeSet<u32>, RuntimeError> {
        let group = kafka::group_id(&self.kafka, group);
        self.blocking(move |client, timeout| {
            let groups = client
                .fetch_group_list(Some(&group), timeout)
                .map_err(|error| RuntimeError::kafka(&format!("asking for the members of {group}"), &error))?;
            let members = groups.groups().iter().flat_map(|group| group.members());
            Ok(members.filter_map(|member| slot_of(member.id(), &group)).collect())
        })
        .await
    }

    /// Deletes a group's offsets; nothing happens where there is no such group. Waits as long as sessions of processes that have left
    /// last.
    pub async fn forget_group(&self, group: &str) -> Result<(), RuntimeError> {
        let group = kafka::group_id(&self.kafka, group);
        let options = AdminOptions::new().operation_timeout(Some(kafka::request_timeout(&self.kafka)));
        let (doing, until) = (format!("deleting the group {group}"), Instant::now() + EMPTY_WITHIN);
        let admin = self.admin()?;
        loop {
            let answers = admin.delete_groups(&[&group], &options).await;
            match answers.map_err(|error| RuntimeError::kafka(&doing, &error))?.pop() {
                None | Some(Ok(_) | Err((_, RDKafkaErrorCode::GroupIdNotFound))) => return Ok(()),
                Some(Err((_, RDKafkaErrorCode::NonEmptyGroup))) if Instant::now() < until => {
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
                Some(Err((_, code))) => return Err(RuntimeError::Transient(format!("{doing}: {code}"))),
            }
        }
    }

    /// First offset that each partition of a topic still has, and the one its next record will get.
    pub async fn offsets(&self, topic: Topic) -> Result<Vec<(i64, i64)>, RuntimeError> {
        let (name, partitions) = (self.topic_name(topic), self.partitions(topic).await?);
        self.blocking(move |client, timeout| {
            let offsets = (0..partitions).map(|partition| client.fetch_watermarks(&name, partition, timeout));
            offsets.collect::<Result<_, _>>().map_err(|error| RuntimeError::kafka("asking for offsets", &error))
        })
        .await
    }
}

/// The slot of a member whose id begins, as brokers make those of static members, with its instance's: `<group>-<slot>-<uuid>`.
fn slot_of(member: &str, group: &str) -> Option<u32> {
    member.strip_prefix(group)?.strip_prefix('-')?.split('-').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slot_stands_in_the_members_id() {
        let uuid = "6f2d4d3a-9c0b-5a53-8a0d-25cf1f3b7e10";
        assert_eq!(slot_of(&format!("p.millrace-clickhouse-v2-17-{uuid}"), "p.millrace-clickhouse-v2"), Some(17));
        assert_eq!(slot_of(&format!("p.millrace-clickhouse-v2-17-{uuid}"), "p.millrace-clickhouse"), None);
        assert_eq!(slot_of(&format!("rdkafka-{uuid}"), "p.millrace-clickhouse"), None);
    }
}
