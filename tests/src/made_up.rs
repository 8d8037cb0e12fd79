//! Transactions made up from a seed, in the form of the HTTP contract.

use millrace_schemas::{
    money::{MONEY_UNIT, format_money},
    time::{DAY_MS, format_instant},
};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};

/// 2026-03-01T00:00:00Z.
const FIRST_MS: i64 = 1_772_323_200_000;
const QUARTER_MS: i64 = 15 * 60_000;

/// A transaction, and what the books say of it.
#[derive(Debug, Clone)]
pub struct Transaction {
    /// The JSON object, in one line.
    pub body: String,
    /// Its id.
    pub id: String,
    /// Its amount, in ten-thousandths of the currency unit.
    pub amount: i64,
    /// Its currency.
    pub currency: &'static str,
    /// Its time, epoch milliseconds.
    pub occurred_at: i64,
}

/// Transactions of a few customers over some days, one JSON object each, in the order of their times: bursts, equal times, several
/// currencies, and many that are whole quarters of an hour apart, so that they lie on the edges of windows and of the lateness.
pub fn transactions(seed: u64, customers: u32, days: i64, count: usize) -> Vec<String> {
    let mut random = StdRng::seed_from_u64(seed);
    let mut made: Vec<(i64, String)> = (0..count)
        .map(|number| {
            let at = random.random_range(0..days * DAY_MS);
            let on_the_quarter = random.random_bool(0.5);
            let at = if on_the_quarter { at / QUARTER_MS * QUARTER_MS } else { at / 1_000 * 1_000 };
            let customer = random.random_range(0..customers);
            (at, transaction(&format!("made-up-{customer}"), &format!("t{number}"), at, &mut random).body)
        })
        .collect();
    made.sort();
    made.into_iter().map(|(_, line)| line).collect()
}

/// One transaction, `after_ms` after the first of March 2026, with an amount and a currency by chance.
pub fn transaction(customer: &str, id: &str, after_ms: i64, random: &mut StdRng) -> Transaction {
    let currency = ["EUR", "EUR", "USD", "KWD"][random.random_range(0..4)];
    let amount = random.random_range(0..5_000 * MONEY_UNIT);
    let (money, merchant) = (format_money(amount), random.random_range(0..40));
    let at = format_instant(FIRST_MS + after_ms);
    let body = format!(
        r#"{{"customer_id":"{customer}","transaction_id":"{id}","amount":{money},"currency":"{currency}","type":55,"merchant_id":"merchant-{merchant}","card_bin":"411111","ip_address":"203.0.113.7","device_id":"device-{customer}","location":"Berlin","channel":"online","timestamp":"{at}"}}"#
    );
    Transaction { body, id: id.to_owned(), amount, currency, occurred_at: FIRST_MS + after_ms }
}
