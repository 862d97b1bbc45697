//! What lies over a screen: the keys, what happened, a question, and short messages.

pub(crate) mod confirm;
pub(crate) mod events;
pub(crate) mod help;
pub(crate) mod toasts;

pub use events::event_lines;
pub use help::help_lines;
