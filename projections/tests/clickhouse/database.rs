//! A database of its own for each test, dropped with it.

use millrace_projections::clickhouse::{ClickHouse, ClickHouseConfig, ClickHouseSink, set::Set};
use millrace_runtime::{
    config::{KafkaConfig, RegistryConfig},
    log::Log,
};
use millrace_schemas::rules::Rules;
use std::{
    sync::{
        Arc, LazyLock,
        atomic::{AtomicU32, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

/// A log that nobody wrote.
pub fn log() -> Log {
    static LOG: LazyLock<Log> = LazyLock::new(|| {
        let service = |name| std::env::var(name).expect("a service of `millrace sandbox`");
        let kafka = KafkaConfig {
            brokers: service("MILLRACE_TEST_KAFKA"),
            topic_prefix: "nobody-".into(),
            ..KafkaConfig::default()
        };
        let registry = RegistryConfig { url: service("MILLRACE_TEST_REGISTRY"), ..RegistryConfig::default() };
        Log::new(&kafka, &registry).expect("configuration")
    });
    LOG.clone()
}

pub struct TestDatabase {
    pub clickhouse: ClickHouse,
    pub config: ClickHouseConfig,
}

impl TestDatabase {
    /// A database without tables.
    pub fn empty() -> Self {
        Self::with(|_| {})
    }

    /// A database without tables, after a change of the configuration.
    pub fn with(change: impl FnOnce(&mut ClickHouseConfig)) -> Self {
        let url = std::env::var("MILLRACE_TEST_CLICKHOUSE").expect(
            "MILLRACE_TEST_CLICKHOUSE is not set: this test needs a ClickHouse; run it as `make test` or under `millrace sandbox --`",
        );
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_nanos();
        let database = format!("test_{now}_{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let mut config = ClickHouseConfig { url, database, ..ClickHouseConfig::default() };
        change(&mut config);
        Self { clickhouse: ClickHouse::new(&config).expect("configuration"), config }
    }

    /// A database with all tables.
    pub async fn migrated() -> Self {
        let database = Self::empty();
        database.clickhouse.migrate().await.expect("migrations");
        database
    }

    /// Another client of the same database.
    pub fn another_client(&self) -> ClickHouse {
        ClickHouse::new(&self.config).expect("configuration")
    }

    /// A sink that knows nothing of what others wrote.
    pub fn sink(&self) -> ClickHouseSink {
        self.sink_of(Set::FIRST)
    }

    /// The same into another set.
    pub fn sink_of(&self, set: Set) -> ClickHouseSink {
        ClickHouseSink::new(self.another_client(), Arc::new(crate::events::codec()), Rules::default(), set)
    }

    /// One number; `{db}` stands for the database.
    pub async fn number(&self, sql: &str) -> u64 {
        let sql = sql.replace("{db}", self.clickhouse.database().as_str());
        self.clickhouse.query(&sql).fetch_one().await.unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    /// Runs a statement; `{db}` stands for the database.
    pub async fn run(&self, sql: &str) {
        let sql = sql.replace("{db}", self.clickhouse.database().as_str());
        self.clickhouse.execute(&sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let client = self.another_client();
        // A test's runtime cannot be waited on from a drop; a thread's own can.
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime");
            runtime.block_on(client.execute(&format!("DROP DATABASE IF EXISTS {} SYNC", client.database())))
        });
        if let Ok(Err(error)) = dropping.join() {
            eprintln!("a test's database was not dropped: {error}");
        }
    }
}
