//! Where a reader of a feed is, as a text it can keep and come back with.

use crate::sources::LastSources;
use millrace_schemas::Topic;
use std::{fmt, str::FromStr};

/// Most partitions a place is read with; a longer text is no place.
const PARTITIONS_MAX: usize = 10_000;

/// Of each partition the next offset and the last source taken, in one log.
///
/// As text `<log>.<partition>-<next>-<source>...`, such as `3fa9c1d2.0-123-57.1-0`: the source is left out where none was taken, and has
/// its index behind a `:` where that is not 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Tells one life of the log from another.
    pub(super) log: String,
    pub(super) partitions: Vec<PartitionPlace>,
}

/// Where it is in one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PartitionPlace {
    /// Offset of the next record.
    pub next: i64,
    /// The last sources taken, of which only the journal's is kept.
    pub taken: LastSources,
    journal: Topic,
}

/// A text that is no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a position that the stream gave, such as 3fa9c1d2.0-123-57.1-0")]
pub struct NoPlace;

impl PartitionPlace {
    pub(super) fn new(next: i64, journal: Topic, last: Option<(i64, i32)>) -> Self {
        Self { next, taken: LastSources::of_one(journal, last), journal }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.log)?;
        for (number, PartitionPlace { next, taken, journal }) in self.partitions.iter().enumerate() {
            write!(f, ".{number}-{next}")?;
            match taken.last(*journal) {
                None => {}
                Some((offset, 0)) => write!(f, "-{offset}")?,
                Some((offset, index)) => write!(f, "-{offset}:{index}")?,
            }
        }
        Ok(())
    }
}

impl Place {
    /// Reads what [`fmt::Display`] wrote of a topic derived from this journal.
    pub(super) fn parse(text: &str, journal: Topic) -> Result<Self, NoPlace> {
        let mut words = text.split('.');
        let log = words.next().filter(|log| !log.is_empty() && log.bytes().all(|b| b.is_ascii_hexdigit()));
        let log = log.ok_or(NoPlace)?.to_owned();
        let partition = |(number, word): (usize, &str)| partition_place(number, word, journal);
        let partitions: Vec<_> = words.take(PARTITIONS_MAX).enumerate().map(partition).collect::<Result<_, _>>()?;
        if partitions.is_empty() { Err(NoPlace) } else { Ok(Self { log, partitions }) }
    }
}

fn partition_place(number: usize, word: &str, journal: Topic) -> Result<PartitionPlace, NoPlace> {
    let mut words = word.split('-');
    let own = words.next().and_then(natural::<usize>).filter(|own| *own == number);
    let next = words.next().and_then(natural::<i64>);
    let last = words.next().map(|source| {
        let (offset, index) = source.split_once(':').unwrap_or((source, "0"));
        natural(offset).zip(natural(index)).ok_or(NoPlace)
    });
    match (own, next, words.next()) {
        (Some(_), Some(next), None) => Ok(PartitionPlace::new(next, journal, last.transpose()?)),
        _ => Err(NoPlace),
    }
}

/// Decimal digits and nothing else.
fn natural<N: FromStr>(text: &str) -> Option<N> {
    text.parse().ok().filter(|_| text.bytes().all(|b| b.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const JOURNAL: Topic = Topic::Transactions;

    #[test]
    fn a_place_is_a_text() {
        let partitions = [(123, Some((57, 0))), (0, None), (9, Some((8, 2)))];
        let partitions = partitions.map(|(next, last)| PartitionPlace::new(next, JOURNAL, last)).to_vec();
        let place = Place { log: "3fa9c1d2".into(), partitions };
        assert_eq!(place.to_string(), "3fa9c1d2.0-123-57.1-0.2-9-8:2");
    }

    #[test]
    fn another_text_is_no_place() {
        for text in [
            "",
            "3fa9c1d2",
            "3fa9c1d2.",
            ".0-1",
            "xyz.0-1",
            "3fa9.1-1",
            "3fa9.0-1.2-1",
            "3fa9.0",
            "3fa9.0-",
            "3fa9.0--1",
            "3fa9.0-+1",
            "3fa9.0-1-",
            "3fa9.0-1-2-3",
            "3fa9.0-1-2:",
            "3fa9.0-99999999999999999999",
            "3fa9.0-1 ",
        ] {
            assert_eq!(Place::parse(text, JOURNAL), Err(NoPlace), "{text}");
        }
        let long = (0..=PARTITIONS_MAX).map(|number| format!(".{number}-1")).collect::<String>();
        assert_eq!(Place::parse(&format!("a{long}"), JOURNAL).map(|it| it.partitions.len()), Ok(PARTITIONS_MAX));
    }

    proptest! {
        #[test]
        fn places_read_back(log in "[0-9a-f]{8}", of in proptest::collection::vec((0i64.., proptest::option::of((0i64.., 0i32..))), 1..9)) {
            let partitions = of.into_iter().map(|(next, last)| PartitionPlace::new(next, JOURNAL, last)).collect();
            let place = Place { log, partitions };
            prop_assert_eq!(Place::parse(&place.to_string(), JOURNAL), Ok(place));
        }

        #[test]
        fn no_text_panics(text in "\\PC{0,60}") {
            let _ = Place::parse(&text, JOURNAL);
        }
    }
}
