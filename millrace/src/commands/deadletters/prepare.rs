//! From a letter to the record that replays it.

use super::Desk;
use crate::progress::Progress;
use anyhow::Result;
use millrace_ingest::again::{self, Taken};
use millrace_runtime::{
    Record, RuntimeError,
    clock::{Clock as _, RandomIds, SystemClock},
    letters::{Effect, Letter, Ready, Stretch, Unfit, effects},
};
use millrace_schemas::{
    Event as _, Topic,
    event::{Derived, Label, Purchase, Receipt, Transaction, TransactionScore},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};
use tokio::runtime::Handle;

/// How long what was looked up about effects holds.
const GOOD_FOR: Duration = Duration::from_secs(600);

/// Letters made ready, until too much time has passed to be sure of them.
pub(super) struct Prepared {
    /// In the order given, each with its id.
    pub(super) letters: Vec<(String, Result<Ready, Unfit>)>,
    until: Instant,
}

impl Prepared {
    /// Whether the letters may still be replayed.
    pub(super) fn is_good(&self) -> bool {
        Instant::now() < self.until
    }
}

/// Makes letters ready, and refuses those that would make an id take effect twice.
pub(super) fn prepare(desk: &Desk, letters: Vec<Letter>) -> Result<Prepared> {
    let until = Instant::now() + GOOD_FOR;
    let mut originals = desk.shelf.originals(&letters)?;
    let mut ready = Vec::new();
    for letter in letters {
        let prepared = one(desk, &letter, originals.remove(&letter.event.event_id))?;
        ready.push((letter.event.event_id, prepared));
    }
    let scores = forgotten::<TransactionScore>(desk, &ready)?;
    let purchases = forgotten::<Purchase>(desk, &ready)?;
    let checked = ready.into_iter().map(|(id, ready)| {
        let checked = ready.and_then(|ready| {
            let effects = match ready.target() {
                Topic::Transactions => &scores,
                Topic::Receipts => &purchases,
                // A label said twice says nothing more.
                _ => return Ok(ready),
            };
            let stretch = stretch(desk, ready.received_at);
            let known = effects.get(&ready.identity).map_or(&[][..], Vec::as_slice);
            let effect = known.iter().rfind(|effect| stretch.holds(effect.at));
            ready.after(effect)
        });
        (id, checked)
    });
    Ok(Prepared { letters: checked.collect(), until })
}

fn one(desk: &Desk, letter: &Letter, original: Option<Record>) -> Result<Result<Ready, Unfit>, RuntimeError> {
    let (target, from_journal) = match letter.journal() {
        Ok(journal) => journal,
        Err(unfit) => return Ok(Err(unfit)),
    };
    if from_journal {
        let (schemas, runtime) = (&desk.schemas, Handle::current());
        return match target {
            Topic::Receipts => Ready::of_record::<Receipt>(schemas, &runtime, letter, original),
            Topic::Labels => Ready::of_record::<Label>(schemas, &runtime, letter, original),
            _ => Ready::of_record::<Transaction>(schemas, &runtime, letter, original),
        };
    }
    let (event, rules) = (&letter.event, desk.config.rules.into());
    let text = (event.content_type.as_str(), event.payload.as_slice());
    let taken = again::take(&desk.config.gateway, &rules, &RandomIds, target, text.0, text.1, event.received_at);
    Ok(match taken {
        Ok(Taken::Transaction(transaction)) => Ready::of_event(&desk.schemas, letter, transaction.as_ref()),
        Ok(Taken::Receipt(receipt)) => Ready::of_event(&desk.schemas, letter, receipt.as_ref()),
        Ok(Taken::Label(label)) => Ready::of_event(&desk.schemas, letter, label.as_ref()),
        Err(refused) => Err(Unfit::StillRefused(refused.to_string())),
    })
}

/// Times of effects that the processor knew of when the letter came, and may not know of until [`GOOD_FOR`] is over.
fn stretch(desk: &Desk, received_at: i64) -> Stretch {
    let latest = SystemClock.now_ms() + GOOD_FOR.as_millis() as i64;
    Stretch::forgotten(received_at, latest, desk.config.processor.dedup_horizon_ms)
}

/// Forgotten effects of the ids that go to the journal of `Out`.
fn forgotten<Out: Derived>(
    desk: &Desk,
    letters: &[(String, Result<Ready, Unfit>)],
) -> Result<BTreeMap<u128, Vec<Effect>>> {
    let ready = letters.iter().filter_map(|(_, ready)| ready.as_ref().ok());
    let ready: Vec<&Ready> = ready.filter(|ready| ready.target() == Out::From::TOPIC).collect();
    let Some(first) = ready.iter().map(|ready| ready.received_at).min() else { return Ok(BTreeMap::new()) };
    let wanted: BTreeSet<u128> = ready.iter().map(|ready| ready.identity).collect();
    let partitions = Handle::current().block_on(desk.log.partitions(Out::TOPIC))?;
    let mut progress = Progress::of(format!("looking for earlier effects in {}", Out::TOPIC));
    let codec = desk.schemas.codec();
    let found =
        effects::<Out>(&desk.log, codec, partitions, &wanted, stretch(desk, first), &mut |at| progress.scan(at))?;
    Ok(found)
}
