//! Receipts: each split to its place and lines, with its sums.

use millrace_runtime::processor::{Context, Memory, Processor};
use millrace_schemas::{
    event::{Purchase, PurchaseLine, Receipt, ReceiptItem, ReceiptKind},
    money,
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

fn line(number: i32, item: &ReceiptItem) -> PurchaseLine {
    PurchaseLine {
        line: number,
        product_id: item.product_id.clone(),
        category: item.category.clone(),
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
