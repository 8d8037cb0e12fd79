//! The Kafka broker: one node that is broker and controller, on the loopback address, with its storage formatted once.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use super::{Jvm, Layout};
use crate::spec::{Kind, Probe};
use crate::{Ports, Result, Spec};

/// The broker's name; its port is called the same.
pub const NAME: &str = "kafka";
/// The task that formats the storage before the first start.
pub const FORMAT: &str = "kafka-format";
const CONTROLLER_PORT: &str = "kafka-controller";
const HEAP_MB: u32 = 512;

/// A further listener, for clients that come through a proxy: a client keeps to the address that its listener advertises.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proxied {
    /// Its name, unique within the broker: letters and digits.
    pub name: String,
    /// Where the broker listens for the proxy.
    pub listen: SocketAddr,
    /// Where the proxy listens for clients.
    pub advertise: SocketAddr,
}

/// The broker and what must be done before its first start; writes its properties.
///
/// # Errors
/// When its folder or properties cannot be written.
pub fn specs(layout: &Layout, jvm: Jvm, proxied: &[Proxied]) -> Result<Vec<Spec>> {
    let data = layout.data_folder(NAME)?;
    let properties = layout.file("kafka.properties", &properties(&layout.ports, &data, proxied))?;
    let java = |spec: Spec, jvm: Jvm, main: &str| {
        let jars = layout.parts.kafka_jars().join("*");
        spec.args(jvm.options(HEAP_MB)).args(LOGGING).arg("-cp").arg(jars).arg(main)
    };

    let format = Spec::task(FORMAT, layout.parts.java(), Some(data.join("meta.properties")));
    let format = java(format, Jvm::Quick, "kafka.tools.StorageTool").args(["format", "-t", &cluster_id(), "-c"]);
    let format = format.arg(&properties);

    let address = layout.ports.address(NAME);
    let broker = Spec::service(NAME, layout.parts.java(), Probe::Kafka(address)).at(address).after(FORMAT);
    let mut broker = java(broker, jvm, "kafka.Kafka").arg(&properties);
    broker.kind = Kind::Service {
        probe: Probe::Kafka(address),
        // After an unclean stop it first reads through what it did not know to be on disk.
        ready_within: Duration::from_secs(180),
        stop_within: Duration::from_secs(30),
    };
    Ok(vec![format, broker])
}

/// Java's properties of the SLF4J binding: all to stderr, which the supervisor keeps in a log of limited size.
const LOGGING: [&str; 3] = [
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSXXX",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=info",
];

/// A new cluster's id: a random UUID as Kafka writes it, 22 characters of URL-safe base64. None that begins with a dash, which is one in
/// 64: Kafka's tools would take it for an option, and it makes none either.
fn cluster_id() -> String {
    let mut ids = std::iter::repeat_with(|| base64_of(rand::random()));
    ids.find(|id| !id.starts_with('-')).expect("they are endless")
}

fn base64_of(bits: u128) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    // 22 characters hold 132 bits; the last one carries two bits and is padded with zeros.
    let sixes = (0..22).map(|n| if n < 21 { bits >> (122 - 6 * n) } else { bits << 4 });
    sixes.map(|six| char::from(ALPHABET[(six & 63) as usize])).collect()
}

fn properties(ports: &Ports, data: &Path, proxied: &[Proxied]) -> String {
    let (broker, controller) = (ports.address(NAME), ports.address(CONTROLLER_PORT));
    let data = data.display();
    let (mut listeners, mut advertised, mut protocols) = (String::new(), String::new(), String::new());
    for Proxied { name, listen, advertise } in proxied {
        let name = name.to_uppercase();
        // Writing to a string never fails.
        let _ = write!(listeners, ",{name}://{listen}");
        let _ = write!(advertised, ",{name}://{advertise}");
        let _ = write!(protocols, ",{name}:PLAINTEXT");
    }
    format!(
        "# Written at every start; changes are lost.
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@{controller}
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://{broker},CONTROLLER://{controller}{listeners}
advertised.listeners=PLAINTEXT://{broker}{advertised}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT{protocols}
log.dirs={data}

# One node: everything is in one copy.
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1

# Topics exist because the catalogue says so, never by a misspelt name, and lose nothing unless it says so.
auto.create.topics.enable=false
log.retention.ms=-1
# A consumer that was away for months still knows where it was: a year, in minutes.
offsets.retention.minutes=525600

# Small internal topics and few threads start and stop sooner.
offsets.topic.num.partitions=8
transaction.state.log.num.partitions=8
share.coordinator.state.topic.num.partitions=1
group.initial.rebalance.delay.ms=0

# After a kill the broker waits until its controller has forgotten the one that was killed: by default 9 seconds.
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
num.network.threads=2
num.io.threads=4
background.threads=4
log.cleaner.dedupe.buffer.size=16777216
"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines() -> Vec<String> {
        lines_with(&[])
    }

    fn lines_with(proxied: &[Proxied]) -> Vec<String> {
        let ports = Ports::new(None).unwrap();
        properties(&ports, Path::new("/d/kafka"), proxied).lines().map(str::to_owned).collect()
    }

    #[test]
    fn the_broker_listens_on_the_loopback_address_only() {
        let listeners: Vec<String> = lines().into_iter().filter(|line| line.contains("listeners=")).collect();
        assert_eq!(
            listeners,
            [
                "listeners=PLAINTEXT://127.0.0.1:9092,CONTROLLER://127.0.0.1:9093",
                "advertised.listeners=PLAINTEXT://127.0.0.1:9092",
            ]
        );
    }

    #[test]
    fn a_proxied_listener_sends_its_clients_to_the_proxy() {
        let address = |port: u16| SocketAddr::from(([127, 0, 0, 1], port));
        let proxied = Proxied { name: "scoring".to_owned(), listen: address(1), advertise: address(2) };
        let lines = lines_with(&[proxied]);
        for (key, value) in [
            ("listeners", "PLAINTEXT://127.0.0.1:9092,CONTROLLER://127.0.0.1:9093,SCORING://127.0.0.1:1"),
            ("advertised.listeners", "PLAINTEXT://127.0.0.1:9092,SCORING://127.0.0.1:2"),
            ("listener.security.protocol.map", "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SCORING:PLAINTEXT"),
        ] {
            assert!(lines.contains(&format!("{key}={value}")), "{key}: {lines:?}");
        }
    }

    #[test]
    fn no_property_is_set_twice_and_nothing_is_kept_for_a_while_only() {
        let lines = lines();
        let keys: Vec<&str> = lines.iter().filter_map(|line| Some(line.split_once('=')?.0)).collect();
        let distinct: std::collections::BTreeSet<&str> = keys.iter().copied().collect();
        assert_eq!(keys.len(), distinct.len());
        for line in ["auto.create.topics.enable=false", "log.retention.ms=-1", "offsets.retention.minutes=525600"] {
            assert!(lines.iter().any(|it| it == line), "{line}");
        }
    }

    #[test]
    fn every_cluster_has_an_id_of_its_own_of_128_bits() {
        let (one, other) = (cluster_id(), cluster_id());
        assert_ne!(one, other);
        for id in [one, other] {
            assert_eq!(id.len(), 22, "{id}");
            assert!("AQgw".contains(id.chars().last().unwrap()), "{id}: the last character carries two bits");
        }
    }

    #[test]
    fn no_cluster_has_an_id_that_is_taken_for_an_option() {
        assert!(base64_of(62 << 122).starts_with('-'), "there are such ids");
        assert!((0..2_000).all(|_| !cluster_id().starts_with('-')));
    }
}
