//! Transactions made up from a seed, with customers whose windows have something in them.

use crate::receipts::draw::Draw;
use jiff::Timestamp;
use serde_json::json;

/// Customers there are.
const CUSTOMERS: u64 = 10_000;
const MERCHANTS: u64 = 1_000;
/// Each customer pays with one of so many devices, in one of so many towns.
const DEVICES: u64 = 2;
const TOWNS: [(&str, f64, f64); 4] =
    [("Berlin", 52.52, 13.405), ("Porto", 41.15, -8.61), ("Oslo", 59.913, 10.752), ("Wien", 48.208, 16.372)];
const CURRENCIES: [&str; 3] = ["EUR", "USD", "NOK"];

/// Endless transactions in the form of the HTTP contract. A few customers make many of them, as in life: half are made by one customer
/// in eight, and the busiest makes one in twenty.
#[derive(Debug, Clone)]
pub struct Transactions {
    draw: Draw,
    run: String,
    made: u64,
}

impl Transactions {
    /// The same seed gives the same transactions but for their ids, which hold `run`, and their times.
    pub fn new(seed: u64, run: &str) -> Self {
        Self { draw: Draw::new(seed), run: run.to_owned(), made: 0 }
    }

    /// The body of the next one, which takes place at a time.
    pub fn next_at(&mut self, at: Timestamp) -> Vec<u8> {
        let customer = self.customer();
        let (town, latitude, longitude) = TOWNS[((customer + self.one_in(50)) % TOWNS.len() as u64) as usize];
        let cents = 100 + self.draw.below(50_000);
        let currency = CURRENCIES[(customer % CURRENCIES.len() as u64) as usize];
        self.made += 1;
        let transaction = json!({
            "transaction_id": format!("bench-{}-{}", self.run, self.made),
            "customer_id": format!("bench-customer-{customer:05}"),
            "timestamp": format!("{at:.3}"),
            "amount": format!("{}.{:02}", cents / 100, cents % 100),
            "currency": currency,
            "type": 55,
            "merchant_id": format!("bench-merchant-{}", self.draw.below(MERCHANTS)),
            "card_bin": "411111",
            "ip_address": format!("192.0.2.{}", customer % 256),
            "device_id": format!("bench-device-{customer}-{}", self.draw.below(DEVICES)),
            "location": town,
            "channel": "online",
            "merchant_risk_score": self.draw.below(100) as f64 / 100.0,
            "card_risk_score": self.draw.below(100) as f64 / 100.0,
            "is_velocity_alert": self.one_in(100) == 1,
            "latitude": latitude,
            "longitude": longitude,
        });
        transaction.to_string().into_bytes()
    }

    /// Low numbers come more often: the cube of an even draw.
    fn customer(&mut self) -> u64 {
        const STEPS: u64 = 1 << 20;
        let even = self.draw.below(STEPS) as u128;
        (even * even * even * u128::from(CUSTOMERS) / u128::from(STEPS).pow(3)) as u64
    }

    /// 1 once in `count` times, else 0.
    fn one_in(&mut self, count: u64) -> u64 {
        u64::from(self.draw.below(count) == 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::{BTreeMap, BTreeSet};

    #[test]
    fn a_seed_gives_the_same_and_ids_are_those_of_the_run() {
        let text = |seed, run: &str| {
            let mut transactions = Transactions::new(seed, run);
            let bodies = (0..50).map(|_| transactions.next_at(Timestamp::UNIX_EPOCH)).collect::<Vec<_>>();
            String::from_utf8(bodies.concat()).expect("text")
        };
        assert_eq!(text(7, "a"), text(7, "a"));
        assert_eq!(text(7, "a"), text(7, "b").replace("bench-b-", "bench-a-"));
        assert_ne!(text(7, "a"), text(8, "a"));
    }

    #[test]
    fn a_few_customers_make_many_and_no_id_comes_twice() {
        let mut transactions = Transactions::new(1, "run");
        let mut of_customer: BTreeMap<String, usize> = BTreeMap::new();
        let mut ids = BTreeSet::new();
        for _ in 0..20_000 {
            let body: serde_json::Value =
                serde_json::from_slice(&transactions.next_at(Timestamp::UNIX_EPOCH)).expect("JSON");
            *of_customer.entry(body["customer_id"].to_string()).or_default() += 1;
            assert!(ids.insert(body["transaction_id"].to_string()), "{body}");
        }
        let busiest = of_customer.values().max().expect("some");
        assert!((500..2_000).contains(busiest) && of_customer.len() > 3_000, "{busiest} {}", of_customer.len());
    }
}
