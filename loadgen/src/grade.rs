//! Grading: a labelled stream goes through a running pipeline in the order of time, labels some days after what they are of, and what
//! the pipeline answers is held against the labels.
//!
//! The protocol is that of the Fraud Detection Handbook (Le Borgne, Siblini, Lebichot, Bontempi), chapter 3: on each graded day,
//! transactions of customers whose fraud is known when the day begins do not count.
//!
//! - [`labelled`]: files of transactions and labels, day by day.
//! - [`figures`]: AUC, average precision, card precision.
//! - [`gateway`]: where transactions and labels are sent.

pub mod figures;
pub mod gateway;
pub mod labelled;

use crate::open_loop::{Latencies, Quantiles};
use figures::{Graded, Undefined};
use futures::{StreamExt as _, stream};
use gateway::{Gateway, SendError};
use labelled::{Labels, ReadError, Transaction, Transactions};
use serde::Serialize;
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    io::{self, Write},
    time::Duration,
};

/// Items of one request, where nobody waits for a score.
const BATCH: usize = 500;

/// What is graded. Days are UTC days since 1970-01-01.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The first graded day.
    pub from: i32,
    /// Graded days.
    pub days: i32,
    /// Days after which a fraud is known.
    pub delay: i32,
    /// The first day of which a fraud makes a customer known.
    pub known_from: i32,
    /// Cards that are looked into on a day.
    pub cards: usize,
    /// Requests at a time, of different customers.
    pub connections: usize,
    /// How long a client waits for a score.
    pub patience: Duration,
}

/// What the pipeline is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// It decides by what was known at the end of this day.
    Known(i32),
    /// All that comes before the first graded day was sent, labels too: who has something to prepare does it now.
    Grading,
}

/// Why a stream is not graded.
#[derive(Debug, thiserror::Error)]
pub enum GradeError {
    /// A file cannot be used.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The pipeline does not take something.
    #[error(transparent)]
    Send(#[from] SendError),
    /// There is nothing to hold scores against.
    #[error("the graded days have {0}")]
    Undefined(#[from] Undefined),
    /// What the pipeline is waited for does not come.
    #[error("{0}")]
    NotReady(String),
    /// The file for answers cannot be written.
    #[error("writing answers: {0}")]
    Answers(#[from] io::Error),
}

/// What was answered of a graded transaction.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Answered {
    /// Customer.
    pub customer_id: String,
    /// Business id.
    pub transaction_id: String,
    /// UTC day since 1970-01-01.
    pub day: i32,
    /// The score that was answered.
    pub scoring: f64,
    /// The decision that was answered.
    pub decision: String,
    /// What decided: `model`, `rules` or `default`.
    pub decision_source: String,
    /// Version of the model that did, where one did.
    pub model: Option<String>,
    /// What the labels say.
    pub is_fraud: bool,
    /// Whether it counts: nobody knew of a fraud of this customer when the day began.
    pub counts: bool,
    /// From the request to the end of the answer, in milliseconds.
    pub latency_ms: f64,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// Transactions that were sent, and those of graded days among them.
    pub sent: u64,
    /// Of graded days.
    pub answered: u64,
    /// Those that count, and the frauds among them.
    pub graded: u64,
    /// Frauds among those that count.
    pub frauds: u64,
    /// Labels that were sent.
    pub labels: u64,
    /// Area under the ROC curve.
    pub auc: f64,
    /// Average precision.
    pub average_precision: f64,
    /// Card precision at so many cards a day.
    pub card_precision: f64,
    /// Answers by what decided them: a model's version, `rules` or `default`.
    pub decided_by: BTreeMap<String, u64>,
    /// Answers with a default score.
    pub defaults: u64,
    /// Answers with `review` or `block`.
    pub alerts: u64,
    /// How long alerts took, in milliseconds.
    pub alert_ms: Quantiles,
    /// How long answers took, in milliseconds.
    pub answer_ms: Quantiles,
}

/// Sends everything and grades. `wait_for` returns when the pipeline has come so far; `answers` gets a line of JSON for each answer of a
/// graded day.
///
/// # Errors
/// When a file is not as it should be, or the pipeline does not take what is sent.
pub async fn grade(
    plan: &Plan,
    gateway: &Gateway,
    mut transactions: Transactions,
    mut labels: Labels,
    wait_for: impl AsyncFn(Step) -> Result<(), String>,
    mut answers: Option<&mut dyn Write>,
    mut progress: impl FnMut(i32, u64),
) -> Result<Report, GradeError> {
    let mut run = Run { plan, gateway, frauds: HashMap::new(), sent: 0, labels: 0, graded: Vec::new() };
    let (mut alerts, mut all) = (Latencies::default(), Latencies::default());
    let (mut decided_by, mut answered, mut is_prepared) = (BTreeMap::new(), 0, false);
    while let Some((day, of_day)) = transactions.next_day()? {
        if day >= plan.from + plan.days {
            break;
        }
        progress(day, run.sent);
        run.send_labels(labels.before(day)?).await?;
        let is_graded = day >= plan.from;
        if is_graded && !is_prepared {
            wait_for(Step::Grading).await.map_err(GradeError::NotReady)?;
            is_prepared = true;
        }
        // The first transaction of a day ends the day before.
        let (first, rest) = of_day.split_at(1);
        let mut found = run.send_day(first, is_graded).await?;
        wait_for(Step::Known(day - 1)).await.map_err(GradeError::NotReady)?;
        found.extend(run.send_day(rest, is_graded).await?);
        for (transaction, answer) in found {
            let one = run.hold_against(day, &transaction, answer, labels.is_fraud(&transaction));
            let took = Duration::from_secs_f64(one.latency_ms / 1000.0);
            all.add(took);
            if one.decision != "allow" {
                alerts.add(took);
            }
            let decided = if one.decision_source == "model" { one.model.as_ref() } else { None };
            *decided_by.entry(decided.unwrap_or(&one.decision_source).clone()).or_default() += 1;
            answered += 1;
            if let Some(out) = &mut answers {
                serde_json::to_writer(&mut *out, &one).map_err(io::Error::from)?;
                out.write_all(b"\n")?;
            }
        }
        run.note_frauds(day, &of_day, &labels);
    }
    let frauds = run.graded.iter().filter(|graded| graded.is_fraud).count() as u64;
    Ok(Report {
        sent: run.sent,
        answered,
        graded: run.graded.len() as u64,
        frauds,
        labels: run.labels,
        auc: figures::auc(&run.graded)?,
        average_precision: figures::average_precision(&run.graded)?,
        card_precision: figures::card_precision(&run.graded, plan.cards),
        defaults: decided_by.get("default").copied().unwrap_or_default(),
        decided_by,
        alerts: alerts.count(),
        alert_ms: alerts.quantiles(),
        answer_ms: all.quantiles(),
    })
}

struct Run<'a> {
    plan: &'a Plan,
    gateway: &'a Gateway,
    /// Days on which customers had frauds.
    frauds: HashMap<String, BTreeSet<i32>>,
    sent: u64,
    labels: u64,
    graded: Vec<Graded>,
}

impl Run<'_> {
    async fn send_labels(&mut self, labels: Vec<String>) -> Result<(), GradeError> {
        for batch in labels.chunks(BATCH) {
            self.gateway.send_labels(batch).await?;
            self.labels += batch.len() as u64;
        }
        Ok(())
    }

    /// Sends transactions of a day, those of each customer in their order; the answers of a graded day.
    async fn send_day(
        &mut self,
        of_day: &[Transaction],
        is_graded: bool,
    ) -> Result<Vec<(Transaction, gateway::Answer)>, GradeError> {
        self.sent += of_day.len() as u64;
        if !is_graded {
            for batch in of_day.chunks(BATCH) {
                self.gateway.send_transactions(batch.iter().map(|transaction| transaction.line.as_str())).await?;
            }
            return Ok(Vec::new());
        }
        let mut customers: BTreeMap<&str, Vec<&Transaction>> = BTreeMap::new();
        for transaction in of_day {
            customers.entry(&transaction.customer_id).or_default().push(transaction);
        }
        let (gateway, patience) = (self.gateway, self.plan.patience);
        let one_customer = |transactions: Vec<Transaction>| async move {
            let mut answers = Vec::with_capacity(transactions.len());
            for transaction in transactions {
                let answer = gateway.ask(&transaction.line, patience).await?;
                answers.push((transaction, answer));
            }
            Ok::<_, SendError>(answers)
        };
        let each = customers.into_values().map(|all| one_customer(all.into_iter().cloned().collect()));
        let mut asked = stream::iter(each).buffered(self.plan.connections);
        let mut answers = Vec::with_capacity(of_day.len());
        while let Some(of_customer) = asked.next().await {
            answers.extend(of_customer?);
        }
        Ok(answers)
    }

    fn hold_against(
        &mut self,
        day: i32,
        transaction: &Transaction,
        answer: gateway::Answer,
        is_fraud: bool,
    ) -> Answered {
        let known = self.plan.known_from..day - self.plan.delay;
        let is_known = !known.is_empty()
            && self.frauds.get(&transaction.customer_id).is_some_and(|days| days.range(known).next().is_some());
        if !is_known {
            let customer_id = transaction.customer_id.clone();
            self.graded.push(Graded { day, customer_id, is_fraud, score: answer.scoring });
        }
        Answered {
            customer_id: transaction.customer_id.clone(),
            transaction_id: transaction.transaction_id.clone(),
            day,
            scoring: answer.scoring,
            decision: answer.decision,
            decision_source: answer.decision_source,
            model: answer.model,
            is_fraud,
            counts: !is_known,
            latency_ms: answer.took.as_secs_f64() * 1000.0,
        }
    }

    fn note_frauds(&mut self, day: i32, of_day: &[Transaction], labels: &Labels) {
        for transaction in of_day.iter().filter(|transaction| labels.is_fraud(transaction)) {
            self.frauds.entry(transaction.customer_id.clone()).or_default().insert(day);
        }
    }
}
