//! Dead letters: what there is, what operators did about it, and taking a letter in again.
//!
//! The log alone knows: letters stand in `dead-letters`, what was done about them in `dead-letter-actions`. A replay appends the
//! letter to its journal and the action in one Kafka transaction, after all earlier actions were read, under a transactional id
//! that one operator has at a time. So a letter is replayed once, whatever is killed and however many operators there are.
//!
//! - [`Shelf`]: reading letters and actions.
//! - [`Ready`]: a letter as the record that replays it, or why it cannot be replayed ([`Unfit`]).
//! - [`effects`]: which ids took effect so long ago that the processor has forgotten them.
//! - [`Clerk`]: the one who acts.

mod clerk;
mod effects;
mod originals;
mod ready;
mod shelf;

pub use clerk::{Act, Clerk, Done};
pub use effects::{Effect, Stretch, effects};
pub use ready::{Ready, Unfit};
pub use shelf::{Actions, Letter, Letters, Shelf, State};
