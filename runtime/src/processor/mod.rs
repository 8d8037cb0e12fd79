//! Processors: from a journal to a derived topic, each input offset with exactly one outcome.
//!
//! A processor says only how one valid, first-seen input becomes an output, from a memory that can be rebuilt from its outputs.
//! Everything else is the same for all and stands here: [`worker`] has the chain one record goes through, on one thread: it is
//! read by [`input`], decided by [`decide`], which asks [`dedup`] what was seen, and handed to [`committer`], which writes in Kafka
//! transactions on another thread, with a [`marker`] beside the offsets. [`restore`] rebuilds memory, [`restorer`] from the broker.

mod committer;
mod decide;
mod dedup;
mod input;
mod marker;
#[cfg(test)]
mod model;
mod offsets;
pub mod replay;
mod restore;
mod restorer;
mod worker;

pub(crate) use decide::dead_letter;
pub(crate) use marker::Committed;
pub use worker::{ProcessorConfig, run};
pub(crate) use worker::{poll_error, starting_positions};

use millrace_schemas::event::{Derived, Source};

/// A processor: pure. Its memory of a partition is a function of what it has written for that partition.
pub trait Processor: Send + Sync + 'static {
    /// Name of its consumer group, its transactions and its metrics.
    const NAME: &'static str;
    /// What it writes; what it reads is [`Derived::From`].
    type Out: Derived;
    /// What it remembers of one partition.
    type Memory: Memory<Self::Out>;

    /// The memory of a partition of which nothing was read yet.
    fn memory(&self) -> Self::Memory;

    /// Fields of a written output that this processor would not give again, since another configuration decided them: prefixes of
    /// JSON pointers. Nothing when the output is of this one's configuration.
    fn not_comparable(&self, _written: &Self::Out) -> &'static [&'static str] {
        &[]
    }
}

/// What a processor remembers of one partition.
pub trait Memory<Out: Derived>: Send + 'static {
    /// Takes back one committed output, in the log's order. After all of them the memory equals the one that produced them.
    fn restore(&mut self, output: &Out);

    /// Decides one input that keeps the rules and was not seen before.
    fn process(&mut self, input: &Out::From, context: &Context) -> Out;
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
