//! Two libraries, one format: what the fast one reads of whole and of damaged data, the other reads too.

use super::*;
use crate::event::{Purchase, Receipt, Transaction, TransactionScore};

/// What the other library makes of a datum, as it would be written again.
fn read_by_the_other<E: Event>(datum: &[u8]) -> Option<Vec<u8>> {
    let own = OWN[&E::TOPIC];
    let reader = GenericDatumReader::builder(own.schema).build().expect("own schemas resolve");
    let mut rest = datum;
    let event: E = reader.read_deser(&mut rest).ok()?;
    rest.is_empty().then(|| super::datum(&event).expect("it was read"))
}

fn read<E: Event>(datum: &[u8]) -> Option<Vec<u8>> {
    let (event, rest) = reader::read::<E>(datum).ok()?;
    rest.is_empty().then(|| super::datum(&event).expect("it was read"))
}

fn assert_agreement<E: Event>(examples: &str) {
    let examples: Vec<E> = serde_json::from_str(examples).expect("examples");
    let (mut read_both, mut refused_both) = (0, 0);
    for example in &examples {
        let whole = datum(example).expect("own events are encoded");
        assert_eq!(read_by_the_other::<E>(&whole).as_ref(), Some(&whole));
        let cuts = (0..=whole.len()).map(|end| whole[..end].to_vec());
        let damages = (0..whole.len()).flat_map(|at| {
            let whole = &whole;
            [1, 2, 0x40, 0x80, 0xff].into_iter().map(move |mask| {
                let mut damaged = whole.clone();
                damaged[at] ^= mask;
                damaged
            })
        });
        for datum in cuts.chain(damages) {
            let (fast, other) = (read::<E>(&datum), read_by_the_other::<E>(&datum));
            assert_eq!(fast, other, "{datum:?}");
            *(if fast.is_some() { &mut read_both } else { &mut refused_both }) += 1;
        }
        // Of integers that are too long the other one drops the upper bits.
        for datum in (0..whole.len()).map(|at| [&whole[..at], &[0xff; 4], &whole[at..]].concat()) {
            let fast = read::<E>(&datum);
            assert!(fast.is_none() || fast == read_by_the_other::<E>(&datum), "{datum:?}");
        }
    }
    assert!(read_both > 100 && refused_both > 100, "{read_both} read, {refused_both} refused");
}

#[test]
fn both_libraries_read_and_refuse_the_same_data() {
    assert_agreement::<Transaction>(include_str!("../../avro/transactions/v1.example.json"));
    assert_agreement::<Receipt>(include_str!("../../avro/receipts/v1.example.json"));
    assert_agreement::<TransactionScore>(include_str!("../../avro/transaction-scores/v1.example.json"));
    assert_agreement::<Purchase>(include_str!("../../avro/purchases/v1.example.json"));
}
