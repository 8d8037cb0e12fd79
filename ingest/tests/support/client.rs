//! A client that sends one request at a time.

use bytes::Bytes;
use http::{HeaderMap, Method, Request};
use http_body_util::{BodyExt as _, Full};
use hyper_util::{
    client::legacy::{Client as Pool, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::Value as Json;
use std::net::SocketAddr;

/// An answer, read to its end.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    pub fn json(&self) -> Json {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    /// Path and code of every error in a list of errors.
    pub fn errors(errors: &Json) -> Vec<(String, String)> {
        let text = |error: &Json, field: &str| error[field].as_str().expect("text").to_owned();
        errors
            .as_array()
            .map_or_else(Vec::new, |all| all.iter().map(|error| (text(error, "path"), text(error, "code"))).collect())
    }

    /// Status of every result of a batch.
    pub fn statuses(&self) -> Vec<String> {
        let results = self.json()["results"].as_array().expect("results").clone();
        results.iter().map(|result| result["status"].as_str().expect("a status").to_owned()).collect()
    }
}

#[derive(Clone)]
pub struct Client {
    pool: Pool<HttpConnector, Full<Bytes>>,
    address: SocketAddr,
}

impl Client {
    pub fn new(address: SocketAddr) -> Self {
        Self { pool: Pool::builder(TokioExecutor::new()).build_http(), address }
    }

    pub async fn send(&self, method: Method, path: &str, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Answer {
        let mut request = Request::builder().method(method).uri(format!("http://{}{path}", self.address));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(body.into())).expect("a request");
        let (parts, body) = self.pool.request(request).await.expect("an answer").into_parts();
        let bytes = body.collect().await.expect("the whole answer").to_bytes();
        let text = String::from_utf8(bytes.to_vec()).expect("answers are UTF-8");
        Answer { status: parts.status.as_u16(), headers: parts.headers, text }
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, &[], Bytes::new()).await
    }

    pub async fn post(&self, path: &str, content_type: &str, body: impl Into<Bytes>) -> Answer {
        self.send(Method::POST, path, &[("content-type", content_type)], body).await
    }

    pub async fn post_json(&self, path: &str, body: &Json) -> Answer {
        self.post(path, "application/json", body.to_string()).await
    }
}
