//! Keys of the REPL screen, while nothing is typed.

use crate::console::action::{Action, Scope};
use crate::console::{Effect, State};

/// The keys of the screen.
pub(crate) static TABLE: &[&dyn Action] = &[&TYPE, &COPY, &CLEAR];

struct Do {
    name: &'static str,
    help: &'static str,
    label: fn(&State) -> Option<String>,
    run: fn(&mut State) -> Vec<Effect>,
}

static TYPE: Do = Do {
    name: "type",
    help: "back to the line: Enter runs, Tab completes, Up recalls, ^r searches, ^o edits, Esc leaves it",
    label: |_| Some("type".to_owned()),
    run: |state| {
        state.repl.typing = true;
        Vec::new()
    },
};

static COPY: Do = Do {
    name: "copy",
    help: "copy all that is in the scrollback",
    label: |state| (state.repl.scrollback.lines().len() > 0).then(|| "copy".to_owned()),
    run: |state| {
        let mut text = String::new();
        for line in state.repl.scrollback.lines() {
            text.push_str(&line.text);
            text.push('\n');
        }
        if text.is_empty() { Vec::new() } else { vec![Effect::Copy(text.into_bytes())] }
    },
};

static CLEAR: Do = Do {
    name: "clear",
    help: "take the scrollback away",
    label: |state| (state.repl.scrollback.lines().len() > 0).then(|| "clear".to_owned()),
    run: |state| {
        // The line of what runs is gone with it: its time is noted nowhere.
        state.repl.scrollback.clear();
        Vec::new()
    },
};

impl Action for Do {
    fn name(&self) -> &'static str {
        self.name
    }

    fn scope(&self) -> Scope {
        Scope::Repl
    }

    fn help(&self) -> &'static str {
        self.help
    }

    fn label(&self, state: &State) -> Option<String> {
        state.overlays.is_empty().then(|| (self.label)(state)).flatten()
    }

    fn run(&self, state: &mut State) -> Vec<Effect> {
        (self.run)(state)
    }
}
