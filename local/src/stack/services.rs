//! The services of the stack, as data: each is this same program with another command.

use super::{Layout, broker, clickhouse, registry};
use crate::spec::Probe;
use crate::{Result, Spec};
use std::path::Path;

/// One service, or the task that prepares for them.
#[derive(Clone, Copy, Debug)]
pub struct Service {
    /// Its name in logs, state and commands.
    pub name: &'static str,
    /// The command that runs it.
    pub command: &'static [&'static str],
    /// Where it answers `GET /health/ready`; a task, which answers nothing and ends, has none.
    pub serves: Option<Serves>,
    /// What must be ready before it starts.
    pub after: &'static [&'static str],
}

/// Where a service answers.
#[derive(Clone, Copy, Debug)]
pub struct Serves {
    /// The port, by name.
    pub port: &'static str,
    /// The configuration key that says where to listen.
    pub key: &'static str,
}

/// The task that makes topics, schemas and tables; run at every start, since a new version may bring new ones.
const SETUP: &str = "setup";

/// Every service, in the order they are shown.
pub const SERVICES: &[Service] = &[
    Service {
        name: SETUP,
        command: &["setup"],
        serves: None,
        after: &[broker::NAME, registry::NAME, clickhouse::NAME],
    },
    Service {
        name: "gateway",
        command: &["gateway"],
        serves: Some(Serves { port: "gateway", key: "gateway.listen" }),
        after: &[SETUP],
    },
    Service {
        name: "scoring",
        command: &["processor", "scoring"],
        serves: Some(Serves { port: "scoring-metrics", key: "worker.listen" }),
        after: &[SETUP],
    },
    Service {
        name: "receipts",
        command: &["processor", "receipts"],
        serves: Some(Serves { port: "receipts-metrics", key: "worker.listen" }),
        after: &[SETUP],
    },
    Service {
        name: "matching",
        command: &["processor", "matching"],
        serves: Some(Serves { port: "matching-metrics", key: "worker.listen" }),
        after: &[SETUP],
    },
    Service {
        name: "match-relay",
        command: &["relay", "matching"],
        serves: Some(Serves { port: "match-relay-metrics", key: "worker.listen" }),
        after: &[SETUP],
    },
    Service {
        name: "projector",
        command: &["projector", "clickhouse"],
        serves: Some(Serves { port: "projector-metrics", key: "worker.listen" }),
        after: &[SETUP],
    },
    Service {
        name: "merchants",
        command: &["gatherer", "merchants"],
        serves: Some(Serves { port: "merchants-metrics", key: "worker.listen" }),
        after: &[SETUP],
    },
    Service {
        name: "reconciler",
        command: &["reconciler"],
        serves: Some(Serves { port: "reconciler-metrics", key: "worker.listen" }),
        after: &[SETUP],
    },
];

/// The services' processes; writes the configuration they share.
pub(super) fn specs(layout: &Layout) -> Result<Vec<Spec>> {
    let snapshots = layout.data_folder("snapshots")?;
    let config = layout.file(crate::home::SERVICE_CONFIG, &config(layout, &snapshots))?;
    Ok(SERVICES.iter().map(|service| spec(layout, service).arg("--config").arg(&config)).collect())
}

fn spec(layout: &Layout, service: &Service) -> Spec {
    let spec = match service.serves {
        Some(Serves { port, key }) => {
            let address = layout.ports.address(port);
            let ready = Probe::Http(format!("http://{address}/health/ready"));
            let spec = Spec::service(service.name, &layout.binary, ready).at(format!("http://{address}"));
            spec.args(service.command).arg("--set").arg(format!("{key}={address}"))
        }
        None => Spec::task(service.name, &layout.binary, None).args(service.command),
    };
    service.after.iter().fold(spec, |spec, name| spec.after(name))
}

fn config(layout: &Layout, snapshots: &Path) -> String {
    let ports = &layout.ports;
    format!(
        "# Where this stack's parts are; every service is started with this file. Written at every start; changes are lost.
[kafka]
brokers = \"{kafka}\"

[registry]
url = \"{registry}\"

[clickhouse]
url = \"{clickhouse}\"

[gateway]
listen = \"{gateway}\"
allow_anonymous = true

[processor]
snapshot_folder = {snapshots:?}
",
        kafka = ports.address(broker::NAME),
        registry = registry::url(ports),
        clickhouse = clickhouse::url(ports),
        gateway = ports.address("gateway"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Ports;

    #[test]
    fn every_service_listens_on_a_port_of_the_table_and_no_two_on_the_same() {
        let ports = Ports::new(None).unwrap();
        let taken: Vec<u16> =
            SERVICES.iter().filter_map(|it| it.serves).map(|serves| ports.port(serves.port)).collect();
        let distinct: std::collections::BTreeSet<u16> = taken.iter().copied().collect();
        assert_eq!(taken.len(), distinct.len());
    }

    #[test]
    fn every_service_comes_after_something_that_is_in_the_stack() {
        let parts = [broker::NAME, registry::NAME, clickhouse::NAME];
        let known = |name: &str| parts.contains(&name) || SERVICES.iter().any(|it| it.name == name);
        for service in SERVICES {
            assert!(!service.after.is_empty() && service.after.iter().all(|name| known(name)), "{service:?}");
        }
    }
}
