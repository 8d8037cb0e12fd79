//! One tree of values for every format, so that what follows knows neither JSON nor XML.
//!
//! Numbers keep their digits, names may repeat, and XML's text has no type: meaning is given by whoever reads a field. A tree is
//! built for one item at a time and borrows from the body.

mod json;
mod place;
mod xml;

pub(crate) use place::Place;

use millrace_schemas::rules::{ID_MAX, Path, Violation, mentions_card_number};
use std::borrow::Cow;

pub(crate) use xml::{is_char, is_name};

/// Name of the elements that are the entries of a list.
pub(crate) const ENTRY: &str = "item";

/// How items are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// An object, or an array of objects.
    Json,
    /// An object a line.
    Ndjson,
    /// An element, or an element of elements.
    Xml,
}

impl Format {
    /// As the `format` header of records says it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Ndjson => "ndjson",
            Self::Xml => "xml",
        }
    }

    /// Media type of one item on its own.
    pub fn item_media_type(self) -> &'static str {
        match self {
            Self::Json | Self::Ndjson => "application/json",
            Self::Xml => "application/xml",
        }
    }
}

/// A value as it was written.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value<'a> {
    /// JSON `null`.
    Null,
    /// Beyond the limits, and noted as a fault.
    Skipped,
    /// JSON `true` or `false`.
    Bool(bool),
    /// A JSON number, digit by digit.
    Number(&'a str),
    /// A JSON string.
    String(Cow<'a, str>),
    /// A JSON array.
    List(Vec<Value<'a>>),
    /// A JSON object.
    Object(Vec<Member<'a>>),
    /// An XML element without children: text of no type.
    Text(Cow<'a, str>),
    /// An XML element with children: a record or a list, as its reader expects.
    Elements(Vec<Member<'a>>),
}

/// A named value.
pub(crate) type Member<'a> = (Cow<'a, str>, Value<'a>);

impl Value<'_> {
    /// What it is, with its article, for messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Skipped => "a value beyond the limits",
            Self::Bool(_) => "a boolean",
            Self::Number(_) => "a number",
            Self::String(_) => "a string",
            Self::List(_) => "an array",
            Self::Object(_) => "an object",
            Self::Text(_) => "text",
            Self::Elements(_) => "an element with children",
        }
    }
}

/// The value of one item, and what is wrong with its structure.
#[derive(Debug)]
pub(crate) struct Tree<'a> {
    pub value: Value<'a>,
    pub faults: Vec<Violation>,
}

/// One item of a body.
#[derive(Debug)]
pub(crate) struct Entry<'a> {
    /// Where it stands.
    pub place: Place,
    /// Its own text.
    pub raw: &'a str,
    pub content: Result<Tree<'a>, Unreadable>,
}

/// An item that has no tree, though its neighbours may.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unreadable {
    pub code: &'static str,
    pub message: String,
}

/// Whether a body is one item or a batch, of however many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    One,
    Several,
}

/// A body that cannot be taken apart.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BodyError {
    #[error("the body is empty")]
    Empty,
    #[error("the body is not well-formed: {0}")]
    Malformed(String),
    #[error("document type declarations are not accepted")]
    Doctype,
    #[error("entities other than amp, lt, gt, quot and apos are not accepted")]
    Entity,
    #[error("the XML declares another encoding than UTF-8")]
    Encoding,
    #[error("the root element must be <{one}> or <{several}>")]
    Root { place: Place, one: &'static str, several: &'static str },
    #[error("the body must be an object or an array of objects")]
    NotRecords,
    #[error("the body has no items")]
    NoItems,
    #[error("the body has more than {0} items")]
    TooManyItems(usize),
}

/// Bounds of a body's structure.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub items_max: usize,
    pub depth_max: usize,
    pub values_max: usize,
}

/// What the elements of a kind are called in XML.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Names {
    pub one: &'static str,
    pub several: &'static str,
}

/// Takes a body apart and hands on its items, one by one and in order.
///
/// When it fails, whatever was handed on before must have no effect.
pub(crate) fn read<'a>(
    format: Format,
    text: &'a str,
    names: Names,
    limits: &Limits,
    take: &mut dyn FnMut(Entry<'a>),
) -> Result<Shape, BodyError> {
    if text.trim_ascii().is_empty() {
        return Err(BodyError::Empty);
    }
    let mut items = 0;
    let mut counted = |entry| {
        items += 1;
        take(entry);
    };
    let shape = match format {
        Format::Json => json::read(text, limits, &mut counted)?,
        Format::Ndjson => json::read_lines(text, limits, &mut counted)?,
        Format::Xml => xml::read(text, names, limits, &mut counted)?,
    };
    if items == 0 { Err(BodyError::NoItems) } else { Ok(shape) }
}

/// The way from an item down to a value; becomes a [`Path`] only where something is wrong.
#[derive(Clone, Copy)]
pub(crate) struct Trail<'p> {
    parent: Option<&'p Trail<'p>>,
    step: Option<Step<'p>>,
}

#[derive(Clone, Copy)]
enum Step<'p> {
    Name(&'p str),
    Index(usize),
}

impl<'p> Trail<'p> {
    /// The item itself.
    pub const ROOT: Trail<'static> = Trail { parent: None, step: None };

    pub fn name(&'p self, name: &'p str) -> Trail<'p> {
        Trail { parent: Some(self), step: Some(Step::Name(name)) }
    }

    pub fn index(&'p self, index: usize) -> Trail<'p> {
        Trail { parent: Some(self), step: Some(Step::Index(index)) }
    }

    pub fn path(&self) -> Path {
        let above = self.parent.map_or_else(Path::root, Trail::path);
        match self.step {
            None => above,
            Some(Step::Name(name)) => above.then(shown(name).as_ref()),
            Some(Step::Index(index)) => above.then(index),
        }
    }
}

/// A client's name of a field as it may be repeated: cut when long, and not at all when it holds a card number.
pub(crate) fn shown(name: &str) -> Cow<'_, str> {
    if mentions_card_number(name) {
        return Cow::Borrowed("[redacted]");
    }
    match name.char_indices().nth(ID_MAX) {
        Some((end, _)) => Cow::Owned(format!("{}...", &name[..end])),
        None => Cow::Borrowed(name),
    }
}

/// Code of the fault of an item that has too many values; what it has beyond them is not known.
pub(crate) const TOO_MANY_VALUES: &str = "too_many_values";

/// Most faults noted of one item's structure: a bound on memory, far above what is reported.
const FAULTS_MAX: usize = 1_000;

/// Collects the faults of one item and counts its values.
struct Builder<'l> {
    limits: &'l Limits,
    values: usize,
    faults: Vec<Violation>,
}

impl<'l> Builder<'l> {
    fn new(limits: &'l Limits) -> Self {
        Self { limits, values: 0, faults: Vec::new() }
    }

    fn fault(&mut self, at: &Trail<'_>, code: &'static str, message: impl Into<String>) {
        if self.faults.len() < FAULTS_MAX {
            self.faults.push(Violation::new(at.path(), code, message));
        }
    }

    /// Whether one more value fits; says so once when it does not.
    fn count(&mut self, at: &Trail<'_>) -> bool {
        self.values += 1;
        if self.values == self.limits.values_max + 1 {
            let message = format!("an item must have at most {} values", self.limits.values_max);
            self.fault(at, TOO_MANY_VALUES, message);
        }
        self.values <= self.limits.values_max
    }

    fn too_deep(&mut self, at: &Trail<'_>) {
        self.fault(at, "too_deep", format!("must be nested at most {} deep", self.limits.depth_max));
    }
}
