//! The text of a request: the URL's part, then the body, cut where an insert's rows begin.

use std::io::Read;

use crate::exception::{Exception, code};
use crate::sql::{self, Cut, InsertHead};

/// Bytes read at a time while it is not known yet where the statement ends.
const STEP: usize = 64 * 1024;

/// URL and body as one text, of which a beginning has been read.
pub(crate) struct Source {
    text: Vec<u8>,
    rest: Option<Box<dyn Read + Send>>,
}

/// What a request asks to be run.
pub(crate) enum Request {
    /// A whole statement.
    Whole(Vec<u8>),
    /// An insert with rows.
    Insert {
        /// The statement without `FORMAT` or `VALUES`.
        sql: Vec<u8>,
        /// Format of the rows.
        format: String,
        /// Where they come from.
        rows: Rows,
    },
}

/// The rows of an insert.
pub(crate) struct Rows {
    /// Those that were read with the statement.
    pub(crate) first: Vec<u8>,
    /// The others.
    pub(crate) rest: Option<Box<dyn Read + Send>>,
}

impl Source {
    /// `query` is the URL's part. As on a server the body follows it on a new line.
    pub(crate) fn new(query: &[u8], body: Option<Box<dyn Read + Send>>) -> Self {
        let mut text = query.to_vec();
        if !text.is_empty() {
            text.push(b'\n');
        }
        Self { text, rest: body }
    }

    /// Reads as much as it takes to know the statement, which may have `limit` bytes.
    pub(crate) fn read(mut self, limit: usize) -> Result<Request, Exception> {
        let mut whole = false;
        loop {
            let ended = self.rest.is_none();
            // Once it is known to have no rows there is no need to look again.
            if !whole {
                match sql::cut(&self.text, ended) {
                    Cut::Rows(head) => return Ok(self.into_insert(&head)),
                    Cut::Whole => whole = true,
                    Cut::Incomplete => {}
                }
            }
            if self.text.len() > limit {
                let what = format!(
                    "the statement is larger than {limit} bytes; rows of an insert belong after FORMAT or VALUES"
                );
                return Err(Exception::new(code::QUERY_IS_TOO_LARGE, what));
            }
            if ended {
                return Ok(Request::Whole(self.text));
            }
            self.read_on()?;
        }
    }

    fn read_on(&mut self) -> Result<(), Exception> {
        if let Some(rest) = &mut self.rest
            && rest.take(STEP as u64).read_to_end(&mut self.text)? == 0
        {
            self.rest = None;
        }
        Ok(())
    }

    fn into_insert(mut self, head: &InsertHead) -> Request {
        let first = self.text.split_off(head.rows_start);
        self.text.truncate(head.statement_end);
        Request::Insert { sql: self.text, format: head.format.clone(), rows: Rows { first, rest: self.rest } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A body that comes a few bytes at a time.
    struct Trickle(std::io::Cursor<Vec<u8>>);

    impl Read for Trickle {
        fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
            let n = buf.len().min(3);
            self.0.read(&mut buf[..n])
        }
    }

    fn read(query: &str, body: &str, limit: usize) -> Result<Request, Exception> {
        Source::new(query.as_bytes(), Some(Box::new(Trickle(std::io::Cursor::new(body.into()))))).read(limit)
    }

    #[test]
    fn url_and_body_are_one_text() {
        for (query, body) in [
            ("INSERT INTO t FORMAT CSV", "1\n2\n"),
            ("", "INSERT INTO t FORMAT CSV\n1\n2\n"),
            ("INSERT INTO t", "FORMAT CSV\n1\n2\n"),
        ] {
            let Ok(Request::Insert { sql, format, mut rows }) = read(query, body, 1000) else { panic!("{query}") };
            let mut all = rows.first;
            if let Some(rest) = &mut rows.rest {
                rest.read_to_end(&mut all).unwrap();
            }
            assert_eq!(
                (String::from_utf8(sql).unwrap().trim(), format.as_str(), all.as_slice()),
                ("INSERT INTO t", "CSV", b"1\n2\n".as_slice())
            );
        }
        let Ok(Request::Whole(sql)) = read("SELECT", "1", 1000) else { panic!() };
        assert_eq!(sql, b"SELECT\n1");
    }

    #[test]
    fn a_statement_is_limited_and_rows_are_not() {
        assert_eq!(read("", &format!("SELECT '{}'", "x".repeat(100_000)), 1000).err().map(|e| e.code()), Some(229));
        assert!(read("INSERT INTO t FORMAT CSV", &"1\n".repeat(10), 30).is_ok());
    }
}
