//! The schema registry, over the Confluent API. Only making topics, and reading records of schemas the log does not have yet,
//! need it.

use crate::config::RegistryConfig;
use millrace_schemas::event::SchemaRecord;
use reqwest::{Client, Method, RequestBuilder, StatusCode};
use serde::Deserialize;
use serde_json::json;
use std::time::Duration;

/// A registry. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Registry {
    config: RegistryConfig,
    client: Client,
}

/// Why the registry did not do it.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// It cannot be reached, or cannot answer now.
    #[error("the schema registry at {url} does not answer: {reason}")]
    Unreachable {
        /// Where it was looked for.
        url: String,
        /// What went wrong.
        reason: String,
    },
    /// It says no; the message is its own.
    #[error("the schema registry refuses {what}: {reason}")]
    Refused {
        /// What it was asked for.
        what: String,
        /// Its answer.
        reason: String,
    },
}

#[derive(Deserialize)]
struct Id {
    id: i32,
}

#[derive(Deserialize)]
struct SchemaText {
    schema: String,
}

#[derive(Deserialize)]
struct SubjectVersion {
    subject: String,
}

impl Registry {
    /// A registry at the configured address; nothing is sent yet.
    pub fn new(config: &RegistryConfig) -> Result<Self, RegistryError> {
        let client = Client::builder().timeout(Duration::from_millis(config.timeout_ms)).build();
        let client = client
            .map_err(|error| RegistryError::Unreachable { url: config.url.clone(), reason: error.to_string() })?;
        Ok(Self { config: config.clone(), client })
    }

    /// Registers a schema under a subject, or finds it there; its id.
    pub async fn register(&self, subject: &str, schema: &str) -> Result<i32, RegistryError> {
        let request =
            self.request(Method::POST, &format!("subjects/{subject}/versions")).json(&json!({ "schema": schema }));
        let answer: Option<Id> = self.send(request, &format!("schema of {subject}")).await?;
        answer
            .map(|answer| answer.id)
            .ok_or_else(|| RegistryError::Refused { what: subject.to_owned(), reason: "not found".to_owned() })
    }

    /// Sets how versions of a subject must be compatible, such as `BACKWARD_TRANSITIVE`.
    pub async fn set_compatibility(&self, subject: &str, level: &str) -> Result<(), RegistryError> {
        let request = self.request(Method::PUT, &format!("config/{subject}")).json(&json!({ "compatibility": level }));
        self.send::<serde_json::Value>(request, &format!("compatibility of {subject}")).await.map(|_| ())
    }

    /// The schema with an id; `None` when the registry has none.
    pub async fn schema(&self, id: u32) -> Result<Option<SchemaRecord>, RegistryError> {
        let what = format!("schema {id}");
        let Some(text) =
            self.send::<SchemaText>(self.request(Method::GET, &format!("schemas/ids/{id}")), &what).await?
        else {
            return Ok(None);
        };
        let versions = self.request(Method::GET, &format!("schemas/ids/{id}/versions"));
        let subjects: Vec<SubjectVersion> = self.send(versions, &what).await?.unwrap_or_default();
        let subject = subjects.into_iter().next().map_or_else(String::new, |version| version.subject);
        Ok(Some(SchemaRecord { id: id.cast_signed(), subject, schema: text.schema }))
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.client.request(method, format!("{}/{path}", self.config.url.trim_end_matches('/')));
        if self.config.username.is_empty() {
            request
        } else {
            request.basic_auth(&self.config.username, Some(self.config.password.expose()))
        }
    }

    /// `None` is a 404.
    async fn send<A: serde::de::DeserializeOwned>(
        &self,
        request: RequestBuilder,
        what: &str,
    ) -> Result<Option<A>, RegistryError> {
        let unreachable = |reason: String| RegistryError::Unreachable { url: self.config.url.clone(), reason };
        let answer = request.send().await.map_err(|error| unreachable(error.to_string()))?;
        let status = answer.status();
        if status == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        if status.is_success() {
            return answer.json().await.map(Some).map_err(|error| unreachable(error.to_string()));
        }
        let reason = answer.text().await.unwrap_or_default();
        if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
            return Err(unreachable(format!("{status} {reason}")));
        }
        Err(RegistryError::Refused { what: what.to_owned(), reason: format!("{status} {reason}") })
    }
}
