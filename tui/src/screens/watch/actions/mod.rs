//! What can be done on the Watch screen.

mod find;
mod look;
mod prompt;
mod stream;

use super::Tail;
use crate::console::action::{Action, Scope};
use crate::console::{Effect, State};

/// Its actions, in the order of footer and help.
pub(crate) static TABLE: &[&dyn Action] = &[
    &look::PAUSE,
    &look::UNFOLD,
    &look::DIFF,
    &prompt::SEARCH,
    &prompt::FILTER,
    &look::PIN,
    &prompt::SAVE,
    &prompt::NEW,
    &stream::AGAIN,
    &find::NEXT,
    &find::BEFORE,
    &find::TROUBLE,
    &look::CLEAR,
    &stream::CLOSE,
];

/// Something that is done to tails.
struct Deed {
    name: &'static str,
    help: &'static str,
    label: fn(&State) -> Option<String>,
    run: fn(&mut State) -> Vec<Effect>,
}

impl Action for Deed {
    fn name(&self) -> &'static str {
        self.name
    }

    fn scope(&self) -> Scope {
        Scope::Watch
    }

    fn help(&self) -> &'static str {
        self.help
    }

    fn label(&self, state: &State) -> Option<String> {
        let plain = state.overlays.is_empty() && state.watch.is_plain();
        if plain { (self.label)(state) } else { None }
    }

    fn run(&self, state: &mut State) -> Vec<Effect> {
        if state.overlays.is_empty() { (self.run)(state) } else { Vec::new() }
    }
}

/// Width from which the footer has room for what is not needed at once.
const ROOMY: u16 = 100;

fn roomy(state: &State) -> bool {
    state.size.0 >= ROOMY
}

/// The tail on top, when it has the keyboard.
fn plain(state: &mut State) -> Option<&mut Tail> {
    if state.watch.is_plain() { state.watch.active_mut() } else { None }
}
