//! Reading a stretch of a topic's partition, without a group.

use crate::{Record, RuntimeError, config::KafkaConfig, kafka};
use millrace_schemas::Topic;
use rdkafka::{
    ClientConfig, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer as _},
    error::{KafkaError, RDKafkaErrorCode},
};
use std::time::{Duration, Instant};

/// How long after its timeout the broker may need to end a transaction.
const OVERDUE: Duration = Duration::from_secs(30);
/// How long nothing may come before the broker is asked for a sign of life: librdkafka can lose all brokers for good.
const SILENT_MAX: Duration = Duration::from_secs(30);
/// How long it may take to go on elsewhere.
const SEEK: Duration = Duration::from_secs(5);

/// What a read gives.
#[derive(Debug)]
pub enum Read {
    /// The next committed record of one of the partitions.
    Record(Box<Record>),
    /// Everything committed so far of this partition was read; more may come.
    End(i32),
    /// Nothing within the time given.
    Idle,
}

/// Where to begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum From {
    /// The first record there is.
    Beginning,
    /// This offset.
    Offset(i64),
    /// Only what comes from now on.
    End,
    /// The first record whose time is not before this one, epoch milliseconds.
    Time(i64),
}

/// Reads partitions of one topic, committed records only.
pub struct Reader {
    topic: Topic,
    /// Name with the deployment's prefix.
    name: String,
    consumer: BaseConsumer,
    /// How long the broker may take to answer.
    timeout: Duration,
    /// Since when nothing has come; `None` while something does.
    silent_since: Option<Instant>,
}

impl Reader {
    /// Begins reading partitions.
    pub fn new(config: &KafkaConfig, topic: Topic, partitions: &[i32], from: From) -> Result<Self, RuntimeError> {
        Self::open(config, &kafka::reader(config, "reader"), topic, partitions, from)
    }

    /// Begins reading partitions on which most of the time nothing comes: a record is read as soon, the end is noticed later.
    pub fn following(config: &KafkaConfig, topic: Topic, partitions: &[i32], from: From) -> Result<Self, RuntimeError> {
        Self::open(config, &kafka::follower(config), topic, partitions, from)
    }

    fn open(
        config: &KafkaConfig,
        client: &ClientConfig,
        topic: Topic,
        partitions: &[i32],
        from: From,
    ) -> Result<Self, RuntimeError> {
        let name = topic_name(config, topic);
        let consumer = consumer_of(config, client, &name)?;
        let mut list = TopicPartitionList::new();
        for partition in partitions {
            let offset = match from {
                From::Beginning => Offset::Beginning,
                // A search by time takes the times where offsets stand.
                From::Offset(offset) | From::Time(offset) => Offset::Offset(offset),
                From::End => Offset::End,
            };
            list.add_partition_offset(&name, *partition, offset)
                .map_err(|error| RuntimeError::kafka(&format!("reading {name}"), &error))?;
        }
        if let From::Time(_) = from {
            list = consumer
                .offsets_for_times(list, kafka::request_timeout(config))
                .map_err(|error| RuntimeError::kafka(&format!("looking for a time in {name}"), &error))?;
        }
        consumer.assign(&list).map_err(|error| RuntimeError::kafka(&format!("reading {name}"), &error))?;
        Ok(Self { topic, name, consumer, timeout: kafka::request_timeout(config), silent_since: None })
    }

    /// Begins reading partitions for as long as a process runs, for work that nobody waits for: records are read a tenth of a second later.
    pub(crate) fn working(
        config: &KafkaConfig,
        topic: Topic,
        partitions: &[i32],
        from: From,
    ) -> Result<Self, RuntimeError> {
        Self::open(config, &kafka::batch_reader(config, "reader"), topic, partitions, from)
    }

    /// The same, each partition from an offset of its own.
    pub(crate) fn working_at(config: &KafkaConfig, topic: Topic, offsets: &[(i32, i64)]) -> Result<Self, RuntimeError> {
        let consumer = consumer_of(config, &kafka::batch_reader(config, "reader"), &topic_name(config, topic))?;
        Self::assigned(config, topic, consumer, offsets)
    }

    /// Reads with a consumer that knows the topic already, each partition from an offset of its own.
    pub(crate) fn assigned(
        config: &KafkaConfig,
        topic: Topic,
        consumer: BaseConsumer,
        offsets: &[(i32, i64)],
    ) -> Result<Self, RuntimeError> {
        let name = topic_name(config, topic);
        let failed = |error| RuntimeError::kafka(&format!("reading {name}"), &error);
        let mut list = TopicPartitionList::new();
        for (partition, offset) in offsets {
            list.add_partition_offset(&name, *partition, Offset::Offset(*offset)).map_err(failed)?;
        }
        consumer.assign(&list).map_err(failed)?;
        Ok(Self { topic, name, consumer, timeout: kafka::request_timeout(config), silent_since: None })
    }

    /// Offset of the first record of a partition, and the one behind the last that readers get now.
    pub fn watermarks(&self, partition: i32) -> Result<(i64, i64), RuntimeError> {
        let asked = self.consumer.fetch_watermarks(&self.name, partition, self.timeout);
        asked.map_err(|error| RuntimeError::kafka(&format!("asking for the ends of {}", self.name), &error))
    }

    /// Goes on at an offset of a partition; what was fetched of it is dropped.
    pub fn seek(&mut self, partition: i32, offset: i64) -> Result<(), RuntimeError> {
        let to = if offset == 0 { Offset::Beginning } else { Offset::Offset(offset) };
        let mut list = TopicPartitionList::new();
        let failed = |error| RuntimeError::kafka(&format!("reading {}", self.topic), &error);
        list.add_partition_offset(&self.name, partition, to).map_err(failed)?;
        let sought = self.consumer.seek_partitions(list, SEEK).map_err(failed)?;
        sought.elements().iter().try_for_each(|element| element.error()).map_err(failed)
    }

    /// The next thing, waiting at most `timeout`. Where nothing has come for long, the broker is asked whether it is there.
    pub fn next(&mut self, timeout: Duration) -> Result<Read, RuntimeError> {
        let read = match self.consumer.poll(timeout) {
            None => Read::Idle,
            Some(Ok(message)) => Read::Record(Box::new(Record::copy(self.topic, &message))),
            Some(Err(KafkaError::PartitionEOF(partition))) => Read::End(partition),
            Some(Err(error)) if passes(&error) => {
                tracing::debug!(topic = %self.topic, error = %error, "reading meets a passing error");
                Read::Idle
            }
            Some(Err(error)) => return Err(RuntimeError::kafka(&format!("reading {}", self.topic), &error)),
        };
        if !matches!(read, Read::Idle) {
            self.silent_since = None;
        } else if self.silent_since.get_or_insert_with(Instant::now).elapsed() > SILENT_MAX {
            self.watermarks(0)?;
            self.silent_since = None;
        }
        Ok(read)
    }

    /// Everything committed up to the moment it is read to, of all partitions, in order per partition.
    pub fn read_to_end(&mut self, partitions: usize, deadline: Duration) -> Result<Vec<Record>, RuntimeError> {
        let until = Instant::now() + deadline;
        let (mut records, mut ended) = (Vec::new(), std::collections::BTreeSet::new());
        while ended.len() < partitions {
            if Instant::now() > until {
                let message = format!("reading {} took longer than {} ms", self.topic, deadline.as_millis());
                return Err(RuntimeError::Transient(message));
            }
            match self.next(Duration::from_millis(100))? {
                Read::Record(record) => records.push(*record),
                Read::End(partition) => {
                    ended.insert(partition);
                }
                Read::Idle => {}
            }
        }
        Ok(records)
    }
}

/// A consumer that knows a topic.
fn consumer_of(config: &KafkaConfig, client: &ClientConfig, name: &str) -> Result<BaseConsumer, RuntimeError> {
    let consumer: BaseConsumer = client.create().map_err(|error| RuntimeError::kafka("making a reader", &error))?;
    // A consumer that does not know the partitions' leader yet looks for it again only after half a second.
    consumer
        .fetch_metadata(Some(name), kafka::request_timeout(config))
        .map_err(|error| RuntimeError::kafka(&format!("reading {name}"), &error))?;
    Ok(consumer)
}

/// Where partitions end.
pub(crate) struct Ends {
    config: KafkaConfig,
    readable: BaseConsumer,
    all: BaseConsumer,
}

impl Ends {
    pub(crate) fn new(config: &KafkaConfig) -> Result<Self, RuntimeError> {
        let client = |isolation: &str| {
            let mut client = kafka::reader(config, "ends");
            client.set("isolation.level", isolation);
            client.create().map_err(|error| RuntimeError::kafka("making a reader", &error))
        };
        Ok(Self { config: config.clone(), readable: client("read_committed")?, all: client("read_uncommitted")? })
    }

    /// Offset behind the last record that readers get now; open transactions end before it.
    pub(crate) fn of_readable(&self, topic: Topic, partition: i32) -> Result<i64, RuntimeError> {
        Ok(self.range(topic, partition)?.1)
    }

    /// Offset behind the last record there is, of open transactions too.
    pub(crate) fn of_all(&self, topic: Topic, partition: i32) -> Result<i64, RuntimeError> {
        Ok(self.ask(&self.all, topic, partition)?.1)
    }

    /// Waits until everything that stands in a partition now is committed or aborted.
    pub(crate) fn wait_until_readable(&self, topic: Topic, partition: i32) -> Result<(), RuntimeError> {
        let until = Instant::now() + kafka::TRANSACTION_TIMEOUT + OVERDUE;
        let end = self.of_all(topic, partition)?;
        while self.of_readable(topic, partition)? < end {
            if Instant::now() > until {
                let message = format!("a transaction in {topic} partition {partition} has been open for too long");
                return Err(RuntimeError::Transient(message));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// Offset of the first record there is, and the one behind the last that readers get.
    pub(crate) fn range(&self, topic: Topic, partition: i32) -> Result<(i64, i64), RuntimeError> {
        self.ask(&self.readable, topic, partition)
    }

    fn ask(&self, client: &BaseConsumer, topic: Topic, partition: i32) -> Result<(i64, i64), RuntimeError> {
        let name = topic_name(&self.config, topic);
        client
            .fetch_watermarks(&name, partition, kafka::request_timeout(&self.config))
            .map_err(|error| RuntimeError::kafka(&format!("asking for the end of {name}"), &error))
    }
}

/// A topic's name in this deployment.
pub fn topic_name(config: &KafkaConfig, topic: Topic) -> String {
    format!("{}{}", config.topic_prefix, topic.name())
}

/// Errors that librdkafka reports and gets over by itself.
pub(crate) fn passes(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(
            RDKafkaErrorCode::BrokerTransportFailure
                | RDKafkaErrorCode::AllBrokersDown
                | RDKafkaErrorCode::OperationTimedOut
                | RDKafkaErrorCode::RequestTimedOut
                | RDKafkaErrorCode::NotCoordinator
                | RDKafkaErrorCode::CoordinatorNotAvailable
                | RDKafkaErrorCode::CoordinatorLoadInProgress
                | RDKafkaErrorCode::LeaderNotAvailable
                | RDKafkaErrorCode::NotLeaderForPartition
                | RDKafkaErrorCode::Resolve
        )
    )
}
