//! A gateway that answers as a test tells it to, and remembers what it was sent.

use std::collections::BTreeMap;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use millrace_loadgen::SendOptions;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// A request as it came in.
#[derive(Debug, Clone)]
pub struct Received {
    pub number: usize,
    pub path: String,
    pub content_type: String,
    pub body: String,
}

impl Received {
    /// The items of a JSON body, whichever of its forms.
    pub fn items(&self) -> Vec<Value> {
        match self.content_type.as_str() {
            "application/x-ndjson" => {
                self.body.lines().map(|line| serde_json::from_str(line).unwrap_or(Value::Null)).collect()
            }
            _ => match serde_json::from_str(&self.body).unwrap_or(Value::Null) {
                Value::Array(items) => items,
                one => vec![one],
            },
        }
    }
}

type Answering = Arc<dyn Fn(Received) -> Pin<Box<dyn Future<Output = Response> + Send>> + Send + Sync>;

/// Stops when it is dropped.
pub struct Gateway {
    pub url: reqwest::Url,
    received: Arc<Mutex<Vec<Received>>>,
    server: JoinHandle<()>,
}

impl Gateway {
    /// Starts on a free port.
    pub async fn start<F, Fut>(answer: F) -> Self
    where
        F: Fn(Received) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Response> + Send + 'static,
    {
        Self::serve(TcpListener::bind("127.0.0.1:0").await.unwrap(), answer)
    }

    /// Starts on a port that is already bound.
    pub fn serve<F, Fut>(listener: TcpListener, answer: F) -> Self
    where
        F: Fn(Received) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Response> + Send + 'static,
    {
        let url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
        let received: Arc<Mutex<Vec<Received>>> = Arc::default();
        let answer: Answering = Arc::new(move |request| Box::pin(answer(request)));
        let seen = Arc::clone(&received);
        let handler = post(move |uri: Uri, headers: HeaderMap, body: Bytes| {
            let (seen, answer) = (Arc::clone(&seen), Arc::clone(&answer));
            async move {
                let request = {
                    let mut seen = seen.lock().unwrap();
                    let content_type = headers[header::CONTENT_TYPE].to_str().unwrap().to_owned();
                    let body = String::from_utf8_lossy(&body).into_owned();
                    let request = Received { number: seen.len(), path: uri.path().to_owned(), content_type, body };
                    seen.push(request.clone());
                    request
                };
                answer(request).await
            }
        });
        let app = Router::new().route("/api/v1/transactions", handler.clone()).route("/api/v1/receipts", handler);
        let server = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Gateway { url, received, server }
    }

    pub fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }

    /// How often each item came in, by its `transaction_id`.
    pub fn times_received(&self) -> BTreeMap<String, usize> {
        let mut times = BTreeMap::new();
        for item in self.received().iter().flat_map(Received::items) {
            *times.entry(item["transaction_id"].as_str().unwrap_or("none").to_owned()).or_default() += 1;
        }
        times
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// The batch answer with a status, and for a refusal its code, for each item.
pub fn results(status: u16, items: &[(&str, Option<&str>)]) -> Response {
    let results: Vec<Value> = items
        .iter()
        .enumerate()
        .map(|(index, (status, code))| {
            let errors: Vec<Value> =
                code.iter().map(|code| json!({"path": "/x", "code": code, "message": "no"})).collect();
            json!({"index": index, "trn_id": format!("trn-{index}"), "status": status, "errors": errors})
        })
        .collect();
    (StatusCode::from_u16(status).unwrap(), axum::Json(json!({"request_id": "req", "results": results})))
        .into_response()
}

/// Accepts everything.
pub async fn accept(request: Received) -> Response {
    results(202, &vec![("accepted", None); request.items().len()])
}

/// `503` that asks to be retried after so many seconds.
pub fn unavailable(retry_after_s: u32) -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, retry_after_s.to_string())], "busy").into_response()
}

/// A folder of files to send.
pub struct Files(tempfile::TempDir);

impl Files {
    pub fn new() -> Self {
        Files(tempfile::tempdir().unwrap())
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        std::fs::write(self.path(name), content).unwrap();
        self.path(name)
    }

    /// Receipts `r0`, `r1`, ... of a few places, one a line.
    pub fn receipts(&self, count: usize, places: usize) -> PathBuf {
        let line =
            |n| format!("{}\n", json!({"place_id": format!("p{}", n % places), "transaction_id": format!("r{n}")}));
        self.write("receipts.ndjson", (0..count).map(line).collect::<String>())
    }
}

/// Options for receipts, with quick retries.
pub fn options(gateway: &Gateway, file: &Path) -> SendOptions {
    SendOptions {
        kind: Some(millrace_loadgen::item::Kind::Receipts),
        backoff_ms: 1,
        ..SendOptions::new(gateway.url.clone(), vec![file.to_owned()])
    }
}
