//! A deployment of its own for one test: topics under a prefix, a database, and services inside the test's process.

use millrace_ingest::{
    Gateway, GatewayConfig,
    waiting::{Lookup, Waiting},
};
use millrace_local::Sandbox;
use millrace_processors::{Receipts, Scoring};
use millrace_projections::{
    clickhouse::{ClickHouse, ClickHouseConfig, follow},
    query::{self, AnalyticsConfig, QueryConfig, StreamConfig},
};
use millrace_runtime::{
    config::{KafkaConfig, RegistryConfig},
    lifecycle::Shutdown,
    log::Log,
    processor::{self, Processor, ProcessorConfig},
    producer::EventProducer,
    reader::{From, Reader},
    sink::SinkConfig,
};
use millrace_schemas::{
    Event, Topic,
    event::Derived,
    rules::{Checked, Rules},
    wire::Codec,
};
use serde_json::Value as Json;
use std::{net::SocketAddr, sync::Arc, time::Duration};
use tokio::{net::TcpListener, task::JoinHandle};

/// How long a test waits for what takes a second on an idle machine.
pub const SOON: Duration = Duration::from_secs(60);

/// Topics, schemas and a database of one test.
pub struct Deployment {
    /// How the broker is reached, with the test's prefix.
    pub kafka: KafkaConfig,
    /// How the registry is reached.
    pub registry: RegistryConfig,
    /// How ClickHouse is reached, with the test's database.
    pub clickhouse: ClickHouseConfig,
    /// The log.
    pub log: Log,
    services: Vec<(Shutdown, JoinHandle<()>)>,
}

fn service(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| {
        panic!("{name} is not set; run the tests with `make test`, or under `millrace sandbox -- cargo test`")
    })
}

impl Deployment {
    /// Makes topics, schemas and tables under a name of their own.
    pub async fn new(name: &str) -> Self {
        let [kafka, registry, clickhouse] =
            ["MILLRACE_TEST_KAFKA", "MILLRACE_TEST_REGISTRY", "MILLRACE_TEST_CLICKHOUSE"].map(service);
        Self::at(name, kafka, registry, clickhouse).await
    }

    /// The same in a sandbox of the test's own, whose parts it may kill.
    pub async fn within(sandbox: &Sandbox, name: &str) -> Self {
        Self::at(name, sandbox.kafka(), sandbox.registry(), sandbox.clickhouse()).await
    }

    async fn at(name: &str, brokers: String, registry: String, clickhouse: String) -> Self {
        let unique = format!("{name}_{}", &uuid::Uuid::new_v4().simple().to_string()[..8]);
        // A machine that tests share may stand still for seconds; who tests a deadline sets one.
        let kafka = KafkaConfig {
            brokers,
            topic_prefix: format!("{unique}."),
            partitions: 3,
            ack_timeout_ms: 30_000,
            ..KafkaConfig::default()
        };
        let registry = RegistryConfig { url: registry, ..RegistryConfig::default() };
        let clickhouse = ClickHouseConfig { url: clickhouse, database: unique, ..ClickHouseConfig::default() };
        let log = Log::new(&kafka, &registry).expect("configuration");
        log.create_topics().await.expect("topics");
        log.register_schemas().await.expect("schemas");
        ClickHouse::new(&clickhouse).expect("configuration").migrate().await.expect("tables");
        Self { kafka, registry, clickhouse, log, services: Vec::new() }
    }

    /// Serves the gateway; its base address.
    pub async fn gateway(&mut self, config: GatewayConfig) -> String {
        self.streaming_gateway(config, StreamConfig::default()).await.0
    }

    /// Serves the gateway; its base address, and what shuts it down.
    pub async fn streaming_gateway(&mut self, config: GatewayConfig, stream: StreamConfig) -> (String, Shutdown) {
        let mut config = config;
        if config.ack_timeout_ms == GatewayConfig::default().ack_timeout_ms {
            config.ack_timeout_ms = self.kafka.ack_timeout_ms + 1_000;
        }
        let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.expect("a free port");
        let base = format!("http://{}", listener.local_addr().expect("address"));
        let events = EventProducer::connect(&self.log, "gateway").await.expect("schemas");
        let metrics = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder().handle();
        let mut gateway = Gateway::new(events, move || metrics.render());
        let (shutdown, stream_log) = (Shutdown::new(), self.log.clone());
        let routes = query::routes(&self.clickhouse, &QueryConfig::default()).expect("configuration");
        let analytics = query::analytics(&self.clickhouse, &AnalyticsConfig::default(), self.log.clone());
        let routes = routes.merge(analytics.expect("configuration"));
        gateway.routes = routes.merge(query::stream(stream_log, &stream, shutdown.clone()));
        gateway.contracts = vec![query::contract()];
        let scores = query::scores(&self.clickhouse, &QueryConfig::default()).expect("configuration");
        let lookup: Lookup = Arc::new(move |trn_id| Box::pin(scores.find(trn_id)));
        gateway.waiting = Some(Waiting::follow(&self.log, &config, Some(lookup), &shutdown).await.expect("replies"));
        let until = shutdown.clone();
        let task = tokio::spawn(async move {
            let until = async move { until.cancelled().await };
            millrace_ingest::serve(config, listener, gateway, until).await.expect("the gateway ends well");
        });
        self.services.push((shutdown.clone(), task));
        (base, shutdown)
    }

    /// Runs the scoring processor; cancelling the token ends it.
    pub fn scoring(&mut self) -> Shutdown {
        let scoring = Scoring::default();
        self.processor(scoring, Rules::default(), ProcessorConfig::default())
    }

    /// Runs any processor, with rules and settings of its own.
    pub fn processor<P>(&mut self, processor: P, rules: Rules, config: ProcessorConfig) -> Shutdown
    where
        P: Processor + Clone,
        <P::Out as Derived>::From: Checked,
    {
        let (log, shutdown) = (self.log.clone(), Shutdown::new());
        let run = processor::run(processor, log, rules, config, shutdown.clone());
        self.keep(shutdown, run)
    }

    /// Runs the receipts processor.
    pub fn receipts(&mut self) -> Shutdown {
        self.processor(Receipts, Rules::default(), ProcessorConfig::default())
    }

    /// Runs the ClickHouse projector.
    pub async fn projector(&mut self) -> Shutdown {
        let codec = Arc::clone(self.log.codec().await.expect("schemas").codec());
        let clickhouse = ClickHouse::new(&self.clickhouse).expect("configuration");
        let (log, shutdown) = (self.log.clone(), Shutdown::new());
        let run = follow(clickhouse, codec, Rules::default(), log, SinkConfig::default(), shutdown.clone());
        self.keep(shutdown, run)
    }

    fn keep<R>(&mut self, shutdown: Shutdown, run: R) -> Shutdown
    where
        R: Future<Output = Result<(), millrace_runtime::RuntimeError>> + Send + 'static,
    {
        let task = tokio::spawn(async move { run.await.expect("the worker ends well") });
        self.services.push((shutdown.clone(), task));
        shutdown
    }

    /// Ends the service that was started last and waits for it: the next of its kind must not meet it.
    pub async fn stop_last(&mut self) {
        let (shutdown, task) = self.services.pop().expect("a service runs");
        shutdown.cancel();
        task.await.expect("the service panicked");
    }

    /// Ends all services and waits for them.
    pub async fn stop(&mut self) {
        for (shutdown, _) in &self.services {
            shutdown.cancel();
        }
        for (_, task) in self.services.drain(..) {
            task.await.expect("a service panicked");
        }
    }

    /// A topic's name.
    pub fn topic(&self, topic: Topic) -> String {
        self.log.topic_name(topic)
    }

    /// Everything committed of an event's topic, by partition and offset.
    pub async fn read<E: Event>(&self) -> Vec<E> {
        let codec = Codec::reader(&self.log.schemas().await.expect("schemas")).expect("codec");
        let (kafka, partitions) = (self.kafka.clone(), self.log.partitions(E::TOPIC).await.expect("topic"));
        let records = tokio::task::spawn_blocking(move || {
            let all: Vec<i32> = (0..partitions).collect();
            let mut reader = Reader::new(&kafka, E::TOPIC, &all, From::Beginning).expect("reader");
            reader.read_to_end(all.len(), SOON).expect("records")
        });
        let mut records = records.await.expect("reading");
        records.sort_by_key(|record| (record.partition, record.offset));
        records.iter().map(|record| codec.decode(record.value.as_deref()).expect("own events decode")).collect()
    }

    /// Runs a query in the test's database; rows as JSON objects. Numbers of 64 bits and decimals are strings.
    pub async fn query(&self, sql: &str) -> Vec<Json> {
        let response = reqwest::Client::new()
            .post(&self.clickhouse.url)
            .query(&[
                ("database", self.clickhouse.database.as_str()),
                ("default_format", "JSONEachRow"),
                ("output_format_json_quote_64bit_integers", "1"),
                ("output_format_json_quote_decimals", "1"),
            ])
            .body(sql.to_owned())
            .send()
            .await
            .expect("ClickHouse answers");
        let status = response.status();
        let text = response.text().await.expect("a body");
        assert!(status.is_success(), "{sql}: {text}");
        text.lines().map(|line| serde_json::from_str(line).expect("a row")).collect()
    }

    /// The one value a query gives.
    pub async fn value(&self, sql: &str) -> String {
        let rows = self.query(sql).await;
        let value =
            rows.first().and_then(Json::as_object).and_then(|row| row.values().next()).cloned().unwrap_or(Json::Null);
        value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned)
    }
}

impl Drop for Deployment {
    fn drop(&mut self) {
        for (shutdown, task) in &self.services {
            shutdown.cancel();
            task.abort();
        }
    }
}
