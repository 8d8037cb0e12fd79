//! Services of a deployment as processes of their own: the real binary, which can be killed at any moment and started again.

use crate::Deployment;
use millrace_local::{
    Ports, Probe, Spec,
    stack::services::SERVICES,
    supervisor::{Action, Board, Ending, Keeper, Phase, Restart},
};
use millrace_projections::clickhouse::ClickHouseConfig;
use millrace_runtime::config::{KafkaConfig, RegistryConfig};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};
use tempfile::TempDir;
use tokio::task::block_in_place;

/// How long a service may take to answer that it is ready.
const READY_WITHIN: Duration = Duration::from_secs(60);

/// Lines of each service's log that a failed test shows.
const LOG_LINES: usize = 300;

/// A service, by its name in the local stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// The HTTP gateway.
    Gateway,
    /// The processor of transactions.
    Scoring,
    /// The processor of receipts.
    Receipts,
    /// The ClickHouse projector.
    Projector,
    /// The processor that matches receipts and transactions.
    Matching,
    /// The relays before and behind it.
    MatchRelay,
    /// The gatherer of what is known of merchants.
    Merchants,
}

impl Service {
    /// The services that most tests need.
    pub const ALL: [Service; 4] = [Service::Gateway, Service::Scoring, Service::Receipts, Service::Projector];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Service::Gateway => "gateway",
            Service::Scoring => "scoring",
            Service::Receipts => "receipts",
            Service::Projector => "projector",
            Service::Matching => "matching",
            Service::MatchRelay => "match-relay",
            Service::Merchants => "merchants",
        }
    }
}

/// Processes of one deployment. All of them end when it is dropped, by a panic too.
///
/// Its methods block their thread; call them in a runtime of several threads.
pub struct Services {
    // Dropped first: the processes write into the folder.
    keeper: Keeper,
    ports: Ports,
    sets: Vec<String>,
    env: Vec<(String, String)>,
    config: PathBuf,
    folder: TempDir,
}

impl Services {
    /// Nothing runs yet. `sets` are further settings, such as `gateway.remembered_ids_max=0`.
    pub fn of(deployment: &Deployment, sets: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let config = folder.path().join("millrace.toml");
        let Deployment { kafka, registry, clickhouse, .. } = deployment;
        fs::write(&config, configuration(kafka, registry, clickhouse)).expect("the configuration is written");
        let names: Vec<&str> = SERVICES.iter().filter_map(|it| Some(it.serves?.port)).collect();
        let ports = Ports::free(&names).expect("free ports");
        let ending = Ending { on_signals: true, then: None };
        let keeper = Keeper::new(folder.path().to_owned(), Restart::Never, ending).expect("a thread");
        Self {
            keeper,
            ports,
            sets: sets.iter().map(|set| (*set).to_owned()).collect(),
            env: Vec::new(),
            config,
            folder,
        }
    }

    /// The same with something in the environment of each process.
    pub fn with_env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Starts services for the first time and waits until they are ready.
    pub fn start(&self, services: &[Service]) {
        let names: Vec<&str> = services.iter().map(|service| service.name()).collect();
        block_in_place(|| {
            self.keeper.start(services.iter().map(|service| self.spec(*service)).collect()).expect("services start");
            self.keeper.wait_ready(&names, READY_WITHIN).unwrap_or_else(|error| panic!("{error}"));
        });
    }

    /// SIGKILL; returns when the process is gone.
    pub fn kill(&self, service: Service) {
        assert_eq!(self.phase(service), Phase::Ready, "{}:\n{}", service.name(), self.log(service));
        block_in_place(|| self.keeper.act(service.name(), Action::Kill)).expect("it is killed");
    }

    /// What a supervisor does with a process that ended: starts it again, in the same slot and on the same port, and waits until
    /// it is ready.
    pub fn start_again(&self, service: Service) {
        block_in_place(|| {
            self.keeper.act(service.name(), Action::Start).expect("it is started");
            self.keeper.wait_ready(&[service.name()], READY_WITHIN).unwrap_or_else(|error| panic!("{error}"));
        });
    }

    /// Services that ended although nobody killed them.
    pub fn ended(&self) -> Vec<Service> {
        let board = self.keeper.board();
        let failed = |service: &Service| board.get(service.name()).is_some_and(|state| state.phase == Phase::Failed);
        Service::ALL.into_iter().filter(failed).collect()
    }

    /// Where a service answers: the gateway its callers, the others health checks and metrics.
    pub fn url(&self, service: Service) -> String {
        format!("http://{}", self.ports.address(serves(service).1))
    }

    /// The sum of a service's metric over all labels; 0 while it has none.
    pub async fn metric(&self, service: Service, name: &str) -> f64 {
        let answer = reqwest::get(format!("{}/metrics", self.url(service))).await.expect("metrics are served");
        let text = answer.text().await.expect("a body");
        let of_name = |line: &&str| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' ']));
        text.lines().filter(of_name).filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok()).sum()
    }

    /// What a service wrote to its log so far.
    pub fn log(&self, service: Service) -> String {
        fs::read_to_string(self.folder.path().join(format!("{}.log", service.name()))).unwrap_or_default()
    }

    /// A command of the binary on this deployment, such as `["schemas", "register"]`.
    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(binary());
        command.args(words).arg("--config").arg(&self.config);
        command
    }

    /// A folder for the test's own files, deleted in the end.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn phase(&self, service: Service) -> Phase {
        let board: Board = self.keeper.board();
        board.get(service.name()).map_or(Phase::Waiting, |state| state.phase)
    }

    fn spec(&self, service: Service) -> Spec {
        let (command, port, key) = serves(service);
        let address = self.ports.address(port);
        let ready = Probe::Http(format!("http://{address}/health/ready"));
        let spec = Spec::service(service.name(), binary(), ready).args(command).arg("--config").arg(&self.config);
        let spec = spec.arg("--set").arg(format!("{key}={address}"));
        let spec = self.env.iter().fold(spec, |spec, (name, value)| spec.env(name, value));
        self.sets.iter().fold(spec, |spec, set| spec.arg("--set").arg(set))
    }
}

impl Drop for Services {
    /// What the services said last tells most when a test fails.
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        for service in Service::ALL {
            let log = self.log(service);
            let lines: Vec<&str> = log.lines().collect();
            let last = &lines[lines.len().saturating_sub(LOG_LINES)..];
            eprintln!("--- {}, last of {} lines\n{}", service.name(), lines.len(), last.join("\n"));
        }
    }
}

/// A service's command, the name of its port, and the key of its address in the configuration, as the local stack runs it.
pub(crate) fn serves(service: Service) -> (&'static [&'static str], &'static str, &'static str) {
    let found = SERVICES.iter().find(|it| it.name == service.name());
    let service = found.unwrap_or_else(|| panic!("the local stack runs no {}", service.name()));
    let serves = service.serves.expect("a service answers health checks");
    (service.command, serves.port, serves.key)
}

/// The binary under test.
pub fn binary() -> PathBuf {
    let binary = std::env::var_os("MILLRACE_BIN");
    binary.expect("MILLRACE_BIN names no binary; run the tests with `make test`, or under `millrace sandbox`").into()
}

/// The configuration file of services.
pub(crate) fn configuration(kafka: &KafkaConfig, registry: &RegistryConfig, clickhouse: &ClickHouseConfig) -> String {
    format!(
        "[kafka]
brokers = \"{}\"
topic_prefix = \"{}\"

[registry]
url = \"{}\"

[clickhouse]
url = \"{}\"
database = \"{}\"
",
        kafka.brokers, kafka.topic_prefix, registry.url, clickhouse.url, clickhouse.database
    )
}
