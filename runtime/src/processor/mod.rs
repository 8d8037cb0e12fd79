//! Processors: from a journal to a derived topic, each input offset with exactly one outcome.
//!
//! A processor says only how one valid, first-seen input becomes an output, from a memory that can be rebuilt from its outputs.
//! Everything else is the same for all and stands here: [`decide`] is the chain one record goes through, [`dedup`] remembers what
//! was seen, [`worker`] polls and decides on one thread, [`committer`] writes in Kafka transactions on another.

mod committer;
mod decide;
mod dedup;
pub mod replay;
mod restore;
mod worker;

pub(crate) use decide::dead_letter;
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
