//! The reader and the writer of own schemas against a library: what one reads of whole and of damaged data, the other reads too.

use super::*;
use crate::event::{FeatureValues, Purchase, Receipt, TimeResolution, Transaction, TransactionScore};

/// What the library makes of a datum, as it would be written again.
fn read_by_the_library<E: Event>(datum: &[u8]) -> Option<Vec<u8>> {
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
        assert_eq!(read_by_the_library::<E>(&whole).as_ref(), Some(&whole));
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
            let own = read::<E>(&datum);
            assert_eq!(own, read_by_the_library::<E>(&datum), "{datum:?}");
            *(if own.is_some() { &mut read_both } else { &mut refused_both }) += 1;
        }
        // Of integers that are too long the library drops the upper bits.
        for datum in (0..whole.len()).map(|at| [&whole[..at], &[0xff; 4], &whole[at..]].concat()) {
            let own = read::<E>(&datum);
            assert!(own.is_none() || own == read_by_the_library::<E>(&datum), "{datum:?}");
        }
    }
    assert!(read_both > 100 && refused_both > 100, "{read_both} read, {refused_both} refused");
}

#[test]
fn the_library_reads_and_refuses_the_same_data() {
    assert_agreement::<Transaction>(include_str!("../../avro/transactions/v1.example.json"));
    assert_agreement::<Receipt>(include_str!("../../avro/receipts/v1.example.json"));
    assert_agreement::<TransactionScore>(include_str!("../../avro/transaction-scores/v1.example.json"));
    assert_agreement::<Purchase>(include_str!("../../avro/purchases/v1.example.json"));
}

/// The same features, as other programs may write them: in several blocks, with or without their lengths in bytes.
#[test]
fn blocks_are_read_however_they_are_cut() {
    let entry = |name: u8| [&[2, name][..], &f64::from(name).to_le_bytes()].concat();
    let (a, b, c) = (entry(b'a'), entry(b'b'), entry(b'c'));
    let in_one = [&[6][..], &a, &b, &c, &[0]].concat();
    let in_two = [&[2][..], &a, &[4], &b, &c, &[0]].concat();
    let with_lengths = [&[3, 40][..], &a, &b, &[1, 20], &c, &[0]].concat();
    let expected = FeatureValues::sorted(
        [b'a', b'b', b'c'].map(|name| (char::from(name).to_string().into(), f64::from(name))).into(),
    );
    for datum in [in_one, in_two, with_lengths] {
        let (read, rest) = reader::read::<FeatureValues>(&datum).expect("a map");
        assert_eq!((read, rest), (expected.clone(), [].as_slice()));
    }
}

/// Lengths that cannot be are refused before room is made for them.
#[test]
fn lengths_longer_than_the_data_are_refused() {
    let long = |bytes: &[u8]| [&[0xff; 8][..], bytes].concat();
    for (datum, reason) in [
        (long(&[0x7f, b'x']), "a length of -"),
        (long(&[0xff, 0x7f]), "an integer of more than 64 bits"),
        ([&[0xfe][..], &[0xff; 8], &[1, b'x']].concat(), "the data end here"),
        (vec![2], "the data end here"),
        (vec![2, 0xff], "invalid utf-8"),
    ] {
        let error = reader::read::<String>(&datum).expect_err("no text").to_string();
        assert!(error.starts_with(reason), "{datum:?}: {error}");
    }
    let many = [&[0xfe][..], &[0xff; 8], &[1]].concat();
    let error = reader::read::<Vec<String>>(&many).expect_err("no array").to_string();
    assert_eq!(error, "the data end here");
}

#[test]
fn what_does_not_fit_is_told_with_its_field() {
    let examples: Vec<Transaction> =
        serde_json::from_str(include_str!("../../avro/transactions/v1.example.json")).expect("examples");
    let whole = datum(&examples[0]).expect("encoded");
    let error = reader::read::<Transaction>(&whole[..whole.len() - 1]).expect_err("cut").to_string();
    assert_eq!(error, "extra: the data end here");
    let error = reader::read::<TimeResolution>(&[6]).expect_err("no such symbol").to_string();
    assert!(error.contains("variant index 0 <= i < 3"), "{error}");
}

#[test]
fn what_no_event_has_is_not_written() {
    let error = writer::write(&(1, 2), Vec::new()).expect_err("no tuples").to_string();
    assert_eq!(error, "a tuple in an event");
    let error = writer::write(&1u64, Vec::new()).expect_err("no unsigned integers").to_string();
    assert_eq!(error, "an integer without sign in an event");
}
