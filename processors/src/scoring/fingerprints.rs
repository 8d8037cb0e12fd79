//! What stands in memory for a transaction's texts: a number each, computed once for a transaction.

use millrace_schemas::event::Transaction;
use std::hash::{DefaultHasher, Hasher};

/// Fingerprints of one transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fingerprints {
    /// Of the merchant's id.
    pub merchant: u64,
    /// Of the device's id.
    pub device: u64,
    /// Of the place in words.
    pub location: u64,
}

impl Fingerprints {
    /// Those of a transaction.
    pub fn of(transaction: &Transaction) -> Self {
        Self {
            merchant: fingerprint(&transaction.merchant_id),
            device: fingerprint(&transaction.device_id),
            location: fingerprint(&transaction.location),
        }
    }
}

/// Stands for a text in this process and in snapshots of programs that hash alike; never leaves them. Who wanted to pass for
/// another's device would just send its id, so that a hash need not withstand more than chance.
pub(super) fn fingerprint(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(text.as_bytes());
    hasher.finish()
}
