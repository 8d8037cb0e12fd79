//! Values as ClickHouse's `RowBinary` has them: little-endian numbers, lengths before texts and lists, a byte before what may be
//! null. The same values always give the same bytes, which is what makes an insert repeatable.

use uuid::Uuid;

/// 1900-01-01 and the last millisecond of 2299, the bounds of `DateTime64(3)`, in epoch milliseconds.
const TIME_RANGE: (i64, i64) = (-2_208_988_800_000, 10_413_791_999_999);

/// Rows of one table, one value after the other.
#[derive(Debug, Default)]
pub struct RowBinary {
    bytes: Vec<u8>,
    bad_uuid: Option<String>,
}

impl RowBinary {
    /// The rows written.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// The first text that was to be a UUID and was none, since this was last asked.
    pub fn take_bad_uuid(&mut self) -> Option<String> {
        self.bad_uuid.take()
    }

    /// `String`, and `LowCardinality(String)`.
    pub fn text(&mut self, value: &str) {
        self.blob(value.as_bytes());
    }

    /// `String` that need not be UTF-8.
    pub fn blob(&mut self, value: &[u8]) {
        self.length(value.len());
        self.bytes.extend_from_slice(value);
    }

    /// `Bool`.
    pub fn flag(&mut self, value: bool) {
        self.bytes.push(u8::from(value));
    }

    /// `Int32`.
    pub fn int32(&mut self, value: i32) {
        self.bytes.extend_from_slice(&value.to_le_bytes());
    }

    /// `Int64`.
    pub fn int64(&mut self, value: i64) {
        self.bytes.extend_from_slice(&value.to_le_bytes());
    }

    /// `Float64`.
    pub fn float(&mut self, value: f64) {
        self.bytes.extend_from_slice(&value.to_le_bytes());
    }

    /// `Decimal(18, s)`, whose bytes are its integer of `10^-s`: money of ten-thousandths, quantities of millionths.
    pub fn decimal(&mut self, value: i64) {
        self.int64(value);
    }

    /// `DateTime64(3)` of epoch milliseconds; one that it cannot hold becomes its nearest bound.
    pub fn time(&mut self, epoch_ms: i64) {
        self.int64(epoch_ms.clamp(TIME_RANGE.0, TIME_RANGE.1));
    }

    /// `UUID`, from its text. A text that is none is noted and written as zeros.
    pub fn uuid(&mut self, text: &str) {
        let uuid = Uuid::try_parse(text).unwrap_or_else(|_| {
            self.bad_uuid.get_or_insert_with(|| text.to_owned());
            Uuid::nil()
        });
        let (high, low) = uuid.as_u64_pair();
        self.bytes.extend_from_slice(&high.to_le_bytes());
        self.bytes.extend_from_slice(&low.to_le_bytes());
    }

    /// `Nullable(T)`.
    pub fn optional<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Self, T)) {
        self.bytes.push(u8::from(value.is_none()));
        if let Some(value) = value {
            write(self, value);
        }
    }

    /// `Nullable(String)`.
    pub fn optional_text(&mut self, value: Option<&str>) {
        self.optional(value, Self::text);
    }

    /// `Array(T)`.
    pub fn list<T>(&mut self, values: &[T], mut write: impl FnMut(&mut Self, &T)) {
        self.length(values.len());
        values.iter().for_each(|value| write(self, value));
    }

    /// `Map(String, T)`, in the keys' order.
    pub fn map<T>(
        &mut self,
        values: impl IntoIterator<Item = (impl AsRef<str>, T), IntoIter: ExactSizeIterator>,
        mut write: impl FnMut(&mut Self, T),
    ) {
        let values = values.into_iter();
        self.length(values.len());
        for (key, value) in values {
            self.text(key.as_ref());
            write(self, value);
        }
    }

    /// Seven bits to a byte, the lowest first; the high bit says that more follow.
    fn length(&mut self, length: usize) {
        let mut rest = length;
        while rest >= 0x80 {
            self.bytes.push((rest & 0x7f) as u8 | 0x80);
            rest >>= 7;
        }
        self.bytes.push(rest as u8);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut RowBinary)) -> Vec<u8> {
        let mut row = RowBinary::default();
        write(&mut row);
        row.into_bytes()
    }

    #[test]
    fn lengths_take_seven_bits_to_a_byte() {
        assert_eq!(written(|row| row.text("ab")), [2, b'a', b'b']);
        assert_eq!(written(|row| row.blob(&[7; 300]))[..3], [0xac, 0x02, 7]);
        assert_eq!(written(|row| row.blob(&[7; 127]))[..2], [127, 7]);
        assert_eq!(written(|row| row.blob(&[7; 128]))[..3], [0x80, 0x01, 7]);
    }

    #[test]
    fn null_is_a_byte_and_nothing_more() {
        assert_eq!(written(|row| row.optional_text(None)), [1]);
        assert_eq!(written(|row| row.optional_text(Some("a"))), [0, 1, b'a']);
        assert_eq!(written(|row| row.optional(Some(true), RowBinary::flag)), [0, 1]);
    }

    #[test]
    fn a_uuid_is_two_little_endian_halves() {
        let bytes = written(|row| row.uuid("00112233-4455-6677-8899-aabbccddeeff"));
        assert_eq!(
            bytes,
            [0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11, 0x00, 0xff, 0xee, 0xdd, 0xcc, 0xbb, 0xaa, 0x99, 0x88]
        );
    }

    #[test]
    fn a_text_that_is_no_uuid_is_noted_once() {
        let mut row = RowBinary::default();
        row.uuid("first");
        row.uuid("second");
        assert_eq!((row.take_bad_uuid().as_deref(), row.take_bad_uuid()), (Some("first"), None));
        assert_eq!(row.into_bytes(), [0; 32]);
    }

    #[test]
    fn a_time_outside_the_column_becomes_its_bound() {
        assert_eq!(written(|row| row.time(i64::MAX)), TIME_RANGE.1.to_le_bytes());
        assert_eq!(written(|row| row.time(i64::MIN)), TIME_RANGE.0.to_le_bytes());
        assert_eq!(written(|row| row.time(1)), 1i64.to_le_bytes());
    }
}
