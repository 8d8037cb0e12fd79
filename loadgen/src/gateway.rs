//! A gateway, as benchmarks reach it.

use reqwest::{Client, StatusCode, Url};
use serde_json::Value as Json;
use std::time::Duration;

/// A gateway and connections to it.
#[derive(Debug, Clone)]
pub(crate) struct Gateway {
    pub client: Client,
    base: Url,
}

/// It cannot be measured.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// The gateway's address is not one.
    #[error("{0} is not an address of a gateway, such as http://127.0.0.1:8080")]
    Url(String),
    /// The HTTP client could not be set up.
    #[error("cannot set up the HTTP client: {0}")]
    Client(reqwest::Error),
    /// Nobody is there, or it does not answer as it should.
    #[error(
        "the gateway at {url} is not ready ({reason}); start it with `millrace up`, or name another with --gateway"
    )]
    NotReady {
        /// Its address.
        url: Url,
        /// What it said.
        reason: String,
    },
}

impl Gateway {
    /// A gateway, reached over at most so many connections that each wait so long for an answer. Nothing is sent yet.
    pub fn new(address: &str, connections: usize, patience: Duration) -> Result<Self, GatewayError> {
        let base: Option<Url> = address.parse().ok().filter(|url: &Url| matches!(url.scheme(), "http" | "https"));
        let base = base.ok_or_else(|| GatewayError::Url(address.to_owned()))?;
        let mut client = Client::builder()
            .user_agent(concat!("millrace-bench/", env!("CARGO_PKG_VERSION")))
            .timeout(patience)
            .tcp_nodelay(true)
            .redirect(reqwest::redirect::Policy::none())
            .pool_max_idle_per_host(connections);
        if matches!(base.host_str(), Some("localhost" | "127.0.0.1" | "[::1]")) {
            client = client.no_proxy();
        }
        Ok(Self { client: client.build().map_err(GatewayError::Client)?, base })
    }

    /// A path of it, such as `/health/ready`.
    pub fn at(&self, path: &str) -> Url {
        self.base.join(path).expect("paths are this program's own")
    }

    /// Asks whether it takes writes.
    pub async fn check_ready(&self) -> Result<(), GatewayError> {
        self.answer(self.client.get(self.at("/health/ready"))).await.map(|_| ())
    }

    /// The answer to a request, which must be a success.
    pub async fn answer(&self, request: reqwest::RequestBuilder) -> Result<Vec<u8>, GatewayError> {
        let (status, body) = self.exchange(request).await?;
        if status.is_success() { Ok(body) } else { Err(self.refused(status, &body)) }
    }

    /// Whether figures hold what a question wants them to.
    pub async fn shows(&self, question: Url) -> Result<bool, GatewayError> {
        match self.exchange(self.client.get(question)).await? {
            (status, _) if status.is_success() => Ok(true),
            (StatusCode::PRECONDITION_FAILED, _) => Ok(false),
            (status, body) => Err(self.refused(status, &body)),
        }
    }

    async fn exchange(&self, request: reqwest::RequestBuilder) -> Result<(StatusCode, Vec<u8>), GatewayError> {
        let answer = async {
            let response = request.send().await?;
            Ok((response.status(), response.bytes().await?.into()))
        };
        let answer: Result<_, reqwest::Error> = answer.await;
        answer.map_err(|error| self.not_ready(why(&error)))
    }

    fn refused(&self, status: StatusCode, body: &[u8]) -> GatewayError {
        let text = String::from_utf8_lossy(body);
        self.not_ready(&format!("{status} {}", text.chars().take(300).collect::<String>()))
    }

    /// What a path answers, as JSON.
    pub async fn json(&self, url: Url) -> Result<Json, GatewayError> {
        let body = self.answer(self.client.get(url)).await?;
        serde_json::from_slice(&body).map_err(|_| self.not_ready("it answers no JSON"))
    }

    pub fn not_ready(&self, reason: &str) -> GatewayError {
        GatewayError::NotReady { url: self.base.clone(), reason: reason.trim().to_owned() }
    }
}

/// A word for why there is no answer.
pub(crate) fn why(error: &reqwest::Error) -> &'static str {
    if error.is_timeout() {
        "no answer in time"
    } else if error.is_connect() {
        "no connection"
    } else {
        "connection broken"
    }
}
