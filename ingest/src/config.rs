//! Configuration of the gateway: every limit, with a default that is safe.

use jiff::tz::TimeZone;
use millrace_schemas::event::Decision;
use serde::{Deserialize, Serialize};
use std::{net::SocketAddr, time::Duration};

/// Memory that a byte of a body takes until its request is answered: the byte itself, and about four in the parsed events.
pub(crate) const MEMORY_FACTOR: usize = 5;

/// The `[gateway]` section.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GatewayConfig {
    /// Address to listen on.
    pub listen: SocketAddr,
    /// Take events from anyone. Must be set for any address but loopback, since callers have no credentials.
    pub allow_anonymous: bool,
    /// IANA zone in which times without offset are read.
    pub zone: String,
    /// ISO 4217 code of receipts that name none: the tills that send receipts without one are paid in roubles.
    pub default_currency: String,
    /// Largest body as sent, in bytes.
    pub body_max_bytes: usize,
    /// Largest body after decompression, in bytes.
    pub decoded_max_bytes: usize,
    /// Most items of a request.
    pub items_max: usize,
    /// Deepest nesting of an item.
    pub depth_max: usize,
    /// Most values (fields, entries) of an item.
    pub values_max: usize,
    /// Most errors reported of an item.
    pub errors_max: usize,
    /// Most bytes kept of an item or body that is refused.
    pub letter_max_bytes: usize,
    /// Largest request line and headers together, in bytes.
    pub header_max_bytes: usize,
    /// How long a client may take to send its headers, and to begin its next request.
    pub header_timeout_ms: u64,
    /// How long a client may take to send a body.
    pub body_timeout_ms: u64,
    /// How long the broker may take to acknowledge; after that the outcome is unknown and the client is asked to retry.
    pub ack_timeout_ms: u64,
    /// Number of this gateway among those of the deployment: replies to its waiting clients come to this slot. Gateways that share one
    /// read each other's replies, and pass over them.
    pub slot: u32,
    /// How long a client waits for its transaction's score when it does not say so itself with `timeout_ms`.
    pub score_timeout_ms: u64,
    /// Longest that a client may say.
    pub score_timeout_max_ms: u64,
    /// What to do with a transaction whose score does not come in time: allow, review or block.
    pub default_decision: Decision,
    /// Scores remembered to answer duplicates with; about 1 kB each. Others are looked up.
    pub remembered_scores_max: usize,
    /// How long a refusal waits for its record in the log. It stands without it.
    pub audit_timeout_ms: u64,
    /// How long requests in flight may take to finish at shutdown.
    pub drain_timeout_ms: u64,
    /// Most connections at a time; more wait to be accepted.
    pub connections_max: usize,
    /// Most requests with a body at a time; more are answered 503.
    pub requests_max: usize,
    /// Memory for requests in flight, in bytes, bodies and what is parsed from them; beyond it requests are answered 503.
    pub in_flight_max_bytes: usize,
    /// Seconds in `Retry-After`.
    pub retry_after_s: u64,
    /// Ids remembered to tell duplicates and conflicts early; about 100 bytes each. The processors are the authority.
    pub remembered_ids_max: usize,
    /// How long an id is remembered at most. Not longer than the processors do: later it is a new event for them.
    pub remembered_ms: u64,
}

impl Default for GatewayConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            allow_anonymous: false,
            zone: "UTC".into(),
            default_currency: "RUB".into(),
            body_max_bytes: 8 << 20,
            decoded_max_bytes: 16 << 20,
            items_max: 10_000,
            depth_max: 16,
            values_max: 100_000,
            errors_max: 100,
            letter_max_bytes: 768 << 10,
            header_max_bytes: 16 << 10,
            header_timeout_ms: 10_000,
            body_timeout_ms: 30_000,
            ack_timeout_ms: 6_000,
            slot: 0,
            score_timeout_ms: 200,
            score_timeout_max_ms: 10_000,
            default_decision: Decision::Review,
            remembered_scores_max: 20_000,
            audit_timeout_ms: 1_000,
            drain_timeout_ms: 10_000,
            connections_max: 8_192,
            requests_max: 4_096,
            in_flight_max_bytes: 256 << 20,
            retry_after_s: 1,
            remembered_ids_max: 200_000,
            remembered_ms: 24 * 3_600_000,
        }
    }
}

impl GatewayConfig {
    /// Whether a gateway can be run with it; nothing is opened.
    ///
    /// # Errors
    /// Names the first setting that is wrong.
    pub fn check(&self) -> Result<(), ConfigError> {
        Settings::new(self.clone())?.check_address(self.listen)
    }
}

/// A configuration that cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A zone nobody knows.
    #[error("gateway.zone: there is no time zone {0:?}; use an IANA name such as Europe/Berlin")]
    Zone(String),
    /// A currency nobody knows.
    #[error("gateway.default_currency: {0:?} is not an ISO 4217 code such as RUB")]
    Currency(String),
    /// A limit that would refuse everything or that the others contradict.
    #[error("gateway.{name} is {value}; it must be at least {min}, {why}")]
    TooSmall {
        /// Name of the setting.
        name: &'static str,
        /// Its value.
        value: usize,
        /// Smallest value that works.
        min: usize,
        /// Why.
        why: &'static str,
    },
    /// Anyone on the network could write.
    #[error(
        "{0} is not loopback: anyone who reaches it could write events; listen on 127.0.0.1 or set gateway.allow_anonymous = true"
    )]
    Anonymous(SocketAddr),
}

fn usize_of(ms: u64) -> usize {
    usize::try_from(ms).unwrap_or(usize::MAX)
}

/// A checked configuration.
#[derive(Debug)]
pub(crate) struct Settings {
    pub config: GatewayConfig,
    pub zone: TimeZone,
}

impl Settings {
    pub fn new(config: GatewayConfig) -> Result<Self, ConfigError> {
        let zone = TimeZone::get(&config.zone).map_err(|_| ConfigError::Zone(config.zone.clone()))?;
        if iso_currency::Currency::from_code(&config.default_currency).is_none() {
            return Err(ConfigError::Currency(config.default_currency));
        }
        let one = "or nothing is taken in";
        let one_body = config.body_max_bytes.saturating_add(config.decoded_max_bytes.saturating_mul(MEMORY_FACTOR));
        for (name, value, min, why) in [
            ("body_max_bytes", config.body_max_bytes, 1, one),
            (
                "decoded_max_bytes",
                config.decoded_max_bytes,
                config.body_max_bytes,
                "what an uncompressed body may have",
            ),
            ("items_max", config.items_max, 1, one),
            ("depth_max", config.depth_max, 4, "the depth of a receipt's items"),
            ("values_max", config.values_max, 64, "the fields of a transaction"),
            ("errors_max", config.errors_max, 1, "to say why something is refused"),
            // hyper's smallest buffer.
            ("header_max_bytes", config.header_max_bytes, 8_192, "what clients and proxies usually send"),
            ("connections_max", config.connections_max, 1, one),
            ("requests_max", config.requests_max, 1, one),
            ("score_timeout_ms", usize_of(config.score_timeout_ms), 1, "or nobody is told a score"),
            (
                "score_timeout_max_ms",
                usize_of(config.score_timeout_max_ms),
                usize_of(config.score_timeout_ms),
                "what a client waits that does not say how long",
            ),
            ("in_flight_max_bytes", config.in_flight_max_bytes, one_body, "what the largest body takes"),
        ] {
            if value < min {
                return Err(ConfigError::TooSmall { name, value, min, why });
            }
        }
        Ok(Self { config, zone })
    }

    /// Callers have no credentials, so only those on this machine may write unless the operator says otherwise.
    pub fn check_address(&self, address: SocketAddr) -> Result<(), ConfigError> {
        if address.ip().is_loopback() || self.config.allow_anonymous {
            Ok(())
        } else {
            Err(ConfigError::Anonymous(address))
        }
    }

    pub fn header_timeout(&self) -> Duration {
        Duration::from_millis(self.config.header_timeout_ms)
    }

    pub fn body_timeout(&self) -> Duration {
        Duration::from_millis(self.config.body_timeout_ms)
    }

    pub fn ack_timeout(&self) -> Duration {
        Duration::from_millis(self.config.ack_timeout_ms)
    }

    pub fn audit_timeout(&self) -> Duration {
        Duration::from_millis(self.config.audit_timeout_ms)
    }

    pub fn drain_timeout(&self) -> Duration {
        Duration::from_millis(self.config.drain_timeout_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(change: impl FnOnce(&mut GatewayConfig)) -> String {
        let mut config = GatewayConfig::default();
        change(&mut config);
        Settings::new(config).expect_err("must be refused").to_string()
    }

    #[test]
    fn the_defaults_work_and_listen_on_loopback() {
        let settings = Settings::new(GatewayConfig::default()).expect("defaults");
        assert!(settings.check_address(settings.config.listen).is_ok());
    }

    #[test]
    fn what_cannot_be_run_is_refused_by_name() {
        assert!(refused(|c| c.zone = "Mars/Olympus".into()).contains("gateway.zone"));
        assert!(refused(|c| c.default_currency = "rub".into()).contains("gateway.default_currency"));
        assert!(refused(|c| c.items_max = 0).contains("gateway.items_max is 0"));
        assert!(refused(|c| c.in_flight_max_bytes = 1 << 20).contains("gateway.in_flight_max_bytes"));
    }

    #[test]
    fn other_addresses_than_loopback_need_consent() {
        let outside: SocketAddr = "0.0.0.0:8080".parse().expect("address");
        let closed = Settings::new(GatewayConfig::default()).expect("valid");
        assert!(matches!(closed.check_address(outside), Err(ConfigError::Anonymous(_))));
        let open = Settings::new(GatewayConfig { allow_anonymous: true, ..GatewayConfig::default() }).expect("valid");
        assert!(open.check_address(outside).is_ok());
    }
}
