//! Replies: what became of a record, for the gateway whose client waits.
//!
//! The gateway puts a [`ReplyTo`] into the record's headers; the processor that decides the record writes the reply into the partition
//! of the gateway's slot, ahead of the transaction that records the outcome. That is sound since an outcome is a function of the log:
//! whoever decides the record again decides the same. A reply may be lost, and then the client has none in time; the outcome is not.

use crate::{
    Headers, RuntimeError, headers,
    lifecycle::Shutdown,
    log::Log,
    metrics as names,
    reader::{Ends, From, Read, Reader},
};
use millrace_schemas::{Topic, event::Reply, wire::Codec};
use std::{
    fmt,
    str::FromStr,
    sync::Arc,
    time::{Duration, Instant},
};

/// How long a look for the next reply may wait; how soon a shutdown is seen.
const LOOK: Duration = Duration::from_millis(200);
/// Pause before replies are read again after an error.
const PAUSE: Duration = Duration::from_secs(1);
/// Longest correlation id that is answered.
const CORRELATION_MAX: usize = 64;

/// Who waits for what becomes of a record: the value of the header `reply-to`, `<slot>/<correlation id>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplyTo {
    /// Slot of the gateway.
    pub slot: i32,
    /// What the gateway knows the client by; at most 64 bytes.
    pub correlation_id: String,
}

impl ReplyTo {
    /// The one that a record's headers name. Anyone may produce such a header: the worst it does is a reply that nobody waits for.
    pub(crate) fn of(headers: &Headers) -> Option<Self> {
        headers.text(headers::REPLY_TO)?.parse().ok()
    }

    /// The partition of the topic that the gateway reads.
    pub(crate) fn partition(&self, partitions: i32) -> i32 {
        self.slot.rem_euclid(partitions.max(1))
    }
}

impl fmt::Display for ReplyTo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.slot, self.correlation_id)
    }
}

/// The text is no [`ReplyTo`].
#[derive(Debug, thiserror::Error)]
#[error("not <slot>/<correlation id>")]
pub struct BadReplyTo;

impl FromStr for ReplyTo {
    type Err = BadReplyTo;

    fn from_str(text: &str) -> Result<Self, BadReplyTo> {
        let (slot, correlation_id) = text.split_once('/').ok_or(BadReplyTo)?;
        let slot = slot.parse().ok().filter(|slot| *slot >= 0).ok_or(BadReplyTo)?;
        if !(1..=CORRELATION_MAX).contains(&correlation_id.len()) {
            return Err(BadReplyTo);
        }
        Ok(Self { slot, correlation_id: correlation_id.to_owned() })
    }
}

/// Hands every reply to a gateway's slot to `take`, from now on and until the shutdown. Returns when replies that are written from
/// then on are certain to be seen.
///
/// # Errors
/// When the topic's end cannot be learned, or no thread can be started.
pub async fn follow(
    log: &Log,
    slot: u32,
    shutdown: &Shutdown,
    take: impl Fn(Reply) + Send + 'static,
) -> Result<(), RuntimeError> {
    let codec = Arc::clone(log.codec().await?.codec());
    let slot = i32::try_from(slot).map_err(|_| RuntimeError::Fatal(format!("slot {slot} is too large")))?;
    let to = ReplyTo { slot, correlation_id: String::new() };
    let partition = to.partition(log.partitions(Topic::Replies).await?);
    let kafka = log.kafka().clone();
    let opened = tokio::task::spawn_blocking({
        let kafka = kafka.clone();
        move || open(&kafka, partition)
    });
    let mut reader =
        opened.await.map_err(|error| RuntimeError::Fatal(format!("opening the replies panicked: {error}")))??;
    let shutdown = shutdown.clone();
    let run = move || {
        while !shutdown.is_cancelled() {
            let Err(error) = read_on(&mut reader, &codec, slot, &shutdown, &take) else { return };
            tracing::warn!(%error, "reading replies, again from their end");
            names::count(names::WORKER_RESTARTS_TOTAL, &[("worker", "replies".into())], 1);
            while !shutdown.is_cancelled() {
                let until = Instant::now() + PAUSE;
                while Instant::now() < until && !shutdown.is_cancelled() {
                    std::thread::sleep(LOOK);
                }
                match open(&kafka, partition) {
                    Ok(opened) => {
                        reader = opened;
                        break;
                    }
                    Err(error) => tracing::warn!(%error, "replies cannot be read"),
                }
            }
        }
    };
    std::thread::Builder::new()
        .name("replies".into())
        .spawn(run)
        .map_err(|error| RuntimeError::Fatal(format!("starting a thread: {error}")))?;
    Ok(())
}

/// A reader of what comes from now on. The end is asked for here: one that is looked up by the client's own thread would be that of a
/// moment later.
fn open(kafka: &crate::config::KafkaConfig, partition: i32) -> Result<Reader, RuntimeError> {
    let end = Ends::new(kafka)?.of_readable(Topic::Replies, partition)?;
    Reader::following(kafka, Topic::Replies, &[partition], From::Offset(end))
}

fn read_on(
    reader: &mut Reader,
    codec: &Codec,
    slot: i32,
    shutdown: &Shutdown,
    take: &impl Fn(Reply),
) -> Result<(), RuntimeError> {
    while !shutdown.is_cancelled() {
        let Read::Record(record) = reader.next(LOOK)? else { continue };
        match codec.decode::<Reply>(record.value.as_deref()) {
            // Where there are more gateways than partitions, some share one.
            Ok(reply) if reply.slot == slot => take(reply),
            Ok(_) => {}
            Err(error) => tracing::error!(offset = record.offset, %error, "not a reply"),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_names_who_waits_or_nobody() {
        let to = ReplyTo { slot: 6, correlation_id: "7f2d9f7e".into() };
        let of = |text: &str| ReplyTo::of(&Headers::new().with(headers::REPLY_TO, text));
        assert_eq!(of(&to.to_string()), Some(to.clone()));
        assert_eq!((to.partition(4), to.partition(16)), (2, 6));
        for bad in ["", "6", "6/", "/a", "-1/a", "x/a", &format!("1/{}", "a".repeat(65))] {
            assert_eq!(of(bad), None, "{bad}");
        }
    }
}
