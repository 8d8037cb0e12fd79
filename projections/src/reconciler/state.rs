//! What was proven, as the last event of each partition in the topic `reconciliation`.

use millrace_runtime::{
    Headers, RuntimeError,
    log::Log,
    producer::{AppendError, EventProducer},
    reader::From,
    scan::Scan,
};
use millrace_schemas::{
    Topic,
    event::{OffsetDifference, Reconciliation},
    wire::Codec,
};
use std::collections::BTreeMap;

/// How long nothing may be published although nothing has changed, in milliseconds.
const STILL_MAX_MS: i64 = 60_000;

type Place = (String, i32);

/// What the reconciler last published of each partition, by topic and partition.
///
/// # Errors
/// When the log does not answer.
pub async fn published(log: &Log) -> Result<Vec<Reconciliation>, RuntimeError> {
    let codec = Codec::reader(&log.schemas().await?).map_err(|error| RuntimeError::Fatal(error.to_string()))?;
    let kafka = log.kafka().clone();
    let read = tokio::task::spawn_blocking(move || {
        let mut scan = Scan::new(&kafka, Topic::Reconciliation, &[0], From::Beginning)?;
        let mut last = BTreeMap::new();
        while let Some(record) = scan.next_record()? {
            match codec.decode::<Reconciliation>(record.value.as_deref()) {
                Ok(event) => {
                    last.insert((event.topic.clone(), event.partition), event);
                }
                Err(error) => tracing::error!(offset = record.offset, error = %error, "what was proven cannot be read"),
            }
        }
        Ok(last.into_values().collect())
    });
    read.await.map_err(|error| RuntimeError::Fatal(format!("reading what was proven panicked: {error}")))?
}

/// What is proven now.
pub(super) struct State {
    producer: EventProducer,
    published: BTreeMap<Place, Reconciliation>,
}

impl State {
    pub(super) async fn load(log: &Log, producer: EventProducer) -> Result<Self, RuntimeError> {
        let all = published(log).await?;
        Ok(Self { producer, published: all.into_iter().map(|it| ((it.topic.clone(), it.partition), it)).collect() })
    }

    /// What is proven of a partition.
    pub(super) fn of(&self, topic: Topic, partition: i32) -> Reconciliation {
        let place = (topic.name().to_owned(), partition);
        self.published.get(&place).cloned().unwrap_or_else(|| Reconciliation {
            topic: topic.name().to_owned(),
            partition,
            ..Reconciliation::default()
        })
    }

    /// Writes what is proven, when it says something new, and tells of differences that came or went.
    pub(super) async fn publish(&mut self, state: Reconciliation) -> Result<(), AppendError> {
        let place = (state.topic.clone(), state.partition);
        let before = self.published.get(&place);
        let same_but_for_time = before.is_some_and(|before| {
            let then = Reconciliation { checked_at: before.checked_at, ..state.clone() };
            then == *before && state.checked_at - before.checked_at < STILL_MAX_MS
        });
        if same_but_for_time {
            return Ok(());
        }
        self.producer.append(&state, Headers::new()).await?;
        tell(&state, before.map_or(&[], |before| before.differences.as_slice()));
        self.published.insert(place, state);
        Ok(())
    }
}

fn tell(state: &Reconciliation, before: &[OffsetDifference]) {
    let Reconciliation { topic, partition, differences, .. } = state;
    for OffsetDifference { offset, kind, table, expected, found } in
        differences.iter().filter(|difference| !before.contains(difference))
    {
        let table = table.as_deref().unwrap_or("outcomes");
        tracing::error!(
            topic,
            partition,
            offset,
            kind,
            table,
            expected,
            found,
            "the log and what was made of it differ"
        );
    }
    let settled = before.iter().filter(|difference| !differences.contains(difference)).count();
    if settled > 0 {
        tracing::info!(topic, partition, settled, left = differences.len(), "differences are settled");
    }
}
