//! Writes events as Avro data.
//!
//! Nothing is looked up in a schema: an event's type has fields and variants in the order in which its schema has fields and symbols, and
//! what may be null is a union of null and something else. Tests hold every place of every type to that, by what a library reads. Asking the
//! schema at each field takes several times as long (`cargo bench -p millrace-schemas`), and a score has seventy.

use serde::{
    Serialize, Serializer,
    de::value::Error,
    ser::{Error as _, Impossible, SerializeMap, SerializeSeq, SerializeStruct},
};

/// Appends an event's datum.
///
/// # Errors
/// When there is something in it that events don't have, such as a variant with a value.
pub(super) fn write<T: Serialize>(event: &T, into: Vec<u8>) -> Result<Vec<u8>, Error> {
    let mut writer = Writer(into);
    event.serialize(&mut writer)?;
    Ok(writer.0)
}

struct Writer(Vec<u8>);

impl Writer {
    /// An int or a long: zigzag, seven bits a byte, the lowest first.
    fn long(&mut self, value: i64) {
        let mut rest = ((value << 1) ^ (value >> (i64::BITS - 1))).cast_unsigned();
        while rest >= 0x80 {
            self.0.push(rest as u8 | 0x80);
            rest >>= 7;
        }
        self.0.push(rest as u8);
    }

    /// A number of items, a length, or a place among symbols.
    fn size(&mut self, size: usize) {
        self.long(i64::try_from(size).expect("nothing in memory is longer"));
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.size(bytes.len());
        self.0.extend_from_slice(bytes);
    }
}

/// The items of an array or a map: a block of all of them, and one of none.
struct Items<'w> {
    writer: &'w mut Writer,
    announced: usize,
    written: usize,
}

impl<'w> Items<'w> {
    fn new(writer: &'w mut Writer, len: Option<usize>) -> Result<Self, Error> {
        let announced = len.ok_or_else(|| Error::custom("items of no known number"))?;
        writer.size(announced);
        Ok(Self { writer, announced, written: 0 })
    }

    fn finish(self) -> Result<(), Error> {
        if self.written != self.announced {
            return unknown(&format!("another number of items than the {} announced", self.announced));
        }
        if self.announced > 0 {
            self.writer.size(0);
        }
        Ok(())
    }
}

/// What no event has.
fn unknown<T>(what: &str) -> Result<T, Error> {
    Err(Error::custom(format_args!("{what} in an event")))
}

impl<'w> Serializer for &'w mut Writer {
    type Ok = ();
    type Error = Error;
    type SerializeSeq = Items<'w>;
    type SerializeMap = Items<'w>;
    type SerializeStruct = Self;
    type SerializeTuple = Impossible<(), Error>;
    type SerializeTupleStruct = Impossible<(), Error>;
    type SerializeTupleVariant = Impossible<(), Error>;
    type SerializeStructVariant = Impossible<(), Error>;

    fn is_human_readable(&self) -> bool {
        false
    }

    fn serialize_bool(self, value: bool) -> Result<(), Error> {
        self.0.push(u8::from(value));
        Ok(())
    }

    fn serialize_i32(self, value: i32) -> Result<(), Error> {
        self.long(i64::from(value));
        Ok(())
    }

    fn serialize_i64(self, value: i64) -> Result<(), Error> {
        self.long(value);
        Ok(())
    }

    fn serialize_f64(self, value: f64) -> Result<(), Error> {
        self.0.extend_from_slice(&value.to_le_bytes());
        Ok(())
    }

    fn serialize_str(self, text: &str) -> Result<(), Error> {
        self.bytes(text.as_bytes());
        Ok(())
    }

    fn serialize_bytes(self, bytes: &[u8]) -> Result<(), Error> {
        self.bytes(bytes);
        Ok(())
    }

    fn serialize_none(self) -> Result<(), Error> {
        self.size(0);
        Ok(())
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Error> {
        self.size(1);
        value.serialize(self)
    }

    fn serialize_unit_variant(self, _: &'static str, index: u32, _: &'static str) -> Result<(), Error> {
        self.long(i64::from(index));
        Ok(())
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Result<(), Error> {
        value.serialize(self)
    }

    fn serialize_seq(self, len: Option<usize>) -> Result<Items<'w>, Error> {
        Items::new(self, len)
    }

    fn serialize_map(self, len: Option<usize>) -> Result<Items<'w>, Error> {
        Items::new(self, len)
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Self, Error> {
        Ok(self)
    }

    fn serialize_i8(self, _: i8) -> Result<(), Error> {
        unknown("an integer of 8 bits")
    }

    fn serialize_i16(self, _: i16) -> Result<(), Error> {
        unknown("an integer of 16 bits")
    }

    fn serialize_u8(self, _: u8) -> Result<(), Error> {
        unknown("an integer of 8 bits")
    }

    fn serialize_u16(self, _: u16) -> Result<(), Error> {
        unknown("an integer of 16 bits")
    }

    fn serialize_u32(self, _: u32) -> Result<(), Error> {
        unknown("an integer without sign")
    }

    fn serialize_u64(self, _: u64) -> Result<(), Error> {
        unknown("an integer without sign")
    }

    fn serialize_f32(self, _: f32) -> Result<(), Error> {
        unknown("a number of 32 bits")
    }

    fn serialize_char(self, _: char) -> Result<(), Error> {
        unknown("a character")
    }

    fn serialize_unit(self) -> Result<(), Error> {
        unknown("nothing")
    }

    fn serialize_unit_struct(self, name: &'static str) -> Result<(), Error> {
        unknown(name)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: &T,
    ) -> Result<(), Error> {
        unknown(variant)
    }

    fn serialize_tuple(self, _: usize) -> Result<Self::SerializeTuple, Error> {
        unknown("a tuple")
    }

    fn serialize_tuple_struct(self, name: &'static str, _: usize) -> Result<Self::SerializeTupleStruct, Error> {
        unknown(name)
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleVariant, Error> {
        unknown(variant)
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Self::SerializeStructVariant, Error> {
        unknown(variant)
    }
}

impl SerializeStruct for &mut Writer {
    type Ok = ();
    type Error = Error;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, _: &'static str, value: &T) -> Result<(), Error> {
        value.serialize(&mut **self)
    }

    fn skip_field(&mut self, name: &'static str) -> Result<(), Error> {
        unknown(name)
    }

    fn end(self) -> Result<(), Error> {
        Ok(())
    }
}

impl SerializeSeq for Items<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.written += 1;
        value.serialize(&mut *self.writer)
    }

    fn end(self) -> Result<(), Error> {
        self.finish()
    }
}

impl SerializeMap for Items<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Error> {
        key.serialize(&mut *self.writer)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.written += 1;
        value.serialize(&mut *self.writer)
    }

    fn end(self) -> Result<(), Error> {
        self.finish()
    }
}
