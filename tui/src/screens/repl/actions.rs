//! Keys of the REPL screen, while nothing is typed.

use super::Repl;
use crate::console::Effect;
use crate::console::action::Action;

/// The keys of the screen.
pub(crate) static TABLE: &[Action<Repl>] = &[
    Action {
        name: "type",
        help: "back to the line: Enter runs, Tab completes, Up recalls, ^r searches, ^o edits, Esc leaves it",
        label: |_, _| Some("type".to_owned()),
        run: |repl, _| {
            repl.typing = true;
            Vec::new()
        },
    },
    Action {
        name: "copy",
        help: "copy all that is in the scrollback",
        label: |repl, _| (repl.scrollback.lines().len() > 0).then(|| "copy".to_owned()),
        run: |repl, _| {
            let mut text = String::new();
            for line in repl.scrollback.lines() {
                text.push_str(&line.text);
                text.push('\n');
            }
            if text.is_empty() { Vec::new() } else { vec![Effect::Copy(text.into_bytes())] }
        },
    },
    Action {
        name: "clear",
        help: "take the scrollback away",
        label: |repl, _| (repl.scrollback.lines().len() > 0).then(|| "clear".to_owned()),
        run: |repl, _| {
            // The line of what runs is gone with it: its time is noted nowhere.
            repl.scrollback.clear();
            Vec::new()
        },
    },
];
