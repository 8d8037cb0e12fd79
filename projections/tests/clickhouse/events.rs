//! Random events of a seed, and batches of them.

use bytes::Bytes;
use millrace_runtime::{
    Headers, Record, headers,
    sink::{Batch, Part},
};
use millrace_schemas::{
    Event, Topic,
    event::{
        Decision, DecisionSource, Purchase, PurchaseLine, Reason, Receipt, ReceiptItem, ReceiptKind, SchemaRecord,
        ShadowScore, Source, TimeResolution, Transaction, TransactionScore, Windows,
    },
    ids, money,
    time::DAY_MS,
    wire::Codec,
};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use std::collections::BTreeMap;

/// 2026-03-01T00:00:00Z.
pub const START: i64 = 1_772_323_200_000;

/// A codec of this program's schemas.
pub fn codec() -> Codec {
    Codec::new(&schemas()).expect("schemas")
}

fn schemas() -> Vec<SchemaRecord> {
    let record = |(id, topic): (i32, &Topic)| SchemaRecord {
        id,
        subject: format!("{topic}-value"),
        schema: topic.schema().to_owned(),
    };
    (1..).zip(Topic::ALL).map(record).collect()
}

/// A batch of one partition, its events at consecutive offsets.
pub fn batch<E: Event>(partition: i32, first: i64, events: &[E]) -> Batch {
    let codec = codec();
    let record = |(offset, event): (i64, &E)| Record {
        topic: E::TOPIC,
        partition,
        offset,
        timestamp: START + offset,
        key: Some(event.key().into()),
        value: Some(Bytes::from(codec.encode(event).expect("event"))),
        headers: Headers::new(),
    };
    let records: Vec<Record> = (first..).zip(events).map(record).collect();
    let last = first + events.len() as i64 - 1;
    Batch { topic: E::TOPIC, epoch: "epoch".into(), parts: vec![Part { partition, first, last, records }] }
}

/// Batches of one topic, each of another partition, as one.
pub fn together(batches: impl IntoIterator<Item = Batch>) -> Batch {
    let all = batches.into_iter().reduce(|all, more| Batch { parts: [all.parts, more.parts].concat(), ..all });
    all.expect("a batch")
}

/// The same batch as if one request had brought it, each event at its position.
pub fn brought_by(request_id: &str, mut batch: Batch) -> Batch {
    for (index, record) in batch.parts.iter_mut().flat_map(|part| &mut part.records).enumerate() {
        let headers = std::mem::take(&mut record.headers).with(headers::REQUEST_ID, request_id);
        record.headers = headers.with(headers::REQUEST_INDEX, index.to_string());
    }
    batch
}

/// Events of a seed.
pub struct Generator {
    random: StdRng,
    next: i64,
}

impl Generator {
    pub fn new(seed: u64) -> Self {
        Self { random: StdRng::seed_from_u64(seed), next: 0 }
    }

    pub fn scores(&mut self, count: usize) -> Vec<TransactionScore> {
        (0..count).map(|_| self.score()).collect()
    }

    pub fn purchases(&mut self, count: usize) -> Vec<Purchase> {
        (0..count).map(|_| self.purchase()).collect()
    }

    fn source(&mut self, topic: Topic) -> Source {
        self.next += 1;
        let timestamp = START + self.next;
        Source { topic: topic.name().into(), partition: 0, offset: self.next, index: 0, timestamp }
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.random.random_range(0..from.len())]
    }

    fn occurred_at(&mut self) -> i64 {
        START + self.random.random_range(0..3 * DAY_MS)
    }

    /// Mostly small amounts of all four digits, now and then the largest there is.
    fn amount(&mut self) -> i64 {
        if self.random.random_ratio(1, 50) {
            millrace_schemas::rules::AMOUNT_MAX
        } else {
            self.random.random_range(0..2_000_000)
        }
    }

    pub fn score(&mut self) -> TransactionScore {
        let source = self.source(Topic::Transactions);
        let customer_id = format!("customer-{}", self.random.random_range(0..7));
        let transaction_id = format!("txn-{}", source.offset);
        let (occurred_at, received_at) = (self.occurred_at(), source.timestamp);
        let decisions = [Decision::Allow, Decision::Review, Decision::Block];
        let sources = [DecisionSource::Model, DecisionSource::Rules, DecisionSource::Default];
        let some = self.random.random::<bool>();
        let transaction = Transaction {
            event_id: ids::trn_id(Topic::Transactions, "event", &transaction_id).to_string(),
            occurred_at,
            received_at,
            customer_id: customer_id.clone(),
            transaction_id: transaction_id.clone(),
            amount: self.amount(),
            currency: self.pick(&["EUR", "USD", "JPY"]).into(),
            transaction_type: self.random.random_range(55..90),
            merchant_id: format!("merchant-{}", self.random.random_range(0..20)),
            card_bin: "400000".into(),
            ip_address: "192.0.2.1".into(),
            device_id: "device-1".into(),
            location: self.pick(&["Берлин", "東京", "O'Hare \\ \"T5\""]).into(),
            channel: self.pick(&["online", "pos"]).into(),
            is_fraud: some.then_some(true),
            merchant_risk_score: some.then_some(0.25),
            card_risk_score: None,
            customer_risk_score: some.then_some(1.0),
            is_velocity_alert: some.then_some(false),
            is_location_alert: None,
            is_device_alert: some.then_some(true),
            customer_segments: if some { vec!["new".into(), "vip".into()] } else { Vec::new() },
            transaction_category: some.then(|| "groceries".into()),
            is_high_value: None,
            card_id: some.then(|| "token-1".into()),
            latitude: some.then_some(-33.5),
            longitude: some.then_some(151.25),
            merchant_category: some.then(|| "5411".into()),
            time_zone: some.then(|| "Europe/Berlin".into()),
            time_resolution: if some { TimeResolution::AmbiguousEarlier } else { TimeResolution::Exact },
            extra: BTreeMap::from([("loyalty".to_owned(), "{\"points\":3}".to_owned())]),
        };
        TransactionScore {
            event_id: ids::derived_event_id("epoch", &source).to_string(),
            occurred_at,
            received_at,
            trn_id: ids::trn_id(Topic::Transactions, &customer_id, &transaction_id).to_string(),
            source,
            transaction,
            scoring: self.random.random(),
            decision: decisions[self.random.random_range(0..3)],
            decision_source: sources[self.random.random_range(0..3)],
            reasons: if some { vec![reason("velocity", 7.0), reason("new_device", 1.0)] } else { Vec::new() },
            model: some.then(|| "model@hash".into()),
            configuration: "1".into(),
            windows: windows(),
            window_exact: self.random.random_ratio(9, 10),
            features: [("amount_ratio".into(), 1.5), ("count_3h".into(), 7.0)].into_iter().collect(),
            raw_scoring: some.then_some(0.25),
            default_cause: some.then(|| "timeout".into()),
            shadow: some.then(|| ShadowScore { model: "other@hash".into(), scoring: Some(0.75) }),
        }
    }

    pub fn purchase(&mut self) -> Purchase {
        let source = self.source(Topic::Receipts);
        let place_id = format!("place-{}", self.random.random_range(0..4));
        let transaction_id = format!("receipt-{}", source.offset);
        let kind = match self.random.random_range(0..10) {
            0 => ReceiptKind::Zero,
            1 | 2 => ReceiptKind::Return,
            _ => ReceiptKind::Purchase,
        };
        let items: Vec<ReceiptItem> = (0..self.random.random_range(1..5)).map(|_| self.item(kind)).collect();
        let lines: Vec<PurchaseLine> = (1..).zip(&items).map(|(line, item)| line_of(line, item)).collect();
        let items_total: i64 = lines.iter().map(|line| line.amount).sum();
        let nds_amount = items_total / 6;
        let (occurred_at, received_at) = (self.occurred_at(), source.timestamp);
        let receipt = Receipt {
            event_id: ids::trn_id(Topic::Receipts, "event", &transaction_id).to_string(),
            occurred_at,
            received_at,
            place_id: place_id.clone(),
            transaction_id: transaction_id.clone(),
            place_name: self.pick(&["Corner", "Corner (new)", "Café"]).into(),
            items,
            total_amount: items_total,
            nds_amount,
            tips_amount: if self.random.random() { self.random.random_range(0..50_000) } else { 0 },
            currency: self.pick(&["EUR", "GBP"]).into(),
            payment_method: self.pick(&["cash", "credit card"]).into(),
            payment_transaction_id: self.random.random::<bool>().then(|| "txn-1".into()),
            original_transaction_id: (kind == ReceiptKind::Return).then(|| "receipt-0".into()),
            time_zone: None,
            time_resolution: TimeResolution::Exact,
            extra: BTreeMap::new(),
        };
        Purchase {
            event_id: ids::derived_event_id("epoch", &source).to_string(),
            occurred_at,
            received_at,
            trn_id: ids::trn_id(Topic::Receipts, &place_id, &transaction_id).to_string(),
            source,
            kind,
            lines,
            items_total,
            items_difference: 0,
            net_amount: items_total - nds_amount,
            original_trn_id: receipt
                .original_transaction_id
                .as_ref()
                .map(|id| ids::trn_id(Topic::Receipts, &place_id, id).to_string()),
            receipt,
        }
    }

    fn item(&mut self, kind: ReceiptKind) -> ReceiptItem {
        let quantity = self.random.random_range(1..5_000_000);
        ReceiptItem {
            product_id: format!("product-{}", self.random.random_range(0..30)),
            quantity: if kind == ReceiptKind::Return { -quantity } else { quantity },
            price: if kind == ReceiptKind::Zero { 0 } else { self.random.random_range(1..500_000) },
            category: self.pick(&["groceries", "electronics", "овощи"]).into(),
            nds_rate: self.random.random::<bool>().then_some(200_000),
            extra: BTreeMap::from([("shelf".to_owned(), "\"A3\"".to_owned())]),
        }
    }
}

fn line_of(line: i32, item: &ReceiptItem) -> PurchaseLine {
    PurchaseLine {
        line,
        product_id: item.product_id.clone(),
        category: item.category.clone(),
        nds_rate: item.nds_rate,
        quantity: item.quantity,
        price: item.price,
        amount: money::line_amount(item.quantity, item.price).expect("small"),
    }
}

fn reason(code: &str, value: f64) -> Reason {
    Reason {
        code: code.into(),
        text: format!("{code} holds"),
        feature: "count_3h".into(),
        value,
        contribution: value / 4.0,
    }
}

fn windows() -> Windows {
    Windows {
        customer_transaction_count_3h: 1,
        customer_avg_amount_3h: 10_000,
        customer_transaction_count_6h: 2,
        customer_avg_amount_6h: 20_001,
        customer_transaction_count_12h: 3,
        customer_avg_amount_12h: 30_002,
        customer_transaction_count_24h: 4,
        customer_avg_amount_24h: 40_003,
    }
}
