//! What the schemas of events have no example for; everything else is in `schemas/tests/schemas.rs`.

use super::*;
use crate::event::{FeatureValues, TimeResolution, Transaction};
use apache_avro::writer::datum::GenericDatumWriter;
use proptest::prelude::*;

/// The same features, as other programs may write them: in several blocks, with or without their lengths in bytes.
#[test]
fn blocks_are_read_however_they_are_cut() {
    let entry = |name: u8| [&[2, name][..], &f64::from(name).to_le_bytes()].concat();
    let (a, b, c) = (entry(b'a'), entry(b'b'), entry(b'c'));
    let in_one = [&[6][..], &a, &b, &c, &[0]].concat();
    let in_two = [&[2][..], &a, &[4], &b, &c, &[0]].concat();
    let with_lengths = [&[3, 40][..], &a, &b, &[1, 20], &c, &[0]].concat();
    // The library does not look at lengths either.
    let with_wrong_lengths = [&[3, 1][..], &a, &b, &[1, 2], &c, &[0]].concat();
    let expected = FeatureValues::sorted(
        [b'a', b'b', b'c'].map(|name| (char::from(name).to_string().into(), f64::from(name))).into(),
    );
    for datum in [in_one, in_two, with_lengths, with_wrong_lengths] {
        let (read, rest) = reader::read::<FeatureValues>(&datum).expect("a map");
        assert_eq!((read, rest), (expected.clone(), [].as_slice()));
    }
}

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
    let most = [&[0xfe][..], &[0xff; 8], &[1]].concat();
    let most_with_a_length = [&[0xff; 9][..], &[1, 0]].concat();
    for datum in [most, most_with_a_length] {
        let error = reader::read::<Vec<String>>(&datum).expect_err("no array").to_string();
        assert_eq!(error, "the data end here");
    }
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

/// Announces more items than it has, or fewer.
struct Miscounted(usize);

impl serde::Serialize for Miscounted {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeSeq as _;
        let mut items = serializer.serialize_seq(Some(self.0))?;
        items.serialize_element("one")?;
        items.serialize_element("two")?;
        items.end()
    }
}

#[test]
fn items_are_as_many_as_were_announced() {
    assert_eq!(writer::write(&Miscounted(2), Vec::new()).expect("two"), b"\x04\x06one\x06two\0");
    for announced in [0, 1, 3] {
        let error = writer::write(&Miscounted(announced), Vec::new()).expect_err("two").to_string();
        assert_eq!(error, format!("another number of items than the {announced} announced in an event"));
    }
}

fn assert_is_written_as_by_the_library(number: i64) {
    let library = GenericDatumWriter::builder(&Schema::Long).build().expect("a writer");
    let by_library = library.write_ser_to_vec(&number).expect("a long");
    assert_eq!(writer::write(&number, Vec::new()).expect("a long"), by_library);
    let (read, rest) = reader::read::<i64>(&by_library).expect("a long");
    assert_eq!((read, rest), (number, [].as_slice()));
}

#[test]
fn the_smallest_and_the_largest_integers_are_those_of_the_library() {
    [i64::MIN, i64::MIN + 1, -65, -64, -1, 0, 63, 64, i64::MAX]
        .into_iter()
        .for_each(assert_is_written_as_by_the_library);
}

proptest! {
    #[test]
    fn integers_are_those_of_the_library(number: i64, shorter_by in 0..64) {
        assert_is_written_as_by_the_library(number >> shorter_by);
    }
}
