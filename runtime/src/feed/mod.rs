//! Following a derived topic as it grows, from now on or from behind a place: every committed record once, in order per partition.
//!
//! Without a group: whoever follows keeps the [`Place`] it has read to. It holds the last source of each partition beside the next
//! offset, so that a second copy of a record, as a torn transaction leaves it, is passed over even when the first came before a pause.

mod place;

pub use place::{NoPlace, Place};

use crate::{
    Record, RuntimeError,
    config::KafkaConfig,
    kafka,
    reader::{Read, Reader, topic_name},
};
use millrace_schemas::{Event as _, Topic, event::Derived};
use place::PartitionPlace;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use std::time::Duration;

/// Why a topic cannot be followed from a place.
#[derive(Debug, thiserror::Error)]
pub enum FeedError {
    /// The log does not hold what comes behind it.
    #[error("{0}")]
    Gone(String),
    /// The broker does not answer.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
}

/// Follows one topic.
pub struct Feed {
    reader: Reader,
    place: Place,
}

impl Feed {
    /// Reads a place in the topic of `E` from its text.
    ///
    /// # Errors
    /// When it is none.
    pub fn place_of<E: Derived>(text: &str) -> Result<Place, NoPlace> {
        Place::parse(text, E::From::TOPIC)
    }

    /// Begins to follow the topic of `E`: behind a place, or with what is committed from now on. Blocks while it asks the broker.
    ///
    /// # Errors
    /// [`FeedError::Gone`] when the place is of another log, or outside of this one.
    pub fn open<E: Derived>(config: &KafkaConfig, behind: Option<Place>) -> Result<Self, FeedError> {
        let client = kafka::follower(config);
        let consumer: BaseConsumer =
            client.create().map_err(|error| RuntimeError::kafka("making a follower", &error))?;
        let (topic, log) = (E::TOPIC, log_of(config, &consumer)?);
        let ranges = ranges(config, &consumer, topic)?;
        let place = match behind {
            Some(place) => checked(place, &log, &ranges, topic)?,
            None => {
                let partitions = ranges.iter().map(|(_, end)| PartitionPlace::new(*end, E::From::TOPIC, None));
                Place { log, partitions: partitions.collect() }
            }
        };
        let offsets: Vec<(i32, i64)> = (0..).zip(place.partitions.iter().map(|partition| partition.next)).collect();
        let reader = Reader::assigned(config, topic, consumer, &offsets)?;
        Ok(Self { reader, place })
    }

    /// Behind everything that was read.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// The next record, waiting at most about `timeout`; `None` where none came in time, or one that came before.
    ///
    /// # Errors
    /// When the broker was silent for long, or what comes next is gone from the log.
    pub fn next(&mut self, timeout: Duration) -> Result<Option<Record>, RuntimeError> {
        match self.reader.next(timeout)? {
            Read::Record(record) => {
                let Some(partition) =
                    usize::try_from(record.partition).ok().and_then(|number| self.place.partitions.get_mut(number))
                else {
                    return Ok(None);
                };
                partition.next = record.offset + 1;
                Ok(partition.taken.take(&record).then_some(*record))
            }
            Read::End(_) | Read::Idle => Ok(None),
        }
    }
}

/// Short name of this life of the log.
fn log_of(config: &KafkaConfig, consumer: &BaseConsumer) -> Result<String, RuntimeError> {
    let id = consumer.client().fetch_cluster_id(kafka::request_timeout(config));
    let id = id.ok_or_else(|| RuntimeError::Transient("the broker does not tell its cluster's id in time".into()))?;
    let epoch = format!("{}{id}", config.topic_prefix);
    Ok(blake3::hash(epoch.as_bytes()).to_hex()[..8].to_owned())
}

/// First offset, and the one behind the last that readers get, of each partition.
fn ranges(config: &KafkaConfig, consumer: &BaseConsumer, topic: Topic) -> Result<Vec<(i64, i64)>, RuntimeError> {
    let (name, timeout) = (topic_name(config, topic), kafka::request_timeout(config));
    let asking = |error| RuntimeError::kafka(&format!("asking for {name}"), &error);
    let metadata = consumer.fetch_metadata(Some(&name), timeout).map_err(asking)?;
    let count = metadata.topics().first().map_or(0, |topic| topic.partitions().len());
    if count == 0 {
        return Err(RuntimeError::Fatal(format!("there is no topic {name}; run `millrace topics create`")));
    }
    (0..count as i32).map(|partition| consumer.fetch_watermarks(&name, partition, timeout).map_err(asking)).collect()
}

fn checked(place: Place, log: &str, ranges: &[(i64, i64)], topic: Topic) -> Result<Place, FeedError> {
    if place.log != log {
        return Err(FeedError::Gone("the position is of another log than there is now".to_owned()));
    }
    let (known, now) = (place.partitions.len(), ranges.len());
    if known != now {
        return Err(FeedError::Gone(format!("the position has {known} partitions, but {topic} has {now}")));
    }
    for (number, (partition, (first, end))) in place.partitions.iter().zip(ranges).enumerate() {
        let next = partition.next;
        if !(*first..=*end).contains(&next) {
            let message = format!("partition {number} of {topic} holds offsets {first} up to {end}, not {next}");
            return Err(FeedError::Gone(message));
        }
    }
    Ok(place)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gone(text: &str) -> Option<String> {
        let place = Place::parse(text, Topic::Transactions).expect("a place");
        match checked(place, "abcd", &[(5, 10), (0, 0)], Topic::TransactionScores) {
            Ok(_) => None,
            Err(error) => Some(error.to_string()),
        }
    }

    #[test]
    fn a_place_must_lie_in_the_log_there_is() {
        for good in ["abcd.0-5.1-0", "abcd.0-10-99.1-0"] {
            assert_eq!(gone(good), None, "{good}");
        }
        for (bad, why) in [
            ("abce.0-5.1-0", "another log"),
            ("abcd.0-5", "1 partitions, but transaction-scores has 2"),
            ("abcd.0-4.1-0", "offsets 5 up to 10, not 4"),
            ("abcd.0-11.1-0", "not 11"),
            ("abcd.0-5.1-1", "partition 1"),
        ] {
            assert!(gone(bad).is_some_and(|message| message.contains(why)), "{bad}: {:?}", gone(bad));
        }
    }
}
