//! A record as it stands in the log.

use crate::sources::SourcePosition;
use bytes::Bytes;
use millrace_schemas::{Topic, event::Source};
use rdkafka::message::{BorrowedMessage, Header, Headers as _, Message as _, OwnedHeaders};

/// Names of the headers that Millrace sets.
pub mod headers {
    /// Id of the HTTP request that brought the event.
    pub const REQUEST_ID: &str = "request-id";
    /// Position of the event in its request's batch, from 0; absent where the request was one item.
    pub const REQUEST_INDEX: &str = "request-index";
    /// W3C trace context.
    pub const TRACEPARENT: &str = "traceparent";
    /// Address of the client that sent it.
    pub const CLIENT: &str = "client";
    /// Format it came in: json, ndjson or xml.
    pub const FORMAT: &str = "format";
    /// Which gateway waits for what becomes of the record, and for which client. See [`ReplyTo`](crate::replies::ReplyTo).
    pub const REPLY_TO: &str = "reply-to";
    /// Which record this one is derived from: `<topic>/<partition>/<offset>/<index>`, the topic without the deployment's prefix. See
    /// [`SourcePosition`](crate::SourcePosition).
    pub const SOURCE: &str = "source";
    /// Present on a derived record that a repair wrote later than its turn: readers take it although its source lies below.
    pub const REPAIR: &str = "repair";
    /// Event id of the dead letter that a record replays.
    pub const REPLAY_OF: &str = "replay-of";
    /// Which attempt a replayed record is, from 2; decimal digits.
    pub const ATTEMPT: &str = "attempt";
    /// When a replayed record was taken in for the first time, epoch milliseconds; decimal digits.
    pub const RECEIVED_AT: &str = "received-at";
}

/// Headers in their order; a name may stand twice.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Headers(Vec<(String, Vec<u8>)>);

impl Headers {
    /// No headers.
    pub fn new() -> Self {
        Self::default()
    }

    /// With one more at the end.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Vec<u8>>) -> Self {
        self.0.push((name.to_owned(), value.into()));
        self
    }

    /// The last value of a name, as Kafka's clients read it.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.0.iter().rev().find(|(n, _)| n == name).map(|(_, value)| value.as_slice())
    }

    /// The last value of a name, where it is text.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(|value| std::str::from_utf8(value).ok())
    }

    /// Position of the event in its request's batch; `None` where the request was one item or the header is no number.
    pub fn request_index(&self) -> Option<i32> {
        self.text(headers::REQUEST_INDEX)?.parse().ok()
    }

    /// All, in their order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_slice()))
    }

    /// The headers that say where an event came from, which events derived from it carry on.
    pub fn provenance(&self) -> Self {
        let carried = [headers::REQUEST_ID, headers::REQUEST_INDEX, headers::TRACEPARENT, headers::REPLAY_OF];
        carried.iter().filter_map(|name| Some((*name, self.get(name)?))).fold(Self::new(), |all, (n, v)| all.with(n, v))
    }

    pub(crate) fn to_kafka(&self) -> OwnedHeaders {
        let empty = OwnedHeaders::new_with_capacity(self.0.len());
        self.0.iter().fold(empty, |all, (name, value)| all.insert(Header { key: name, value: Some(value) }))
    }
}

/// A record of a topic, copied out of the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Topic, without the deployment's prefix.
    pub topic: Topic,
    /// Partition.
    pub partition: i32,
    /// Offset in the partition.
    pub offset: i64,
    /// Epoch milliseconds: the broker's append time or the producer's, as the catalogue says of the topic.
    pub timestamp: i64,
    /// Key.
    pub key: Option<Bytes>,
    /// Value; `None` is a tombstone.
    pub value: Option<Bytes>,
    /// Headers.
    pub headers: Headers,
}

impl Record {
    pub(crate) fn copy(topic: Topic, message: &BorrowedMessage<'_>) -> Self {
        // rdkafka panics at a header whose name is not UTF-8; such headers say nothing to us.
        let copy = || {
            message.headers().map(|headers| {
                headers
                    .iter()
                    .fold(Headers::new(), |all, header| all.with(header.key, header.value.unwrap_or_default()))
            })
        };
        let headers = std::panic::catch_unwind(std::panic::AssertUnwindSafe(copy)).ok().flatten().unwrap_or_default();
        Self {
            topic,
            partition: message.partition(),
            offset: message.offset(),
            timestamp: message.timestamp().to_millis().unwrap_or(0),
            key: message.key().map(Bytes::copy_from_slice),
            value: message.payload().map(Bytes::copy_from_slice),
            headers,
        }
    }

    /// This record as the source of what is derived from it, the first of its events.
    pub fn source(&self) -> Source {
        Source {
            topic: self.topic.name().to_owned(),
            partition: self.partition,
            offset: self.offset,
            index: 0,
            timestamp: self.timestamp,
        }
    }

    /// Headers of what is derived from this record: where it came from, and this record as the source.
    pub(crate) fn derived_headers(&self) -> Headers {
        self.headers.provenance().with(headers::SOURCE, SourcePosition::at(self).to_string())
    }

    /// When the event was taken in, epoch milliseconds: the time the rules compare with. For a replayed record that is the time
    /// its header names, so that it is judged as it was the first time; else the record's own.
    ///
    /// Anyone may produce the header. A time later than the broker's own is not believed, so it can only make the rules stricter
    /// for the producer's own record. What depends on the log's order, as the horizon of ids does, never looks at it.
    pub fn received_at(&self) -> i64 {
        self.replay_header(headers::RECEIVED_AT).map_or(self.timestamp, |time: i64| time.clamp(0, self.timestamp))
    }

    /// Which attempt it is: 1 unless it replays a dead letter.
    pub fn attempt(&self) -> i32 {
        self.replay_header(headers::ATTEMPT).filter(|attempt| *attempt > 0).unwrap_or(1)
    }

    fn replay_header<T: std::str::FromStr>(&self, name: &str) -> Option<T> {
        self.headers.get(headers::REPLAY_OF).and_then(|_| self.headers.text(name)?.parse().ok())
    }

    /// Bytes it takes in memory, about.
    pub fn size(&self) -> usize {
        let headers: usize = self.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
        self.key.as_ref().map_or(0, Bytes::len) + self.value.as_ref().map_or(0, Bytes::len) + headers + 64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(headers: Headers) -> Record {
        let (key, value) = (None, None);
        Record { topic: Topic::Transactions, partition: 0, offset: 0, timestamp: 1_000, key, value, headers }
    }

    #[test]
    fn a_replay_is_judged_by_its_first_receipt_which_nobody_can_put_off() {
        let replay = |time: &str| {
            let headers = Headers::new().with(headers::REPLAY_OF, "letter").with(headers::RECEIVED_AT, time);
            record(headers.with(headers::ATTEMPT, "3"))
        };
        assert_eq!((replay("400").received_at(), replay("400").attempt()), (400, 3));
        for (time, believed) in [("1001", 1_000), ("9999999999999", 1_000), ("-1", 0), ("soon", 1_000), ("", 1_000)] {
            assert_eq!(replay(time).received_at(), believed, "{time}");
        }
        let alone = record(Headers::new().with(headers::RECEIVED_AT, "400").with(headers::ATTEMPT, "3"));
        assert_eq!((alone.received_at(), alone.attempt()), (1_000, 1), "only a replay has an earlier attempt");
    }
}
