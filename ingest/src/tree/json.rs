//! JSON to trees. `serde_json` checks the syntax and cuts the text into raw values; here they become a tree, with each number's
//! own digits, repeated names kept for the reader to refuse, and bounds on depth and size.

use super::{BodyError, Builder, Entry, Limits, Member, Place, Shape, Trail, Tree, Unreadable, Value};
use serde::{
    Deserialize, Deserializer as _,
    de::{DeserializeSeed, MapAccess, SeqAccess, Visitor},
};
use serde_json::{error::Category, value::RawValue};
use std::{borrow::Cow, fmt};

/// An object, or an array with any number of items.
pub(super) fn read<'a>(text: &'a str, limits: &Limits, take: &mut dyn FnMut(Entry<'a>)) -> Result<Shape, BodyError> {
    let raw = text.trim_ascii();
    match raw.as_bytes().first() {
        Some(b'[') => {
            for (index, item) in elements(raw, limits.items_max).map_err(body_error(limits))?.into_iter().enumerate() {
                take(Entry { place: Place::Index(index), raw: item, content: tree(item, limits) });
            }
            Ok(Shape::Several)
        }
        Some(b'{') => {
            let tree = tree(raw, limits).map_err(|unreadable| BodyError::Malformed(unreadable.message))?;
            take(Entry { place: Place::Whole, raw, content: Ok(tree) });
            Ok(Shape::One)
        }
        _ => {
            serde_json::from_str::<&RawValue>(raw).map_err(|error| BodyError::Malformed(syntax(&error)))?;
            Err(BodyError::NotRecords)
        }
    }
}

/// A value a line; a line that is not JSON harms no other. Blank lines are not items.
pub(super) fn read_lines<'a>(
    text: &'a str,
    limits: &Limits,
    take: &mut dyn FnMut(Entry<'a>),
) -> Result<Shape, BodyError> {
    let lines = text.split('\n').enumerate().map(|(number, line)| (number + 1, line.trim_ascii()));
    for (index, (number, raw)) in lines.filter(|(_, line)| !line.is_empty()).enumerate() {
        if index == limits.items_max {
            return Err(BodyError::TooManyItems(limits.items_max));
        }
        let content = tree(raw, limits)
            .map_err(|error| Unreadable { message: format!("line {number}: {}", error.message), ..error });
        take(Entry { place: Place::Index(index), raw, content });
    }
    Ok(Shape::Several)
}

fn tree<'a>(raw: &'a str, limits: &Limits) -> Result<Tree<'a>, Unreadable> {
    let mut builder = Builder::new(limits);
    match build(raw, 1, &Trail::ROOT, &mut builder) {
        Ok(value) => Ok(Tree { value, faults: builder.faults }),
        Err(error) => Err(Unreadable { code: "malformed", message: syntax(&error) }),
    }
}

/// Builds the tree of a value. Recursion is bounded by `depth_max`.
fn build<'a>(raw: &'a str, depth: usize, at: &Trail<'_>, builder: &mut Builder<'_>) -> serde_json::Result<Value<'a>> {
    if !builder.count(at) {
        return Ok(Value::Skipped);
    }
    Ok(match raw.as_bytes().first() {
        Some(b'{' | b'[') if depth > builder.limits.depth_max => {
            builder.too_deep(at);
            Value::Skipped
        }
        Some(b'{') => Value::Object(object(raw, depth, at, builder)?),
        Some(b'[') => Value::List(list(raw, depth, at, builder)?),
        Some(b'"') => Value::String(string(raw)?),
        Some(b't' | b'f') => Value::Bool(serde_json::from_str(raw)?),
        Some(b'n') => {
            serde_json::from_str::<()>(raw)?;
            Value::Null
        }
        _ => Value::Number(serde_json::from_str::<&RawValue>(raw)?.get()),
    })
}

fn object<'a>(
    raw: &'a str,
    depth: usize,
    at: &Trail<'_>,
    builder: &mut Builder<'_>,
) -> serde_json::Result<Vec<Member<'a>>> {
    let room = builder.limits.values_max - builder.values;
    let Some(members) = bounded(members(raw, room), at, builder)? else { return Ok(Vec::new()) };
    let mut built = Vec::with_capacity(members.len());
    for (name, value) in members {
        let value = build(value, depth + 1, &at.name(&name), builder)?;
        built.push((name, value));
    }
    Ok(built)
}

fn list<'a>(
    raw: &'a str,
    depth: usize,
    at: &Trail<'_>,
    builder: &mut Builder<'_>,
) -> serde_json::Result<Vec<Value<'a>>> {
    let room = builder.limits.values_max - builder.values;
    let Some(entries) = bounded(elements(raw, room), at, builder)? else { return Ok(Vec::new()) };
    entries.into_iter().enumerate().map(|(index, entry)| build(entry, depth + 1, &at.index(index), builder)).collect()
}

/// Turns "more than fit" into a fault of the item; other errors stay errors.
fn bounded<T>(
    result: serde_json::Result<T>,
    at: &Trail<'_>,
    builder: &mut Builder<'_>,
) -> serde_json::Result<Option<T>> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.classify() == Category::Data => {
            builder.values = builder.limits.values_max;
            builder.count(at);
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

fn string(raw: &str) -> serde_json::Result<Cow<'_, str>> {
    serde_json::from_str::<Text<'_>>(raw).map(|text| text.0)
}

/// Raw members of an object, at most `max`.
fn members(raw: &str, max: usize) -> serde_json::Result<Vec<(Cow<'_, str>, &str)>> {
    let mut deserializer = serde_json::Deserializer::from_str(raw);
    let found = deserializer.deserialize_map(Members(max))?;
    deserializer.end()?;
    Ok(found)
}

/// Raw entries of an array, at most `max`.
fn elements(raw: &str, max: usize) -> serde_json::Result<Vec<&str>> {
    let mut deserializer = serde_json::Deserializer::from_str(raw);
    let found = deserializer.deserialize_seq(Elements(max))?;
    deserializer.end()?;
    Ok(found)
}

struct Members(usize);

impl<'de> Visitor<'de> for Members {
    type Value = Vec<(Cow<'de, str>, &'de str)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::new();
        while let Some(name) = map.next_key_seed(NameSeed)? {
            if members.len() == self.0 {
                return Err(serde::de::Error::custom("too many members"));
            }
            members.push((name, map.next_value::<&RawValue>()?.get()));
        }
        Ok(members)
    }
}

struct Elements(usize);

impl<'de> Visitor<'de> for Elements {
    type Value = Vec<&'de str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut elements = Vec::new();
        while let Some(value) = seq.next_element::<&RawValue>()? {
            if elements.len() == self.0 {
                return Err(serde::de::Error::custom("too many entries"));
            }
            elements.push(value.get());
        }
        Ok(elements)
    }
}

/// A string that borrows where it has no escapes, which `Cow`'s own implementation never does.
struct Text<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Text<'de> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        NameSeed.deserialize(deserializer).map(Text)
    }
}

struct NameSeed;

impl<'de> DeserializeSeed<'de> for NameSeed {
    type Value = Cow<'de, str>;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for NameSeed {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(text))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(text.to_owned()))
    }
}

fn body_error(limits: &Limits) -> impl Fn(serde_json::Error) -> BodyError {
    let items_max = limits.items_max;
    move |error| match error.classify() {
        Category::Data => BodyError::TooManyItems(items_max),
        Category::Io | Category::Syntax | Category::Eof => BodyError::Malformed(syntax(&error)),
    }
}

/// The library's words and position; of syntax errors they hold nothing of the body.
fn syntax(error: &serde_json::Error) -> String {
    error.to_string()
}

#[cfg(test)]
mod tests;
