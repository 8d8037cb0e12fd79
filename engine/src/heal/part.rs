//! Names of data parts: `partition_min_max_level[_mutation]`.

/// Which blocks of which partition a part holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Part {
    partition: String,
    first_block: i64,
    last_block: i64,
    level: u64,
}

impl Part {
    /// Reads a part's name; `None` for other directories (`detached`, `tmp_insert_...`, `deduplication_logs`).
    pub(crate) fn parse(name: &str) -> Option<Self> {
        let mut fields = name.split('_');
        let (partition, first, last, level) = (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
        if let Some(mutation) = fields.next() {
            mutation.parse::<u64>().ok()?;
        }
        let number = |field: &str| field.parse::<i64>().ok();
        let is_part = !partition.is_empty() && fields.next().is_none();
        let part = Self {
            partition: partition.to_owned(),
            first_block: number(first)?,
            last_block: number(last)?,
            level: level.parse().ok()?,
        };
        (is_part && part.first_block <= part.last_block).then_some(part)
    }

    /// Whether this part is `other`, or a merge or mutation that took it in.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        self.partition == other.partition
            && self.first_block <= other.first_block
            && self.last_block >= other.last_block
            && self.level >= other.level
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(name: &str) -> Part {
        Part::parse(name).unwrap()
    }

    #[test]
    fn a_part_is_told_from_other_directories() {
        for name in ["all_1_1_0", "202401_5_17_3", "20240101-2_5_5_0_9", "7c9a_-1_2_0"] {
            assert!(Part::parse(name).is_some(), "{name}");
        }
        for name in [
            "detached",
            "deduplication_logs",
            "tmp_insert_all_1_1_0",
            "delete_tmp_all_1_1_0",
            "all_1_1",
            "all_2_1_0",
            "moving",
            "all_1_1_0_2_3",
            "",
        ] {
            assert!(Part::parse(name).is_none(), "{name}");
        }
    }

    #[test]
    fn a_merge_covers_what_it_took_in() {
        assert!(part("all_1_8_1").covers(&part("all_3_3_0")));
        assert!(part("all_3_3_0_12").covers(&part("all_3_3_0")), "a mutation");
        assert!(part("all_3_3_0").covers(&part("all_3_3_0")));
        assert!(!part("all_1_8_1").covers(&part("all_9_9_0")));
        assert!(!part("a_1_8_1").covers(&part("b_3_3_0")));
        assert!(!part("all_3_3_0").covers(&part("all_1_8_1")));
    }
}
