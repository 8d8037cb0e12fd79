//! What should have become of every record: the first copy of each is in the store, or, where that cannot take it, a dead letter.

use super::{
    store::POISON,
    world::{PARTITIONS, World},
};
use crate::{Record, SourcePosition};

/// Compares the store and the dead letters with what they should be.
pub(super) fn check(world: &World) -> Result<(), String> {
    let durable = world.services.durable();
    for partition in PARTITIONS {
        let log: Vec<&Record> = world.log.iter().filter(|record| record.partition == partition).collect();
        let wanted = firsts(log);
        let rows: Vec<i64> = wanted.iter().filter(|record| !is_poison(record)).map(|record| record.offset).collect();
        let stored: Vec<i64> =
            durable.rows.iter().filter(|(of, _)| *of == partition).map(|(_, offset)| *offset).collect();
        if stored != rows {
            return Err(format!("of partition {partition} the store should have {rows:?} and has {stored:?}"));
        }
        let letters = firsts(durable.letters.iter().filter(|letter| letter.partition == partition).collect());
        let letters: Vec<i64> = letters.iter().map(|letter| letter.offset).collect();
        let poison: Vec<i64> = wanted.iter().filter(|record| is_poison(record)).map(|record| record.offset).collect();
        if letters != poison {
            return Err(format!("of partition {partition} {poison:?} should be dead letters and {letters:?} are"));
        }
    }
    Ok(())
}

/// The records whose source none before them has.
fn firsts(records: Vec<&Record>) -> Vec<&Record> {
    let mut firsts: Vec<&Record> = Vec::new();
    for record in records {
        let source = SourcePosition::of(record);
        if source.is_none() || firsts.iter().all(|earlier| SourcePosition::of(earlier) != source) {
            firsts.push(record);
        }
    }
    firsts
}

fn is_poison(record: &Record) -> bool {
    record.value.as_deref() == Some(POISON)
}
