//! Where a request's statement ends and its rows begin, and which format it names.
//!
//! A server reads `INSERT ... FORMAT x` or `INSERT ... VALUES` and takes all that follows as rows, which may be
//! gigabytes; any other statement is the whole text. The engine's C interface wants the two apart, and a result's
//! format has to be known before the first byte of it.

mod lexer;

use lexer::{Kind, Lexer, Token};

use crate::exception::{Exception, code};

/// What a text that may not be complete yet turned out to be.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// Too little of the text is there to tell.
    Incomplete,
    /// The statement is all of the text.
    Whole,
    /// An insert with rows after it.
    Rows(InsertHead),
}

/// An insert statement as it stands before its rows.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct InsertHead {
    /// Length of the statement without its `FORMAT` or `VALUES`.
    pub(crate) statement_end: usize,
    /// Format of the rows.
    pub(crate) format: String,
    /// Where the rows begin.
    pub(crate) rows_start: usize,
}

/// Finds the rows of an insert. `complete` says that nothing follows `sql`.
pub(crate) fn cut(sql: &[u8], complete: bool) -> Cut {
    // A token at the very end may go on in what is still to come.
    let usable = |token: &Token| complete || token.span.end < sql.len();
    let mut tokens = Lexer::new(sql).take_while(usable).peekable();
    let undecided = if complete { Cut::Whole } else { Cut::Incomplete };
    match tokens.next() {
        None => return undecided,
        Some(first) if !first.is("INSERT", sql) => return Cut::Whole,
        Some(_) => {}
    }
    while tokens.next_if(|t| t.is("INTO", sql) || t.is("TABLE", sql)).is_some() {}
    if tokens.next_if(|t| t.is("FUNCTION", sql)).is_none() {
        skip_name(&mut tokens);
    }
    let mut depth = 0_usize;
    let mut opened = false;
    while let Some(token) = tokens.next() {
        let is_query = |first: &str| token.is(first, sql) && (depth == 0 || opened);
        if ["SELECT", "WITH", "INFILE"].iter().any(|first| is_query(first)) {
            return Cut::Whole;
        }
        opened = token.is_symbol(b'(');
        match token.kind {
            Kind::Symbol(b'(' | b'[' | b'{') => depth += 1,
            Kind::Symbol(b')' | b']' | b'}') => depth = depth.saturating_sub(1),
            Kind::Word if depth == 0 && token.is("VALUES", sql) => {
                let head =
                    InsertHead { statement_end: token.span.start, format: "Values".into(), rows_start: token.span.end };
                return Cut::Rows(head);
            }
            Kind::Word if depth == 0 && token.is("FORMAT", sql) => {
                let Some(name) = tokens.next() else { break };
                let rows_start = skip_to_rows(sql, name.span.end);
                if rows_start == sql.len() && !complete {
                    return Cut::Incomplete;
                }
                let head = InsertHead { statement_end: token.span.start, format: name_of(&name, sql), rows_start };
                return Cut::Rows(head);
            }
            _ => {}
        }
    }
    if !complete {
        return Cut::Incomplete;
    }
    // An insert that names no format takes `VALUES`' format, and here has no rows.
    let end = without_semicolons(sql).len();
    Cut::Rows(InsertHead { statement_end: end, format: "Values".into(), rows_start: sql.len() })
}

/// Passes over `name`, `database.name` or `{parameter:Identifier}`: a table may be called `values` or `format`.
fn skip_name(tokens: &mut std::iter::Peekable<impl Iterator<Item = Token>>) {
    loop {
        if tokens.next_if(|t| t.is_symbol(b'{')).is_some() {
            while tokens.next_if(|t| !t.is_symbol(b'}')).is_some() {}
        }
        tokens.next();
        if tokens.next_if(|t| t.is_symbol(b'.')).is_none() {
            return;
        }
    }
}

/// Rows begin after the blanks on the line of the format's name, or on the next line.
fn skip_to_rows(sql: &[u8], mut at: usize) -> usize {
    let is = |at: usize, accepted: &[u8]| sql.get(at).is_some_and(|b| accepted.contains(b));
    while is(at, b" \t\x0c;") {
        at += 1;
    }
    if is(at, b"\r") {
        at += 1;
    }
    if is(at, b"\n") {
        at += 1;
    }
    at
}

fn name_of(token: &Token, sql: &[u8]) -> String {
    let text = String::from_utf8_lossy(&sql[token.span.clone()]);
    text.trim_matches(['`', '"']).to_owned()
}

/// A whole statement, taken apart where its result's destination and format are named.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Statement {
    /// The statement without semicolon.
    pub(crate) text: Vec<u8>,
    /// Where in `text` an `INTO OUTFILE` belongs: before its `FORMAT`, or at the end.
    pub(crate) outfile_at: usize,
    /// The format it names.
    pub(crate) format: Option<String>,
    /// Begins like a query whose result may be large: `SELECT`, `WITH`, `FROM` or a parenthesis.
    pub(crate) is_select: bool,
}

impl Statement {
    /// Takes a whole text apart.
    ///
    /// # Errors
    /// It would read or write files beside the request and its response.
    pub(crate) fn parse(sql: &[u8]) -> Result<Self, Exception> {
        let text = without_semicolons(sql);
        let tokens: Vec<Token> = Lexer::new(text).collect();
        let is_insert = tokens.first().is_some_and(|t| t.is("INSERT", text));
        let mut depth = 0_usize;
        let mut clause = None;
        for (i, token) in tokens.iter().enumerate() {
            let next_is = |keyword| tokens.get(i + 1).is_some_and(|t| t.is(keyword, text));
            match token.kind {
                Kind::Symbol(b'(' | b'[' | b'{') => depth += 1,
                Kind::Symbol(b')' | b']' | b'}') => depth = depth.saturating_sub(1),
                Kind::Word if depth == 0 && token.is("INTO", text) && next_is("OUTFILE") => {
                    return Err(Exception::new(code::INTO_OUTFILE_NOT_ALLOWED, "INTO OUTFILE is not allowed"));
                }
                Kind::Word if depth == 0 && is_insert && token.is("INFILE", text) => {
                    return Err(Exception::new(
                        code::NOT_IMPLEMENTED,
                        "INSERT FROM INFILE needs a client that reads the file",
                    ));
                }
                Kind::Word
                    if is_insert && token.is("INPUT", text) && tokens.get(i + 1).is_some_and(|t| t.is_symbol(b'(')) =>
                {
                    return Err(Exception::new(
                        code::NOT_IMPLEMENTED,
                        "INSERT ... SELECT FROM input() is not supported here",
                    ));
                }
                Kind::Word if depth == 0 && token.is("FORMAT", text) => {
                    clause = format_clause(&tokens, i, text).or(clause)
                }
                _ => {}
            }
        }
        let is_select = tokens.first().is_some_and(|first| {
            first.is_symbol(b'(') || ["SELECT", "WITH", "FROM"].iter().any(|keyword| first.is(keyword, text))
        });
        let (outfile_at, format) = clause.map_or((text.len(), None), |(at, format)| (at, Some(format)));
        Ok(Self { text: text.to_vec(), outfile_at, format, is_select })
    }

    /// The statement with its result going to `path` in `format`.
    pub(crate) fn with_outfile(&self, path: &str, format: &str) -> Vec<u8> {
        let (before, after) = self.text.split_at(self.outfile_at);
        let mut sql = before.to_vec();
        // The statement may end in a comment, which the line break closes.
        sql.extend_from_slice(format!("\nINTO OUTFILE '{path}' APPEND\n").as_bytes());
        if self.format.is_none() {
            sql.extend_from_slice(format!("FORMAT {format}").as_bytes());
        }
        sql.extend_from_slice(after);
        sql
    }
}

/// `FORMAT name` at the end of a statement, or followed by settings; elsewhere the word is something else.
fn format_clause(tokens: &[Token], at: usize, sql: &[u8]) -> Option<(usize, String)> {
    let name = tokens.get(at + 1).filter(|t| matches!(t.kind, Kind::Word | Kind::QuotedName))?;
    let ends = tokens.get(at + 2).is_none_or(|t| t.is("SETTINGS", sql));
    ends.then(|| (tokens[at].span.start, name_of(name, sql)))
}

/// The text up to its last token that is no semicolon.
fn without_semicolons(sql: &[u8]) -> &[u8] {
    let last = Lexer::new(sql).filter(|token| !token.is_symbol(b';')).last();
    &sql[..last.map_or(0, |token| token.span.end)]
}

#[cfg(test)]
mod tests;
