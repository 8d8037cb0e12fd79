//! Merchant risk: of each merchant, how many transactions there were and how many of them were fraud, as far as it was known then.
//!
//! - [`tally`]: counts scored transactions and labels, and makes a version of each day of it.
//! - [`versions`]: what scoring knows of those versions.

pub mod tally;
pub mod versions;

use serde::{Deserialize, Serialize};

/// Lengths of the windows, in days.
pub const SPANS_DAYS: [i32; 3] = [1, 7, 30];

/// What is known of one merchant at the end of a day.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Figures {
    /// Transactions in each of the windows.
    pub counts: [i32; SPANS_DAYS.len()],
    /// Those of them whose last label is fraud or chargeback.
    pub frauds: [i32; SPANS_DAYS.len()],
}

impl Figures {
    /// Whether there is nothing to say.
    pub fn is_zero(&self) -> bool {
        *self == Self::default()
    }

    /// Share of fraud in each window; 0 where there was no transaction.
    pub fn risks(&self) -> [f64; SPANS_DAYS.len()] {
        std::array::from_fn(|span| {
            if self.counts[span] == 0 { 0.0 } else { f64::from(self.frauds[span]) / f64::from(self.counts[span]) }
        })
    }

    /// Hash of a merchant's figures: the sum of all of them tells whether one is missing.
    pub(crate) fn hash(&self, merchant_id: &str) -> i64 {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&(merchant_id.len() as u64).to_be_bytes()).update(merchant_id.as_bytes());
        for figure in self.counts.iter().chain(&self.frauds) {
            hasher.update(&figure.to_be_bytes());
        }
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
        i64::from_be_bytes(bytes)
    }
}
