//! The ports of the stack: the defaults, moved as one by `PORT_BASE`, or free ones for a sandbox.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use crate::listener;
use crate::{Error, Result};

/// Name, default and offset from `PORT_BASE` of every port, shared with the script that checks them before a build.
const TABLE: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/local/ports"));

/// The highest `PORT_BASE` that leaves room for every port.
pub(crate) const BASE_MAX: u16 = 65_500;

/// Free ports that were given out: who asked for one listens on it only later, and nobody else in this process gets it until then.
static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());

/// Which part listens on which loopback port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Ports(BTreeMap<String, u16>);

impl Ports {
    /// The default ports, or all of them from `base` on.
    ///
    /// # Errors
    /// [`Error::PortBase`] when `base` is privileged or leaves no room.
    pub fn new(base: Option<u16>) -> Result<Self> {
        if let Some(base) = base.filter(|base| !(1024..=BASE_MAX).contains(base)) {
            return Err(Error::PortBase(base));
        }
        let port = |default, offset| base.map_or(default, |base| base + offset);
        Ok(Self(table().map(|(name, default, offset)| (name.to_owned(), port(default, offset))).collect()))
    }

    /// Free ports for each of `names`, below the range the system gives to outgoing connections: a part that is killed
    /// and started again finds its port still free. No port is given out twice by one process.
    ///
    /// # Errors
    /// [`Error::NoFreePorts`] when too few are found.
    pub fn free(names: &[&str]) -> Result<Self> {
        const LOWEST: u16 = 20_000;
        const ATTEMPTS: usize = 1_000;
        let below = outgoing_from().clamp(LOWEST + 1_000, 60_000);
        // Listening until all are found keeps one port from being found twice.
        let mut found: Vec<(String, TcpListener)> = Vec::new();
        let mut given = GIVEN.lock().unwrap_or_else(PoisonError::into_inner);
        for _ in 0..ATTEMPTS {
            if found.len() == names.len() {
                break;
            }
            let port = rand::random_range(LOWEST..below);
            if given.contains(&port) {
                continue;
            }
            if let Ok(listener) = TcpListener::bind(loopback(port)) {
                given.insert(port);
                found.push((names[found.len()].to_owned(), listener));
            }
        }
        if found.len() < names.len() {
            return Err(Error::NoFreePorts(names.len()));
        }
        Ok(Self(found.iter().filter_map(|(name, it)| Some((name.clone(), it.local_addr().ok()?.port()))).collect()))
    }

    /// The port of a part.
    ///
    /// # Panics
    /// When there is no such name: names are constants of the code, checked by a test.
    pub fn port(&self, name: &str) -> u16 {
        match self.0.get(name) {
            Some(port) => *port,
            None => panic!("no port is called {name}: deploy/local/ports lists them all"),
        }
    }

    /// The loopback address of a part.
    pub fn address(&self, name: &str) -> SocketAddr {
        loopback(self.port(name))
    }

    /// Every name and port, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, u16)> {
        self.0.iter().map(|(name, port)| (name.as_str(), *port))
    }

    /// Sees that nobody listens on any of these ports yet.
    ///
    /// # Errors
    /// [`Error::PortTaken`] for the first that is taken, with who has it.
    pub fn check_free<'a>(&self, names: impl IntoIterator<Item = &'a str>) -> Result<()> {
        for name in names {
            let port = self.port(name);
            if TcpListener::bind(loopback(port)).is_err() {
                return Err(Error::PortTaken { port, wanted_for: name.to_owned(), owner: listener::owner_of(port) });
            }
        }
        Ok(())
    }
}

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

fn table() -> impl Iterator<Item = (&'static str, u16, u16)> {
    let rows = TABLE.lines().filter(|line| !line.trim_start().starts_with('#'));
    rows.filter_map(|line| {
        let mut words = line.split_whitespace();
        Some((words.next()?, words.next()?.parse().ok()?, words.next()?.parse().ok()?))
    })
}

/// The first port the system gives to outgoing connections.
fn outgoing_from() -> u16 {
    const USUAL: u16 = 32_768;
    let range = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    range.split_whitespace().next().and_then(|low| low.parse().ok()).unwrap_or(USUAL)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_defaults_are_the_documented_ones() {
        let ports = Ports::new(None).unwrap();
        let expected = [
            ("gateway", 8080),
            ("loadgen", 8001),
            ("kafka", 9092),
            ("registry", 8081),
            ("clickhouse", 8123),
            ("cql", 9042),
        ];
        for (name, port) in expected {
            assert_eq!(ports.port(name), port, "{name}");
        }
    }

    #[test]
    fn every_row_of_the_table_is_a_port_and_no_two_collide() {
        let rows = TABLE.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty()).count();
        for base in [None, Some(1024), Some(20_000), Some(BASE_MAX)] {
            let ports = Ports::new(base).unwrap();
            let distinct: BTreeSet<u16> = ports.iter().map(|(_, port)| port).collect();
            assert_eq!(distinct.len(), rows, "{base:?}");
        }
    }

    #[test]
    fn a_base_moves_every_port_out_of_the_way_of_the_defaults() {
        let (default, moved) = (Ports::new(None).unwrap(), Ports::new(Some(20_000)).unwrap());
        assert_eq!(moved.port("gateway"), 20_000);
        for (name, port) in moved.iter() {
            assert!((20_000..20_100).contains(&port), "{name} {port}");
            assert_ne!(port, default.port(name), "{name}");
        }
    }

    #[test]
    fn a_base_without_room_is_refused() {
        for base in [0, 80, 1023, BASE_MAX + 1, u16::MAX] {
            assert!(matches!(Ports::new(Some(base)), Err(Error::PortBase(it)) if it == base));
        }
    }

    #[test]
    fn a_taken_port_is_said_with_its_owner() {
        let ports = Ports::free(&["kafka", "registry"]).unwrap();
        ports.check_free(["kafka", "registry"]).unwrap();
        let _taken = TcpListener::bind(ports.address("registry")).unwrap();
        ports.check_free(["kafka"]).unwrap();
        let message = ports.check_free(["kafka", "registry"]).unwrap_err().to_string();
        assert!(message.contains(&format!("port {}, wanted for registry", ports.port("registry"))), "{message}");
        assert!(message.contains(&format!("pid {}", std::process::id())), "{message}");
        assert!(message.contains("PORT_BASE"), "{message}");
    }

    #[test]
    fn free_ports_are_distinct_and_not_those_of_outgoing_connections() {
        let names = ["a", "b", "c", "d", "e", "f"];
        let ports = Ports::free(&names).unwrap();
        let distinct: BTreeSet<u16> = ports.iter().map(|(_, port)| port).collect();
        assert_eq!(distinct.len(), names.len());
        assert!(distinct.iter().all(|port| *port < outgoing_from().max(21_000)), "{distinct:?}");
    }

    #[test]
    fn a_port_that_nobody_listens_on_yet_is_not_given_to_another() {
        let names: Vec<String> = (0..100).map(|number| format!("part-{number}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let all: Vec<u16> =
            (0..20).flat_map(|_| Ports::free(&names).unwrap().iter().map(|it| it.1).collect::<Vec<_>>()).collect();
        let distinct: BTreeSet<u16> = all.iter().copied().collect();
        assert_eq!(distinct.len(), all.len());
    }
}
