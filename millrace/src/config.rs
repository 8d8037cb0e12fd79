//! The whole configuration: one section for each part; every process reads the same file and uses its own sections.

use millrace_ingest::GatewayConfig;
use millrace_processors::{
    matching::MatchingConfig,
    merchants::tally::MerchantsConfig,
    scoring::{
        model::{PoolOptions, Runtime},
        running::Models,
    },
};
use millrace_projections::{
    clickhouse::ClickHouseConfig,
    query::{QueryConfig, StreamConfig},
    reconciler::ReconcilerConfig,
};
use millrace_runtime::{
    config::{ConfigError, KafkaConfig, RegistryConfig},
    processor::ProcessorConfig,
    sink::SinkConfig,
    telemetry::LogConfig,
};
use millrace_schemas::rules::Rules;
use serde::{Deserialize, Serialize};
use std::{net::SocketAddr, path::PathBuf};

/// Everything that can be configured.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The broker.
    pub kafka: KafkaConfig,
    /// The schema registry.
    pub registry: RegistryConfig,
    /// The ClickHouse server.
    pub clickhouse: ClickHouseConfig,
    /// Limits that gateway and processors must share.
    pub rules: RulesConfig,
    /// The HTTP gateway.
    pub gateway: GatewayConfig,
    /// What the gateway's process answers from ClickHouse.
    pub query: QueryConfig,
    /// The live stream of scores, which the gateway's process serves beside those answers.
    pub stream: StreamConfig,
    /// Every processor.
    pub processor: ProcessorConfig,
    /// What is known of merchants.
    pub merchants: MerchantsConfig,
    /// Which transactions pay which receipts.
    pub matching: MatchingConfig,
    /// How models are run.
    pub models: ModelsConfig,
    /// Every projector.
    pub projector: SinkConfig,
    /// The reconciler.
    pub reconciler: ReconcilerConfig,
    /// What workers answer health checks and metrics on.
    pub worker: WorkerConfig,
    /// Logs.
    pub log: LogConfig,
}

impl Config {
    /// Where the configured gateway is reached from this machine.
    pub fn gateway_address(&self) -> String {
        let mut listen = self.gateway.listen;
        if listen.ip().is_unspecified() {
            listen.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
        }
        format!("http://{listen}")
    }
}

/// How models are run. The library that runs them is ONNX Runtime: that of `onnxruntime`, else of `ORT_DYLIB_PATH`, else the fetched part.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ModelsConfig {
    /// The shared library.
    pub onnxruntime: Option<PathBuf>,
    /// The threads of each model.
    pub pool: PoolOptions,
}

impl ModelsConfig {
    /// What loads models; without the library it refuses them, and rules go on.
    pub fn open(&self) -> Models {
        let found = self.onnxruntime.clone().map_or_else(millrace_local::Parts::onnxruntime, Ok);
        match found {
            Ok(library) => Models::run_by(Runtime::open(&library), self.pool.clone()),
            Err(missing) => Models::without(missing.to_string()),
        }
    }
}

/// Limits that gateway and processors must share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RulesConfig {
    /// How far an event's time may lie after its receipt, in milliseconds.
    pub ahead_max_ms: i64,
    /// How far the sum of a receipt's lines may lie from its total, in ten-thousandths of the currency unit.
    pub total_tolerance: i64,
}

impl Default for RulesConfig {
    fn default() -> Self {
        let Rules { ahead_max_ms, total_tolerance } = Rules::default();
        Self { ahead_max_ms, total_tolerance }
    }
}

impl From<RulesConfig> for Rules {
    fn from(RulesConfig { ahead_max_ms, total_tolerance }: RulesConfig) -> Self {
        Self { ahead_max_ms, total_tolerance }
    }
}

/// Where a processor or projector answers `/health/live`, `/health/ready` and `/metrics`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WorkerConfig {
    /// Address to listen on; port 0 takes any free one.
    pub listen: SocketAddr,
}

impl Default for WorkerConfig {
    fn default() -> Self {
        Self { listen: SocketAddr::from(([127, 0, 0, 1], 0)) }
    }
}

/// Where the configuration is read from: defaults, then the file, then `MILLRACE__SECTION__KEY`, then `--set`.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct ConfigArgs {
    /// Configuration file, TOML; without it, that of the local stack when there is one
    #[arg(long, value_name = "FILE", env = "MILLRACE_CONFIG", global = true)]
    pub config: Option<PathBuf>,
    /// Set one value, such as kafka.brokers=host:9092; may be given several times
    #[arg(long = "set", value_name = "SECTION.KEY=VALUE", global = true)]
    pub sets: Vec<String>,
}

impl ConfigArgs {
    /// Reads the configuration. Without `--config`, that of the running local stack is used when there is one.
    pub fn load(&self) -> Result<Config, ConfigError> {
        let file = self.config.clone().or_else(local_stack);
        millrace_runtime::config::load(file.as_deref(), &self.sets)
    }
}

/// The file that a local stack's services are started with.
fn local_stack() -> Option<PathBuf> {
    let file = millrace_local::Home::find().ok()?.service_config();
    file.is_file().then_some(file)
}

/// Runs a command's work on a runtime of its own.
pub fn block_on<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Runtime::new()?;
    let result = runtime.block_on(work);
    // A worker stuck in a call must not keep the process alive.
    runtime.shutdown_timeout(std::time::Duration::from_secs(5));
    result
}
