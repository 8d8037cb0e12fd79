//! What a request asks for, read from its query string and checked; nothing of it is ever part of a statement.

use super::{
    cursor::Cursor,
    format::Format,
    period::{Interval, instant, zone},
    resource::{Resource, Takes, sources},
};
use jiff::tz::TimeZone;
use std::{collections::BTreeMap, ops::RangeInclusive};

/// Most values of one filter.
pub(in crate::query) const FILTER_VALUES_MAX: usize = 100;
/// Longest value of a filter, in bytes.
const FILTER_VALUE_MAX: usize = 512;
/// How many cards of a day can be looked at.
pub(in crate::query) const CARDS: RangeInclusive<u64> = 1..=100_000;
/// How many are, when nobody says.
pub(in crate::query) const CARDS_DEFAULT: u64 = 100;
/// Most positions to wait for.
pub(in crate::query) const POSITIONS_MAX: usize = 64;

/// What is asked for.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub from: Option<i64>,
    pub to: Option<i64>,
    pub interval: Interval,
    pub zone: TimeZone,
    /// Columns and the values that are wanted.
    pub filters: BTreeMap<&'static str, Vec<String>>,
    pub sort: Sort,
    /// Rows of a page or a file; `None` for as many as there may be.
    pub limit: Option<u64>,
    pub cursor: Option<Cursor>,
    /// Positions of journals that the figures must hold.
    pub min_offsets: Vec<Wanted>,
    /// How long to wait for them, in milliseconds.
    pub wait_ms: u64,
    /// Cards of a day that are looked at.
    pub cards: u64,
    pub format: Option<Format>,
}

/// The order of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sort {
    pub column: &'static str,
    pub descending: bool,
}

/// A journal record that figures must hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// Topic; that of the resource where none is said.
    pub topic: Option<String>,
    pub partition: i32,
    pub offset: i64,
}

/// Reads a query string for a resource.
///
/// # Errors
/// What is wrong with it, for whoever asks.
pub(crate) fn read(resource: &'static Resource, query: &str) -> Result<Asked, String> {
    let mut given: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        given.entry(name.into_owned()).or_default().push(value.into_owned());
    }
    let mut given = Given(given);
    let takes = resource.takes;
    let zone = match given.one_if("zone", takes.zone())? {
        Some(name) => zone(&name)?,
        None => TimeZone::UTC,
    };
    let time = |given: &mut Given, name: &str| -> Result<Option<i64>, String> {
        given.one_if(name, takes.period())?.map(|text| instant(name, &text, &zone)).transpose()
    };
    let (from, to) = (time(&mut given, "from")?, time(&mut given, "to")?);
    let interval = given.one_if("interval", takes.interval())?.map_or(Ok(Interval::Day), |text| text.parse())?;
    if takes == Takes::Days && matches!(interval, Interval::Minutes(_)) {
        return Err("interval must be day, week, month or all here: customers are counted by UTC day".into());
    }
    if takes.utc_days() {
        for (name, at) in [("from", from), ("to", to)] {
            if at.is_some_and(|at| at % millrace_schemas::time::DAY_MS != 0) {
                return Err(format!("{name} must be a day such as 2026-03-01: these figures are by UTC day"));
            }
        }
    }
    if let (Some(from), Some(to)) = (from, to)
        && from >= to
    {
        return Err("from must lie before to, which is excluded".into());
    }
    let asked = Asked {
        from,
        to,
        interval,
        zone,
        filters: filters(resource, &mut given)?,
        sort: sort(resource, given.one("sort")?)?,
        limit: given.number("limit", 1..=u64::from(u32::MAX))?,
        cursor: given.one("cursor")?.map(|text| Cursor::read(&text)).transpose()?,
        min_offsets: min_offsets(resource, &mut given)?,
        wait_ms: given.number("wait_ms", 0..=u64::from(u32::MAX))?.unwrap_or(0),
        cards: if takes == Takes::Cards { given.number("cards", CARDS)? } else { None }.unwrap_or(CARDS_DEFAULT),
        format: given.one("format")?.map(|text| text.parse()).transpose()?,
    };
    given.nothing_left()?;
    Ok(asked)
}

/// Parameters that are not read yet.
struct Given(BTreeMap<String, Vec<String>>);

impl Given {
    fn all(&mut self, name: &str) -> Vec<String> {
        self.0.remove(name).unwrap_or_default()
    }

    fn one(&mut self, name: &str) -> Result<Option<String>, String> {
        let mut values = self.all(name);
        match (values.pop(), values.is_empty()) {
            (value, true) => Ok(value),
            _ => Err(format!("{name} is given more than once")),
        }
    }

    /// The same of a parameter that has a meaning here only under a condition.
    fn one_if(&mut self, name: &str, has_meaning: bool) -> Result<Option<String>, String> {
        if has_meaning { self.one(name) } else { Ok(None) }
    }

    fn number(&mut self, name: &str, range: RangeInclusive<u64>) -> Result<Option<u64>, String> {
        let Some(text) = self.one(name)? else { return Ok(None) };
        let number = text.parse().ok().filter(|number| range.contains(number));
        number.map(Some).ok_or_else(|| format!("{name} must be a number from {} to {}", range.start(), range.end()))
    }

    fn nothing_left(&self) -> Result<(), String> {
        match self.0.keys().next() {
            Some(name) => Err(format!("there is no parameter {name:?} here")),
            None => Ok(()),
        }
    }
}

fn filters(resource: &Resource, given: &mut Given) -> Result<BTreeMap<&'static str, Vec<String>>, String> {
    let mut filters = BTreeMap::new();
    for name in resource.filters {
        let values = given.all(name);
        if values.is_empty() {
            continue;
        }
        if values.len() > FILTER_VALUES_MAX || values.iter().any(|value| value.len() > FILTER_VALUE_MAX) {
            return Err(format!("{name} may have at most {FILTER_VALUES_MAX} values of {FILTER_VALUE_MAX} bytes"));
        }
        // What no text in the tables can be.
        if values.iter().any(|value| value.contains('\0')) {
            return Err(format!("{name} must not hold NUL"));
        }
        filters.insert(*name, values);
    }
    Ok(filters)
}

fn sort(resource: &'static Resource, text: Option<String>) -> Result<Sort, String> {
    let Some(text) = text else { return Ok(Sort { column: resource.keys[0], descending: false }) };
    let (name, descending) = text.strip_prefix('-').map_or((text.as_str(), false), |name| (name, true));
    let column = resource.column(name).filter(|column| column.orders());
    let column = column.ok_or_else(|| {
        let names: Vec<&str> =
            resource.columns.iter().filter(|column| column.orders()).map(|column| column.name).collect();
        format!("sort must be one of {}, with - before it for the largest first", names.join(", "))
    })?;
    Ok(Sort { column: column.name, descending })
}

fn min_offsets(resource: &Resource, given: &mut Given) -> Result<Vec<Wanted>, String> {
    let wanted: Result<Vec<Wanted>, String> =
        given.all("min_offset").iter().map(|text| position(resource, text)).collect();
    let wanted = wanted?;
    if wanted.len() > POSITIONS_MAX {
        return Err(format!("min_offset may be given at most {POSITIONS_MAX} times"));
    }
    Ok(wanted)
}

/// `0/17` or `receipts/0/17`: partition and offset as answers to what was sent tell them.
fn position(resource: &Resource, text: &str) -> Result<Wanted, String> {
    let journals: Vec<&str> = sources(resource.rollups).iter().map(|source| source.journal.name()).collect();
    let bad = || {
        format!(
            "min_offset must be partition/offset such as 0/17, as answers tell where an item is stored, or the same with a topic before \
             it: {}/0/17",
            journals[0]
        )
    };
    let mut parts = text.rsplitn(3, '/');
    let offset = parts.next().and_then(|text| text.parse().ok()).filter(|offset: &i64| *offset >= 0);
    let partition = parts.next().and_then(|text| text.parse().ok()).filter(|partition: &i32| *partition >= 0);
    let topic = parts.next().map(ToOwned::to_owned);
    if topic.as_ref().is_some_and(|topic| !journals.contains(&topic.as_str())) {
        return Err(bad());
    }
    let (Some(partition), Some(offset)) = (partition, offset) else { return Err(bad()) };
    Ok(Wanted { topic, partition, offset })
}

#[cfg(test)]
mod tests {
    use super::{super::resource, *};

    fn asked(query: &str) -> Result<Asked, String> {
        read(&resource::PLACES, query)
    }

    #[test]
    fn nothing_asked_is_the_latest_days_by_day() {
        let asked = asked("").expect("defaults");
        assert_eq!((asked.from, asked.to, asked.interval), (None, None, Interval::Day));
        assert_eq!(asked.sort, Sort { column: "start", descending: false });
    }

    #[test]
    fn everything_can_be_said() {
        let asked = asked(
            "from=2026-03-01&to=2026-04-01&interval=6h&zone=Asia/Kolkata&place_id=a&place_id=b%27c&currency=EUR&sort=-purchases&limit=5\
             &min_offset=0/17&min_offset=receipts/1/3&wait_ms=100&format=csv",
        )
        .expect("a question");
        assert_eq!(asked.from, Some(1_772_303_400_000), "midnight by the clock of Kolkata");
        assert_eq!(asked.filters["place_id"], ["a", "b'c"]);
        assert_eq!(asked.sort, Sort { column: "purchases", descending: true });
        let topics: Vec<Option<&str>> = asked.min_offsets.iter().map(|it| it.topic.as_deref()).collect();
        assert_eq!((topics, asked.min_offsets[0].offset), (vec![None, Some("receipts")], 17));
        assert_eq!((asked.limit, asked.wait_ms, asked.format), (Some(5), 100, Some(Format::Csv)));
    }

    #[test]
    fn what_has_no_meaning_is_refused_with_words() {
        for (bad, word) in [
            ("colour=red", "no parameter"),
            ("limit=0", "limit"),
            ("limit=1&limit=2", "more than once"),
            ("from=2026-03-02&to=2026-03-01", "before"),
            ("sort=place_name;DROP", "sort must be one of"),
            ("sort=start_local", "sort must be one of"),
            ("min_offset=17", "min_offset"),
            ("min_offset=transactions/0/1", "min_offset"),
            ("min_offset=0/-1", "min_offset"),
            ("zone=nowhere", "zone"),
            ("interval=10m", "interval"),
            ("cursor=%00", "cursor"),
            ("format=xlsx", "format"),
            ("place_id=%00", "NUL"),
        ] {
            let error = asked(bad).expect_err(bad);
            assert!(error.contains(word), "{bad}: {error}");
        }
        assert!(read(&resource::CUSTOMER, "zone=Europe/Berlin").is_err(), "counted by UTC day");
        assert!(read(&resource::CUSTOMER, "interval=6h").is_err());
        assert!(read(&resource::GRADES, "from=2026-03-01T06:00:00Z").is_err());
    }
}
