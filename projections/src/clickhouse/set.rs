//! Versioned sets: all tables, rollups and materialized views of one version, beside each other in one database.

use std::{fmt, str::FromStr};

/// Number of a set. Its tables end with `_v<number>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Set(u32);

/// A text that names no set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no set; sets are called v1, v2 and so on")]
pub struct NotASet(String);

impl Set {
    /// The set that a new database begins with.
    pub const FIRST: Self = Self(1);

    /// The set with a number; sets count from 1.
    pub const fn new(number: u32) -> Self {
        Self(if number == 0 { 1 } else { number })
    }

    /// Its number.
    pub const fn number(self) -> u32 {
        self.0
    }

    /// The set after it.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }

    /// Name of the table that holds a public name's rows in this set.
    pub fn stored_as(self, name: &str) -> String {
        format!("{name}_{self}")
    }

    /// Name of the consumer group that fills it. What one set has of the log says nothing of another.
    pub fn group(self) -> String {
        if self == Self::FIRST { "clickhouse".to_owned() } else { format!("clickhouse-{self}") }
    }
}

impl fmt::Display for Set {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v{}", self.0)
    }
}

impl FromStr for Set {
    type Err = NotASet;

    fn from_str(text: &str) -> Result<Self, NotASet> {
        let number = text.strip_prefix('v').and_then(|number| number.parse().ok()).filter(|number| *number > 0);
        number.map(Self).ok_or_else(|| NotASet(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_is_known_by_its_number() {
        let set: Set = "v12".parse().expect("a set");
        assert_eq!((set.number(), set.to_string(), set.next().to_string()), (12, "v12".into(), "v13".into()));
        assert_eq!((set.stored_as("receipts"), set.group()), ("receipts_v12".into(), "clickhouse-v12".into()));
        assert_eq!(Set::FIRST.group(), "clickhouse");
        for bad in ["12", "v", "v0", "v-1", "vv1", ""] {
            assert!(bad.parse::<Set>().is_err(), "{bad}");
        }
    }
}
