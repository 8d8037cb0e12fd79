//! A record of a journal as an input that keeps every rule, whoever produced it; or why it is none.

use crate::{Record, RuntimeError, kafka::partition_of, log::Schemas};
use millrace_schemas::{
    event::{FieldError, Journal},
    rules::{self, Checked, Rules},
};
use tokio::runtime::Handle;

/// A record that does not pass, as its dead letter tells it.
pub(crate) struct Refusal(pub(crate) Vec<FieldError>);

impl Refusal {
    pub(crate) fn whole(code: &str, message: impl Into<String>) -> Self {
        Self(vec![FieldError { path: String::new(), code: code.to_owned(), message: message.into() }])
    }
}

/// Reads inputs.
pub(crate) struct Inputs {
    pub(crate) schemas: Schemas,
    pub(crate) runtime: Handle,
    pub(crate) rules: Rules,
    /// Partitions of the journal.
    pub(crate) partitions: i32,
    /// Larger records are refused: their outputs might not fit their topics.
    pub(crate) max_bytes: usize,
}

impl Inputs {
    /// The record as an input that keeps every rule.
    ///
    /// The outer error is of the way to a schema; the inner one of the record.
    pub(crate) fn read<I: Journal + Checked>(&self, record: &Record) -> Result<Result<I, Refusal>, RuntimeError> {
        let bytes = record.value.as_ref().map_or(0, bytes::Bytes::len);
        if bytes > self.max_bytes {
            let message = format!("the record has {bytes} bytes; at most {} are taken", self.max_bytes);
            return Ok(Err(Refusal::whole("too_large", message)));
        }
        let input = match self.schemas.decode::<I>(&self.runtime, record.value.as_deref())? {
            Ok(input) => input,
            Err(error) => return Ok(Err(Refusal::whole(error.code(), error.to_string()))),
        };
        Ok(self.check_key(record, &input).and_then(|()| self.check_rules(record, &input)).map(|()| input))
    }

    fn check_key<I: Journal>(&self, record: &Record, input: &I) -> Result<(), Refusal> {
        rules::check_key(record.key.as_deref(), input).map_err(|it| Refusal::whole(it.code, it.message))?;
        let home = partition_of(input.owner().as_bytes(), self.partitions);
        if home != record.partition {
            let message = format!(
                "the key belongs to partition {home} by murmur2, as Java clients partition; set the producer's partitioner"
            );
            return Err(Refusal::whole("wrong_partition", message));
        }
        Ok(())
    }

    fn check_rules<I: Checked>(&self, record: &Record, input: &I) -> Result<(), Refusal> {
        let violations = input.check(&self.rules, record.received_at());
        if violations.is_empty() {
            Ok(())
        } else {
            Err(Refusal(violations.iter().map(|v| v.to_field_error()).collect()))
        }
    }
}
