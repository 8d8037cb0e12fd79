//! Rules of labels.

use super::{Found, ID_MAX, Path};
use crate::{Topic, event::Label, ids};

pub(super) fn check(l: &Label, found: &mut Found) {
    found.text(Path::field("customer_id"), &l.customer_id, ID_MAX);
    found.text(Path::field("label_id"), &l.label_id, ID_MAX);
    found.text(Path::field("transaction_id"), &l.transaction_id, ID_MAX);
    let trn_id = ids::trn_id(Topic::Transactions, &l.customer_id, &l.transaction_id).to_string();
    if l.trn_id != trn_id {
        let message = format!("must be {trn_id}, which customer_id and transaction_id give");
        found.add(Path::field("trn_id"), "wrong_trn_id", message);
    }
    found.text(Path::field("source"), &l.source, ID_MAX);
    found.extra(&Path::root(), &l.extra);
}
