//! Receipts made up from a seed: the same seed gives the same receipts on every machine.
//!
//! They have what the real receipts in the sample lack: VAT at several rates, tips, goods sold by weight, nine currencies with none,
//! two and three fraction digits, names in several scripts, times with and without offset, returns, and the ids of the card
//! transactions that paid them. All of them keep the gateway's rules.

pub(crate) mod draw;
mod places;

use std::io::{self, Write};

use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use rust_decimal::Decimal;
use serde_json::{Value, json};

use crate::decimal::number;
use draw::Draw;
use places::{PLACES, Place, Product};

/// Time of the earliest receipt.
const FIRST: &str = "2025-09-01T06:00:00Z";
/// One receipt in so many is a return.
const RETURN_ONE_IN: u64 = 25;
/// Local hours in which places sell.
const OPEN_HOURS: std::ops::Range<i8> = 8..21;

/// Endless receipts in the order of their times, in the form of the HTTP contract.
pub struct Receipts {
    draw: Draw,
    now: Timestamp,
    /// Seconds until the next receipt: at least, and fewer than so many more.
    gap: (u64, u64),
    shops: Vec<Shop>,
}

struct Shop {
    place: &'static Place,
    /// Its own id and name; those of branches after the first have their number.
    id: String,
    name: String,
    zone: TimeZone,
    /// Receipts so far; the till numbers them.
    issued: u32,
}

/// A line being added up.
struct Line {
    quantity: Decimal,
    amount: Decimal,
    product: &'static Product,
}

impl Receipts {
    /// Receipts of a seed.
    pub fn new(seed: u64) -> Self {
        let now = FIRST.parse().expect("the first time is a valid one");
        Receipts { draw: Draw::new(seed), now, gap: (20, 600), shops: Vec::new() }.with_branches(1)
    }

    /// With so many branches of each place.
    pub fn with_branches(mut self, branches: usize) -> Self {
        let shop = |place: &'static Place, branch: usize| Shop {
            place,
            id: if branch == 1 { place.id.to_owned() } else { format!("{}-{branch}", place.id) },
            name: if branch == 1 { place.name.to_owned() } else { format!("{} {branch}", place.name) },
            zone: TimeZone::get(place.zone).expect("places are in zones of the bundled database"),
            issued: 0,
        };
        self.shops = (1..=branches).flat_map(|branch| PLACES.iter().map(move |place| shop(place, branch))).collect();
        self
    }

    /// With `count` receipts in about so many days, instead of some 270 a day.
    pub fn spread(mut self, count: usize, days: usize) -> Self {
        let mean = days as u64 * 86_400 / count.max(1) as u64;
        self.gap = (1, (2 * mean).max(1));
        self
    }

    /// Lets time pass until a place is open, and chooses one that is.
    fn next_shop(&mut self) -> usize {
        loop {
            let (least, more) = self.gap;
            let seconds = (least + self.draw.below(more)) as i64;
            self.now += seconds.seconds();
            let open: Vec<usize> = (0..self.shops.len())
                .filter(|shop| OPEN_HOURS.contains(&self.now.to_zoned(self.shops[*shop].zone.clone()).hour()))
                .collect();
            if !open.is_empty() {
                return open[self.draw.below(open.len() as u64) as usize];
            }
        }
    }

    fn lines(&mut self, place: &'static Place, is_return: bool) -> Vec<Line> {
        let most = if is_return { 2 } else { 6 };
        let sign = if is_return { Decimal::NEGATIVE_ONE } else { Decimal::ONE };
        (0..=self.draw.below(most))
            .map(|_| {
                let product = &place.products[self.draw.below(place.products.len() as u64) as usize];
                let quantity = if product.by_weight {
                    Decimal::new(50 + self.draw.below(2_450) as i64, 3)
                } else {
                    Decimal::from(1 + self.draw.below(3))
                };
                let amount = (quantity * product.price(place)).round_dp(4);
                Line { quantity: (sign * quantity).normalize(), amount: sign * amount, product }
            })
            .collect()
    }

    fn timestamp(&self, shop: &Shop) -> String {
        let format = if shop.place.local_times { "%Y-%m-%dT%H:%M:%S" } else { "%Y-%m-%dT%H:%M:%S%:z" };
        self.now.to_zoned(shop.zone.clone()).strftime(format).to_string()
    }

    /// How a receipt is paid, and for most cards the transaction that paid it.
    fn payment(&mut self) -> (&'static str, Option<String>) {
        let methods = ["credit_card", "debit_card", "mobile", "cash"];
        let method = methods[self.draw.below(methods.len() as u64) as usize];
        let is_known = self.draw.below(4) > 0;
        let id = format!("txn_{}_{:04}", self.now.as_millisecond(), self.draw.below(10_000));
        (method, (method != "cash" && is_known).then_some(id))
    }
}

impl Iterator for Receipts {
    type Item = Value;

    fn next(&mut self) -> Option<Value> {
        let index = self.next_shop();
        self.shops[index].issued += 1;
        let place = self.shops[index].place;
        let is_return = self.draw.below(RETURN_ONE_IN) == 0;
        let lines = self.lines(place, is_return);
        let total = lines.iter().map(|line| line.amount).sum::<Decimal>().round_dp(place.digits);
        let vat = lines.iter().map(|line| line.product.vat_in(line.amount)).sum::<Decimal>().round_dp(place.digits);
        let tips_percent =
            if is_return { 0 } else { place.tips_percent[self.draw.below(place.tips_percent.len() as u64) as usize] };
        let tips = (total * Decimal::new(tips_percent, 2)).round_dp(place.digits);
        let (payment_method, payment_transaction_id) = self.payment();
        let items: Vec<Value> = lines.iter().map(|line| line.item(place)).collect();

        let mut receipt = json!({
            "transaction_id": format!("{:06}", self.shops[index].issued),
            "timestamp": self.timestamp(&self.shops[index]),
            "place_id": self.shops[index].id,
            "place_name": self.shops[index].name,
            "items": items,
            "total_amount": number(total),
            "nds_amount": number(vat),
            "tips_amount": number(tips),
            "payment_method": payment_method,
        });
        if let Some(currency) = place.currency {
            receipt["currency"] = currency.into();
        }
        if let Some(id) = payment_transaction_id {
            receipt["payment_transaction_id"] = id.into();
        }
        // Not a field of the contract: tills send more than it names.
        receipt["till"] = (1 + self.draw.below(4)).into();
        Some(receipt)
    }
}

impl Line {
    fn item(&self, place: &Place) -> Value {
        json!({
            "product_id": self.product.id,
            "quantity": number(self.quantity),
            "price": number(self.product.price(place)),
            "category": self.product.category,
            "nds_rate": number(self.product.vat_percent()),
        })
    }
}

/// Writes receipts as NDJSON.
pub fn write(mut receipts: impl Iterator<Item = Value>, out: &mut impl Write) -> io::Result<()> {
    receipts.try_for_each(|receipt| writeln!(out, "{receipt}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decimal::parse;
    use std::collections::BTreeSet;

    /// What the shipped sample was made with.
    const SAMPLE: (u64, usize) = (1, 300);

    fn decimal(value: &Value) -> Decimal {
        parse(&value.to_string()).unwrap()
    }

    #[test]
    fn the_shipped_sample_is_what_the_generator_makes() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../data/sample/receipts-generated.ndjson");
        let mut made = Vec::new();
        write(Receipts::new(SAMPLE.0).take(SAMPLE.1), &mut made).unwrap();
        if std::env::var_os("UPDATE_SAMPLE").is_some() {
            std::fs::write(path, &made).unwrap();
        }
        let shipped = std::fs::read_to_string(path).unwrap();
        for (number, (made, shipped)) in std::str::from_utf8(&made).unwrap().lines().zip(shipped.lines()).enumerate() {
            assert_eq!(made, shipped, "line {}: run the test once with UPDATE_SAMPLE=1 if this is meant", number + 1);
        }
        assert_eq!(shipped.len(), made.len());
    }

    #[test]
    fn every_receipt_keeps_the_rules_of_the_gateway() {
        let mut ids = BTreeSet::new();
        for receipt in Receipts::new(7).take(3_000) {
            let total = decimal(&receipt["total_amount"]);
            let items = receipt["items"].as_array().unwrap();
            let amount = |item: &Value| (decimal(&item["quantity"]) * decimal(&item["price"])).round_dp(4);
            let sum: Decimal = items.iter().map(amount).sum();
            assert!(!items.is_empty() && (sum - total).abs() <= Decimal::new(1, 2), "{receipt}");
            let (vat, tips) = (decimal(&receipt["nds_amount"]), decimal(&receipt["tips_amount"]));
            assert!(vat.abs() <= total.abs() && !(vat * total).is_sign_negative() | vat.is_zero(), "{receipt}");
            assert!(tips >= Decimal::ZERO, "{receipt}");
            for item in items {
                let quantity = decimal(&item["quantity"]);
                assert!(!quantity.is_zero() && (quantity < Decimal::ZERO) == (total < Decimal::ZERO), "{receipt}");
                assert!(decimal(&item["price"]) > Decimal::ZERO, "{receipt}");
            }
            assert!(ids.insert((receipt["place_id"].to_string(), receipt["transaction_id"].to_string())), "{receipt}");
        }
    }

    #[test]
    fn the_sample_has_what_real_receipts_lack() {
        let receipts: Vec<Value> = Receipts::new(SAMPLE.0).take(SAMPLE.1).collect();
        let count = |holds: &dyn Fn(&Value) -> bool| receipts.iter().filter(|receipt| holds(receipt)).count();
        let currencies: BTreeSet<_> = receipts.iter().filter_map(|receipt| receipt["currency"].as_str()).collect();
        assert_eq!(
            currencies.into_iter().collect::<Vec<_>>(),
            ["CHF", "EUR", "GBP", "INR", "ISK", "JPY", "KWD", "USD"]
        );
        assert!(count(&|receipt| receipt["currency"].is_null()) > 10, "roubles are the default");
        assert!(count(&|receipt| decimal(&receipt["tips_amount"]) > Decimal::ZERO) > 30);
        assert!(count(&|receipt| decimal(&receipt["total_amount"]) < Decimal::ZERO) > 5);
        assert!(count(&|receipt| decimal(&receipt["nds_amount"]) > Decimal::ZERO) > 100);
        assert!(count(&|receipt| receipt["payment_transaction_id"].is_string()) > 100);
        assert!(count(&|receipt| receipt["timestamp"].as_str().unwrap().len() == 19) > 10, "times without offset");
        let by_weight = |receipt: &Value| {
            receipt["items"].as_array().unwrap().iter().any(|item| decimal(&item["quantity"]).scale() > 0)
        };
        assert!(count(&by_weight) > 50);
    }

    #[test]
    fn a_year_of_branches_is_spread_over_a_year() {
        let mut receipts = Receipts::new(4).with_branches(10).spread(20_000, 365);
        let first = receipts.now;
        let places: BTreeSet<_> = receipts.by_ref().take(20_000).map(|it| it["place_id"].to_string()).collect();
        assert_eq!(places.len(), 10 * PLACES.len());
        let days = (receipts.now - first).total(jiff::Unit::Hour).unwrap() / 24.0;
        assert!((355.0..375.0).contains(&days), "{days} days");
    }

    #[test]
    fn another_seed_gives_other_receipts_in_the_order_of_time() {
        assert_ne!(Receipts::new(1).nth(5), Receipts::new(2).nth(5));
        let mut receipts = Receipts::new(3);
        let mut last = receipts.now;
        for _ in 0..500 {
            receipts.next();
            assert!(receipts.now > last);
            last = receipts.now;
        }
    }
}
