//! Processors: from a journal to a derived topic, each input offset with exactly one outcome.
//!
//! A processor says only how one valid, first-seen input becomes an output, from a memory that can be rebuilt from its outputs.
//! Everything else is the same for all and stands here: [`worker`] has the chain one record goes through, on one thread: it is
//! read by [`input`], decided by [`decide`], which asks [`dedup`] what was seen, and handed to [`committer`], which writes in Kafka
//! transactions on another thread, with a [`marker`] beside the offsets. [`restore`] rebuilds memory, [`restorer`] from the broker, beginning with a [`snapshot`] where there is one; [`snapshots`]
//! takes them. [`basis`] has what decisions stand on besides, and from where on. [`leftover`] ends transactions that a broker forgot.

mod assignment;
mod basis;
mod committer;
mod decide;
mod dedup;
pub(crate) mod input;
mod leftover;
mod marker;
#[cfg(test)]
mod model;
mod offsets;
pub mod replay;
mod restore;
mod restorer;
mod snapshot;
mod snapshots;
mod start;
mod telling;
mod worker;

pub(crate) use assignment::starting_positions;
pub use basis::Basis;
pub(crate) use decide::dead_letter;
pub(crate) use marker::{Committed, Marker};
pub use start::{ProcessorConfig, run};
pub use worker::AWAITED_MAX;
pub(crate) use worker::poll_error;

use millrace_schemas::event::{Derived, Score, Source};
use std::time::Duration;

/// A processor: pure. Its memory of a partition is a function of what it has written for that partition.
pub trait Processor: Send + Sync + 'static {
    /// Name of its consumer group, its transactions and its metrics.
    const NAME: &'static str;
    /// What it writes; what it reads is [`Derived::From`].
    type Out: Derived;
    /// What a client that waits for an output is told of it; none where nobody waits.
    const TELLS: Option<fn(&Self::Out) -> Score> = None;
    /// Fields of an output that the basis decides: prefixes of JSON pointers. They cannot be recomputed where it is not known.
    const OF_BASIS: &'static [&'static str] = &[];
    /// What it remembers of one partition.
    type Memory: Memory<Self::Out>;

    /// The memory of a partition of which nothing was read yet.
    fn memory(&self) -> Self::Memory;

    /// Names what [`Memory::save`] gives: changes when its shape or its meaning does, and older snapshots are not read any more.
    fn memory_version(&self) -> String {
        String::new()
    }

    /// The newest basis it knows to decide by; cheap to ask. Empty where nothing counts but an input and what came before.
    fn basis(&self) -> Basis {
        Basis::new()
    }

    /// Makes a memory decide by a basis; false when that is not known here, and the memory stays as it was.
    fn take_up(&self, _memory: &mut Self::Memory, _basis: &Basis) -> bool {
        true
    }

    /// The basis that an output was decided by.
    fn basis_of(&self, _written: &Self::Out) -> Basis {
        Basis::new()
    }
}

/// What a processor remembers of one partition.
pub trait Memory<Out: Derived>: Send + 'static {
    /// Takes back one committed output, in the log's order. After all of them the memory equals the one that produced them.
    fn restore(&mut self, output: &Out);

    /// Decides one input that keeps the rules and was not seen before. It is given away, since outputs hold their inputs.
    fn process(&mut self, input: Out::From, context: Context) -> Out;

    /// The same where something is asked for that takes its time: what is remembered changes now, and the output follows.
    fn begin(&mut self, input: Out::From, context: Context) -> Made<Out> {
        Made::Now(self.process(input, context))
    }

    /// The memory as bytes, for a snapshot; `None` when it cannot be saved, and is rebuilt from all outputs at every start.
    fn save(&self) -> Option<Vec<u8>> {
        None
    }

    /// Makes a fresh memory the one that was saved; false when it cannot read the bytes. It is not used then.
    fn load(&mut self, _saved: &[u8]) -> bool {
        false
    }
}

/// What becomes of an input.
pub enum Made<Out> {
    /// Its output.
    Now(Out),
    /// Its output when something else has come.
    Later(Box<dyn Awaited<Out>>),
}

/// An output that waits for something. Outputs are written in the order of their inputs, so it holds up those behind it.
pub trait Awaited<Out>: Send {
    /// Whether it waits no more, after waiting this long at most.
    fn is_ready_within(&self, time: Duration) -> bool;

    /// The output. Waits as long as it takes, but not beyond a deadline of its own: then it is what it is without what was waited for.
    fn finish(self: Box<Self>) -> Out;
}

impl<Out> Made<Out> {
    /// Whether it waits for nothing any more, after waiting this long at most.
    pub fn is_ready_within(&self, time: Duration) -> bool {
        match self {
            Self::Now(_) => true,
            Self::Later(awaited) => awaited.is_ready_within(time),
        }
    }

    /// The output, whatever it waits for.
    pub fn finish(self) -> Out {
        match self {
            Self::Now(output) => output,
            Self::Later(awaited) => awaited.finish(),
        }
    }
}

/// What a processor may know of an input besides the input: nothing that a replay would not give again.
#[derive(Debug, Clone, PartialEq)]
pub struct Context {
    /// Where the input stands in the journal, with the broker's time.
    pub source: Source,
    /// Id of the output, derived from log epoch and source.
    pub event_id: String,
    /// Id across systems of the input.
    pub trn_id: String,
}
