//! How well scores tell fraud from the rest.

use std::collections::{BTreeMap, HashSet};

/// A transaction with its score and what it turned out to be.
#[derive(Debug, Clone, PartialEq)]
pub struct Graded {
    /// UTC day since 1970-01-01.
    pub day: i32,
    /// Customer.
    pub customer_id: String,
    /// What it turned out to be.
    pub is_fraud: bool,
    /// The score.
    pub score: f64,
}

/// A figure has no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Undefined {
    /// No fraud to find.
    #[error("no fraud")]
    NoFraud,
    /// Nothing to tell fraud from.
    #[error("nothing but fraud")]
    OnlyFraud,
}

/// Area under the ROC curve: the chance that a fraud is scored higher than what is none; equal scores count half.
///
/// # Errors
/// Without a fraud, or with nothing else.
pub fn auc(graded: &[Graded]) -> Result<f64, Undefined> {
    let (frauds, all) = counts(graded);
    if frauds == 0.0 {
        return Err(Undefined::NoFraud);
    }
    if frauds == all {
        return Err(Undefined::OnlyFraud);
    }
    // Ranks from the lowest score on, 1 first; equal scores share their mean.
    let (mut rank, mut sum) = (0.0, 0.0);
    for equals in by_score(graded).chunk_by(|a, b| a.score == b.score).rev() {
        let size = equals.len() as f64;
        sum += (rank + (size + 1.0) / 2.0) * counts_of(equals).0;
        rank += size;
    }
    Ok((sum - frauds * (frauds + 1.0) / 2.0) / (frauds * (all - frauds)))
}

/// Average precision: precision at each threshold, weighed by how much recall grows there; equal scores are one threshold.
///
/// # Errors
/// Without a fraud.
pub fn average_precision(graded: &[Graded]) -> Result<f64, Undefined> {
    let (frauds, _) = counts(graded);
    if frauds == 0.0 {
        return Err(Undefined::NoFraud);
    }
    let (mut found, mut looked_at, mut sum) = (0.0, 0.0, 0.0);
    for equals in by_score(graded).chunk_by(|a, b| a.score == b.score) {
        let (frauds_here, here) = counts_of(equals);
        (found, looked_at) = (found + frauds_here, looked_at + here);
        sum += found / looked_at * frauds_here;
    }
    Ok(sum / frauds)
}

/// Card precision: of the `cards` customers with the highest score of a day, the share that has a fraud on it; the mean over days.
/// Customers found so are out of it on later days; of equal scores the one whose id comes first is before.
pub fn card_precision(graded: &[Graded], cards: usize) -> f64 {
    let mut days: BTreeMap<i32, BTreeMap<&str, (f64, bool)>> = BTreeMap::new();
    for one in graded {
        let highest = days.entry(one.day).or_default().entry(&one.customer_id).or_insert((f64::NEG_INFINITY, false));
        *highest = (highest.0.max(one.score), highest.1 || one.is_fraud);
    }
    let mut detected = HashSet::new();
    let mut shares = Vec::with_capacity(days.len());
    for customers in days.into_values() {
        let mut left: Vec<_> = customers.into_iter().filter(|(customer, _)| !detected.contains(customer)).collect();
        left.sort_by(|(_, (a, _)), (_, (b, _))| b.total_cmp(a));
        let found = left.iter().take(cards).filter(|(_, (_, has_fraud))| *has_fraud).map(|(customer, _)| *customer);
        let before = detected.len();
        detected.extend(found);
        shares.push((detected.len() - before) as f64 / cards as f64);
    }
    if shares.is_empty() { 0.0 } else { shares.iter().sum::<f64>() / shares.len() as f64 }
}

/// The highest score first.
fn by_score(graded: &[Graded]) -> Vec<&Graded> {
    let mut sorted: Vec<&Graded> = graded.iter().collect();
    sorted.sort_by(|a, b| b.score.total_cmp(&a.score));
    sorted
}

/// Frauds, and all.
fn counts(graded: &[Graded]) -> (f64, f64) {
    (graded.iter().filter(|one| one.is_fraud).count() as f64, graded.len() as f64)
}

fn counts_of(graded: &[&Graded]) -> (f64, f64) {
    (graded.iter().filter(|one| one.is_fraud).count() as f64, graded.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn graded(scores: &[(f64, bool)]) -> Vec<Graded> {
        let one = |(number, (score, is_fraud)): (usize, &(f64, bool))| Graded {
            day: 0,
            customer_id: format!("c{number}"),
            is_fraud: *is_fraud,
            score: *score,
        };
        scores.iter().enumerate().map(one).collect()
    }

    #[test]
    fn figures_by_hand() {
        let scores = graded(&[(0.9, true), (0.8, false), (0.7, true), (0.1, false)]);
        assert_eq!(auc(&scores), Ok(0.75));
        assert_eq!(average_precision(&scores), Ok(0.5 * 1.0 + 0.5 * 2.0 / 3.0));
        let equal = graded(&[(0.5, true), (0.5, false), (0.5, false), (0.5, false)]);
        assert_eq!((auc(&equal), average_precision(&equal)), (Ok(0.5), Ok(0.25)));
        assert_eq!((auc(&equal[1..]), auc(&equal[..1])), (Err(Undefined::NoFraud), Err(Undefined::OnlyFraud)));
    }

    #[test]
    fn a_card_counts_by_its_highest_score_and_is_out_once_it_is_found() {
        let on = |day: i32, customer: &str, score: f64, is_fraud| {
            let customer_id = customer.to_owned();
            Graded { day, customer_id, is_fraud, score }
        };
        let all = [
            on(1, "a", 0.1, true),
            on(1, "a", 0.9, false),
            on(1, "b", 0.5, false),
            on(1, "c", 0.4, true),
            // Found on the first day, so c comes to its turn.
            on(2, "a", 0.9, true),
            on(2, "b", 0.5, false),
            on(2, "c", 0.4, true),
        ];
        assert_eq!(card_precision(&all, 1), 0.5);
        assert_eq!(card_precision(&all, 2), (0.5 + 0.5) / 2.0);
        let equal = [on(1, "b", 0.5, true), on(1, "a", 0.5, false)];
        assert_eq!(card_precision(&equal, 1), 0.0, "a comes first");
        assert_eq!(card_precision(&[], 1), 0.0);
    }

    proptest! {
        #[test]
        fn auc_is_the_share_of_pairs_in_order(scores in proptest::collection::vec((0u8..20, any::<bool>()), 2..60)) {
            let scores: Vec<(f64, bool)> = scores.into_iter().map(|(score, is_fraud)| (f64::from(score), is_fraud)).collect();
            let (mut pairs, mut won) = (0.0, 0.0);
            for (fraud, _) in scores.iter().filter(|(_, is_fraud)| *is_fraud) {
                for (other, _) in scores.iter().filter(|(_, is_fraud)| !is_fraud) {
                    pairs += 1.0;
                    won += if fraud > other { 1.0 } else if fraud == other { 0.5 } else { 0.0 };
                }
            }
            match auc(&graded(&scores)) {
                Ok(auc) => prop_assert!((auc - won / pairs).abs() < 1e-12),
                Err(_) => prop_assert_eq!(pairs, 0.0),
            }
        }
    }
}
