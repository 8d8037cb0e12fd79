//! What Millrace makes of journal events. Pure: no Kafka, no store, no clock, no randomness; the runtime feeds them one record
//! after another, with what has come by other topics, and keeps what they answer.
//!
//! - [`scoring`]: a transaction with its risk score, its customer's windows, the reasons and the decision.
//! - [`merchants`]: of each merchant, transactions and frauds, as scoring takes them in.
//! - [`matching`]: which transaction paid a receipt.
//! - [`receipts`]: a receipt split to its place and lines, with its sums.

pub mod matching;
pub mod merchants;
pub mod receipts;
pub mod scoring;

pub use matching::Matching;
pub use receipts::Receipts;
pub use scoring::Scoring;
