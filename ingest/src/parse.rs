//! Trees to events: every field read by its type, every error collected with its path, unknown fields kept.
//!
//! Types are checked here. What values mean is checked by [`millrace_schemas::rules`] alone, which the processors share; it is
//! applied even when some fields cannot be read, so that one answer names everything that is wrong.

mod extra;
mod fields;
mod label;
mod receipt;
mod scalar;
mod transaction;

use crate::{
    config::Settings,
    tree::{self, BodyError, Entry, Format, Limits, Names, Place, Shape, Tree},
};
use bytes::Bytes;
use fields::Fields;
use millrace_runtime::clock::Ids;
use millrace_schemas::{
    event::{FieldError, TimeResolution},
    rules::{Checked, ID_MAX, Path, Rules, Segment, Violation},
};

/// Code of violations by which an item is known to hold card data.
pub(crate) const CARD_DATA: &str = "card_data";

/// A kind of event that the gateway takes in.
pub(crate) trait Kind: Checked {
    /// Its elements in XML.
    const NAMES: Names;
    /// Field that holds the owner of its ids.
    const OWNER: &'static str;
    /// Field that holds its id within the owner.
    const BUSINESS_ID: &'static str;

    /// Reads an event; what cannot be read is noted in `fields` and stands as its type's empty value.
    fn read(fields: &mut Fields<'_, '_>) -> Self;

    /// Fields that the rules of a field look at besides it.
    fn computed_from(field: &str) -> &'static [&'static str];

    /// Gives it its id and time of receipt.
    fn stamp(&mut self, event_id: String, received_at: i64);

    /// How the client's time became an instant.
    fn resolution(&self) -> TimeResolution;

    /// Its own id.
    fn event_id(&self) -> &str;

    /// When it was taken in, epoch milliseconds.
    fn received_at(&self) -> i64;
}

/// One item of a request.
#[derive(Debug)]
pub(crate) struct Item<E> {
    /// Where it stands in the body.
    pub place: Place,
    /// Its own text.
    pub raw: Bytes,
    /// The event, or why there is none.
    pub content: Result<E, Invalid>,
}

/// An item that is no valid event.
#[derive(Debug)]
pub(crate) struct Invalid {
    /// Whose it is and its business id, where both could be read.
    pub identity: Option<Identity>,
    pub errors: Vec<FieldError>,
    /// Whether its text can be kept as far as its fields tell.
    pub held: Held,
}

/// What is known of card data in a refused text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Held {
    /// Every field was looked at: there is none.
    Clean,
    /// There is some.
    CardData,
    /// Not every field could be looked at: the text itself has to be searched.
    Unknown,
    /// The text itself cannot be searched either.
    Unsearchable,
}

/// Owner and business id of an item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    pub owner: String,
    pub business_id: String,
}

/// A body taken apart.
#[derive(Debug)]
pub(crate) struct Parsed<E> {
    pub shape: Shape,
    pub items: Vec<Item<E>>,
}

/// What parsing needs to know besides the body.
pub(crate) struct Parser<'p> {
    pub settings: &'p Settings,
    pub rules: &'p Rules,
    pub ids: &'p dyn Ids,
    pub received_at: i64,
}

impl Parser<'_> {
    /// Takes a body apart. `body` is UTF-8 of the format.
    pub fn body<E: Kind>(&self, format: Format, body: &Bytes) -> Result<Parsed<E>, BodyError> {
        let text = std::str::from_utf8(body)
            .map_err(|error| BodyError::Malformed(format!("not UTF-8 at byte {}", error.valid_up_to())))?;
        let config = &self.settings.config;
        let limits = Limits { items_max: config.items_max, depth_max: config.depth_max, values_max: config.values_max };
        let mut items = Vec::new();
        let shape =
            tree::read(format, without_bom(text), E::NAMES, &limits, &mut |entry| items.push(self.item(body, entry)))?;
        Ok(Parsed { shape, items })
    }

    fn item<E: Kind>(&self, body: &Bytes, entry: Entry<'_>) -> Item<E> {
        let Entry { place, raw, content } = entry;
        let content = match content {
            Ok(tree) => self.event(&place, tree),
            Err(unreadable) => Err(Invalid {
                identity: None,
                errors: vec![error(&place, Violation::new(Path::root(), unreadable.code, unreadable.message))],
                held: Held::Unknown,
            }),
        };
        Item { raw: body.slice_ref(raw.as_bytes()), place, content }
    }

    fn event<E: Kind>(&self, place: &Place, tree: Tree<'_>) -> Result<E, Invalid> {
        let Tree { value, faults } = tree;
        if faults.iter().any(|fault| fault.code == tree::TOO_MANY_VALUES) {
            return Err(Invalid { identity: None, errors: self.errors(place, faults, 0), held: Held::Unknown });
        }
        // A value that was skipped cannot be searched for card data field by field.
        let searched = faults.is_empty();
        let mut fields = match Fields::of_item(value, &self.settings.zone, &self.settings.config.default_currency) {
            Ok(fields) => fields,
            Err(violation) => {
                return Err(Invalid { identity: None, errors: vec![error(place, violation)], held: Held::Unknown });
            }
        };
        let mut event = E::read(&mut fields);
        let (unread, mut card_data) = fields.finish();
        let mut violations = faults;
        violations.extend(unread);
        let broken = event.check(self.rules, self.received_at);
        card_data |= broken.iter().chain(&violations).any(|violation| violation.code == CARD_DATA);
        let unjudged = self.judge::<E>(broken, &mut violations);
        if violations.is_empty() {
            event.stamp(self.ids.event_id().to_string(), self.received_at);
            return Ok(event);
        }
        let held = match (card_data, searched) {
            (true, _) => Held::CardData,
            (false, true) => Held::Clean,
            (false, false) => Held::Unknown,
        };
        Err(Invalid { identity: identity(&event), errors: self.errors(place, violations, unjudged), held })
    }

    /// Adds the broken rules that say something new, as long as there is room to tell them; returns how many were not looked at.
    fn judge<E: Kind>(&self, broken: Vec<Violation>, violations: &mut Vec<Violation>) -> usize {
        let (unread, mut rules) = (violations.clone(), broken.into_iter());
        while violations.len() <= self.settings.config.errors_max {
            match rules.next() {
                Some(rule) if judgeable::<E>(&rule, &unread) => violations.push(rule),
                Some(_) => {}
                None => return 0,
            }
        }
        rules.len()
    }

    /// The errors as they are told: located in the body, in a bounded number.
    fn errors(&self, place: &Place, mut violations: Vec<Violation>, untold: usize) -> Vec<FieldError> {
        let errors_max = self.settings.config.errors_max;
        let more = violations.len().saturating_sub(errors_max) + untold;
        violations.truncate(errors_max);
        let mut errors: Vec<FieldError> = violations.into_iter().map(|violation| error(place, violation)).collect();
        if more > 0 {
            errors.push(error(
                place,
                Violation::new(Path::root(), "more_errors", format!("and up to {more} more errors")),
            ));
        }
        errors
    }
}

/// A violation as clients are told it.
fn error(place: &Place, violation: Violation) -> FieldError {
    FieldError { path: place.locate(&violation.path), code: violation.code.to_owned(), message: violation.message }
}

fn identity<E: Kind>(event: &E) -> Option<Identity> {
    let (owner, business_id) = (event.owner(), event.business_id());
    let known = [owner, business_id].iter().all(|id| !id.is_empty() && id.chars().count() <= ID_MAX);
    known.then(|| Identity { owner: owner.to_owned(), business_id: business_id.to_owned() })
}

/// Whether a broken rule says something that an unreadable field does not already explain: not of the field itself, nor of one
/// that it is computed from, nor of card data that was found further down in it.
fn judgeable<E: Kind>(rule: &Violation, unread: &[Violation]) -> bool {
    let field = first_field(&rule.path).unwrap_or_default();
    let sources = E::computed_from(field);
    !unread.iter().any(|unread| {
        let same_card_data = rule.code == CARD_DATA && unread.code == CARD_DATA;
        rule.path.segments().starts_with(unread.path.segments())
            || same_card_data && unread.path.segments().starts_with(rule.path.segments())
            || first_field(&unread.path).is_some_and(|unread| sources.contains(&unread))
    })
}

fn first_field(path: &Path) -> Option<&str> {
    match path.segments().first() {
        Some(Segment::Field(name)) => Some(name),
        Some(Segment::Index(_)) | None => None,
    }
}

/// Windows' tools begin files with a byte order mark; RFC 8259 lets readers pass over it.
fn without_bom(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

#[cfg(test)]
mod tests;
