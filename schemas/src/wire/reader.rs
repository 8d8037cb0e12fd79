//! Reads events from Avro data of their own schemas.
//!
//! As in `writer.rs`, an event's type is its schema: nothing is looked up. Data of other schemas are read by apache-avro.

use serde::{
    Deserialize,
    de::{
        DeserializeSeed, Deserializer, EnumAccess, Error as _, IntoDeserializer, MapAccess, SeqAccess, VariantAccess,
        Visitor,
        value::{Error, U32Deserializer},
    },
    forward_to_deserialize_any,
};

/// Reads a datum; gives what comes after it, too.
///
/// # Errors
/// When it ends too early or holds what the type cannot; with the field.
pub(super) fn read<'de, T: Deserialize<'de>>(datum: &'de [u8]) -> Result<(T, &'de [u8]), Error> {
    let mut reader = Reader(datum);
    let event = T::deserialize(&mut reader)?;
    Ok((event, reader.0))
}

/// What is still to be read.
struct Reader<'de>(&'de [u8]);

impl<'de> Reader<'de> {
    fn take(&mut self, len: usize) -> Result<&'de [u8], Error> {
        let (taken, rest) = self.0.split_at_checked(len).ok_or_else(|| Error::custom("the data end here"))?;
        self.0 = rest;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8, Error> {
        let (first, rest) = self.0.split_first().ok_or_else(|| Error::custom("the data end here"))?;
        self.0 = rest;
        Ok(*first)
    }

    fn long(&mut self) -> Result<i64, Error> {
        let mut zigzag = 0u64;
        for shift in (0..u64::BITS).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if bits << shift >> shift != bits {
                break;
            }
            zigzag |= bits << shift;
            if byte < 0x80 {
                return Ok((zigzag >> 1).cast_signed() ^ -(zigzag & 1).cast_signed());
            }
        }
        Err(Error::custom("an integer of more than 64 bits"))
    }

    fn size(&mut self) -> Result<usize, Error> {
        let size = self.long()?;
        usize::try_from(size).map_err(|_| Error::custom(format_args!("a length of {size}")))
    }

    fn bytes(&mut self) -> Result<&'de [u8], Error> {
        let len = self.size()?;
        self.take(len)
    }

    fn text(&mut self) -> Result<&'de str, Error> {
        str::from_utf8(self.bytes()?).map_err(Error::custom)
    }
}

impl<'de> Deserializer<'de> for &mut Reader<'de> {
    type Error = Error;

    fn is_human_readable(&self) -> bool {
        false
    }

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
        Err(Error::custom("events have no such type"))
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.byte()? {
            0 => visitor.visit_bool(false),
            1 => visitor.visit_bool(true),
            other => Err(Error::custom(format_args!("a boolean of {other}"))),
        }
    }

    fn deserialize_i32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_i64(self.long()?)
    }

    fn deserialize_i64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_i64(self.long()?)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let bytes = self.take(size_of::<f64>())?;
        visitor.visit_f64(f64::from_le_bytes(bytes.try_into().expect("as many as were taken")))
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_borrowed_str(self.text()?)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_borrowed_str(self.text()?)
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_borrowed_bytes(self.bytes()?)
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_borrowed_bytes(self.bytes()?)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.long()? {
            0 => visitor.visit_none(),
            1 => visitor.visit_some(self),
            other => Err(Error::custom(format_args!("branch {other} of a union of two"))),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_seq(Items::begin(self)?)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_map(Items::begin(self)?)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_seq(Fields { reader: self, names: fields.iter() })
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_enum(self)
    }

    forward_to_deserialize_any! {
        i8 i16 u8 u16 u32 u64 f32 char unit unit_struct tuple tuple_struct identifier ignored_any
    }
}

/// The fields of a record, all of them, one after another.
struct Fields<'r, 'de> {
    reader: &'r mut Reader<'de>,
    names: std::slice::Iter<'static, &'static str>,
}

impl<'de> SeqAccess<'de> for Fields<'_, 'de> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
        let Some(name) = self.names.next() else { return Ok(None) };
        let value = seed.deserialize(&mut *self.reader);
        value.map(Some).map_err(|error| Error::custom(format_args!("{name}: {error}")))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.names.len())
    }
}

/// The items of an array or a map, in blocks of which the last has none.
struct Items<'r, 'de> {
    reader: &'r mut Reader<'de>,
    /// Of this block; none where there is no further block. An item takes a byte at least, so no number makes reading long.
    left: u64,
}

impl<'r, 'de> Items<'r, 'de> {
    fn begin(reader: &'r mut Reader<'de>) -> Result<Self, Error> {
        let left = block(reader)?;
        Ok(Self { reader, left })
    }

    /// Reads an item of an array, or the value of a map's.
    fn item<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, Error> {
        let item = seed.deserialize(&mut *self.reader)?;
        self.left -= 1;
        if self.left == 0 {
            self.left = block(self.reader)?;
        }
        Ok(item)
    }

    /// No more than there can be: an item takes a byte at least.
    fn expected(&self) -> Option<usize> {
        usize::try_from(self.left).ok().map(|left| left.min(self.reader.0.len()))
    }
}

/// How many items the next block has.
fn block(reader: &mut Reader<'_>) -> Result<u64, Error> {
    let count = reader.long()?;
    if count < 0 {
        // How many bytes it has, for who wants to skip it.
        reader.long()?;
    }
    Ok(count.unsigned_abs())
}

impl<'de> SeqAccess<'de> for Items<'_, 'de> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
        if self.left == 0 { Ok(None) } else { self.item(seed).map(Some) }
    }

    fn size_hint(&self) -> Option<usize> {
        self.expected()
    }
}

impl<'de> MapAccess<'de> for Items<'_, 'de> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        if self.left == 0 { Ok(None) } else { seed.deserialize(&mut *self.reader).map(Some) }
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        self.item(seed)
    }

    fn size_hint(&self) -> Option<usize> {
        self.expected()
    }
}

impl<'de> EnumAccess<'de> for &mut Reader<'de> {
    type Error = Error;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Error> {
        let index = self.long()?;
        let index = u32::try_from(index).map_err(|_| Error::custom(format_args!("symbol {index} of an enum")))?;
        let index: U32Deserializer<Error> = index.into_deserializer();
        Ok((seed.deserialize(index)?, self))
    }
}

impl<'de> VariantAccess<'de> for &mut Reader<'de> {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, _: T) -> Result<T::Value, Error> {
        Err(Error::custom("a symbol with a value"))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, _: V) -> Result<V::Value, Error> {
        Err(Error::custom("a symbol with values"))
    }

    fn struct_variant<V: Visitor<'de>>(self, _: &'static [&'static str], _: V) -> Result<V::Value, Error> {
        Err(Error::custom("a symbol with fields"))
    }
}
