//! In which order processes start and stop, from who comes after whom.

use std::collections::{BTreeMap, BTreeSet};

use crate::{Error, Result};

/// Sees that everyone can start some day: nobody waits for a stranger, and nobody, however indirectly, for itself.
pub(super) fn check<'a>(after: impl Iterator<Item = (&'a str, &'a [String])>) -> Result<()> {
    let after: BTreeMap<&str, &[String]> = after.collect();
    let mut startable: BTreeSet<&str> = BTreeSet::new();
    loop {
        let stuck: Vec<_> = after.iter().filter(|(name, _)| !startable.contains(**name)).collect();
        let ready = |waits_for: &[String]| waits_for.iter().all(|name| startable.contains(name.as_str()));
        let next: Vec<&str> = stuck.iter().filter(|(_, waits_for)| ready(waits_for)).map(|(name, _)| **name).collect();
        let Some((name, waits_for)) = stuck.first() else { return Ok(()) };
        if next.is_empty() {
            let waits_for = waits_for.iter().filter(|name| !startable.contains(name.as_str()));
            let waits_for = waits_for.cloned().collect::<Vec<_>>().join(", ");
            return Err(Error::Order { name: (**name).to_owned(), waits_for });
        }
        startable.extend(next);
    }
}

/// The steps of stopping: each step's processes may stop together, since whoever comes after them stopped in an earlier one.
pub(super) fn stopping<'a>(after: impl Iterator<Item = (&'a str, &'a [String])>) -> Vec<Vec<String>> {
    let mut running: BTreeMap<&str, &[String]> = after.collect();
    let mut steps = Vec::new();
    while !running.is_empty() {
        let needed: BTreeSet<&str> = running.values().flat_map(|names| names.iter().map(String::as_str)).collect();
        let mut step: Vec<&str> = running.keys().copied().filter(|name| !needed.contains(name)).collect();
        if step.is_empty() {
            step = running.keys().copied().collect();
        }
        running.retain(|name, _| !step.contains(name));
        steps.push(step.into_iter().map(str::to_owned).collect());
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    type Rows = Vec<(&'static str, Vec<String>)>;

    fn rows(rows: &[(&'static str, &[&str])]) -> Rows {
        rows.iter().map(|(name, after)| (*name, after.iter().map(|it| (*it).to_owned()).collect())).collect()
    }

    fn pairs(rows: &Rows) -> impl Iterator<Item = (&str, &[String])> {
        rows.iter().map(|(name, after)| (*name, after.as_slice()))
    }

    #[test]
    fn those_who_come_after_stop_before() {
        let rows = rows(&[
            ("format", &[]),
            ("kafka", &["format"]),
            ("registry", &[]),
            ("gateway", &["kafka", "registry"]),
            ("scoring", &["kafka", "registry"]),
        ]);
        check(pairs(&rows)).unwrap();
        assert_eq!(stopping(pairs(&rows)), [vec!["gateway", "scoring"], vec!["kafka", "registry"], vec!["format"]]);
    }

    #[test]
    fn waiting_for_a_stranger_is_refused_by_name() {
        let message = check(pairs(&rows(&[("a", &[]), ("b", &["a", "c"])]))).unwrap_err().to_string();
        assert_eq!(message, "b can never start: it waits for c");
    }

    #[test]
    fn waiting_in_a_circle_is_refused() {
        assert!(check(pairs(&rows(&[("a", &["b"]), ("b", &["a"])]))).is_err());
        assert!(check(pairs(&rows(&[("a", &["a"])]))).is_err());
    }
}
