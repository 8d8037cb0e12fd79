//! Where a run takes place: parts in a sandbox, two processes of every service beside them, and a proxy in every connection.

use super::{
    proxy::Proxy,
    schedule::{LINKS, MEMBERS, PARTS},
    volume::Volume,
};
use crate::{Deployment, Service, services};
use millrace_local::{
    Part, Ports, Probe, Sandbox, SandboxOptions, Spec,
    stack::broker::Proxied,
    supervisor::{Action, Phase},
};
use millrace_projections::clickhouse::{ClickHouseConfig, tables};
use millrace_runtime::config::{KafkaConfig, RegistryConfig};
use millrace_schemas::Topic;
use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::{
    task::block_in_place,
    time::{Instant, sleep},
};

/// Room of the volume of the broker, and of that of the engine.
const VOLUME_MIB: u64 = 6 * 1024;

/// What a stage should be.
#[derive(Debug, Clone, Default)]
pub struct StageOptions {
    /// Put before the names of topics; the name of the database begins with it.
    pub name: String,
    /// The members that run; all of [`MEMBERS`] when empty.
    pub members: Vec<&'static str>,
    /// Whether parts get volumes of their own, whose room can be taken away; where that is not allowed they get none.
    pub volumes: bool,
    /// Variables of the members' environment.
    pub env: Vec<(String, String)>,
    /// Further settings of the members, as `section.key=value`.
    pub sets: Vec<String>,
}

/// Everything that runs in one run.
pub struct Stage {
    /// Topics, schemas and tables, reached without proxies.
    pub deployment: Deployment,
    // Dropped before the volumes its parts write to.
    sandbox: Sandbox,
    links: BTreeMap<&'static str, Proxy>,
    volumes: BTreeMap<&'static str, Volume>,
    members: Vec<&'static str>,
    ports: Ports,
}

/// The ports of proxies, of the broker's listeners behind them, and of members.
fn free_ports() -> Ports {
    let listeners = LINKS.iter().filter(|link| link.starts_with("kafka-")).map(|link| format!("behind-{link}"));
    let names: Vec<String> = LINKS.iter().chain(&MEMBERS).map(|name| (*name).to_owned()).chain(listeners).collect();
    Ports::free(&names.iter().map(String::as_str).collect::<Vec<_>>()).expect("free ports")
}

impl Stage {
    /// Starts parts, proxies and members, and waits until all are ready.
    pub async fn set(options: StageOptions) -> Self {
        let ports = free_ports();
        let volumes: BTreeMap<&'static str, Volume> = ["kafka", "clickhouse"]
            .into_iter()
            .filter(|_| options.volumes)
            .filter_map(|part| Some((part, Volume::mount(part, VOLUME_MIB)?)))
            .collect();
        let sandbox = block_in_place(|| Sandbox::with(sandbox_options(&ports, &volumes))).expect("a sandbox");
        let links = links(&sandbox, &ports).await;
        let deployment = Deployment::within(&sandbox, &options.name).await;
        let members = if options.members.is_empty() { MEMBERS.to_vec() } else { options.members.clone() };
        let stage = Self { deployment, sandbox, links, volumes, members, ports };
        let specs = stage.members.iter().map(|member| stage.spec(member, &options)).collect();
        block_in_place(|| stage.sandbox.start_also(specs)).unwrap_or_else(|error| panic!("{error}"));
        stage
    }

    fn spec(&self, member: &str, options: &StageOptions) -> Spec {
        let (service, slot) = service_of(member);
        let (command, _, key) = services::serves(service);
        let link = match service {
            // Each processor comes its own way, so that one of a group can be cut off.
            Service::Scoring | Service::Receipts | Service::Matching => format!("kafka-{member}"),
            Service::Gateway | Service::Projector | Service::Merchants | Service::MatchRelay => {
                format!("kafka-{}", service.name())
            }
        };
        let config = self.sandbox.folder().join(format!("{link}.toml"));
        fs::write(&config, self.configuration(&link)).expect("the sandbox's folder can be written to");
        let address = self.ports.address(member);
        let ready = Probe::Http(format!("http://{address}/health/ready"));
        let spec = Spec::service(member, services::binary(), ready).args(command).arg("--config").arg(config);
        let spec = spec.arg("--set").arg(format!("{key}={address}"));
        let section = match service {
            Service::Gateway | Service::Merchants | Service::MatchRelay => None,
            Service::Scoring | Service::Receipts | Service::Matching => Some("processor"),
            Service::Projector => Some("projector"),
        };
        let spec = section.iter().fold(spec, |spec, section| spec.arg("--set").arg(format!("{section}.slot={slot}")));
        let spec = options.sets.iter().fold(spec, |spec, set| spec.arg("--set").arg(set));
        options.env.iter().fold(spec, |spec, (name, value)| spec.env(name, value))
    }

    /// The configuration of members whose way to the broker is a link.
    fn configuration(&self, link: &str) -> String {
        let Deployment { kafka, registry, clickhouse, .. } = &self.deployment;
        let kafka = KafkaConfig { brokers: self.ports.address(link).to_string(), ..kafka.clone() };
        let registry = RegistryConfig { url: through(&registry.url, &self.links["registry"]), ..registry.clone() };
        let clickhouse =
            ClickHouseConfig { url: through(&clickhouse.url, &self.links["clickhouse"]), ..clickhouse.clone() };
        services::configuration(&kafka, &registry, &clickhouse)
    }

    /// Bases of the gateways, as clients reach them.
    pub fn gateways(&self) -> Vec<String> {
        let gateways = self.members.iter().filter(|member| member.starts_with("gateway"));
        gateways.map(|gateway| format!("http://{}", self.links[link_of(gateway)].address())).collect()
    }

    /// A link's address.
    pub fn link_address(&self, link: &str) -> String {
        self.ports.address(link).to_string()
    }

    /// The proxy of a link.
    pub fn link(&self, link: &str) -> &Proxy {
        &self.links[link]
    }

    /// The volume of a part, where it has one.
    pub fn volume(&self, part: &str) -> Option<&Volume> {
        self.volumes.get(part)
    }

    /// Whether disks can be made full.
    pub fn has_volumes(&self) -> bool {
        !self.volumes.is_empty()
    }

    /// Every process: parts and members.
    pub fn processes(&self) -> impl Iterator<Item = &'static str> + '_ {
        PARTS.into_iter().chain(self.members.iter().copied())
    }

    /// Does something to a process.
    pub fn act(&self, process: &str, action: Action) {
        block_in_place(|| self.sandbox.act(process, action)).unwrap_or_else(|error| panic!("{process}: {error}"));
    }

    /// Where a process is in its life, and what is wrong with it.
    pub fn phase(&self, process: &str) -> (Phase, Option<String>) {
        let board = self.sandbox.board();
        let state = board.get(process);
        state.map_or((Phase::Stopped, None), |state| (state.phase, state.trouble.clone()))
    }

    /// Ends every fault: proxies pass everything on, disks have room, every process is started. Gives those that are not ready
    /// within a time.
    pub async fn heal(&self, within: Duration) -> Vec<&'static str> {
        self.links.values().for_each(Proxy::release);
        for volume in self.volumes.values() {
            volume.free().expect("a volume can be given its room back");
        }
        let until = Instant::now() + within;
        loop {
            let mut waits_for = Vec::new();
            for process in self.processes() {
                match self.phase(process).0 {
                    Phase::Ready => self.act(process, Action::Resume),
                    Phase::Failed | Phase::Stopped => {
                        self.act(process, Action::Start);
                        waits_for.push(process);
                    }
                    _ => {
                        self.act(process, Action::Resume);
                        waits_for.push(process);
                    }
                }
            }
            if waits_for.is_empty() || Instant::now() > until {
                return waits_for;
            }
            sleep(Duration::from_millis(200)).await;
        }
    }

    /// Offsets of the log that its readers have not finished, over all groups; `None` while nobody can say.
    pub async fn lag(&self) -> Option<i64> {
        let mut total = 0;
        let groups: [(&str, &[Topic]); 3] =
            [("scoring", &[Topic::Transactions]), ("receipts", &[Topic::Receipts]), ("clickhouse", &tables::topics())];
        for (group, topics) in groups {
            total += self.deployment.log.lag(group, topics).await.ok()?.total();
        }
        Some(total)
    }

    /// The folder of the sandbox: for books and reports, deleted in the end.
    pub fn folder(&self) -> &Path {
        self.sandbox.folder()
    }

    /// The folder of every process's log.
    pub fn logs(&self) -> PathBuf {
        self.sandbox.folder().join("logs")
    }

    /// Copies logs and what else a run has left to where they are kept.
    ///
    /// # Errors
    /// When a file cannot be copied.
    pub fn keep(&self, files: &[PathBuf], folder: &Path) -> io::Result<()> {
        fs::create_dir_all(folder)?;
        let logs = fs::read_dir(self.logs())?.flatten().map(|entry| entry.path());
        for file in logs.chain(files.iter().filter(|file| file.exists()).cloned()) {
            if let Some(name) = file.file_name() {
                fs::copy(&file, folder.join(name))?;
            }
        }
        Ok(())
    }
}

fn sandbox_options(ports: &Ports, volumes: &BTreeMap<&'static str, Volume>) -> SandboxOptions {
    let proxied = LINKS.iter().filter_map(|link| {
        let name = link.strip_prefix("kafka-")?.replace('-', "");
        Some(Proxied { name, listen: ports.address(&format!("behind-{link}")), advertise: ports.address(link) })
    });
    let part = |name: &str| Part::ALL.into_iter().find(|part| part.name() == name);
    let volumes = volumes.iter().filter_map(|(name, volume)| Some((part(name)?, volume.path().to_owned())));
    SandboxOptions { proxied: proxied.collect(), volumes: volumes.collect(), ..SandboxOptions::default() }
}

async fn links(sandbox: &Sandbox, ports: &Ports) -> BTreeMap<&'static str, Proxy> {
    let authority = |url: String| {
        let url: reqwest::Url = url.parse().expect("a part has a URL");
        format!("{}:{}", url.host_str().unwrap_or_default(), url.port().unwrap_or_default())
    };
    let mut links = BTreeMap::new();
    for link in LINKS {
        let server = match link {
            "clickhouse" => authority(sandbox.clickhouse()).parse().expect("an address"),
            "registry" => authority(sandbox.registry()).parse().expect("an address"),
            "http-0" => ports.address("gateway-0"),
            "http-1" => ports.address("gateway-1"),
            kafka => ports.address(&format!("behind-{kafka}")),
        };
        let proxy = Proxy::start(ports.address(link), server).await.unwrap_or_else(|error| panic!("{link}: {error}"));
        links.insert(link, proxy);
    }
    links
}

/// The same URL with the proxy's address.
fn through(url: &str, proxy: &Proxy) -> String {
    let mut url: reqwest::Url = url.parse().expect("a part has a URL");
    url.set_port(Some(proxy.address().port())).expect("an HTTP URL has a port");
    url.to_string().trim_end_matches('/').to_owned()
}

/// A member's service and slot.
fn service_of(member: &str) -> (Service, u32) {
    let (name, slot) = member.rsplit_once('-').expect("members are named by service and slot");
    let service = Service::ALL.into_iter().find(|service| service.name() == name).expect("members are services");
    (service, slot.parse().expect("slots are numbers"))
}

/// The link before a gateway.
fn link_of(gateway: &str) -> &'static str {
    if gateway == "gateway-0" { "http-0" } else { "http-1" }
}
