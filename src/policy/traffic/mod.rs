//! Who of those that want something of a homeserver goes first, and who waits.

mod limits;
mod line;
mod pace;
mod share;

pub use limits::{Allowance, Exempt, Limits, Past};
pub use line::{Asking, Entry, Line, Network, Room, Sender, Ticket};
pub use pace::{Pace, Rate};
pub use share::{Share, of_budget};
