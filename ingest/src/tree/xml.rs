//! XML to trees, by `quick-xml`'s pull reader.
//!
//! Document types and entities of one's own are refused, so nothing can be expanded or fetched. Attributes have no meaning in the
//! contract: declarations of namespaces and schemas are passed over, any other is a fault, since it would be lost without a word.
//! Comments and processing instructions are passed over.

use super::{BodyError, Builder, Entry, Limits, Member, Names, Place, Shape, Trail, Tree, Unreadable, Value};
use quick_xml::{
    Error, Reader,
    errors::IllFormedError,
    events::{BytesRef, BytesStart, Event},
};
use std::{borrow::Cow, collections::BTreeMap};

/// Most attributes of an element: checking that none stands twice takes the square of their number.
const ATTRIBUTES_MAX: usize = 64;

/// The root is one item or an envelope of items; attributes of the envelope are passed over.
pub(super) fn read<'a>(
    text: &'a str,
    names: Names,
    limits: &Limits,
    take: &mut dyn FnMut(Entry<'a>),
) -> Result<Shape, BodyError> {
    let mut xml = Xml::new(text)?;
    let root = xml.root()?;
    let shape = if root.name == names.one {
        take(xml.item(&root, format!("/{}", names.one), limits)?);
        Shape::One
    } else if root.name == names.several {
        xml.items(&root, names, limits, take)?;
        Shape::Several
    } else {
        let place = Place::Element(format!("/{}", super::shown(root.name)));
        return Err(BodyError::Root { place, one: names.one, several: names.several });
    };
    xml.end()?;
    Ok(shape)
}

/// Whether a text is the name of an element: letters, digits, `.`, `-`, `_` and `:`, beginning with a letter or `_`.
pub(crate) fn is_name(text: &str) -> bool {
    let first = text.chars().next();
    first.is_some_and(|c| c.is_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | ':'))
}

/// Whether XML 1.0 allows a character.
pub(crate) fn is_char(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..)
}

/// A start tag.
struct Start<'a> {
    name: &'a str,
    tag: BytesStart<'a>,
    /// Offset of its `<`.
    begin: usize,
    /// Written as `<name/>`.
    empty: bool,
}

/// What is inside an element, piece by piece.
enum Piece<'a> {
    Child(Start<'a>),
    Text(Cow<'a, str>),
    End,
}

struct Xml<'a> {
    text: &'a str,
    reader: Reader<&'a [u8]>,
}

impl<'a> Xml<'a> {
    fn new(text: &'a str) -> Result<Self, BodyError> {
        match text.chars().all(is_char) {
            true => Ok(Self { text, reader: Reader::from_str(text) }),
            false => Err(BodyError::Malformed("a character that XML does not allow".into())),
        }
    }

    fn position(&self) -> usize {
        usize::try_from(self.reader.buffer_position()).unwrap_or(usize::MAX)
    }

    /// The next event and where it begins.
    fn next(&mut self) -> Result<(usize, Event<'a>), BodyError> {
        let begin = self.position();
        let event = self.reader.read_event().map_err(|error| self.ill_formed(what(&error)))?;
        match event {
            Event::DocType(_) => Err(BodyError::Doctype),
            event => Ok((begin, event)),
        }
    }

    fn ill_formed(&self, what: &str) -> BodyError {
        BodyError::Malformed(format!(
            "{what} at byte {}",
            self.reader.error_position().max(self.reader.buffer_position())
        ))
    }

    fn start(&self, begin: usize, tag: BytesStart<'a>, empty: bool) -> Result<Start<'a>, BodyError> {
        let length = tag.name().into_inner().len();
        let name = &self.text[begin + 1..begin + 1 + length];
        if is_name(name) { Ok(Start { name, tag, begin, empty }) } else { Err(self.ill_formed("a tag without a name")) }
    }

    /// The root element's start, after the prolog.
    fn root(&mut self) -> Result<Start<'a>, BodyError> {
        loop {
            let (begin, event) = self.next()?;
            match event {
                Event::Start(tag) => return self.start(begin, tag, false),
                Event::Empty(tag) => return self.start(begin, tag, true),
                Event::Decl(declaration) if begin == 0 && declaration.xml_version().is_ok() => {
                    check_encoding(declaration.encoding())?;
                }
                Event::Comment(_) | Event::PI(_) => {}
                Event::Text(text) if text.trim_ascii().is_empty() => {}
                _ => return Err(self.ill_formed("no root element")),
            }
        }
    }

    /// Nothing but comments may follow the root element.
    fn end(&mut self) -> Result<(), BodyError> {
        loop {
            match self.next()?.1 {
                Event::Eof => return Ok(()),
                Event::Comment(_) | Event::PI(_) => {}
                Event::Text(text) if text.trim_ascii().is_empty() => {}
                _ => return Err(self.ill_formed("content after the root element")),
            }
        }
    }

    fn items(
        &mut self,
        root: &Start<'a>,
        names: Names,
        limits: &Limits,
        take: &mut dyn FnMut(Entry<'a>),
    ) -> Result<(), BodyError> {
        let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
        let mut items = 0;
        while let Some(child) = self.next_child(root)? {
            items += 1;
            if items > limits.items_max {
                return Err(BodyError::TooManyItems(limits.items_max));
            }
            let number = seen.entry(child.name).and_modify(|n| *n += 1).or_insert(1);
            let name = if child.name == names.one { names.one } else { "*" };
            let element = format!("/{}/{name}[{}]", names.several, if name == "*" { items } else { *number });
            take(if name == names.one {
                self.item(&child, element, limits)?
            } else {
                self.stranger(&child, element, names)?
            });
        }
        Ok(())
    }

    /// The next element inside the envelope; `None` at its end.
    fn next_child(&mut self, root: &Start<'a>) -> Result<Option<Start<'a>>, BodyError> {
        if root.empty {
            return Ok(None);
        }
        loop {
            match self.piece()? {
                Piece::Child(child) => return Ok(Some(child)),
                Piece::End => return Ok(None),
                Piece::Text(text) if text.trim_ascii().is_empty() => {}
                Piece::Text(_) => return Err(self.ill_formed("text between items")),
            }
        }
    }

    /// The next piece inside an open element.
    fn piece(&mut self) -> Result<Piece<'a>, BodyError> {
        loop {
            let (begin, event) = self.next()?;
            return Ok(match event {
                Event::Start(tag) => Piece::Child(self.start(begin, tag, false)?),
                Event::Empty(tag) => Piece::Child(self.start(begin, tag, true)?),
                Event::Text(text) => Piece::Text(text.xml10_content()),
                Event::CData(text) => Piece::Text(text.xml10_content()),
                Event::GeneralRef(reference) => Piece::Text(Cow::Owned(self.resolve(&reference)?.to_string())),
                Event::End(_) => Piece::End,
                Event::Comment(_) | Event::PI(_) => continue,
                Event::Eof => return Err(self.ill_formed("an element is not closed")),
                Event::Decl(_) | Event::DocType(_) => return Err(self.ill_formed("a declaration inside an element")),
            });
        }
    }

    fn item(&mut self, start: &Start<'a>, element: String, limits: &Limits) -> Result<Entry<'a>, BodyError> {
        let mut builder = Builder::new(limits);
        let value = self.element(start, 1, &Trail::ROOT, &mut builder)?;
        let raw = &self.text[start.begin..self.position()];
        let content = Ok(Tree { value, faults: builder.faults });
        Ok(Entry { place: Place::Element(element), raw, content })
    }

    /// An element that is none of the kind's.
    fn stranger(&mut self, start: &Start<'a>, element: String, names: Names) -> Result<Entry<'a>, BodyError> {
        self.skip(start)?;
        let raw = &self.text[start.begin..self.position()];
        let message = format!("must be a <{}>", names.one);
        Ok(Entry {
            place: Place::Element(element),
            raw,
            content: Err(Unreadable { code: "unexpected_element", message }),
        })
    }

    fn skip(&mut self, start: &Start<'a>) -> Result<(), BodyError> {
        if start.empty {
            return Ok(());
        }
        let end = start.tag.to_end().into_owned();
        self.reader.read_to_end(end.name()).map(|_| ()).map_err(|error| self.ill_formed(what(&error)))
    }

    /// Builds the tree of an element whose start has been read. Recursion is bounded by `depth_max`.
    fn element(
        &mut self,
        start: &Start<'a>,
        depth: usize,
        at: &Trail<'_>,
        builder: &mut Builder<'_>,
    ) -> Result<Value<'a>, BodyError> {
        self.attributes(start, at, builder)?;
        if !builder.count(at) {
            self.skip(start)?;
            return Ok(Value::Skipped);
        }
        if start.empty {
            return Ok(Value::Text(Cow::Borrowed("")));
        }
        let (mut text, mut children, mut too_deep) = (Cow::Borrowed(""), Vec::new(), false);
        loop {
            match self.piece()? {
                Piece::Text(more) => push(&mut text, more),
                Piece::Child(child) if depth > builder.limits.depth_max => {
                    self.skip(&child)?;
                    too_deep = true;
                }
                Piece::Child(child) => {
                    let value = self.child(&child, depth, at, &children, builder)?;
                    children.push((Cow::Borrowed(child.name), value));
                }
                Piece::End => break,
            }
        }
        if too_deep {
            builder.too_deep(at);
            return Ok(Value::Skipped);
        }
        if children.is_empty() {
            return Ok(Value::Text(text));
        }
        if !text.trim_ascii().is_empty() {
            builder.fault(at, "mixed_content", "must hold either text or elements");
        }
        Ok(Value::Elements(children))
    }

    /// An `item` is an entry of a list, and has its place among its like in its path.
    fn child(
        &mut self,
        child: &Start<'a>,
        depth: usize,
        at: &Trail<'_>,
        before: &[Member<'a>],
        builder: &mut Builder<'_>,
    ) -> Result<Value<'a>, BodyError> {
        if child.name == super::ENTRY {
            self.element(child, depth + 1, &at.index(before.len()), builder)
        } else {
            self.element(child, depth + 1, &at.name(child.name), builder)
        }
    }

    fn attributes(&self, start: &Start<'a>, at: &Trail<'_>, builder: &mut Builder<'_>) -> Result<(), BodyError> {
        if start.tag.attributes_raw().trim_ascii().is_empty() {
            return Ok(());
        }
        for (number, attribute) in start.tag.attributes().enumerate() {
            let attribute = attribute.map_err(|_| self.ill_formed("bad attributes"))?;
            if number == ATTRIBUTES_MAX {
                return Err(self.ill_formed("too many attributes"));
            }
            let name = attribute.key.into_inner();
            let declares = name == "xmlns" || name.starts_with("xmlns:") || name.starts_with("xsi:");
            if !declares {
                builder.fault(
                    &at.name(&format!("@{name}")),
                    "attribute",
                    "attributes are not part of the contract: use an element",
                );
            }
        }
        Ok(())
    }

    fn resolve(&self, reference: &BytesRef<'_>) -> Result<char, BodyError> {
        let named = match &**reference {
            "amp" => Some('&'),
            "lt" => Some('<'),
            "gt" => Some('>'),
            "quot" => Some('"'),
            "apos" => Some('\''),
            _ => None,
        };
        match named {
            Some(character) => Ok(character),
            None if reference.is_char_ref() => match reference.resolve_char_ref() {
                Ok(Some(character)) if is_char(character) => Ok(character),
                _ => Err(self.ill_formed("a reference to a character that XML does not allow")),
            },
            None => Err(BodyError::Entity),
        }
    }
}

/// Adds to a text; borrows as long as it is in one piece.
fn push<'a>(text: &mut Cow<'a, str>, more: Cow<'a, str>) {
    if text.is_empty() {
        *text = more;
    } else {
        text.to_mut().push_str(&more);
    }
}

fn check_encoding<E>(declared: Option<Result<Cow<'_, str>, E>>) -> Result<(), BodyError> {
    match declared {
        None => Ok(()),
        Some(Ok(name)) if name.eq_ignore_ascii_case("utf-8") || name.eq_ignore_ascii_case("us-ascii") => Ok(()),
        Some(Ok(_)) => Err(BodyError::Encoding),
        Some(Err(_)) => Err(BodyError::Malformed("a bad XML declaration".into())),
    }
}

/// The error in words that hold nothing of the body.
fn what(error: &Error) -> &'static str {
    match error {
        Error::Syntax(_) => "a tag, comment or section is not closed",
        Error::IllFormed(error) => match error {
            IllFormedError::MissingEndTag(_) => "an element is not closed",
            IllFormedError::UnmatchedEndTag(_) => "an end tag without its start tag",
            IllFormedError::MismatchedEndTag { .. } => "an end tag that is not of the open element",
            IllFormedError::UnclosedReference => "an & without its ;",
            IllFormedError::MissingDeclVersion(_) | IllFormedError::UnknownVersion => "a bad XML declaration",
            IllFormedError::MissingDoctypeName => "a bad document type declaration",
            IllFormedError::DoubleHyphenInComment => "-- inside a comment",
        },
        Error::InvalidAttr(_) => "bad attributes",
        Error::Io(_) | Error::Encoding(_) | Error::Escape(_) | Error::Namespace(_) => "bad content",
    }
}

#[cfg(test)]
mod tests;
