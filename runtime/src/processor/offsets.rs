//! A set of offsets that are mostly consecutive.

use std::collections::BTreeMap;

/// Offsets, kept as ranges.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Offsets {
    /// First and last offset of each range; no two touch.
    ranges: BTreeMap<i64, i64>,
}

impl Offsets {
    pub(super) fn insert(&mut self, offset: i64) {
        if self.contains(offset) {
            return;
        }
        let last = self.ranges.remove(&(offset + 1)).unwrap_or(offset);
        match self.ranges.range_mut(..offset).next_back() {
            Some((_, before)) if *before == offset - 1 => *before = last,
            _ => {
                self.ranges.insert(offset, last);
            }
        }
    }

    pub(super) fn contains(&self, offset: i64) -> bool {
        self.ranges.range(..=offset).next_back().is_some_and(|(_, last)| offset <= *last)
    }

    /// The highest one.
    pub(super) fn last(&self) -> Option<i64> {
        self.ranges.last_key_value().map(|(_, last)| *last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn ranges_hold_what_a_set_holds(offsets in proptest::collection::vec(0i64..60, 0..80)) {
            let (mut ranges, mut set) = (Offsets::default(), BTreeSet::new());
            for offset in offsets {
                ranges.insert(offset);
                set.insert(offset);
                prop_assert_eq!(ranges.last(), set.last().copied());
            }
            for offset in -1..61 {
                prop_assert_eq!(ranges.contains(offset), set.contains(&offset));
            }
            let joined = ranges.ranges.iter().zip(ranges.ranges.keys().skip(1)).all(|((_, last), next)| last + 1 < *next);
            prop_assert!(joined, "{ranges:?}");
        }
    }
}
