//! What lies over a screen: actions, the keys, what happened, a question, and short messages.

pub(crate) mod actions;
pub(crate) mod confirm;
pub(crate) mod events;
pub(crate) mod help;
pub(crate) mod toasts;

pub use actions::ActionList;
pub use events::event_lines;
pub use help::help_lines;
