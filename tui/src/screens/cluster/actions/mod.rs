//! What the keys of the Cluster screen do.

mod attach;
mod events;
pub(crate) mod kill;
mod open;
mod restart;

use crate::console::action::Action;

/// In the order of footer and help.
pub(crate) static TABLE: &[&dyn Action] = &[
    &attach::Original,
    &attach::StandIn,
    &open::Open,
    &events::Events,
    &kill::Kill,
    &restart::Restart,
];
