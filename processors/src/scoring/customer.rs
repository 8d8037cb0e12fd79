//! What is remembered of one customer.

use super::{
    blocklists::Blocklists,
    features::{self, Features},
    history::History,
    windows::{Moment, Windows, WindowsView},
};
use millrace_schemas::event::Transaction;
use serde::{Deserialize, Serialize};

/// One customer's past.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Customer {
    windows: Windows,
    history: History,
}

/// What a transaction looks like against its customer's past.
pub(super) struct Seen {
    pub windows: WindowsView,
    pub features: Features,
}

impl Customer {
    /// Looks at a transaction; the past stays as it is.
    pub fn see(&self, transaction: &Transaction, blocklists: &Blocklists) -> Seen {
        let windows = self.windows.view(self.moment(transaction));
        let past = self.history.before(transaction);
        let features = features::of(transaction, &windows, &past, blocklists);
        Seen { windows, features }
    }

    /// Makes a transaction part of the past. Deciding and restoring both come here, so that both remember the same.
    pub fn remember(&mut self, transaction: &Transaction) {
        self.windows.keep(self.moment(transaction));
        self.history.add(transaction);
    }

    fn moment(&self, transaction: &Transaction) -> Moment {
        Moment {
            at: transaction.occurred_at,
            currency: self.history.currency_number(&transaction.currency),
            amount: transaction.amount,
        }
    }
}
