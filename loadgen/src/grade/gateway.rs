//! The gateway that a labelled stream is sent to.

use reqwest::{Client, Response, StatusCode, Url, header};
use serde::Deserialize;
use std::time::{Duration, Instant};

/// How long a request may take.
const TIMEOUT: Duration = Duration::from_secs(30);
/// How long the same is sent again while the gateway says that it takes no writes now.
const RETRY_FOR: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(200);

/// The gateway does not take something.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// Its address is not one.
    #[error("{0} is not an address of a gateway, such as http://127.0.0.1:8080")]
    Url(String),
    /// Nobody answers.
    #[error("no answer of the gateway: {0}")]
    Http(#[from] reqwest::Error),
    /// It refuses.
    #[error("the gateway answers {status}: {answer}")]
    Refused {
        /// HTTP status.
        status: u16,
        /// The beginning of what it says.
        answer: String,
    },
    /// A graded transaction came before.
    #[error(
        "{0} was sent before: what is graded must be new to the log; grade in a deployment of its own (kafka.topic_prefix)"
    )]
    Duplicate(String),
}

/// What was answered, and how soon.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// Score, 0 to 1.
    pub scoring: f64,
    /// `allow`, `review` or `block`.
    pub decision: String,
    /// `model`, `rules` or `default`.
    pub decision_source: String,
    /// Version of the model that was asked, where one was.
    pub model: Option<String>,
    /// From the request to the end of the answer.
    pub took: Duration,
}

#[derive(Deserialize)]
struct Scored {
    trn_id: String,
    scoring: f64,
    decision: String,
    decision_source: String,
    model: Option<String>,
    #[serde(default)]
    duplicate: bool,
}

/// A gateway.
#[derive(Debug, Clone)]
pub struct Gateway {
    client: Client,
    transactions: Url,
    labels: Url,
}

impl Gateway {
    /// A gateway by its address. Nothing is sent yet.
    ///
    /// # Errors
    /// When the address is not one.
    pub fn new(address: &str) -> Result<Self, SendError> {
        let bad = || SendError::Url(address.to_owned());
        let base: Url = address.parse().map_err(|_| bad())?;
        let at = |path| base.join(path).ok().filter(|url| matches!(url.scheme(), "http" | "https")).ok_or_else(bad);
        let (transactions, labels) = (at("/api/v1/transactions")?, at("/api/v1/labels")?);
        let mut client = Client::builder().timeout(TIMEOUT).tcp_nodelay(true);
        if matches!(base.host_str(), Some("localhost" | "127.0.0.1" | "[::1]")) {
            client = client.no_proxy();
        }
        Ok(Self { client: client.build()?, transactions, labels })
    }

    /// Sends one transaction and waits for its score.
    ///
    /// # Errors
    /// When there is none, or the transaction came before.
    pub async fn ask(&self, transaction: &str, patience: Duration) -> Result<Answer, SendError> {
        let mut url = self.transactions.clone();
        url.query_pairs_mut().append_pair("timeout_ms", &patience.as_millis().to_string());
        let began = Instant::now();
        let response = self.post(&url, transaction.to_owned()).await?;
        if response.status() != StatusCode::OK {
            return Err(refused(response).await);
        }
        let scored: Scored = response.json().await?;
        if scored.duplicate {
            return Err(SendError::Duplicate(scored.trn_id));
        }
        let Scored { scoring, decision, decision_source, model, .. } = scored;
        Ok(Answer { scoring, decision, decision_source, model, took: began.elapsed() })
    }

    /// Sends transactions for whose scores nobody waits.
    ///
    /// # Errors
    /// When not all are taken.
    pub async fn send_transactions<'t>(&self, all: impl Iterator<Item = &'t str>) -> Result<(), SendError> {
        self.send(&self.transactions, all.collect::<Vec<_>>().join(",")).await
    }

    /// Sends labels.
    ///
    /// # Errors
    /// When not all are taken.
    pub async fn send_labels(&self, labels: &[String]) -> Result<(), SendError> {
        self.send(&self.labels, labels.join(",")).await
    }

    async fn send(&self, url: &Url, items: String) -> Result<(), SendError> {
        let response = self.post(url, format!("[{items}]")).await?;
        if response.status() == StatusCode::ACCEPTED { Ok(()) } else { Err(refused(response).await) }
    }

    /// Sends the same again while the gateway says that it takes no writes now; ids make that safe.
    async fn post(&self, url: &Url, body: String) -> Result<Response, SendError> {
        let until = Instant::now() + RETRY_FOR;
        loop {
            let request = self.client.post(url.clone()).header(header::CONTENT_TYPE, "application/json");
            let response = request.body(body.clone()).send().await?;
            if response.status() != StatusCode::SERVICE_UNAVAILABLE || Instant::now() > until {
                return Ok(response);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

async fn refused(response: Response) -> SendError {
    let status = response.status().as_u16();
    let answer = response.text().await.unwrap_or_default().chars().take(500).collect();
    SendError::Refused { status, answer }
}
