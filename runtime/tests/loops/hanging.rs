//! A transaction that nobody ends any more: the coordinator knows nothing of it, its records and offsets are undecided for good.

use crate::starts::{assert_goes_on_without_a_second_outcome, decided};
use bytes::{Bytes, BytesMut};
use kafka_protocol::{
    indexmap::IndexMap,
    messages::{
        ApiKey, GroupId, InitProducerIdRequest, InitProducerIdResponse, ProduceRequest, ProduceResponse, ProducerId,
        RequestHeader, TopicName, TransactionalId, TxnOffsetCommitRequest, TxnOffsetCommitResponse,
        produce_request::{PartitionProduceData, TopicProduceData},
        txn_offset_commit_request::{TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic},
    },
    protocol::{Decodable, Encodable, StrBytes},
    records::{Compression, Record, RecordBatchEncoder, RecordEncodeOptions, TimestampType},
};
use millrace_runtime::{
    config::{KafkaConfig, RegistryConfig},
    log::Log,
};
use millrace_schemas::Topic;
use rdkafka::{
    ClientConfig,
    admin::{AdminClient, AdminOptions, AlterConfig, ResourceSpecifier},
    client::DefaultClientContext,
};
use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    time::Duration,
};

/// Speaks the broker's protocol by hand: no client library writes without telling the coordinator first.
struct Connection(TcpStream);

impl Connection {
    fn to(brokers: &str) -> Self {
        let stream = TcpStream::connect(brokers).expect("a connection");
        stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a deadline");
        Self(stream)
    }

    /// Asks in a version whose headers have no tags.
    fn ask<Q: Encodable, A: Decodable>(&mut self, api: ApiKey, version: i16, request: &Q) -> A {
        let header = RequestHeader::default()
            .with_request_api_key(api as i16)
            .with_request_api_version(version)
            .with_client_id(Some(StrBytes::from_static_str("by-hand")));
        let mut message = BytesMut::new();
        header.encode(&mut message, 1).expect("a header");
        request.encode(&mut message, version).expect("a request");
        let length = u32::try_from(message.len()).expect("short").to_be_bytes();
        self.0.write_all(&[&length[..], &message].concat()).expect("sent");
        let mut length = [0; 4];
        self.0.read_exact(&mut length).expect("an answer");
        let mut answer = vec![0; u32::from_be_bytes(length) as usize];
        self.0.read_exact(&mut answer).expect("the whole answer");
        // The correlation id comes first.
        A::decode(&mut Bytes::from(answer).slice(4..), version).expect("an answer of this version")
    }
}

/// Leaves a record in a partition of scores, and an offset of the group, in a transaction of the worker's slot that the coordinator
/// never heard of.
async fn hang(log: &Log, partition: i32) {
    let kafka = log.kafka();
    verify_transactions(kafka, false).await;
    let text = |text: String| StrBytes::from_string(text);
    let name = |topic| TopicName(text(log.topic_name(topic)));
    let id = TransactionalId(text(format!("{}millrace-counting-0", kafka.topic_prefix)));
    let mut broker = Connection::to(&kafka.brokers);
    let init =
        InitProducerIdRequest::default().with_transactional_id(Some(id.clone())).with_transaction_timeout_ms(10_000);
    let producer: InitProducerIdResponse = broker.ask(ApiKey::InitProducerId, 1, &init);
    assert_eq!(producer.error_code, 0);

    let record = Record {
        transactional: true,
        control: false,
        delete_horizon: false,
        partition_leader_epoch: -1,
        producer_id: producer.producer_id.0,
        producer_epoch: producer.producer_epoch,
        timestamp_type: TimestampType::Creation,
        offset: 0,
        sequence: 0,
        timestamp: 0,
        key: None,
        value: Some(Bytes::from_static(b"never decided")),
        headers: IndexMap::new(),
    };
    let mut batch = BytesMut::new();
    let options = RecordEncodeOptions { version: 2, compression: Compression::None };
    RecordBatchEncoder::encode(&mut batch, [&record], &options).expect("a batch");
    let data = PartitionProduceData::default().with_index(partition).with_records(Some(batch.freeze()));
    let topic = TopicProduceData::default().with_name(name(Topic::TransactionScores)).with_partition_data(vec![data]);
    let produce = ProduceRequest::default()
        .with_transactional_id(Some(id.clone()))
        .with_acks(-1)
        .with_timeout_ms(10_000)
        .with_topic_data(vec![topic]);
    let produced: ProduceResponse = broker.ask(ApiKey::Produce, 3, &produce);
    assert_eq!(produced.responses[0].partition_responses[0].error_code, 0);

    let offset = TxnOffsetCommitRequestPartition::default().with_partition_index(partition).with_committed_offset(1);
    let topic =
        TxnOffsetCommitRequestTopic::default().with_name(name(Topic::Transactions)).with_partitions(vec![offset]);
    let commit = TxnOffsetCommitRequest::default()
        .with_transactional_id(id)
        .with_group_id(GroupId(text(format!("{}millrace-counting", kafka.topic_prefix))))
        .with_producer_id(ProducerId(producer.producer_id.0))
        .with_producer_epoch(producer.producer_epoch)
        .with_topics(vec![topic]);
    let committed: TxnOffsetCommitResponse = broker.ask(ApiKey::TxnOffsetCommit, 0, &commit);
    assert_eq!(committed.topics[0].partitions[0].error_code, 0);
    verify_transactions(kafka, true).await;
}

/// Whether the broker asks the coordinator before it takes a transaction's record.
async fn verify_transactions(kafka: &KafkaConfig, verifies: bool) {
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", &kafka.brokers).create().expect("a client");
    let verifies = verifies.to_string();
    let config =
        AlterConfig::new(ResourceSpecifier::Broker(1)).set("transaction.partition.verification.enable", &verifies);
    let altered = admin.alter_configs([&config], &AdminOptions::new()).await.expect("an answer");
    altered.into_iter().for_each(|done| assert!(done.is_ok(), "{done:?}"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_that_the_coordinator_forgot_is_ended_by_the_next_but_one_start() {
    let (log, partition) = decided("hanging").await;
    hang(&log, partition).await;
    let impatient = KafkaConfig { request_timeout_ms: 2_000, ..log.kafka().clone() };
    let url = std::env::var("MILLRACE_TEST_REGISTRY").expect("the sandbox names it");
    let registry = RegistryConfig { url, ..RegistryConfig::default() };
    let log = Log::new(&impatient, &registry).expect("configuration");
    let lag = log.lag("counting", &[Topic::Transactions]).await;
    assert!(lag.is_err(), "the group's offsets are undecided: {lag:?}");
    assert_goes_on_without_a_second_outcome(&log).await;
}
