//! What clients send: new items, and on purpose repeats, contradictions and nonsense.

use super::Shared;
use crate::made_up;
use millrace_schemas::{
    money::{MONEY_UNIT, parse_money},
    time::{DAY_MS, HOUR_MS},
};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use serde_json::Value as Json;
use std::{
    collections::VecDeque,
    sync::{Arc, atomic::Ordering},
};

/// Customers of one client.
const CUSTOMERS: u64 = 60;
/// A customer's transactions are half an hour apart by the clock of its client, and somewhat out of order.
const STEP_MS: i64 = HOUR_MS / 2;
const DISORDER_MS: i64 = 3 * HOUR_MS;
/// The last of what a client has sent may be sent again.
const RECENT: usize = 2_000;
/// The generator's time goes on with each receipt; after so many a new one begins, for other places.
const RECEIPTS_OF_A_PLACE: u64 = 20_000;
/// The days that transactions may lie in, from the first day of what is made up. Beyond, time begins anew.
const DAYS: i64 = 240;

/// A transaction or a receipt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A transaction.
    Transaction,
    /// A receipt.
    Receipt,
}

/// Why an item is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// For the first time.
    New,
    /// It was acknowledged and is sent again as it was.
    Again,
    /// It was acknowledged and is sent again with other content.
    Conflict,
    /// It breaks a rule.
    Invalid,
}

/// An item, and what the books say of it. Amounts are ten-thousandths of the currency unit.
#[derive(Debug, Clone)]
pub struct Item {
    /// Transaction or receipt.
    pub kind: Kind,
    /// Why it is sent.
    pub class: Class,
    /// JSON, in one line.
    pub body: String,
    /// Customer or place.
    pub owner: String,
    /// Id, unique within the owner.
    pub id: String,
    /// Currency of the amounts.
    pub currency: String,
    /// A transaction's amount; a receipt's total, VAT, tips, and its number of lines.
    pub amounts: Vec<i64>,
    /// Epoch milliseconds, where the books tell it.
    pub occurred_at: Option<i64>,
}

/// Endless items of one client.
pub struct Items {
    source: Source,
    random: StdRng,
    recent: VecDeque<Item>,
    only_new: bool,
}

enum Source {
    Transactions { sender: u64, made: u64, shared: Arc<Shared> },
    Receipts { sender: u64, made: u64, seed: u64, receipts: millrace_loadgen::receipts::Receipts },
}

impl Items {
    /// Transactions of customers that only this client has.
    pub fn transactions(seed: u64, sender: u64, shared: Arc<Shared>) -> Self {
        Self::of(seed, Source::Transactions { sender, made: 0, shared })
    }

    /// Receipts of places that only this client has.
    pub fn receipts(seed: u64, sender: u64) -> Self {
        let receipts = millrace_loadgen::receipts::Receipts::new(seed);
        Self::of(seed, Source::Receipts { sender, made: 0, seed, receipts })
    }

    fn of(seed: u64, source: Source) -> Self {
        Self { source, random: StdRng::seed_from_u64(seed), recent: VecDeque::with_capacity(RECENT), only_new: false }
    }

    /// The same items without those that are no news.
    pub fn only_new(self) -> Self {
        Self { only_new: true, ..self }
    }

    /// What kind they are.
    pub fn kind(&self) -> Kind {
        match self.source {
            Source::Transactions { .. } => Kind::Transaction,
            Source::Receipts { .. } => Kind::Receipt,
        }
    }

    /// The next items, among them some that are no news unless only new ones are wanted.
    pub fn batch(&mut self, size: usize) -> Vec<Item> {
        let mut batch: Vec<Item> = Vec::with_capacity(size);
        while batch.len() < size {
            let item = match self.random.random_range(0..100) {
                _ if self.only_new => Some(self.new_item()),
                0..2 => self.again(),
                2 => self.conflict(),
                3 => self.invalid(),
                _ => Some(self.new_item()),
            };
            // One batch says one thing of an id.
            if let Some(item) =
                item.filter(|item| !batch.iter().any(|other| other.id == item.id && other.owner == item.owner))
            {
                batch.push(item);
            }
        }
        batch
    }

    /// Remembers what was acknowledged, to be sent again.
    pub fn acknowledged(&mut self, items: Vec<Item>) {
        for item in items.into_iter().filter(|item| item.class == Class::New) {
            if self.recent.len() == RECENT {
                self.recent.pop_front();
            }
            self.recent.push_back(item);
        }
    }

    fn again(&mut self) -> Option<Item> {
        let index = self.random.random_range(0..self.recent.len().max(1));
        Some(Item { class: Class::Again, ..self.recent.get(index)?.clone() })
    }

    /// Something acknowledged, with an amount that it did not have.
    fn conflict(&mut self) -> Option<Item> {
        let old = self.again()?;
        let more = self.random.random_range(1..100 * MONEY_UNIT);
        Some(Item { class: Class::Conflict, ..with_more(old, more) })
    }

    /// A new item whose amount is below zero, or whose currency nobody knows.
    fn invalid(&mut self) -> Option<Item> {
        let item = self.new_item();
        let mut json = parsed(&item.body);
        let wrong =
            if self.random.random_bool(0.5) { ("currency", Json::from("XYZ")) } else { ("type", Json::from(-1)) };
        let wrong = if self.kind() == Kind::Receipt { ("currency", Json::from("XYZ")) } else { wrong };
        json[wrong.0] = wrong.1;
        Some(Item { class: Class::Invalid, body: json.to_string(), id: item.id.clone(), ..item })
    }

    fn new_item(&mut self) -> Item {
        match &mut self.source {
            Source::Transactions { sender, made, shared } => {
                let (owner, number) = (*made % CUSTOMERS, *made);
                *made += 1;
                let at = (number / CUSTOMERS) as i64 * STEP_MS + self.random.random_range(0..DISORDER_MS);
                let at = (at + shared.clock.load(Ordering::Relaxed)).rem_euclid(DAYS * DAY_MS);
                transaction(&format!("c{sender}-{owner}"), &format!("t{number}"), at, &mut self.random)
            }
            Source::Receipts { sender, made, seed, receipts } => {
                let epoch = *made / RECEIPTS_OF_A_PLACE;
                if *made > 0 && *made % RECEIPTS_OF_A_PLACE == 0 {
                    *receipts = millrace_loadgen::receipts::Receipts::new(*seed + epoch);
                }
                *made += 1;
                let mut receipt = receipts.next().expect("they are endless");
                let place = format!("{}-{sender}-{epoch}", receipt["place_id"].as_str().unwrap_or_default());
                receipt["place_id"] = place.into();
                receipt_item(&receipt)
            }
        }
    }
}

fn transaction(customer: &str, id: &str, after_ms: i64, random: &mut StdRng) -> Item {
    let made = made_up::transaction(customer, id, after_ms, random);
    Item {
        kind: Kind::Transaction,
        class: Class::New,
        body: made.body,
        owner: customer.to_owned(),
        id: made.id,
        currency: made.currency.to_owned(),
        amounts: vec![made.amount],
        occurred_at: Some(made.occurred_at),
    }
}

fn receipt_item(receipt: &Json) -> Item {
    let text = |name: &str| receipt[name].as_str().unwrap_or_default().to_owned();
    let money = |name: &str| parse_money(&receipt[name].to_string()).expect("an amount");
    let lines = receipt["items"].as_array().map_or(0, Vec::len);
    let mut amounts = ["total_amount", "nds_amount", "tips_amount"].map(money).to_vec();
    amounts.push(lines as i64);
    Item {
        kind: Kind::Receipt,
        class: Class::New,
        body: receipt.to_string(),
        owner: text("place_id"),
        id: text("transaction_id"),
        // What the gateway takes for receipts without one.
        currency: receipt["currency"].as_str().unwrap_or("RUB").to_owned(),
        amounts,
        occurred_at: None,
    }
}

/// The same item with a larger amount: a transaction's, or a receipt's tips.
fn with_more(old: Item, more: i64) -> Item {
    let (field, index) = match old.kind {
        Kind::Transaction => ("amount", 0),
        Kind::Receipt => ("tips_amount", 2),
    };
    let mut json = parsed(&old.body);
    let mut amounts = old.amounts.clone();
    amounts[index] += more;
    json[field] = millrace_schemas::money::format_money(amounts[index]).into();
    Item { body: json.to_string(), amounts, ..old }
}

fn parsed(body: &str) -> Json {
    serde_json::from_str(body).expect("what is made up is JSON")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn many(mut items: Items) -> Vec<Item> {
        let mut all = Vec::new();
        for _ in 0..200 {
            let batch = items.batch(20);
            items.acknowledged(batch.clone());
            all.extend(batch);
        }
        all
    }

    #[test]
    fn a_seed_gives_the_same_items_with_every_class_among_them() {
        let of = |seed| many(Items::transactions(seed, 0, Arc::default()));
        let bodies = |items: &[Item]| items.iter().map(|item| item.body.clone()).collect::<Vec<_>>();
        assert_eq!(bodies(&of(1)), bodies(&of(1)));
        assert_ne!(bodies(&of(1)), bodies(&of(2)));
        for items in [of(1), many(Items::receipts(1, 0))] {
            for class in [Class::New, Class::Again, Class::Conflict, Class::Invalid] {
                assert!(items.iter().filter(|item| item.class == class).count() > 10, "{class:?}");
            }
        }
    }

    #[test]
    fn only_new_items_are_only_new() {
        for items in
            [many(Items::transactions(1, 0, Arc::default()).only_new()), many(Items::receipts(1, 0).only_new())]
        {
            assert!(items.len() == 4_000 && items.iter().all(|item| item.class == Class::New));
        }
    }

    #[test]
    fn an_id_is_new_once_and_a_conflict_says_something_else_of_it() {
        for items in [many(Items::transactions(1, 0, Arc::default())), many(Items::receipts(1, 0))] {
            let mut new = BTreeSet::new();
            for item in items {
                let key = (item.owner.clone(), item.id.clone());
                let content = (key.clone(), item.currency.clone(), item.amounts.clone());
                match item.class {
                    Class::New => assert!(new.insert(key.clone()) && new.insert(known(&content)), "{item:?}"),
                    Class::Again => assert!(new.contains(&known(&content)), "{item:?}"),
                    Class::Conflict => assert!(new.contains(&key) && !new.contains(&known(&content)), "{item:?}"),
                    Class::Invalid => assert!(!new.contains(&key), "{item:?}"),
                }
            }
        }
    }

    fn known(content: &((String, String), String, Vec<i64>)) -> (String, String) {
        (format!("{content:?}"), String::new())
    }
}
