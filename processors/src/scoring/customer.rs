//! What is remembered of one customer.

use super::{
    features::{self, Features},
    fingerprints::Fingerprints,
    history::History,
    rules::RuleSet,
    visits::Visits,
    windows::{Moment, SPANS_MS, Windows, WindowsView},
};
use millrace_schemas::{event::Transaction, time::DAY_MS};
use serde::{Deserialize, Serialize};

/// How long a customer may send nothing, by the log's clock, until its last hours are forgotten, in milliseconds. Facts of its whole
/// life stay.
pub const IDLE_MS: i64 = 7 * DAY_MS;

/// One customer's past.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Customer {
    windows: Windows,
    visits: Visits,
    history: History,
    /// When the log last had something of the customer, epoch milliseconds.
    last_seen: i64,
    /// Largest `occurred_at` of what was forgotten while the customer was idle: a window that reaches as far back is not exact.
    forgotten: Option<i64>,
}

/// Bytes that a customer takes, room for more included, without its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CustomerBytes {
    /// Amounts and times of the last hours; given back while the customer is idle.
    pub windows: usize,
    /// Merchants, devices and places of the last hours; given back while the customer is idle.
    pub visits: usize,
    /// Facts of the whole life.
    pub life: usize,
}

/// What a transaction looks like against its customer's past.
pub(super) struct Seen {
    pub windows: WindowsView,
    pub features: Features,
}

impl Customer {
    /// Looks at a transaction, of which `own` are the fingerprints; the past stays as it is.
    pub fn see(&self, transaction: &Transaction, own: Fingerprints, rules: &RuleSet) -> Seen {
        let mut windows = self.windows.view(self.moment(transaction));
        let reaches_to = transaction.occurred_at - SPANS_MS[SPANS_MS.len() - 1];
        windows.exact &= self.forgotten.is_none_or(|forgotten| forgotten <= reaches_to);
        let mut visits = self.visits.view(transaction, own);
        // What was forgotten may lie between an older one and this.
        let is_known = |at: i64| self.forgotten.is_none_or(|forgotten| forgotten <= at);
        windows.previous = windows.previous.filter(|at| is_known(*at));
        visits.previous = visits.previous.filter(|(at, _)| is_known(*at));
        let past = self.history.before(transaction, own);
        let features = features::of(transaction, &windows, &visits, &past, rules);
        Seen { windows, features }
    }

    /// Makes a transaction part of the past. Deciding and restoring both come here, so that both remember the same. `clock` is the
    /// log's, epoch milliseconds.
    pub fn remember(&mut self, transaction: &Transaction, own: Fingerprints, clock: i64) {
        self.windows.keep(self.moment(transaction));
        self.visits.keep(transaction, own);
        self.history.add(transaction, own);
        self.last_seen = clock;
    }

    /// Forgets the last hours when the customer has been idle for long.
    pub fn forget_if_idle(&mut self, clock: i64) {
        if clock - self.last_seen > IDLE_MS && !self.windows.is_empty() {
            self.forgotten = self.history.newest();
            self.windows = Windows::default();
            self.visits = Visits::default();
        }
    }

    pub fn bytes(&self) -> CustomerBytes {
        let own = size_of::<Self>() - size_of::<Windows>() - size_of::<Visits>() - size_of::<History>();
        CustomerBytes { windows: self.windows.bytes(), visits: self.visits.bytes(), life: self.history.bytes() + own }
    }

    fn moment(&self, transaction: &Transaction) -> Moment {
        Moment {
            at: transaction.occurred_at,
            currency: self.history.currency_number(&transaction.currency),
            amount: transaction.amount,
        }
    }
}
