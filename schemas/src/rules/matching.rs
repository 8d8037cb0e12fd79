//! Rules of what comes to matching. Receipts and transactions have kept theirs; these are for records that somebody else wrote.

use super::{Found, Path};
use crate::event::{MatchInput, MatchInputKind};

pub(super) fn check(input: &MatchInput, found: &mut Found) {
    let path = Path::field("item");
    match (input.kind, &input.item) {
        (MatchInputKind::Tick, Some(_)) => found.add(path, "item_on_tick", "a tick has no item"),
        (MatchInputKind::Tick, None) => {}
        (_, None) => found.add(path, "no_item", "must not be null unless the record is a tick"),
        (_, Some(item)) => {
            if item.place_id != input.place_id {
                found.add(path.clone().then("place_id"), "place_mismatch", "must be the record's own place_id");
            }
            found.money_within(path.clone().then("amount"), item.amount);
            found.money_within(path.then("tips_amount"), item.tips_amount);
        }
    }
}
