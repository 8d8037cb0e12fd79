//! How much memory a customer takes.

use millrace_processors::scoring::{
    fingerprints::Fingerprints,
    history::{History, KNOWN_MAX},
    visits::VISITS_MAX,
    windows::{Moment, RETENTION_MS, Windows},
};
use millrace_schemas::{event::Transaction, money::mean, time::HOUR_MS};
use proptest::prelude::*;

use crate::common::{NOON, customers, score_from, transaction};

fn moment(at: i64, currency: u16) -> Moment {
    Moment { at, currency, amount: 100_000 }
}

fn assert_small(windows: &Windows) {
    let (bytes, len) = (windows.bytes(), windows.len());
    assert!(bytes <= 64 + 16 * len, "{bytes} bytes for {len} retained transactions");
}

#[test]
fn windows_of_n_transactions_take_at_most_64_and_16_n_bytes_however_they_come() {
    for count in [1, 2, 3, 5, 10, 100, 1_000, 3_000, 3_100, 10_000, 60_000i64] {
        let step = RETENTION_MS / count;
        let mut windows = Windows::default();
        // Filling, then sliding, then all of it forgotten but one.
        for number in 0..3 * count {
            windows.keep(moment(NOON + number * step, (number % 20) as u16));
            assert_small(&windows);
        }
        windows.keep(moment(NOON + 10 * RETENTION_MS, 0));
        assert_eq!(windows.len(), 1);
        assert_small(&windows);
    }
}

proptest! {
    #[test]
    fn windows_stay_small_in_any_order(hours in prop::collection::vec(0..100i64, 1..300)) {
        let mut windows = Windows::default();
        for hour in hours {
            windows.keep(moment(NOON + hour * HOUR_MS, (hour % 7) as u16));
            assert_small(&windows);
        }
    }
}

/// Beyond some thousand, sums come from blocks; they must be what summing everything gives, wherever entries come in and go.
#[test]
fn a_customer_with_very_many_transactions_has_the_same_windows() {
    let mut windows = Windows::default();
    let mut log: Vec<Moment> = Vec::new();
    for number in 0..60_000u64 {
        let scattered = (number.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 24).cast_signed();
        // In order by steps of 6 s, every fourth up to 25 h earlier, and one gap after which nothing is retained.
        let gap = if number > 45_000 { 3 * RETENTION_MS } else { 0 };
        let back = if number % 4 == 0 { scattered % (25 * HOUR_MS) } else { 0 };
        let at = NOON + number.cast_signed() * 6_000 + gap - back;
        let next = Moment { at, currency: (scattered % 3) as u16, amount: scattered % 1_000_000 };
        windows.keep(next);
        assert_small(&windows);
        log.push(next);
        if number % 500 == 7 {
            for hours in [0, 1, 20, 30, 47] {
                let at = at - hours * HOUR_MS;
                assert_eq!(
                    last_window(&windows, Moment { at, ..next }),
                    summed(&log, Moment { at, ..next }),
                    "{number}"
                );
            }
        }
    }
    assert!(windows.len() > 10_000);
}

/// Number and mean in the longest window.
fn last_window(windows: &Windows, moment: Moment) -> (u64, i64) {
    let view = windows.view(moment);
    (view.counts[3], view.means[3])
}

/// The same, from everything that ever came.
fn summed(log: &[Moment], moment: Moment) -> (u64, i64) {
    let newest = log.iter().map(|m| m.at).max().expect("at least one");
    let is_inside = |m: &&Moment| m.at > (moment.at - 24 * HOUR_MS).max(newest - RETENTION_MS) && m.at <= moment.at;
    let inside: Vec<&Moment> = log.iter().filter(is_inside).chain([&moment]).collect();
    let own: Vec<i128> = inside.iter().filter(|m| m.currency == moment.currency).map(|m| m.amount.into()).collect();
    (inside.len() as u64, mean(own.iter().sum(), own.len() as u64))
}

#[test]
fn a_customers_history_stays_bounded_but_for_its_currencies() {
    let mut history = History::default();
    for number in 0..1_000 {
        let device_id = format!("device-{number}");
        let next = Transaction { location: device_id.clone(), device_id, ..transaction() };
        history.add(&next, Fingerprints::of(&next));
    }
    assert_eq!(history.bytes(), 120 + 64 + 2 * 8 * KNOWN_MAX);
}

/// `cargo test -p millrace-processors -- --nocapture customers_facts` prints the figures.
#[test]
fn a_customers_facts_besides_its_windows_are_small_and_bounded() {
    println!("{:>12} {:>20} {:>10} {:>10} {:>10}", "transactions", "all different", "windows", "visits", "life");
    for count in [1, 10, 100, 1_000, 20_000i64] {
        for different in [false, true] {
            let inputs = (0..count).map(|number| {
                let name = if different { format!("other-{number}") } else { "same".into() };
                let at = NOON + number * RETENTION_MS / count;
                let (merchant_id, device_id, location) = (name.clone(), name.clone(), name);
                Transaction { occurred_at: at, merchant_id, device_id, location, ..transaction() }
            });
            let mut memory = customers();
            score_from(&mut memory, 0, &inputs.collect::<Vec<_>>());
            let bytes = memory.bytes("customer-1").expect("seen");
            let yes = if different { "yes" } else { "no" };
            println!("{count:>12} {yes:>20} {:>10} {:>10} {:>10}", bytes.windows, bytes.visits, bytes.life);
            let retained = (count as usize).min(VISITS_MAX);
            let names = if different { retained } else { 1 };
            assert!(bytes.visits <= 256 + 30 * retained + 3 * 32 * names, "{bytes:?}");
            assert!(bytes.life <= 120 + 64 + 2 * 8 * KNOWN_MAX + 24, "{bytes:?}");
        }
    }
}
