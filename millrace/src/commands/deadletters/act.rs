//! Replaying and discarding.

use super::{
    Acting, Desk, code,
    prepare::{Prepared, prepare},
    select::Which,
    show::Summary,
};
use crate::{ask, output::Output, progress::Progress};
use anyhow::{Result, bail};
use millrace_runtime::{
    clock::{RandomIds, SystemClock},
    letters::{Act, Clerk, Done, Letter},
};
use serde::Serialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    process::ExitCode,
    sync::Arc,
};

/// Letters of one transaction.
const TRANSACTION_LETTERS: usize = 200;
/// Letters, and bytes of them, that are made ready at a time.
const READY_LETTERS: usize = 1_000;
const READY_BYTES: usize = 64 << 20;

/// What became of one letter.
#[derive(Debug, Serialize)]
struct Outcome {
    event_id: String,
    /// `replayed`, `discarded`, `refused`, or `earlier` when somebody was.
    result: &'static str,
    /// `topic/partition/offset` of a replayed letter; why, when nothing was done.
    detail: String,
}

impl Outcome {
    fn of(event_id: &str, target: &str, done: Done) -> Self {
        let (result, detail) = match done {
            Done::Replayed(at) => ("replayed", format!("{target}/{}/{}", at.partition, at.offset)),
            Done::Discarded => ("discarded", String::new()),
            Done::Earlier(state) => ("earlier", format!("it was {} meanwhile", state.name())),
        };
        Self { event_id: event_id.to_owned(), result, detail }
    }
}

/// What is to be done, in the words of its question and report.
struct Verb {
    /// `replay`.
    name: &'static str,
    /// What the person who is asked should know of letters that are conflicts.
    conflicts: &'static str,
}

pub(super) fn replay(desk: &Desk, acting: &Acting, output: Output) -> Result<ExitCode> {
    let verb = Verb { name: "replay", conflicts: "become dead letters again: the first record of an id wins" };
    let Some(chosen) = chosen(desk, acting, &verb)? else { return Ok(code(true)) };
    let clerk = clerk(desk)?;
    let mut outcomes = Vec::new();
    let mut progress = Progress::of("replaying");
    let total = chosen.len();
    each_lot(desk, &chosen, |letters| {
        let prepared = prepare(desk, letters)?;
        replay_lot(&clerk, &prepared, acting.reason.as_deref(), &mut |done| {
            outcomes.extend(done);
            progress.show(|| format!("{} of {total} letters", outcomes.len()));
        })
    })?;
    drop(progress);
    report(&outcomes, output)
}

fn replay_lot(
    clerk: &Clerk,
    prepared: &Prepared,
    reason: Option<&str>,
    done: &mut dyn FnMut(Vec<Outcome>),
) -> Result<()> {
    for part in prepared.letters.chunks(TRANSACTION_LETTERS) {
        if !prepared.is_good() {
            bail!("the broker is too slow to be sure of every letter; what is reported done is; run the rest again");
        }
        let acts: Vec<Act<'_>> = part.iter().filter_map(|(_, ready)| ready.as_ref().ok()).map(Act::Replay).collect();
        let mut results = clerk.act(&acts, reason)?.into_iter();
        let outcomes = part.iter().filter_map(|(id, ready)| match ready {
            Ok(ready) => Some(Outcome::of(id, ready.target().name(), results.next()?)),
            Err(unfit) => Some(Outcome { event_id: id.clone(), result: "refused", detail: unfit.to_string() }),
        });
        done(outcomes.collect());
    }
    Ok(())
}

pub(super) fn discard(desk: &Desk, acting: &Acting, output: Output) -> Result<ExitCode> {
    let Some(chosen) = chosen(desk, acting, &Verb { name: "discard", conflicts: "" })? else { return Ok(code(true)) };
    let clerk = clerk(desk)?;
    let mut outcomes = Vec::new();
    for part in chosen.chunks(TRANSACTION_LETTERS) {
        let acts: Vec<Act<'_>> = part.iter().map(|letter| Act::Discard(&letter.event_id, letter.attempt)).collect();
        let done = clerk.act(&acts, acting.reason.as_deref())?;
        outcomes.extend(part.iter().zip(done).map(|(letter, done)| Outcome::of(&letter.event_id, "", done)));
    }
    report(&outcomes, output)
}

fn clerk(desk: &Desk) -> Result<Clerk> {
    Ok(Clerk::begin(&desk.log, &desk.schemas, &desk.shelf, Arc::new(SystemClock), Arc::new(RandomIds))?)
}

/// The letters that may be acted on, when there are some and the person who is asked says yes. Discarded letters are replayed only
/// when they are named.
fn chosen(desk: &Desk, acting: &Acting, verb: &Verb) -> Result<Option<Vec<Summary>>> {
    let mut select = acting.select.clone();
    if select.id.is_empty() {
        select.state = select.state.or(Some(Which::Open));
    }
    let letters = select.of(desk, |letter, state| Summary::of(letter, &state))?;
    if letters.is_empty() {
        eprintln!("no open dead letter passes; `millrace deadletters list` shows all there are");
        return Ok(None);
    }
    if !acting.yes && !ask::confirmed(&question(&letters, verb), &format!("{} {} letters", verb.name, letters.len()))? {
        println!("nothing was done");
        return Ok(None);
    }
    Ok(Some(letters))
}

fn question(letters: &[Summary], verb: &Verb) -> String {
    let mut codes: BTreeMap<&str, usize> = BTreeMap::new();
    for letter in letters {
        *codes.entry(&letter.code).or_default() += 1;
    }
    let told: Vec<String> = codes.iter().map(|(code, count)| format!("{count} {code}")).collect();
    let conflicts = match codes.get("conflict") {
        Some(count) if !verb.conflicts.is_empty() => format!("{count} conflicts will {}.\n", verb.conflicts),
        _ => String::new(),
    };
    format!("{conflicts}{} {} dead letters ({})?", capital(verb.name), letters.len(), told.join(", "))
}

fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// Reads the chosen letters again, whole, and hands them on in lots that fit in memory.
fn each_lot(desk: &Desk, chosen: &[Summary], mut each: impl FnMut(Vec<Letter>) -> Result<()>) -> Result<()> {
    let mut left: BTreeSet<&str> = chosen.iter().map(|letter| letter.event_id.as_str()).collect();
    let mut letters = desk.shelf.letters()?;
    let (mut lot, mut bytes) = (Vec::new(), 0);
    while !left.is_empty() {
        let Some(letter) = letters.next_letter()? else { break };
        if !left.remove(letter.event.event_id.as_str()) {
            continue;
        }
        bytes += letter.event.payload.len();
        lot.push(letter);
        if lot.len() >= READY_LETTERS || bytes >= READY_BYTES {
            each(std::mem::take(&mut lot))?;
            bytes = 0;
        }
    }
    if lot.is_empty() { Ok(()) } else { each(lot) }
}

fn report(outcomes: &[Outcome], output: Output) -> Result<ExitCode> {
    output.table(outcomes, &["letter", "result", "where or why"], |outcome| {
        vec![outcome.event_id.clone(), outcome.result.to_owned(), outcome.detail.clone()]
    })?;
    Ok(code(outcomes.iter().all(|outcome| matches!(outcome.result, "replayed" | "discarded"))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_counts_what_it_is_about() {
        let letter = |code: &str| {
            let event = serde_json::from_str::<Vec<millrace_schemas::event::DeadLetter>>(include_str!(
                "../../../../schemas/avro/dead-letters/v1.example.json"
            ));
            let mut event = event.expect("examples").remove(0);
            code.clone_into(&mut event.code);
            let letter = Letter { event, partition: 0, offset: 0, headers: millrace_runtime::Headers::new() };
            Summary::of(letter, &millrace_runtime::letters::State::Open)
        };
        let letters = [letter("conflict"), letter("bad_datum"), letter("conflict")];
        let verb = Verb { name: "replay", conflicts: "come again" };
        assert_eq!(
            question(&letters, &verb),
            "2 conflicts will come again.\nReplay 3 dead letters (1 bad_datum, 2 conflict)?"
        );
    }
}
