//! Reading the fields of a record: each is taken out by its name, and what is left is unknown to the contract.

use super::{
    extra,
    scalar::{self, Wrong},
};
use crate::tree::{ENTRY, Member, Value, shown};
use jiff::tz::TimeZone;
use millrace_schemas::{
    event::LabelKind,
    rules::{Path, Violation, mentions_card_number},
    time::Instant,
};
use std::{borrow::Cow, collections::BTreeMap, mem};

/// Most violations noted of one item: a bound on memory and time, far above what is reported.
const VIOLATIONS_MAX: usize = 1_000;

/// The members of one record that have not been read yet.
pub(crate) struct Fields<'z, 'a> {
    members: Vec<Member<'a>>,
    zone: &'z TimeZone,
    default_currency: &'z str,
    /// Where the record is in its item; empty for the item itself.
    at: Path,
    violations: Vec<Violation>,
    card_data: bool,
}

impl<'z, 'a> Fields<'z, 'a> {
    /// The fields of an item, which has to be a record.
    pub fn of_item(value: Value<'a>, zone: &'z TimeZone, default_currency: &'z str) -> Result<Self, Violation> {
        let mut fields = Self {
            members: Vec::new(),
            zone,
            default_currency,
            at: Path::root(),
            violations: Vec::new(),
            card_data: false,
        };
        match members(value) {
            Ok(members) => {
                fields.enter(members);
                Ok(fields)
            }
            Err((wrong, _)) => Err(Violation::new(Path::root(), wrong.code, wrong.message)),
        }
    }

    /// What is wrong with the fields, and whether card data was seen in a value that could not be read.
    pub fn finish(self) -> (Vec<Violation>, bool) {
        (self.violations, self.card_data)
    }

    /// ISO 4217 code for records that name none.
    pub fn default_currency(&self) -> &'z str {
        self.default_currency
    }

    pub fn text(&mut self, name: &str) -> String {
        self.required(name, scalar::text)
    }

    /// A required text in which a whole card number may stand by mistake.
    pub fn searched_text(&mut self, name: &str) -> String {
        let text = self.text(name);
        self.card_data |= mentions_card_number(&text);
        text
    }

    pub fn optional_text(&mut self, name: &str) -> Option<String> {
        self.optional(name, scalar::text)
    }

    pub fn money(&mut self, name: &str) -> i64 {
        self.required(name, scalar::money)
    }

    pub fn optional_money(&mut self, name: &str) -> Option<i64> {
        self.optional(name, scalar::money)
    }

    pub fn quantity(&mut self, name: &str) -> i64 {
        self.required(name, scalar::quantity)
    }

    pub fn integer(&mut self, name: &str) -> i32 {
        self.required(name, scalar::integer)
    }

    pub fn number(&mut self, name: &str) -> Option<f64> {
        self.optional(name, scalar::number)
    }

    pub fn flag(&mut self, name: &str) -> Option<bool> {
        self.optional(name, scalar::flag)
    }

    /// A required kind of label; `None` once it is noted as wrong.
    pub fn label(&mut self, name: &str) -> Option<LabelKind> {
        self.required(name, |value| scalar::label(value).map(Some))
    }

    /// A required time; `None` once it is noted as wrong.
    pub fn instant(&mut self, name: &str) -> Option<Instant> {
        let zone = self.zone;
        self.required(name, |value| scalar::instant(value, zone).map(Some))
    }

    /// An optional list of texts.
    pub fn texts(&mut self, name: &str) -> Vec<String> {
        let Some(entries) = self.list(name) else { return Vec::new() };
        let mut texts = Vec::with_capacity(entries.len());
        for (index, value) in entries.into_iter().enumerate() {
            texts.push(scalar::text(&value).unwrap_or_else(|wrong| {
                self.note(self.at.clone().then(name).then(index), wrong);
                self.card_data |= extra::holds_card_data(&value);
                String::new()
            }));
        }
        texts
    }

    /// A required list of records, each read by `read`.
    pub fn records<T>(&mut self, name: &str, mut read: impl FnMut(&mut Self) -> T) -> Vec<T> {
        let Some(entries) = self.list(name) else {
            self.miss(name);
            return Vec::new();
        };
        let mut records = Vec::with_capacity(entries.len());
        for (index, entry) in entries.into_iter().enumerate() {
            let at = self.at.clone().then(name).then(index);
            let members = members(entry).unwrap_or_else(|(wrong, value)| {
                self.note(at.clone(), wrong);
                self.card_data |= extra::holds_card_data(&value);
                Vec::new()
            });
            let outer = (mem::take(&mut self.members), mem::replace(&mut self.at, at));
            self.enter(members);
            records.push(read(self));
            (self.members, self.at) = outer;
        }
        records
    }

    /// What the contract does not name, as JSON text by name.
    pub fn rest(&mut self) -> BTreeMap<String, String> {
        let members = mem::take(&mut self.members);
        let at = self.at.clone();
        extra::texts(members, &at, &mut |violation| self.push(violation))
    }

    fn required<T: Default>(&mut self, name: &str, read: impl FnOnce(&Value<'a>) -> Result<T, Wrong>) -> T {
        match self.take(name) {
            Some(value) => self.read(name, &value, read).unwrap_or_default(),
            None => {
                self.miss(name);
                T::default()
            }
        }
    }

    fn optional<T>(&mut self, name: &str, read: impl FnOnce(&Value<'a>) -> Result<T, Wrong>) -> Option<T> {
        let value = self.take(name)?;
        self.read(name, &value, read)
    }

    fn read<T>(
        &mut self,
        name: &str,
        value: &Value<'a>,
        read: impl FnOnce(&Value<'a>) -> Result<T, Wrong>,
    ) -> Option<T> {
        match value {
            // Noted already.
            Value::Skipped => None,
            value => read(value).map_err(|wrong| self.wrong(name, value, wrong)).ok(),
        }
    }

    /// A value of the wrong type may hold anything, card data too.
    fn wrong(&mut self, name: &str, value: &Value<'a>, wrong: Wrong) {
        let at = self.at.clone().then(name);
        self.note(at, wrong);
        self.card_data |= extra::holds_card_data(value);
    }

    /// Entries of a list; `None` when there is none. What is no list is noted.
    fn list(&mut self, name: &str) -> Option<Vec<Value<'a>>> {
        match self.take(name)? {
            Value::List(entries) => Some(entries),
            Value::Skipped => Some(Vec::new()),
            Value::Text(text) if text.trim_ascii().is_empty() => Some(Vec::new()),
            Value::Elements(children) => Some(self.children(name, children)),
            other => {
                let wrong = Wrong::kind("a list", &other);
                self.wrong(name, &other, wrong);
                Some(Vec::new())
            }
        }
    }

    fn children(&mut self, name: &str, children: Vec<Member<'a>>) -> Vec<Value<'a>> {
        let path = |fields: &Self, index: usize| fields.at.clone().then(name).then(index);
        let mut entries = Vec::with_capacity(children.len());
        for (index, (child, value)) in children.into_iter().enumerate() {
            if child != ENTRY {
                let at = path(self, index);
                self.note(at, Wrong::new("unexpected_element", format!("entries of a list are named {ENTRY}")));
                self.card_data |= extra::holds_card_data(&value);
            }
            entries.push(value);
        }
        entries
    }

    /// Takes a member out; `null` is as good as none.
    fn take(&mut self, name: &str) -> Option<Value<'a>> {
        let position = self.members.iter().position(|(member, _)| member == name)?;
        match self.members.swap_remove(position).1 {
            Value::Null => None,
            value => Some(value),
        }
    }

    fn miss(&mut self, name: &str) {
        if self.violations.len() == VIOLATIONS_MAX {
            return;
        }
        self.note(self.at.clone().then(name), Wrong::new("missing", "is required"));
    }

    fn note(&mut self, path: Path, wrong: Wrong) {
        self.push(Violation::new(path, wrong.code, wrong.message));
    }

    fn push(&mut self, violation: Violation) {
        if self.violations.len() < VIOLATIONS_MAX {
            self.violations.push(violation);
        }
    }

    /// Begins a record. A name that stands twice is refused, since readers differ in which one they take.
    fn enter(&mut self, members: Vec<Member<'a>>) {
        for name in repeated(&members) {
            let path = self.at.clone().then(shown(&name).as_ref());
            self.note(path, Wrong::new("duplicate_field", "must stand only once"));
        }
        self.members = members;
    }
}

/// The members of a record; what is none is handed back.
fn members(value: Value<'_>) -> Result<Vec<Member<'_>>, (Wrong, Value<'_>)> {
    match value {
        Value::Object(members) | Value::Elements(members) => Ok(members),
        Value::Text(text) if text.trim_ascii().is_empty() => Ok(Vec::new()),
        Value::Skipped => Ok(Vec::new()),
        other => Err((Wrong::kind("an object", &other), other)),
    }
}

/// Names that stand more than once, sorted.
pub(super) fn repeated<'a>(members: &[Member<'a>]) -> Vec<Cow<'a, str>> {
    let mut names: Vec<&Cow<'a, str>> = members.iter().map(|(name, _)| name).collect();
    names.sort_unstable();
    let mut twice: Vec<Cow<'a, str>> =
        names.windows(2).filter(|pair| pair[0] == pair[1]).map(|pair| pair[0].clone()).collect();
    twice.dedup();
    twice
}
