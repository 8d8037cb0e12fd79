//! What should have become of every record: looked for again from the beginning, for each.

use super::{
    events::Input,
    world::{Entry, HORIZON_MS, World},
};
use crate::processor::decide::Outcome;

/// What a record becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expected {
    /// An output with this number.
    Output(u32),
    /// A duplicate of the record at this offset.
    Duplicate(i64),
    Conflict,
    Unreadable,
}

/// Compares the log with what it should be.
pub(super) fn check(world: &World) -> Result<(), String> {
    let expected = expected(&world.journal);
    for (entry, expected) in world.journal.iter().zip(&expected) {
        let found: Vec<Expected> =
            world.log.iter().filter(|written| written.source == entry.offset).map(|it| said(&it.outcome)).collect();
        if found != [*expected] {
            return Err(format!("offset {} should be {expected:?} and is {found:?}", entry.offset));
        }
    }
    if world.log.len() != world.journal.len() {
        return Err(format!("{} outcomes of {} records", world.log.len(), world.journal.len()));
    }
    Ok(())
}

fn expected(journal: &[Entry]) -> Vec<Expected> {
    let mut expected: Vec<Expected> = Vec::new();
    for entry in journal {
        expected.push(match entry.input {
            None => Expected::Unreadable,
            Some(input) => match first(journal, &expected, input, entry.time) {
                Some((offset, earlier)) if earlier == input => Expected::Duplicate(offset),
                Some(_) => Expected::Conflict,
                None => Expected::Output(outputs(&expected) + 1),
            },
        });
    }
    expected
}

/// The record that had the id first, within the horizon.
fn first(journal: &[Entry], expected: &[Expected], input: Input, now: i64) -> Option<(i64, Input)> {
    let before = journal.iter().zip(expected).filter(|(_, became)| matches!(became, Expected::Output(_)));
    let remembered = before.filter(|(entry, _)| entry.time > now - HORIZON_MS);
    let mut inputs = remembered.filter_map(|(entry, _)| Some((entry.offset, entry.input?)));
    inputs.rfind(|(_, earlier)| earlier.id == input.id)
}

fn outputs(expected: &[Expected]) -> u32 {
    expected.iter().filter(|became| matches!(became, Expected::Output(_))).count() as u32
}

fn said(outcome: &Outcome<super::events::Output>) -> Expected {
    match outcome {
        Outcome::Emit(output) => Expected::Output(output.number),
        Outcome::Duplicate(duplicate) => Expected::Duplicate(duplicate.first_offset),
        Outcome::DeadLetter(letter) if letter.code == "conflict" => Expected::Conflict,
        Outcome::DeadLetter(_) => Expected::Unreadable,
        Outcome::Done => unreachable!("what is done is not written"),
    }
}
