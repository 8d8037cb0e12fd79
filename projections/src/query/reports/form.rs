//! The form at the top: what can be chosen, with what was asked for.

use super::{
    asked::{FIELDS, Fields, Preset, presets},
    figures::Figures,
    page::times,
};

/// Intervals that can be chosen; any other of the API's can be asked for in the address.
const INTERVALS: [(&str, &str); 8] = [
    ("", "Automatic"),
    ("15m", "15 minutes"),
    ("1h", "Hour"),
    ("6h", "6 hours"),
    ("day", "Day"),
    ("week", "Week"),
    ("month", "Month"),
    ("all", "Whole period"),
];

/// Zones that are proposed; any other can be typed.
const ZONES: [&str; 24] = [
    "UTC",
    "Africa/Cairo",
    "Africa/Johannesburg",
    "Africa/Lagos",
    "America/Argentina/Buenos_Aires",
    "America/Chicago",
    "America/Los_Angeles",
    "America/Mexico_City",
    "America/New_York",
    "America/Sao_Paulo",
    "Asia/Dubai",
    "Asia/Kolkata",
    "Asia/Kuwait",
    "Asia/Shanghai",
    "Asia/Singapore",
    "Asia/Tokyo",
    "Atlantic/Reykjavik",
    "Australia/Sydney",
    "Europe/Berlin",
    "Europe/London",
    "Europe/Moscow",
    "Europe/Paris",
    "Europe/Zurich",
    "Pacific/Auckland",
];

/// The form, with what was asked for.
pub(super) struct Form {
    pub from: String,
    pub to: String,
    pub from_is_date: bool,
    pub to_is_date: bool,
    /// Value, words, and whether it is the one.
    pub intervals: Vec<(String, String, bool)>,
    pub zone: String,
    pub zones: &'static [&'static str],
    pub currencies: Vec<(String, bool)>,
    pub place: String,
    pub presets: Vec<Preset>,
    /// The field that is wrong.
    pub wrong: &'static str,
}

impl Form {
    pub(super) fn is_wrong(&self, field: &str) -> bool {
        self.wrong == field
    }
}

/// The form with what was sent.
pub(super) fn form(fields: &Fields, wrong: &'static str) -> Form {
    let is_date = |text: &str| text.is_empty() || (text.len() == 10 && text.parse::<jiff::civil::Date>().is_ok());
    let chosen = fields.get("interval");
    let mut intervals: Vec<(String, String, bool)> =
        INTERVALS.iter().map(|(value, words)| ((*value).to_owned(), (*words).to_owned(), *value == chosen)).collect();
    if !intervals.iter().any(|(.., is_chosen)| *is_chosen) {
        intervals.push((chosen.to_owned(), chosen.to_owned(), true));
    }
    let currency = fields.get("currency");
    let currencies = if currency.is_empty() { Vec::new() } else { vec![(currency.to_owned(), true)] };
    let [from, to, _, zone, _, place] = FIELDS.map(|field| fields.get(field).to_owned());
    Form {
        from_is_date: is_date(&from),
        to_is_date: is_date(&to),
        from,
        to,
        intervals,
        zone: if zone.is_empty() { "UTC".to_owned() } else { zone },
        zones: &ZONES,
        currencies,
        place,
        presets: Vec::new(),
        wrong,
    }
}

/// The form with what is shown: the period that was chosen, the currencies there are.
pub(super) fn form_of_figures(fields: &Fields, figures: &Figures) -> Form {
    let times = times(&figures.asked);
    let said = fields.with("from", &times.of_form(figures.stretch.from)).with("to", &times.of_form(figures.stretch.to));
    let mut currencies: Vec<(String, bool)> =
        figures.currencies.iter().map(|known| (known.clone(), *known == figures.currency)).collect();
    if !figures.currency.is_empty() && !currencies.iter().any(|(_, is_chosen)| *is_chosen) {
        currencies.push((figures.currency.clone(), true));
    }
    let presets = presets(fields, figures.latest_end, figures.stretch, &figures.asked);
    Form { currencies, presets, ..form(&said, "") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::analytics::period::{Interval, zone};

    #[test]
    fn proposed_zones_are_ones_that_are_understood() {
        for name in ZONES {
            assert!(zone(name).is_ok(), "{name}");
        }
        for (value, _) in INTERVALS.into_iter().skip(1) {
            assert!(value.parse::<Interval>().is_ok(), "{value}");
        }
    }
}
