//! A client of the live stream.

use crate::deployment::SOON;
use reqwest::{Client, Response};
use serde_json::Value as Json;
use std::time::Duration;
use tokio::time::timeout;

/// What a server sent, up to a blank line.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sent {
    /// Its `event`.
    pub name: String,
    /// Its `id`.
    pub id: String,
    /// Its `data`; null where it has none, as comments.
    pub data: Json,
}

/// An open stream.
pub struct Stream {
    response: Response,
    buffer: Vec<u8>,
}

/// An answer that is no stream.
#[derive(Debug)]
pub struct Refused {
    /// HTTP status.
    pub status: u16,
    /// `Retry-After`.
    pub retry_after: Option<String>,
    /// The problem's code.
    pub code: String,
    /// The problem's words.
    pub detail: String,
}

impl Stream {
    /// Follows a stream, after the last id seen where there is one.
    pub async fn open(url: &str, last_event_id: Option<&str>) -> Result<Self, Refused> {
        let client = Client::builder().no_proxy().build().expect("a client");
        let request =
            last_event_id.into_iter().fold(client.get(url), |request, id| request.header("last-event-id", id));
        let response = timeout(SOON, request.send()).await.expect("an answer in time").expect("an answer");
        let status = response.status().as_u16();
        let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        if status != 200 {
            let retry_after = header("retry-after");
            let problem: Json = response.json().await.expect("a problem");
            let [code, detail] = ["code", "detail"].map(|name| problem[name].as_str().expect("text").to_owned());
            return Err(Refused { status, retry_after, code, detail });
        }
        assert_eq!(header("content-type").as_deref(), Some("text/event-stream"));
        Ok(Self { response, buffer: Vec::new() })
    }

    /// The next thing sent, comments too; `None` at the stream's end.
    pub async fn next(&mut self) -> Option<Sent> {
        loop {
            if let Some(end) = self.buffer.windows(2).position(|pair| pair == b"\n\n") {
                let block: Vec<u8> = self.buffer.drain(..end + 2).collect();
                return Some(parse(std::str::from_utf8(&block).expect("UTF-8")));
            }
            let chunk = timeout(SOON, self.response.chunk()).await.expect("something in time");
            self.buffer.extend_from_slice(&chunk.expect("a stream that does not break")?);
        }
    }

    /// The next event; panics when the stream ends instead.
    pub async fn event(&mut self) -> Sent {
        loop {
            let sent = self.next().await.expect("the stream goes on");
            if !sent.data.is_null() {
                return sent;
            }
        }
    }

    /// So many events.
    pub async fn events(&mut self, count: usize) -> Vec<Sent> {
        let mut all = Vec::with_capacity(count);
        while all.len() < count {
            all.push(self.event().await);
        }
        all
    }

    /// Whether nothing but comments comes for a while.
    pub async fn is_quiet_for(&mut self, time: Duration) -> bool {
        timeout(time, self.event()).await.is_err()
    }
}

/// One block of the stream's text.
pub fn parse(block: &str) -> Sent {
    let mut sent = Sent::default();
    for line in block.lines() {
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => sent.name = value.to_owned(),
            "id" => sent.id = value.to_owned(),
            "data" => sent.data = serde_json::from_str(value).expect("JSON"),
            "" | "retry" => {}
            other => panic!("{other:?} is no field of a stream"),
        }
    }
    sent
}
