//! Bad input over real HTTP: each case with its status, codes and paths; and whatever comes in leaves a trace without card data.

#[path = "../support/mod.rs"]
#[allow(dead_code, unused_imports, reason = "each test target uses a part")]
mod support;

mod batches;
mod bodies;
mod case;
mod fields;

use case::{Case, check};
use std::collections::BTreeSet;

#[tokio::test]
async fn every_case_is_answered_as_stated() {
    let cases: Vec<Case> = bodies::cases().into_iter().chain(fields::cases()).chain(batches::cases()).collect();
    let names: BTreeSet<&str> = cases.iter().map(|case| case.name.as_str()).collect();
    assert_eq!(names.len(), cases.len(), "names are different");
    assert!(cases.len() >= 60, "{} cases", cases.len());
    let mut wrong = Vec::new();
    for case in &cases {
        if let Err(difference) = check(case).await {
            wrong.push(format!("{}: {difference}", case.name));
        }
    }
    assert!(wrong.is_empty(), "{} of {} cases:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}
