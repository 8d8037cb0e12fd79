//! Cuts SQL into the few kinds of token that are needed to tell where a statement's parts begin and end.
//! Whether the statement makes sense is the engine's business.

use std::ops::Range;

/// What a token is. Comments and whitespace are not tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A bare word: keyword, identifier or number.
    Word,
    /// `"name"` or `` `name` ``.
    QuotedName,
    /// `'text'` or `$tag$text$tag$`.
    Text,
    /// Any other single byte.
    Symbol(u8),
}

/// A token and where it lies in the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    pub(crate) span: Range<usize>,
}

impl Token {
    /// Whether the token is this keyword, in any case.
    pub(crate) fn is(&self, keyword: &str, sql: &[u8]) -> bool {
        self.kind == Kind::Word && sql[self.span.clone()].eq_ignore_ascii_case(keyword.as_bytes())
    }

    pub(crate) fn is_symbol(&self, symbol: u8) -> bool {
        self.kind == Kind::Symbol(symbol)
    }
}

/// Reads tokens one after the other.
pub(crate) struct Lexer<'a> {
    sql: &'a [u8],
    at: usize,
    /// A heredoc did not close: none is looked for again, or a text of dollar signs would take for ever.
    no_heredocs: bool,
}

impl<'a> Lexer<'a> {
    pub(crate) fn new(sql: &'a [u8]) -> Self {
        Self { sql, at: 0, no_heredocs: false }
    }

    /// Index of the first byte at or after `from` that `test` accepts; the end when there is none.
    fn first_from(&self, from: usize, test: impl Fn(u8) -> bool) -> usize {
        self.sql[from..].iter().position(|&b| test(b)).map_or(self.sql.len(), |n| from + n)
    }

    fn skip_blank(&mut self) {
        loop {
            let rest = &self.sql[self.at..];
            self.at = match rest {
                [b, ..] if b.is_ascii_whitespace() || *b == 0x0b => self.at + 1,
                [b'-', b'-', ..] | [b'#', b' ' | b'!', ..] => self.first_from(self.at, |b| b == b'\n'),
                [b'/', b'*', ..] => {
                    let end = rest[2..].windows(2).position(|w| w == b"*/");
                    end.map_or(self.sql.len(), |n| self.at + 2 + n + 2)
                }
                _ => return,
            };
        }
    }

    /// End of a word that begins at `start`; dollar signs may be in one.
    fn word_end(&self, start: usize) -> usize {
        self.first_from(start + 1, |b| !is_word(b) && b != b'$')
    }

    /// End of a quoted token that opens at `start`: a quote is escaped by a backslash or by doubling it.
    fn quoted_end(&self, start: usize, quote: u8) -> usize {
        let mut at = start + 1;
        while at < self.sql.len() {
            match self.sql[at] {
                b'\\' => at += 2,
                b if b == quote && self.sql.get(at + 1) == Some(&quote) => at += 2,
                b if b == quote => return at + 1,
                _ => at += 1,
            }
        }
        self.sql.len()
    }

    /// End of `$tag$ ... $tag$` that opens at `start`, when it is one.
    fn heredoc_end(&mut self, start: usize) -> Option<usize> {
        let tag_end = self.first_from(start + 1, |b| !is_word(b));
        if self.no_heredocs || self.sql.get(tag_end) != Some(&b'$') {
            return None;
        }
        let tag = &self.sql[start..=tag_end];
        let body = &self.sql[tag_end + 1..];
        let end = body.windows(tag.len()).position(|w| w == tag).map(|n| tag_end + 1 + n + tag.len());
        self.no_heredocs = end.is_none();
        end
    }
}

impl Iterator for Lexer<'_> {
    type Item = Token;

    fn next(&mut self) -> Option<Token> {
        self.skip_blank();
        let start = self.at;
        let first = *self.sql.get(start)?;
        let (kind, end) = match first {
            b'\'' => (Kind::Text, self.quoted_end(start, first)),
            b'"' | b'`' => (Kind::QuotedName, self.quoted_end(start, first)),
            b'$' => match self.heredoc_end(start) {
                Some(end) => (Kind::Text, end),
                None => (Kind::Word, self.word_end(start)),
            },
            b if is_word(b) => (Kind::Word, self.word_end(start)),
            b => (Kind::Symbol(b), start + 1),
        };
        self.at = end;
        Some(Token { kind, span: start..end })
    }
}

fn is_word(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b == b'_' || b >= 0x80
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(sql: &str) -> Vec<&str> {
        Lexer::new(sql.as_bytes()).map(|t| &sql[t.span]).collect()
    }

    #[test]
    fn comments_and_blanks_are_not_tokens() {
        assert_eq!(texts("-- a\nSELECT/* b */1 # c\n, 2"), ["SELECT", "1", ",", "2"]);
    }

    #[test]
    fn quotes_hide_what_is_in_them() {
        assert_eq!(
            texts(r"'it''s \' FORMAT' `a``b` $x$ ' FORMAT $x$ z"),
            [r"'it''s \' FORMAT'", "`a``b`", "$x$ ' FORMAT $x$", "z"]
        );
    }

    #[test]
    fn dollar_signs_are_of_words_unless_they_make_a_heredoc() {
        assert_eq!(texts("a$b$c $1 $$ x $$ $t$ y"), ["a$b$c", "$1", "$$ x $$", "$t$", "y"]);
        let dollars: String = (0..300_000).map(|n| format!("${n}")).collect();
        assert_eq!(texts(&dollars).len(), 1);
    }

    #[test]
    fn an_unclosed_quote_or_comment_runs_to_the_end() {
        assert_eq!(texts("a 'b c"), ["a", "'b c"]);
        assert_eq!(texts("a /* b"), ["a"]);
        assert_eq!(texts("a '\\"), ["a", "'\\"]);
    }
}
