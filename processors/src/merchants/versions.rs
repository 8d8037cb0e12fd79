//! The versions of merchants' figures that have come by the log.

use super::Figures;
use hashbrown::HashMap;
use millrace_schemas::event::{MerchantRisk, MerchantRiskEnd};
use std::{collections::VecDeque, sync::Arc};

/// Versions that are remembered: whoever decided by an earlier one finds it again.
const REMEMBERED: usize = 8;

/// Figures of all merchants at the end of a day.
#[derive(Debug, Clone, PartialEq)]
pub struct Version {
    /// The UTC day, in days since 1970-01-01.
    pub day: i32,
    figures: HashMap<Arc<str>, Figures>,
}

impl Version {
    /// What is known of a merchant; zeros when there is nothing.
    pub fn of(&self, merchant_id: &str) -> Figures {
        self.figures.get(merchant_id).copied().unwrap_or_default()
    }
}

/// The last versions, and what has come of the next one.
#[derive(Debug, Clone, Default)]
pub struct Versions {
    table: HashMap<Arc<str>, Figures>,
    complete: VecDeque<Arc<Version>>,
}

impl Versions {
    /// Takes the next record in.
    pub fn take(&mut self, record: MerchantRisk) {
        match &record.end {
            Some(end) => self.end(record.day, end),
            None => {
                let figures = figures(&record);
                if figures.is_zero() {
                    self.table.remove(record.merchant_id.as_str());
                } else {
                    self.table.insert(record.merchant_id.into(), figures);
                }
            }
        }
    }

    /// A version is complete. Where the log has lost records of it to later ones, it is not known here.
    fn end(&mut self, day: i32, end: &MerchantRiskEnd) {
        let checksum = self.table.iter().fold(0_i64, |sum, (merchant, it)| sum.wrapping_add(it.hash(merchant)));
        if checksum != end.checksum {
            return;
        }
        if self.complete.len() == REMEMBERED {
            self.complete.pop_front();
        }
        self.complete.push_back(Arc::new(Version { day, figures: self.table.clone() }));
    }

    /// The last one.
    pub fn newest(&self) -> Option<&Arc<Version>> {
        self.complete.back()
    }

    /// The one of a day.
    pub fn find(&self, day: i32) -> Option<&Arc<Version>> {
        self.complete.iter().rev().find(|version| version.day == day)
    }

    /// The figures of each merchant that has any, as the last records say.
    pub(crate) fn table(&self) -> &HashMap<Arc<str>, Figures> {
        &self.table
    }
}

fn figures(record: &MerchantRisk) -> Figures {
    Figures {
        counts: [record.count_1d, record.count_7d, record.count_30d],
        frauds: [record.frauds_1d, record.frauds_7d, record.frauds_30d],
    }
}
