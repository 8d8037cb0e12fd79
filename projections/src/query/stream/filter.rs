//! Which scores a client wants.

use super::Problem;
use crate::{score::ScoreView, told};
use millrace_schemas::event::Decision;
use schemars::JsonSchema;
use serde::Deserialize;

/// Query parameters.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::query) struct Parameters {
    /// The position to go on from, for clients that cannot set `Last-Event-ID`.
    pub last_event_id: Option<String>,
    /// Decisions separated by commas; without it, all.
    decision: Option<String>,
    /// Whose transactions; without it, everybody's.
    customer_id: Option<String>,
}

/// What a client wants to see.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Filter {
    decisions: Vec<Decision>,
    customer_id: Option<String>,
}

impl Filter {
    pub fn of(parameters: &Parameters) -> Result<Self, Problem> {
        let named = |name: &str| {
            let unknown = || Problem::bad_parameter(format!("decision {name:?} is not allow, review or block"));
            Decision::named(name).ok_or_else(unknown)
        };
        let decisions = match &parameters.decision {
            Some(names) => names.split(',').map(named).collect::<Result<_, _>>()?,
            None => Decision::ALL.to_vec(),
        };
        let customer_id = parameters.customer_id.clone();
        if customer_id.as_deref().is_some_and(|id| !told::can_be_id(id)) {
            return Err(Problem::bad_parameter("customer_id is nothing that a customer can be called"));
        }
        Ok(Self { decisions, customer_id })
    }

    /// Whether a record with this key may be wanted: its customer's id, so others need not be decoded.
    pub fn may_want(&self, key: Option<&[u8]>) -> bool {
        self.customer_id.as_deref().is_none_or(|id| key == Some(id.as_bytes()))
    }

    pub fn wants(&self, score: &ScoreView) -> bool {
        self.decisions.contains(&score.decision) && self.customer_id.as_deref().is_none_or(|id| score.customer_id == id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(decision: Option<&str>, customer: Option<&str>) -> Result<Filter, Problem> {
        let [decision, customer_id] = [decision, customer].map(|text| text.map(str::to_owned));
        Filter::of(&Parameters { last_event_id: None, decision, customer_id })
    }

    #[test]
    fn a_filter_is_decisions_and_a_customer() {
        let all = filter(None, None).expect("a filter");
        assert_eq!(all.decisions, Decision::ALL);
        assert!(all.may_want(None) && all.may_want(Some(b"anybody")));
        let some = filter(Some("review,block"), Some("anna")).expect("a filter");
        assert_eq!(some.decisions, [Decision::Review, Decision::Block]);
        assert!(some.may_want(Some(b"anna")) && !some.may_want(Some(b"boris")) && !some.may_want(None));
    }

    #[test]
    fn what_can_never_hold_is_refused() {
        let long = "x".repeat(129);
        for (decision, customer) in [
            (Some("deny"), None),
            (Some(""), None),
            (Some("allow,"), None),
            (None, Some(long.as_str())),
            (None, Some("")),
        ] {
            assert!(filter(decision, customer).is_err(), "{decision:?} {customer:?}");
        }
    }
}
