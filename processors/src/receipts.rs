//! Receipts: each split to its place and lines, with its sums.

use millrace_runtime::processor::{Context, Memory, Processor};
use millrace_schemas::{
    Topic,
    event::{Purchase, PurchaseLine, Receipt, ReceiptItem, ReceiptKind},
    ids, money,
};

/// The processor of receipts. It needs no memory: what it makes of a receipt depends on that receipt alone.
#[derive(Debug, Clone, Copy, Default)]
pub struct Receipts;

/// No memory.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Forgetful;

impl Processor for Receipts {
    const NAME: &'static str = "receipts";
    type Out = Purchase;
    type Memory = Forgetful;

    fn memory(&self) -> Forgetful {
        Forgetful
    }

    /// What a receipt says is remembered by a hash, which a new field changes.
    fn memory_version(&self) -> String {
        "2".to_owned()
    }
}

impl Memory<Purchase> for Forgetful {
    fn restore(&mut self, _output: &Purchase) {}

    fn process(&mut self, receipt: Receipt, context: Context) -> Purchase {
        let lines: Vec<PurchaseLine> = (1..).zip(&receipt.items).map(|(number, item)| line(number, item)).collect();
        // The rules refuse a receipt whose lines do not sum to a 64-bit amount, or not to about its total.
        let items_total = lines.iter().map(|line| line.amount).sum();
        Purchase {
            event_id: context.event_id,
            occurred_at: receipt.occurred_at,
            received_at: receipt.received_at,
            trn_id: context.trn_id,
            source: context.source,
            kind: kind(receipt.total_amount),
            lines,
            items_total,
            items_difference: items_total - receipt.total_amount,
            net_amount: receipt.total_amount - receipt.nds_amount,
            original_trn_id: original(&receipt),
            receipt,
        }
    }

    fn save(&self) -> Option<Vec<u8>> {
        Some(Vec::new())
    }

    fn load(&mut self, saved: &[u8]) -> bool {
        saved.is_empty()
    }
}

/// The receipt whose goods came back.
fn original(receipt: &Receipt) -> Option<String> {
    let id = receipt.original_transaction_id.as_deref()?;
    Some(ids::trn_id(Topic::Receipts, &receipt.place_id, id).to_string())
}

fn line(number: i32, item: &ReceiptItem) -> PurchaseLine {
    PurchaseLine {
        line: number,
        product_id: item.product_id.clone(),
        category: item.category.clone(),
        nds_rate: item.nds_rate,
        quantity: item.quantity,
        price: item.price,
        amount: money::line_amount(item.quantity, item.price)
            .expect("the rules refuse a receipt with a line that is too large"),
    }
}

fn kind(total: i64) -> ReceiptKind {
    match total.signum() {
        1 => ReceiptKind::Purchase,
        -1 => ReceiptKind::Return,
        _ => ReceiptKind::Zero,
    }
}
