//! What is known of merchants, against a count of everything by hand.

use crate::common::{NOON, context, customers, transaction};
use millrace_processors::{
    Scoring,
    merchants::{
        Figures, SPANS_DAYS,
        tally::{MerchantsConfig, Tally},
        versions::Versions,
    },
};
use millrace_runtime::{
    gather::{Gatherer as _, Until},
    processor::{Basis, Memory as _, Processor as _},
};
use millrace_schemas::{
    event::{Label, LabelKind, MerchantRisk, TimeResolution, Transaction, TransactionScore},
    time::DAY_MS,
};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

const DELAY: i32 = 7;
const FIRST_DAY: i64 = NOON.div_euclid(DAY_MS);

/// What came, in the order in which it came.
#[derive(Debug, Clone)]
enum Came {
    /// A transaction by number, merchant and day; the broker's stamp is so many days later.
    Transaction { number: u16, merchant: u8, day: i64, late: i64 },
    /// A label of the transaction of this number.
    Label { number: u16, id: u16, kind: LabelKind, decided: i64, day: i64 },
}

fn scored(number: u16, merchant: u8, day: i64, late: i64) -> TransactionScore {
    let at = (FIRST_DAY + day) * DAY_MS + i64::from(number % 1000);
    let transaction = Transaction {
        transaction_id: format!("t{number}"),
        merchant_id: format!("m{merchant}"),
        occurred_at: at,
        ..transaction()
    };
    let mut context = context(&transaction, 0);
    context.source.timestamp = at + late * DAY_MS;
    customers().process(transaction, context)
}

fn label(number: u16, id: u16, kind: LabelKind, decided: i64) -> Label {
    Label {
        event_id: String::new(),
        decided_at: decided,
        received_at: NOON,
        customer_id: "customer-1".into(),
        label_id: format!("l{id}"),
        transaction_id: format!("t{number}"),
        trn_id: String::new(),
        label: kind,
        source: "bank".into(),
        time_zone: None,
        time_resolution: TimeResolution::Exact,
        extra: BTreeMap::new(),
    }
}

fn take(tally: &mut Tally, came: &Came) {
    match *came {
        Came::Transaction { number, merchant, day, late } => {
            tally.first(scored(number, merchant, day, late), NOON);
        }
        Came::Label { number, id, kind, decided, day } => {
            tally.second(label(number, id, kind, decided), (FIRST_DAY + day) * DAY_MS);
        }
    }
}

/// The clock after all that came: by the rule, with nothing remembered.
fn clock(came: &[Came]) -> Option<i64> {
    let times = came.iter().filter_map(|came| match came {
        Came::Transaction { number, day, late, .. } => {
            let at = (FIRST_DAY + day) * DAY_MS + i64::from(number % 1000);
            Some(at.min(at + late * DAY_MS))
        }
        Came::Label { .. } => None,
    });
    times.max()
}

/// Figures of all merchants in the version of a day: every transaction with the last word on it, counted one by one.
fn by_hand(came: &[Came], version: i32) -> BTreeMap<String, Figures> {
    let mut transactions = BTreeMap::new();
    let (mut labels, mut ids) = (BTreeMap::new(), BTreeSet::new());
    for came in came {
        match *came {
            Came::Transaction { number, merchant, day, .. } => {
                transactions.entry(number).or_insert((merchant, FIRST_DAY + day));
            }
            Came::Label { number, id, kind, decided, .. } => {
                let last = labels.get(&number).map(|(decided, _)| *decided);
                if ids.insert(id) && last.is_none_or(|last| decided >= last) {
                    labels.insert(number, (decided, kind));
                }
            }
        }
    }
    let mut all = BTreeMap::<String, Figures>::new();
    for (number, (merchant, day)) in transactions {
        let is_fraud =
            labels.get(&number).is_some_and(|(_, kind)| matches!(kind, LabelKind::Fraud | LabelKind::Chargeback));
        for (span, length) in SPANS_DAYS.into_iter().enumerate() {
            let last = i64::from(version - DELAY);
            if last - i64::from(length) < day && day <= last {
                let figures = all.entry(format!("m{merchant}")).or_default();
                figures.counts[span] += 1;
                figures.frauds[span] += i32::from(is_fraud);
            }
        }
    }
    all
}

fn until() -> Until {
    Until { first: vec![1, 2, 3], second: vec![4, 5, 6] }
}

/// Writes the version that is due; what readers know of all versions then.
fn write(tally: &mut Tally, log: &mut Vec<MerchantRisk>) -> Versions {
    let version = tally.gathered(until());
    assert!(version.is_sorted_by_key(|row| row.end.is_some()), "the end stands at the end");
    log.extend(version.iter().cloned());
    version.into_iter().for_each(|row| tally.written(row));
    assert!(!tally.is_due());
    let mut versions = Versions::default();
    log.iter().cloned().for_each(|row| versions.take(row));
    versions
}

fn came() -> impl Strategy<Value = Vec<Came>> {
    let kinds = prop_oneof![Just(LabelKind::Fraud), Just(LabelKind::Legitimate), Just(LabelKind::Chargeback)];
    // Days go on about as the log does, some days to and fro; the clocks of some customers run ahead.
    let transaction = (0u16..60, 0u8..4, 0i64..6, -1i64..2)
        .prop_map(|(number, merchant, day, late)| Came::Transaction { number, merchant, day, late });
    let label = (0u16..60, 0u16..80, kinds, 0i64..5).prop_map(|(number, id, kind, decided)| Came::Label {
        number,
        id,
        kind,
        decided,
        day: 0,
    });
    let one = prop_oneof![3 => transaction, 2 => label];
    proptest::collection::vec(one, 1..200).prop_map(|mut all| {
        for (index, came) in all.iter_mut().enumerate() {
            let passed = index as i64 / 3;
            match came {
                Came::Transaction { day, .. } | Came::Label { day, .. } => *day += passed,
            }
        }
        // An id is of one transaction, so that what repeats it says the same.
        let mut first = BTreeMap::new();
        for came in &mut all {
            if let Came::Transaction { number, merchant, day, .. } = came {
                (*merchant, *day) = *first.entry(*number).or_insert((*merchant, *day));
            }
        }
        all
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn each_version_is_what_counting_by_hand_gives_before_and_after_a_restart(came in came(), restart in 0usize..200) {
        let config = MerchantsConfig { delay_days: DELAY as u32 };
        let (mut tally, mut log) = (Tally::new(&config), Vec::new());
        let mut last = None;
        for (index, next) in came.iter().enumerate() {
            if index == restart {
                // What an earlier process wrote first, then everything from the beginning.
                tally = Tally::new(&config);
                log.iter().cloned().for_each(|row| tally.written(row));
                came[..index].iter().for_each(|came| take(&mut tally, came));
                prop_assert!(!tally.is_due(), "it was written before");
            }
            take(&mut tally, next);
            let passed = clock(&came[..=index]).map(|clock| clock.div_euclid(DAY_MS) as i32 - 1);
            prop_assert_eq!(tally.is_due(), passed.is_some() && passed > last, "{:?} {:?}", passed, last);
            if tally.is_due() {
                last = passed;
                let versions = write(&mut tally, &mut log);
                let version = versions.newest().expect("a version");
                prop_assert_eq!(Some(version.day), passed);
                let by_hand = by_hand(&came[..=index], version.day);
                for merchant in ["m0", "m1", "m2", "m3"] {
                    prop_assert_eq!(version.of(merchant), by_hand.get(merchant).copied().unwrap_or_default());
                }
                let end = log.last().and_then(|row| row.end.clone()).expect("an end");
                prop_assert_eq!(end.merchants as usize, by_hand.len());
                prop_assert_eq!((end.scores_until, end.labels_until), (until().first, until().second));
            }
        }
    }
}

/// Transactions of m0 on one day, the first of which is fraud, and the versions until they count.
fn versions() -> Vec<MerchantRisk> {
    let (mut tally, mut log) = (Tally::new(&MerchantsConfig::default()), Vec::new());
    for number in 0..4 {
        tally.first(scored(number, 0, 0, 0), NOON);
    }
    tally.second(label(0, 0, LabelKind::Fraud, 1), NOON);
    for day in 1..10 {
        tally.first(scored(100 + day as u16, 1, day, 0), NOON);
        write(&mut tally, &mut log);
    }
    log
}

#[test]
fn a_score_names_the_version_it_looked_at_and_its_figures() {
    let scoring = Scoring::default();
    let mut memory = scoring.memory();
    let at_merchant = Transaction { merchant_id: "m0".into(), ..transaction() };
    let score = |memory: &mut _, offset| {
        crate::common::score_from(memory, offset, std::slice::from_ref(&at_merchant)).remove(0)
    };
    let before = score(&mut memory, 0);
    assert!(before.features.iter().all(|(name, _)| !name.starts_with("merchant_")), "{:?}", before.features);
    assert_eq!(scoring.basis_of(&before), scoring.basis());

    versions().into_iter().for_each(|row| scoring.learn(row));
    let basis = scoring.basis();
    let day = FIRST_DAY + 8;
    assert_eq!(basis["merchant-risk"], day.to_string());
    assert!(score(&mut memory, 1).features.iter().all(|(name, _)| !name.starts_with("merchant_")), "not taken up yet");
    assert!(scoring.take_up(&mut memory, &basis));
    let after = score(&mut memory, 2);
    let found: BTreeMap<&str, f64> =
        after.features.iter().filter_map(|(name, value)| Some((name.strip_prefix("merchant_")?, value))).collect();
    let expected = [
        ("count_1d", 0.0),
        ("count_30d", 4.0),
        ("count_7d", 4.0),
        ("risk_1d", 0.0),
        ("risk_30d", 0.25),
        ("risk_7d", 0.25),
        ("risk_day", day as f64),
    ];
    assert_eq!(found, BTreeMap::from(expected));
    assert_eq!(scoring.basis_of(&after), basis);

    let earlier = Basis::from_iter(basis.iter().map(|(name, version)| {
        (name.clone(), if name == "merchant-risk" { (day - 1).to_string() } else { version.clone() })
    }));
    assert!(scoring.take_up(&mut memory, &earlier), "the version before is known still");
    assert_eq!(score(&mut memory, 3).features["merchant_count_1d"], 4.0);
    let never = Basis::from_iter(basis.into_iter().map(|(name, version)| (name, version + "0")));
    assert!(!scoring.take_up(&mut memory, &never));
}

#[test]
fn a_version_of_which_the_log_has_lost_a_row_is_not_known() {
    let rows = versions();
    let known = |rows: &[MerchantRisk]| {
        let mut versions = Versions::default();
        rows.iter().cloned().for_each(|row| versions.take(row));
        (0..10).filter(|day| versions.find((FIRST_DAY + day) as i32).is_some()).collect::<Vec<i64>>()
    };
    assert_eq!(known(&rows), (1..9).collect::<Vec<_>>(), "the last eight");
    // As compaction does: of each merchant only the last row.
    let last_of = |index: usize| rows[index + 1..].iter().all(|row| row.merchant_id != rows[index].merchant_id);
    let compacted: Vec<_> = (0..rows.len()).filter(|index| last_of(*index)).map(|index| rows[index].clone()).collect();
    assert_eq!(known(&compacted), [8]);
    let row = rows.iter().rposition(|row| row.merchant_id == "m0").expect("a row of m0");
    let mut torn = rows.clone();
    torn.remove(row);
    assert_eq!(known(&torn), (0..8).collect::<Vec<_>>(), "{:?}", rows[row]);
}

#[test]
fn a_transaction_that_counts_takes_no_more_than_64_bytes() {
    let mut tally = Tally::new(&MerchantsConfig::default());
    let count = 20_000;
    for number in 0..count {
        tally.first(scored(number, (number % 4) as u8, 0, 0), NOON);
    }
    let each = tally.bytes() / usize::from(count);
    println!("{each} bytes for each transaction of the last 38 days");
    assert!(each <= 64, "{each}");
}
