//! Counting scored transactions and their labels by merchant and UTC day, and making a version of each day that has passed.
//!
//! The clock is event time: the largest `occurred_at` that was scored, but none later than the broker's stamp of its transaction, so that
//! nobody's clock that runs ahead ends a day. When it has passed a day, what has been counted until then is that day's version, with the
//! offsets up to which it was counted: counting again up to there gives the same.
//!
//! A transaction is fraud when the last of its labels, by `decided_at` and then by place in the log, is fraud or chargeback. A label that
//! comes before its transaction waits for it, 90 days at most. An id counts once, and so does a label's id.

use super::{Figures, SPANS_DAYS, versions::Versions};
use hashbrown::{HashMap, hash_map::Entry};
use millrace_runtime::gather::{Gatherer, Until};
use millrace_schemas::{
    Topic,
    event::{Journal as _, Label, LabelKind, MerchantRisk, MerchantRiskEnd, TransactionScore},
    ids,
    time::DAY_MS,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How long a label waits for its transaction, and a label's id is remembered, in days.
const WAITS_DAYS: i32 = 90;

/// Settings of merchant risk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MerchantsConfig {
    /// Days that labels are given to come in: the windows end so many days before the version's day does.
    pub delay_days: u32,
}

impl Default for MerchantsConfig {
    fn default() -> Self {
        Self { delay_days: 7 }
    }
}

/// A transaction that counts.
#[derive(Debug, Clone, Copy)]
struct Counted {
    merchant: u32,
    day: i32,
}

/// What a transaction was last said to be.
#[derive(Debug, Clone, Copy)]
struct Said {
    decided_at: i64,
    is_fraud: bool,
    /// Day of the broker's stamp of the label.
    day: i32,
}

/// One merchant's transactions and frauds by day.
type Days = BTreeMap<i32, (i32, i32)>;

/// Transactions and labels of the days that still count.
pub struct Tally {
    delay: i32,
    transactions: HashMap<u128, Counted>,
    said: HashMap<u128, Said>,
    /// Labels by identity, with the day of their stamps.
    labels: HashMap<u128, i32>,
    merchants: HashMap<String, u32>,
    days: Vec<Days>,
    /// Event time, epoch milliseconds; `None` before the first transaction.
    clock: Option<i64>,
    written: Versions,
    /// Day of the last version.
    last: Option<i32>,
}

impl Tally {
    /// Nothing counted yet.
    pub fn new(config: &MerchantsConfig) -> Self {
        Self {
            delay: i32::try_from(config.delay_days).unwrap_or(i32::MAX / 2),
            transactions: HashMap::new(),
            said: HashMap::new(),
            labels: HashMap::new(),
            merchants: HashMap::new(),
            days: Vec::new(),
            clock: None,
            written: Versions::default(),
            last: None,
        }
    }

    /// Bytes that the transactions which still count take, without their merchants.
    pub fn bytes(&self) -> usize {
        self.transactions.allocation_size() + self.said.allocation_size() + self.labels.allocation_size()
    }

    /// The first day that a version of this day, or a later one, looks at.
    fn first_day(&self, version: i32) -> i32 {
        version - self.delay - SPANS_DAYS[SPANS_DAYS.len() - 1] + 1
    }

    /// The day that has passed last.
    fn passed(&self) -> Option<i32> {
        self.clock.map(|clock| day_of(clock) - 1)
    }

    fn count(&mut self, id: u128, merchant_id: &str, day: i32) {
        if self.passed().is_some_and(|passed| day < self.first_day(passed)) {
            return;
        }
        let Entry::Vacant(entry) = self.transactions.entry(id) else { return };
        let next = self.days.len() as u32;
        let merchant = *self.merchants.entry_ref(merchant_id).or_insert(next);
        if merchant == next {
            self.days.push(Days::new());
        }
        entry.insert(Counted { merchant, day });
        let (count, frauds) = self.days[merchant as usize].entry(day).or_default();
        *count += 1;
        *frauds += i32::from(self.said.get(&id).is_some_and(|said| said.is_fraud));
    }

    fn say(&mut self, id: u128, said: Said) {
        let before = self.said.get(&id).copied();
        if before.is_some_and(|before| before.decided_at > said.decided_at) {
            return;
        }
        self.said.insert(id, said);
        let was_fraud = before.is_some_and(|before| before.is_fraud);
        if let Some(counted) = self.transactions.get(&id)
            && let Some((_, frauds)) = self.days[counted.merchant as usize].get_mut(&counted.day)
        {
            *frauds += i32::from(said.is_fraud) - i32::from(was_fraud);
        }
    }

    /// Forgets what no version looks at any more.
    fn forget(&mut self, version: i32) {
        let first = self.first_day(version);
        self.transactions.retain(|_, counted| counted.day >= first);
        self.days.iter_mut().for_each(|days| *days = days.split_off(&first));
        let (transactions, since) = (&self.transactions, version - WAITS_DAYS);
        self.said.retain(|id, said| said.day >= since || transactions.contains_key(id));
        self.labels.retain(|_, day| *day >= since);
    }

    fn figures(&self, days: &Days, version: i32) -> Figures {
        let mut figures = Figures::default();
        let last = version - self.delay;
        for (span, length) in SPANS_DAYS.into_iter().enumerate() {
            for (count, frauds) in days.range(last - length + 1..=last).map(|(_, it)| it) {
                figures.counts[span] += count;
                figures.frauds[span] += frauds;
            }
        }
        figures
    }

    fn version(&self, day: i32, until: Until) -> Vec<MerchantRisk> {
        let now: BTreeMap<&str, Figures> = self
            .merchants
            .iter()
            .map(|(merchant, number)| (merchant.as_str(), self.figures(&self.days[*number as usize], day)))
            .filter(|(_, figures)| !figures.is_zero())
            .collect();
        let before = self.written.table();
        let gone = before.keys().map(|merchant| &**merchant).filter(|merchant| !now.contains_key(merchant));
        let mut changed: BTreeMap<&str, Figures> = gone.map(|merchant| (merchant, Figures::default())).collect();
        changed.extend(now.iter().filter(|(merchant, figures)| before.get(**merchant) != Some(*figures)));
        let end = MerchantRiskEnd {
            delay_days: self.delay,
            merchants: now.len() as i32,
            checksum: now.iter().fold(0, |sum: i64, (merchant, figures)| sum.wrapping_add(figures.hash(merchant))),
            scores_until: until.first,
            labels_until: until.second,
        };
        let rows = changed.into_iter().map(|(merchant, figures)| row(day, merchant, figures, None));
        rows.chain([row(day, "", Figures::default(), Some(end))]).collect()
    }
}

impl Gatherer for Tally {
    const NAME: &'static str = "merchants";
    type First = TransactionScore;
    type Second = Label;
    type Out = MerchantRisk;

    fn first(&mut self, scored: TransactionScore, _: i64) {
        let at = scored.occurred_at.min(scored.source.timestamp);
        self.clock = self.clock.max(Some(at));
        let transaction = &scored.transaction;
        self.count(transaction.trn_id().as_u128(), &transaction.merchant_id, day_of(scored.occurred_at));
    }

    fn second(&mut self, label: Label, timestamp: i64) {
        let day = day_of(timestamp);
        if self.labels.insert(label.identity_hash(), day).is_none() {
            let is_fraud = matches!(label.label, LabelKind::Fraud | LabelKind::Chargeback);
            let id = ids::trn_id(Topic::Transactions, &label.customer_id, &label.transaction_id).as_u128();
            self.say(id, Said { decided_at: label.decided_at, is_fraud, day });
        }
    }

    fn written(&mut self, record: MerchantRisk) {
        self.last = self.last.max(record.end.as_ref().map(|_| record.day));
        self.written.take(record);
    }

    fn is_due(&self) -> bool {
        self.passed().is_some_and(|passed| self.last.is_none_or(|last| last < passed))
    }

    fn gathered(&mut self, until: Until) -> Vec<MerchantRisk> {
        let Some(day) = self.passed() else { return Vec::new() };
        self.forget(day);
        self.version(day, until)
    }
}

fn row(day: i32, merchant_id: &str, figures: Figures, end: Option<MerchantRiskEnd>) -> MerchantRisk {
    let [count_1d, count_7d, count_30d] = figures.counts;
    let [frauds_1d, frauds_7d, frauds_30d] = figures.frauds;
    MerchantRisk {
        event_id: ids::event_id_of(&[b"merchant-risk", &day.to_be_bytes(), merchant_id.as_bytes()]).to_string(),
        day,
        merchant_id: merchant_id.to_owned(),
        count_1d,
        frauds_1d,
        count_7d,
        frauds_7d,
        count_30d,
        frauds_30d,
        end,
    }
}

/// The UTC day of a time in epoch milliseconds.
fn day_of(at: i64) -> i32 {
    i32::try_from(at.div_euclid(DAY_MS)).unwrap_or(if at < 0 { i32::MIN / 2 } else { i32::MAX / 2 })
}
