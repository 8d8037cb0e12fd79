//! What should have become of every record: the first copy of each is in the store, or, where that cannot take it, a dead letter.

use super::{store::POISON, world::World};
use crate::{Record, SourcePosition};

/// Compares the store and the dead letters with what they should be.
pub(super) fn check(world: &World) -> Result<(), String> {
    let durable = world.services.durable();
    let wanted: Vec<&Record> = firsts(&world.log);
    let rows: Vec<i64> = wanted.iter().filter(|record| !is_poison(record)).map(|record| record.offset).collect();
    if durable.rows != rows {
        return Err(format!("the store should have {rows:?} and has {:?}", durable.rows));
    }
    let letters: Vec<i64> = firsts(&durable.letters).iter().map(|letter| letter.offset).collect();
    let poison: Vec<i64> = wanted.iter().filter(|record| is_poison(record)).map(|record| record.offset).collect();
    if letters != poison {
        return Err(format!("there should be dead letters of {poison:?} and there are of {letters:?}"));
    }
    Ok(())
}

/// The records whose source none before them has.
fn firsts(records: &[Record]) -> Vec<&Record> {
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
