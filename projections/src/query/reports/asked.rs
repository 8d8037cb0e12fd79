//! What the form asks for, read by the API's own rules, and links that ask it again.

use super::super::{
    Problem,
    analytics::{
        parameters::{self, Asked, Sort},
        period::{DEFAULT_DAYS, Interval, Stretch},
        resource::{self, Resource},
        zone_name,
    },
};
use jiff::{Timestamp, ToSpan as _, Zoned};
use millrace_schemas::time::format_instant;

/// Names of the form's fields; there are no other parameters.
pub(super) const FIELDS: [&str; 6] = ["from", "to", "interval", "zone", "currency", "place"];
/// Most intervals that are drawn and listed.
const INTERVALS_MAX: usize = 400;
const PATH: &str = "/reports";

/// The fields as they were sent; empty ones are not there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Fields(Vec<(String, String)>);

impl Fields {
    /// The fields of a query string.
    pub fn read(query: &str) -> Self {
        let pairs = form_urlencoded::parse(query.as_bytes());
        Self(pairs.filter(|(_, value)| !value.is_empty()).map(|(n, v)| (n.into_owned(), v.into_owned())).collect())
    }

    /// A field's value; empty when it is not there.
    pub fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }

    /// The same with another value; without the field, when the value is empty.
    pub fn with(&self, name: &str, value: &str) -> Self {
        let mut others: Vec<_> = self.0.iter().filter(|(known, _)| known != name).cloned().collect();
        if !value.is_empty() {
            others.push((name.to_owned(), value.to_owned()));
        }
        Self(others)
    }

    /// The page with these fields.
    pub fn link(&self) -> String {
        if self.0.is_empty() { PATH.to_owned() } else { format!("{PATH}?{}", written(&self.0)) }
    }

    /// What is asked for, by the API's rules for figures of places, which know every field.
    ///
    /// # Errors
    /// As the API says it.
    pub fn asked(&self) -> Result<Asked, Problem> {
        if let Some((name, _)) = self.0.iter().find(|(name, _)| !FIELDS.contains(&name.as_str())) {
            return Err(Problem::bad_parameter(format!("there is no parameter {name:?} here")));
        }
        let renamed = self.0.iter().map(|(name, value)| (if name == "place" { "place_id" } else { name }, value));
        let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(renamed).finish();
        let asked = parameters::read(&resource::PLACES, &query).map_err(Problem::bad_parameter)?;
        for (name, column) in [("currency", "currency"), ("place", "place_id")] {
            if asked.filters.get(column).is_some_and(|values| values.len() > 1) {
                return Err(Problem::bad_parameter(format!("{name} is given more than once")));
            }
        }
        Ok(asked)
    }
}

/// The field that a problem is about: its words begin with it, or name it.
pub(super) fn field_of(detail: &str) -> Option<&'static str> {
    let first = detail.split(' ').next().unwrap_or_default();
    let named = FIELDS.into_iter().find(|field| *field == first || (*field == "place" && first == "place_id"));
    named.or_else(|| detail.starts_with("the period").then_some("from"))
}

fn written(pairs: &[(String, String)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

/// How a period is cut when nobody says: into a few dozen parts.
pub(super) fn interval_of(stretch: Stretch) -> Interval {
    match stretch.days() {
        ..=2 => Interval::Minutes(60),
        3..=92 => Interval::Day,
        93..=730 => Interval::Week,
        _ => Interval::Month,
    }
}

/// Begins of the intervals of a period, within it.
///
/// # Errors
/// When there are more than are drawn.
pub(super) fn begins(stretch: Stretch, asked: &Asked) -> Result<Vec<i64>, Problem> {
    let mut begins = vec![stretch.from];
    while let Some(next) = end_of(*begins.last().unwrap_or(&stretch.to), asked).filter(|next| *next < stretch.to) {
        begins.push(next);
        if begins.len() > INTERVALS_MAX {
            return Err(Problem::too_much(format!(
                "interval is too short for this period: at most {INTERVALS_MAX} intervals are shown; choose a longer interval or a \
                 shorter period, or take the figures from the API"
            )));
        }
    }
    Ok(begins)
}

/// When the interval ends that an instant is in; `None` where a period is not cut.
pub(super) fn end_of(at: i64, asked: &Asked) -> Option<i64> {
    let local: Zoned = Timestamp::from_millisecond(at).ok()?.to_zoned(asked.zone.clone());
    let midnight = local.start_of_day().ok()?;
    let end = match asked.interval {
        Interval::All => return None,
        Interval::Minutes(minutes) => {
            // By the clock: a day begins with a new interval.
            let length = i64::from(minutes) * 60_000;
            let since = at - midnight.timestamp().as_millisecond();
            let next = at - since % length + length;
            let tomorrow = midnight.checked_add(1.day()).ok()?.timestamp().as_millisecond();
            return Some(next.min(tomorrow));
        }
        Interval::Day => midnight.checked_add(1.day()),
        Interval::Week => {
            let left = 7 - i64::from(midnight.weekday().to_monday_zero_offset());
            midnight.checked_add(left.days())
        }
        Interval::Month => midnight.first_of_month().and_then(|first| first.checked_add(1.month())),
    };
    Some(end.ok()?.timestamp().as_millisecond())
}

/// The API's answer with the same rows, as a file.
pub(super) fn csv(resource: &Resource, asked: &Asked, stretch: Stretch) -> String {
    let mut pairs = vec![("from", format_instant(stretch.from)), ("to", format_instant(stretch.to))];
    if resource.takes.interval() {
        pairs.push(("interval", asked.interval.to_string()));
    }
    pairs.push(("zone", zone_name(&asked.zone).to_owned()));
    for (column, values) in &asked.filters {
        if resource.filters.contains(column) {
            pairs.extend(values.iter().map(|value| (*column, value.clone())));
        }
    }
    let Sort { column, descending } = asked.sort;
    if column != resource.keys[0] || descending {
        pairs.push(("sort", format!("{}{column}", if descending { "-" } else { "" })));
    }
    pairs.push(("format", "csv".to_owned()));
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
    format!("/api/v1/analytics/{}?{query}", resource.name)
}

/// Lengths of periods that are one click away, in days.
const PRESETS: [(&str, i32); 4] = [("Latest day", 1), ("7 days", 7), ("30 days", DEFAULT_DAYS), ("A year", 365)];

/// A period that is one click away.
pub(super) struct Preset {
    pub label: &'static str,
    pub link: String,
    /// Whether it is the one that is shown.
    pub is_current: bool,
}

/// Periods that end with the latest day that has data, which ends at an instant.
pub(super) fn presets(fields: &Fields, end: i64, shown: Stretch, asked: &Asked) -> Vec<Preset> {
    let preset = |(label, days): (&'static str, i32)| {
        let whole = Stretch::latest(end - 1, &asked.zone, days)?;
        Some(Preset { label, link: of_days(fields, whole, asked)?, is_current: whole == shown })
    };
    PRESETS.into_iter().filter_map(preset).collect()
}

/// A link to the days that end with some instant's.
pub(super) fn days_up_to(fields: &Fields, at: i64, asked: &Asked) -> Option<String> {
    of_days(fields, Stretch::latest(at, &asked.zone, DEFAULT_DAYS)?, asked)
}

/// A link to whole days; their interval is chosen anew.
fn of_days(fields: &Fields, days: Stretch, asked: &Asked) -> Option<String> {
    let day = |at: i64| Some(Timestamp::from_millisecond(at).ok()?.to_zoned(asked.zone.clone()).date().to_string());
    Some(fields.with("interval", "").with("from", &day(days.from)?).with("to", &day(days.to)?).link())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(query: &str) -> Asked {
        Fields::read(query).asked().expect("a question")
    }

    #[test]
    fn empty_fields_are_none_and_others_are_kept_in_links() {
        let fields = Fields::read("from=&zone=Europe%2FBerlin&place=a+b&currency=");
        assert_eq!(fields.link(), "/reports?zone=Europe%2FBerlin&place=a+b");
        assert_eq!(fields.with("place", "").link(), "/reports?zone=Europe%2FBerlin");
        assert_eq!(fields.with("zone", "").with("place", "").link(), "/reports");
        assert_eq!(asked("from=&place=a+b").filters["place_id"], ["a b"]);
    }

    #[test]
    fn a_problem_names_its_field() {
        for (query, field) in [
            ("from=soon", Some("from")),
            ("from=2026-03-02&to=2026-03-01", Some("from")),
            ("to=2026-02-30", Some("to")),
            ("zone=Mars", Some("zone")),
            ("interval=10m", Some("interval")),
            ("place=a&place=b", Some("place")),
            ("place=%00", Some("place")),
            ("sort=purchases", None),
        ] {
            let problem = Fields::read(query).asked().expect_err(query);
            assert_eq!(field_of(problem.detail()), field, "{query}: {}", problem.detail());
            assert_eq!(problem.status(), 400);
        }
        assert_eq!(field_of("the period from from to to may have at most 3660 days"), Some("from"));
    }

    #[test]
    fn intervals_begin_by_the_zones_clock_and_are_bounded() {
        let of = |query: &str| {
            let asked = asked(query);
            begins(Stretch { from: asked.from.expect("from"), to: asked.to.expect("to") }, &asked)
        };
        // The day on which Berlin's clocks go forward has 23 hours.
        let berlin = "from=2026-03-29&to=2026-03-30&zone=Europe/Berlin";
        assert_eq!(of(&format!("{berlin}&interval=1h")).map(|begins| begins.len()), Ok(23));
        assert_eq!(of("from=2026-01-15&to=2026-03-02&interval=month").map(|begins| begins.len()), Ok(3));
        assert_eq!(of("from=2026-01-01&to=2026-01-31&interval=week").map(|begins| begins.len()), Ok(5));
        assert_eq!(of("from=2026-01-01&to=2026-01-31&interval=all").map(|begins| begins.len()), Ok(1));
        let refused = of("from=2020-01-01&to=2026-01-01&interval=15m").expect_err("too many");
        assert_eq!((refused.status().as_u16(), field_of(refused.detail())), (422, Some("interval")));
    }
}
