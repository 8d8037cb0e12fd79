//! Deployments, and reading and writing them.

use millrace_runtime::{
    Record,
    config::{KafkaConfig, RegistryConfig},
    log::Log,
    reader::{From, Reader},
};
use millrace_schemas::{Event, Topic, event, wire::Codec};
use rdkafka::{
    ClientConfig,
    message::{Header, OwnedHeaders},
    producer::{BaseProducer, BaseRecord, Producer as _},
};
use std::time::Duration;

fn service(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| {
        panic!("{name} is not set; run the tests with `make test`, or under `millrace sandbox -- cargo test`")
    })
}

/// Topics and schemas of a test's own.
pub async fn deployment(name: &str) -> Log {
    let prefix = format!("{name}-{}.", uuid::Uuid::new_v4().simple());
    let kafka = KafkaConfig {
        brokers: service("MILLRACE_TEST_KAFKA"),
        topic_prefix: prefix,
        partitions: 3,
        ..KafkaConfig::default()
    };
    let registry = RegistryConfig { url: service("MILLRACE_TEST_REGISTRY"), ..RegistryConfig::default() };
    let log = Log::new(&kafka, &registry).expect("configuration");
    log.create_topics().await.expect("topics");
    log.register_schemas().await.expect("schemas");
    log
}

/// A transaction that keeps every rule.
pub fn example() -> event::Transaction {
    let text =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../schemas/avro/transactions/v1.example.json"))
            .expect("example");
    serde_json::from_str::<Vec<event::Transaction>>(&text).expect("example").remove(0)
}

/// Everything committed of an event's topic.
pub async fn read<E: Event>(log: &Log) -> Vec<E> {
    let codec = Codec::reader(&log.schemas().await.expect("schemas")).expect("codec");
    records(log, E::TOPIC).await.iter().map(|record| codec.decode(record.value.as_deref()).expect("decodes")).collect()
}

/// Asks until so many are there.
pub async fn until<T, R: Future<Output = Vec<T>>>(mut ask: impl FnMut() -> R, count: usize) -> Vec<T> {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(60);
    loop {
        let found = ask().await;
        if found.len() >= count {
            return found;
        }
        assert!(tokio::time::Instant::now() < deadline, "{} of {count} within 60 s", found.len());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Everything committed of a topic.
pub async fn records(log: &Log, topic: Topic) -> Vec<Record> {
    let (kafka, count) = (log.kafka().clone(), log.partitions(topic).await.expect("topic"));
    let records = tokio::task::spawn_blocking(move || {
        let partitions: Vec<i32> = (0..count).collect();
        let mut reader = Reader::new(&kafka, topic, &partitions, From::Beginning).expect("reader");
        reader.read_to_end(partitions.len(), Duration::from_secs(30)).expect("records")
    });
    records.await.expect("reading")
}

/// A producer whose transaction a test holds in its hand.
pub struct Transaction(BaseProducer);

impl Transaction {
    pub fn begin(log: &Log) -> Self {
        let producer: BaseProducer = ClientConfig::new()
            .set("bootstrap.servers", &log.kafka().brokers)
            .set("transactional.id", format!("{}by-hand", log.kafka().topic_prefix))
            .create()
            .expect("a producer");
        producer.init_transactions(Duration::from_secs(10)).expect("initialised");
        producer.begin_transaction().expect("begun");
        Self(producer)
    }

    /// Writes records into their own partitions of their topics, with their keys, values and headers.
    pub fn write(&self, log: &Log, records: &[Record]) {
        for record in records {
            let headers = OwnedHeaders::new();
            let headers =
                record.headers.iter().fold(headers, |all, (key, value)| all.insert(Header { key, value: Some(value) }));
            let name = log.topic_name(record.topic);
            let mut copy = BaseRecord::<[u8], [u8]>::to(&name).partition(record.partition).headers(headers);
            (copy.key, copy.payload) = (record.key.as_deref(), record.value.as_deref());
            self.0.send(copy).map_err(|(error, _)| error).expect("queued");
        }
        self.0.flush(Duration::from_secs(10)).expect("acknowledged");
    }

    pub fn commit(self) {
        self.0.commit_transaction(Duration::from_secs(10)).expect("committed");
    }
}
