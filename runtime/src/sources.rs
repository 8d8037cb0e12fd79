//! What a derived record is derived from, and telling the records that a torn transaction left twice.
//!
//! A transaction of a processor may be applied although its client was told otherwise, and its inputs are then decided again. The
//! derived records of one source topic stand in one partition in the order of their sources, so a reader that remembers the last
//! source it saw knows the second copy: it is not above.

use crate::{Record, headers};
use millrace_schemas::Topic;
use std::{collections::BTreeMap, fmt};

/// The record another one is derived from, as the header `source` names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct SourcePosition {
    /// Topic of the source.
    pub topic: Topic,
    /// Partition of the source; the derived record stands in the partition of the same number.
    pub partition: i32,
    /// Offset of the source.
    pub offset: i64,
    /// Index among the records derived from that source, from 0.
    pub index: i32,
}

impl SourcePosition {
    /// A record as the source of the first record derived from it.
    pub fn at(record: &Record) -> Self {
        Self { topic: record.topic, partition: record.partition, offset: record.offset, index: 0 }
    }

    /// The source a derived record names; `None` where it names none, as records that nothing was derived for.
    pub fn of(derived: &Record) -> Option<Self> {
        Self::parse(derived.headers.text(headers::SOURCE)?)
    }

    /// Reads `<topic>/<partition>/<offset>/<index>`; `None` when the text is something else.
    pub fn parse(text: &str) -> Option<Self> {
        let mut words = text.split('/');
        let position = Self {
            topic: words.next()?.parse().ok()?,
            partition: words.next()?.parse().ok()?,
            offset: words.next()?.parse().ok()?,
            index: words.next()?.parse().ok()?,
        };
        words.next().is_none().then_some(position)
    }
}

impl fmt::Display for SourcePosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}/{}", self.topic.name(), self.partition, self.offset, self.index)
    }
}

/// The last source seen of each topic by a reader of one partition.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct LastSources(BTreeMap<Topic, (i64, i32)>);

impl LastSources {
    /// As if this had been the last of one topic, and nothing of any other.
    pub(crate) fn of_one(topic: Topic, last: Option<(i64, i32)>) -> Self {
        Self(last.map(|last| (topic, last)).into_iter().collect())
    }

    /// Offset and index of the last source of a topic.
    pub(crate) fn last(&self, topic: Topic) -> Option<(i64, i32)> {
        self.0.get(&topic).copied()
    }

    /// Whether a record is to be taken; remembers its source then. False for one whose source is not above the last.
    ///
    /// Repairs are taken, and so are records that name no source or one of another partition: no processor wrote those.
    pub(crate) fn take(&mut self, record: &Record) -> bool {
        let Some(source) = SourcePosition::of(record).filter(|source| source.partition == record.partition) else {
            return true;
        };
        let position = (source.offset, source.index);
        let last = self.0.get(&source.topic).copied();
        let is_above = last.is_none_or(|last| position > last);
        if is_above {
            self.0.insert(source.topic, position);
        }
        is_above || record.headers.get(headers::REPAIR).is_some()
    }
}

/// `<topic>:<offset>:<index>`, separated by commas, or `-`.
impl fmt::Display for LastSources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("-");
        }
        for (place, (topic, (offset, index))) in self.0.iter().enumerate() {
            let comma = if place == 0 { "" } else { "," };
            write!(f, "{comma}{}:{offset}:{index}", topic.name())?;
        }
        Ok(())
    }
}

impl LastSources {
    /// Reads what [`fmt::Display`] wrote; `None` when the text is something else.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if text == "-" {
            return Some(Self::default());
        }
        let one = |text: &str| {
            let mut words = text.split(':');
            let topic: Topic = words.next()?.parse().ok()?;
            let position = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
            words.next().is_none().then_some((topic, position))
        };
        text.split(',').map(one).collect::<Option<_>>().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Headers;
    use proptest::prelude::*;

    fn derived(from: Topic, partition: i32, offset: i64) -> Record {
        let source = SourcePosition { topic: from, partition, offset, index: 0 };
        let headers = Headers::new().with(headers::SOURCE, source.to_string());
        Record { topic: Topic::DeadLetters, partition: 1, offset: 0, timestamp: 0, key: None, value: None, headers }
    }

    #[test]
    fn a_record_is_taken_once_for_each_source() {
        let mut last = LastSources::default();
        assert!(last.take(&derived(Topic::Transactions, 1, 5)));
        assert!(last.take(&derived(Topic::Receipts, 1, 5)), "each topic has offsets of its own");
        assert!(last.take(&derived(Topic::Transactions, 1, 7)));
        assert!(!last.take(&derived(Topic::Transactions, 1, 5)));
        assert!(!last.take(&derived(Topic::Transactions, 1, 7)));
        assert!(last.take(&derived(Topic::Transactions, 1, 8)));
    }

    #[test]
    fn repairs_and_records_of_no_source_are_taken_and_move_nothing_back() {
        let mut last = LastSources::default();
        assert!(last.take(&derived(Topic::Transactions, 1, 7)));
        let mut repair = derived(Topic::Transactions, 1, 3);
        repair.headers = repair.headers.with(headers::REPAIR, "");
        assert!(last.take(&repair) && last.take(&repair));
        assert!(!last.take(&derived(Topic::Transactions, 1, 6)));
        let plain = Record { headers: Headers::new(), ..repair };
        assert!(last.take(&plain) && last.take(&plain));
        assert!(last.take(&derived(Topic::Transactions, 0, 1)), "no processor writes into another partition");
    }

    proptest! {
        #[test]
        fn last_sources_read_back(seen in proptest::collection::btree_map(0..Topic::ALL.len(), (0i64.., 0i32..), 0..5)) {
            let last = LastSources(seen.into_iter().map(|(topic, position)| (Topic::ALL[topic], position)).collect());
            prop_assert_eq!(LastSources::parse(&last.to_string()), Some(last));
        }

        #[test]
        fn sources_read_back(topic in 0..Topic::ALL.len(), partition in 0i32.., offset in 0i64.., index in 0i32..) {
            let source = SourcePosition { topic: Topic::ALL[topic], partition, offset, index };
            prop_assert_eq!(SourcePosition::parse(&source.to_string()), Some(source));
        }
    }
}
