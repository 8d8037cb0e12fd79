//! librdkafka's configuration for each kind of client, in one place.

use crate::{
    config::KafkaConfig,
    sabotage::{self, Sabotage},
};
use rdkafka::ClientConfig;
use std::time::Duration;

/// How long a transaction may stay open before the broker aborts it.
pub(crate) const TRANSACTION_TIMEOUT: Duration = Duration::from_secs(15);

/// Kafka's default partitioner, as its Java clients have it: `murmur2(key) & 0x7fffffff % partitions`.
pub(crate) fn partition_of(key: &[u8], partitions: i32) -> i32 {
    (murmur2(key) & 0x7fff_ffff).cast_signed() % partitions
}

/// 32-bit MurmurHash2 by Austin Appleby (public domain) with Kafka's seed.
fn murmur2(data: &[u8]) -> u32 {
    const M: u32 = 0x5bd1_e995;
    let mut hash = 0x9747_b28c ^ data.len() as u32;
    let mut words = data.chunks_exact(4);
    for word in &mut words {
        let mut k = u32::from_le_bytes([word[0], word[1], word[2], word[3]]).wrapping_mul(M);
        k ^= k >> 24;
        hash = hash.wrapping_mul(M) ^ k.wrapping_mul(M);
    }
    let rest = words.remainder();
    if !rest.is_empty() {
        let tail = rest.iter().rev().fold(0u32, |tail, byte| tail << 8 | u32::from(*byte));
        hash = (hash ^ tail).wrapping_mul(M);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(M);
    hash ^ hash >> 15
}

pub(crate) fn request_timeout(config: &KafkaConfig) -> Duration {
    Duration::from_millis(config.request_timeout_ms)
}

/// What every client has.
pub(crate) fn client(config: &KafkaConfig, client_id: &str) -> ClientConfig {
    let mut client = ClientConfig::new();
    client
        .set("bootstrap.servers", &config.brokers)
        .set("client.id", format!("{}millrace-{client_id}", config.topic_prefix))
        .set("security.protocol", &config.security_protocol)
        .set("socket.nagle.disable", "true")
        .set("reconnect.backoff.ms", "50")
        .set("reconnect.backoff.max.ms", "1000")
        // A topic just made is known at once, one just deleted is forgotten soon.
        .set("topic.metadata.refresh.interval.ms", "30000");
    for (name, value) in [
        ("ssl.ca.location", config.ssl_ca_file.as_str()),
        ("sasl.mechanism", &config.sasl_mechanism),
        ("sasl.username", &config.sasl_username),
        ("sasl.password", config.sasl_password.expose()),
    ] {
        if !value.is_empty() {
            client.set(name, value);
        }
    }
    client
}

fn producer(config: &KafkaConfig, client_id: &str) -> ClientConfig {
    let mut producer = client(config, client_id);
    producer
        .set("enable.idempotence", "true")
        .set("acks", "all")
        // As Java producers partition; librdkafka's own default differs.
        .set("partitioner", "murmur2_random")
        .set("compression.type", "lz4")
        .set("queue.buffering.max.kbytes", config.producer_queue_kib.to_string())
        .set("queue.buffering.max.messages", "200000");
    producer
}

/// Appends single events as fast as they are acknowledged.
pub(crate) fn event_producer(config: &KafkaConfig, client_id: &str) -> ClientConfig {
    let mut producer = producer(config, client_id);
    producer
        // What comes within a millisecond shares a request; more would be the floor of every answer's latency.
        .set("linger.ms", "1")
        .set("message.timeout.ms", config.ack_timeout_ms.to_string())
        .set("message.max.bytes", config.max_message_bytes.to_string());
    producer
}

/// Writes a slot's outputs and offsets in transactions; a second one of the same slot fences the first.
pub(crate) fn transactional_producer(
    config: &KafkaConfig,
    name: &str,
    slot: u32,
    largest_record: usize,
) -> ClientConfig {
    let mut producer = producer(config, &format!("{name}-{slot}"));
    producer
        .set("transactional.id", slot_id(config, name, slot))
        .set("transaction.timeout.ms", TRANSACTION_TIMEOUT.as_millis().to_string())
        .set("message.timeout.ms", "14000")
        .set("linger.ms", "5")
        .set("message.max.bytes", largest_record.to_string());
    producer
}

/// Writes replies at once. They are worth nothing later, so none is sent twice and none waits for replicas.
pub(crate) fn reply_producer(config: &KafkaConfig, name: &str) -> ClientConfig {
    let mut producer = client(config, &format!("{name}-replies"));
    producer
        .set("acks", "1")
        .set("linger.ms", "0")
        .set("retries", "0")
        .set("message.timeout.ms", "10000")
        .set("message.max.bytes", config.max_message_bytes.to_string())
        .set("queue.buffering.max.messages", "100000");
    producer
}

/// A member of a group whose offsets are committed by hand and never reset by themselves.
pub(crate) fn group_consumer(config: &KafkaConfig, group: &str, slot: u32) -> ClientConfig {
    let mut consumer = reader(config, group);
    consumer
        .set("group.id", group_id(config, group))
        .set("group.instance.id", slot_id(config, group, slot))
        // The broker answers as soon as there is something. Longer, and a partition that is taken over would wait for the answer.
        .set("fetch.wait.max.ms", "100")
        .set("partition.assignment.strategy", "range")
        .set("session.timeout.ms", "10000")
        .set("heartbeat.interval.ms", "1000")
        .set("enable.partition.eof", "false");
    consumer
}

/// Name of a slot, by which the broker knows that a process replaces the one before.
fn slot_id(config: &KafkaConfig, name: &str, slot: u32) -> String {
    let id = format!("{}millrace-{name}-{slot}", config.topic_prefix);
    if sabotage::is_on(Sabotage::Fencing) { format!("{id}-{}", uuid::Uuid::new_v4()) } else { id }
}

/// Name of a group with the deployment's prefix.
pub(crate) fn group_id(config: &KafkaConfig, group: &str) -> String {
    format!("{}millrace-{group}", config.topic_prefix)
}

/// Reads what is committed, from where it is told.
pub(crate) fn reader(config: &KafkaConfig, client_id: &str) -> ClientConfig {
    let mut consumer = client(config, client_id);
    consumer
        // librdkafka wants a group even where none is joined.
        .set("group.id", format!("{}millrace-reader", config.topic_prefix))
        .set("isolation.level", "read_committed")
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("auto.offset.reset", "error")
        .set("enable.partition.eof", "true")
        .set("fetch.wait.max.ms", "10")
        .set("fetch.error.backoff.ms", "50")
        .set("queued.max.messages.kbytes", "16384")
        .set("check.crcs", "true")
        .set("allow.auto.create.topics", "false");
    consumer
}

/// A member of a group for whose work nobody waits; see [`many_at_once`].
pub(crate) fn batch_consumer(config: &KafkaConfig, group: &str, slot: u32) -> ClientConfig {
    let mut consumer = group_consumer(config, group, slot);
    many_at_once(&mut consumer);
    consumer
}

/// The same, of no group.
pub(crate) fn batch_reader(config: &KafkaConfig, client_id: &str) -> ClientConfig {
    let mut consumer = reader(config, client_id);
    many_at_once(&mut consumer);
    consumer
}

/// The broker answers when there is much, or after a tenth of a second: answering each record as it comes costs both sides more than the
/// records do.
fn many_at_once(consumer: &mut ClientConfig) {
    consumer.set("fetch.wait.max.ms", "100").set("fetch.min.bytes", "65536");
}

/// Follows what most of the time has nothing to read.
pub(crate) fn follower(config: &KafkaConfig) -> ClientConfig {
    let mut consumer = reader(config, "follower");
    consumer
        // The broker answers as soon as there is something; asking seldom costs no latency.
        .set("fetch.wait.max.ms", "500")
        .set("queued.max.messages.kbytes", "1024");
    consumer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_partitioned_as_kafka_does() {
        // The vectors of Kafka's own UtilsTest.testMurmur2.
        for (key, hash) in [
            ("21", -973_932_308),
            ("foobar", -790_332_482),
            ("a-little-bit-long-string", -985_981_536),
            ("a-little-bit-longer-string", -1_486_304_829),
            ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
        ] {
            assert_eq!(murmur2(key.as_bytes()).cast_signed(), hash, "{key}");
        }
    }

    #[test]
    fn clients_verify_and_never_reset_by_themselves() {
        let config = KafkaConfig::default();
        let consumer = group_consumer(&config, "scoring", 0);
        for (name, value) in
            [("auto.offset.reset", "error"), ("enable.auto.commit", "false"), ("isolation.level", "read_committed")]
        {
            assert_eq!(consumer.get(name), Some(value));
        }
        let producer = event_producer(&config, "gateway");
        for (name, value) in [("acks", "all"), ("enable.idempotence", "true"), ("partitioner", "murmur2_random")] {
            assert_eq!(producer.get(name), Some(value));
        }
        assert_eq!(consumer.get("enable.ssl.certificate.verification"), None);
    }
}
