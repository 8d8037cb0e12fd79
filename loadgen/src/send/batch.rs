//! Items to requests. In order, each key belongs to one lane, and a lane has one request in flight at a time.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::ControlFlow;

use tokio::sync::mpsc;

use super::SendOptions;
use crate::item::{Item, Kind, Wire};

/// Items of one request.
#[derive(Debug)]
pub(super) struct Batch {
    pub wire: Wire,
    pub items: Vec<Item>,
}

/// Media type and body of a request. `alone`: the item goes out as itself, not as a list of one.
pub(super) fn encode(kind: Kind, wire: Wire, items: &[Item], alone: bool) -> (&'static str, Vec<u8>) {
    let join = |open: &str, between: &str, close: &str| {
        let size = items.iter().map(|item| item.body.len() + between.len()).sum::<usize>() + open.len() + close.len();
        let mut body = Vec::with_capacity(size);
        body.extend_from_slice(open.as_bytes());
        for (index, item) in items.iter().enumerate() {
            if index > 0 {
                body.extend_from_slice(between.as_bytes());
            }
            body.extend_from_slice(&item.body);
        }
        body.extend_from_slice(close.as_bytes());
        body
    };
    match wire {
        Wire::Json | Wire::Ndjson if alone => ("application/json", join("", "", "")),
        Wire::Json => ("application/json", join("[", ",", "]")),
        Wire::Ndjson => ("application/x-ndjson", join("", "\n", "\n")),
        Wire::Xml if alone => ("application/xml", join("", "", "")),
        Wire::Xml => {
            let list = kind.list_element();
            ("application/xml", join(&format!("<{list}>"), "", &format!("</{list}>")))
        }
    }
}

/// A lane: requests waiting for their turn, and how many of them may be in flight at once.
pub(super) struct Lane {
    pub batches: mpsc::Receiver<Batch>,
    pub in_flight: usize,
}

/// Fills requests with items and queues them in their lanes. Blocks while the lanes are full, so that reading never runs ahead.
pub(super) struct Batcher {
    lanes: Vec<Filling>,
    items_max: usize,
    bytes_max: usize,
    keyless: usize,
}

struct Filling {
    wire: Wire,
    items: Vec<Item>,
    bytes: usize,
    queue: mpsc::Sender<Batch>,
}

impl Batcher {
    /// One lane for each request in flight when items keep their order, else one lane for all.
    pub fn new(options: &SendOptions) -> (Self, Vec<Lane>) {
        let parallel = options.parallel as usize;
        let (lanes, in_flight) = if options.ordered { (parallel, 1) } else { (1, parallel) };
        let (fillings, lanes) = (0..lanes)
            .map(|_| {
                let (queue, batches) = mpsc::channel(1);
                (Filling { wire: Wire::Ndjson, items: Vec::new(), bytes: 0, queue }, Lane { batches, in_flight })
            })
            .unzip();
        let batcher =
            Batcher { lanes: fillings, items_max: options.batch as usize, bytes_max: options.batch_bytes, keyless: 0 };
        (batcher, lanes)
    }

    /// Adds an item. `Break`: nobody sends any more.
    pub fn add(&mut self, wire: Wire, item: Item) -> ControlFlow<()> {
        let lane = self.lane_of(item.key.as_deref());
        let lane = &mut self.lanes[lane];
        let is_full = !lane.items.is_empty() && lane.bytes + item.body.len() > self.bytes_max;
        if is_full || (lane.wire != wire && !lane.items.is_empty()) {
            lane.flush()?;
        }
        lane.wire = wire;
        lane.bytes += item.body.len();
        lane.items.push(item);
        if lane.items.len() >= self.items_max { lane.flush() } else { ControlFlow::Continue(()) }
    }

    /// Queues what is left.
    pub fn end(mut self) {
        let _ = self.lanes.iter_mut().try_for_each(Filling::flush);
    }

    fn lane_of(&mut self, key: Option<&str>) -> usize {
        if let Some(key) = key {
            let mut hasher = DefaultHasher::new();
            key.hash(&mut hasher);
            (hasher.finish() % self.lanes.len() as u64) as usize
        } else {
            self.keyless = (self.keyless + 1) % self.lanes.len();
            self.keyless
        }
    }
}

impl Filling {
    fn flush(&mut self) -> ControlFlow<()> {
        let items = std::mem::take(&mut self.items);
        self.bytes = 0;
        if items.is_empty() {
            return ControlFlow::Continue(());
        }
        match self.queue.blocking_send(Batch { wire: self.wire, items }) {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::item::Origin;

    fn item(key: Option<&str>, body: &str) -> Item {
        Item { body: body.into(), key: key.map(str::to_owned), origin: Origin { file: "f".into(), lines: (1, 1) } }
    }

    fn options(batch: u32, batch_bytes: usize, parallel: u32, ordered: bool) -> SendOptions {
        let url = "http://localhost".parse().unwrap();
        SendOptions { batch, batch_bytes, parallel, ordered, ..SendOptions::new(url, Vec::new()) }
    }

    /// Batches of each lane, as the bodies of their items.
    fn fill(options: &SendOptions, items: Vec<(Wire, Item)>) -> Vec<Vec<String>> {
        let (mut batcher, lanes) = Batcher::new(options);
        let filling = std::thread::spawn(move || {
            for (wire, item) in items {
                assert!(batcher.add(wire, item).is_continue());
            }
            batcher.end();
        });
        let drains: Vec<_> = lanes
            .into_iter()
            .map(|mut lane| {
                std::thread::spawn(move || {
                    let mut batches = Vec::new();
                    while let Some(batch) = lane.batches.blocking_recv() {
                        batches.push(
                            String::from_utf8(encode(Kind::Receipts, batch.wire, &batch.items, false).1).unwrap(),
                        );
                    }
                    batches
                })
            })
            .collect();
        filling.join().unwrap();
        drains.into_iter().map(|drain| drain.join().unwrap()).collect()
    }

    #[test]
    fn batches_end_at_their_number_of_items_their_bytes_and_a_change_of_format() {
        let ndjson = |body: &str| (Wire::Ndjson, item(None, body));
        assert_eq!(fill(&options(2, 99, 1, false), vec![ndjson("1"), ndjson("2"), ndjson("3")]), [["1\n2\n", "3\n"]]);
        assert_eq!(
            fill(&options(9, 3, 1, false), vec![ndjson("12"), ndjson("34"), ndjson("56789"), ndjson("0")]),
            [["12\n", "34\n", "56789\n", "0\n"]]
        );
        let mixed = vec![
            ndjson("1"),
            (Wire::Xml, item(None, "<receipt/>")),
            (Wire::Json, item(None, "{}")),
            (Wire::Json, item(None, "{}")),
        ];
        assert_eq!(fill(&options(9, 99, 1, false), mixed), [["1\n", "<receipts><receipt/></receipts>", "[{},{}]"]]);
    }

    #[test]
    fn in_order_all_items_of_a_key_share_a_lane() {
        let items = (0..300)
            .map(|n| (Wire::Ndjson, item(Some(&format!("key {}", n % 30)), &format!("{} {n}", n % 30))))
            .collect();
        let lanes = fill(&options(5, 999, 4, true), items);
        assert!(lanes.iter().all(|lane| !lane.is_empty()), "every lane has work: {lanes:?}");
        let mut seen = std::collections::BTreeMap::new();
        for (lane, text) in lanes.iter().enumerate() {
            let numbers = text.iter().flat_map(|batch| batch.lines()).map(|line| line.split_once(' ').unwrap());
            for (key, n) in numbers.map(|(key, n)| (key, n.parse::<u32>().unwrap())) {
                let before = seen.insert(key, (lane, n));
                assert!(
                    before.is_none_or(|(other, earlier)| other == lane && earlier < n),
                    "key {key} is out of order"
                );
            }
        }
        assert_eq!(seen.len(), 30);
    }

    #[test]
    fn an_item_on_its_own_goes_out_as_itself() {
        let one = [item(None, "{\"a\":1}")];
        assert_eq!(encode(Kind::Receipts, Wire::Ndjson, &one, true), ("application/json", b"{\"a\":1}".to_vec()));
        assert_eq!(encode(Kind::Transactions, Wire::Xml, &one, true).1, b"{\"a\":1}");
    }

    #[test]
    fn adding_ends_when_nobody_sends() {
        let (mut batcher, lanes) = Batcher::new(&options(1, 99, 1, false));
        drop(lanes);
        assert!(batcher.add(Wire::Json, item(None, "{}")).is_break());
    }
}
