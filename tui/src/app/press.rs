//! What a key press does: typed into what lies on top, or looked up in the keymap.

use crossterm::event::{KeyCode, KeyEvent};

use super::msg::Effect;
use super::palette::Output;
use super::screens::screen;
use super::state::{Confirm, Overlay, State, Tier};
use crate::action;
use crate::keymap::Key;

/// Lines that a page of output moves.
const PAGE: isize = 10;
/// Columns that an arrow shifts it.
const COLUMNS: isize = 20;

/// Takes a key.
pub(super) fn press(state: &mut State, key: KeyEvent) -> Vec<Effect> {
    let bound = state.keymap.find(state.scope(), Key::from(key));
    // These work whatever lies on top: a terminal must always be able to get out.
    if let Some(action) =
        bound.filter(|action| ["interrupt", "suspend", "redraw"].contains(&action.name()))
    {
        return action.run(state);
    }
    match state.overlays.last() {
        Some(Overlay::Palette) => type_in(state, key),
        Some(Overlay::Confirm(confirm)) => {
            let confirm = Confirm::clone(confirm);
            answer(state, confirm, key)
        }
        None if screen(state.screen).takes_text(state) => screen(state.screen).typed(state, key),
        _ => bound.map_or_else(Vec::new, |action| action.run(state)),
    }
}

/// Takes pasted text.
pub(super) fn paste(state: &mut State, text: &str) -> Vec<Effect> {
    match state.overlays.last() {
        Some(Overlay::Palette) => state.palette.line.insert(text),
        None if screen(state.screen).takes_text(state) => {
            return screen(state.screen).pasted(state, text);
        }
        _ => {}
    }
    Vec::new()
}

fn answer(state: &mut State, mut confirm: Confirm, key: KeyEvent) -> Vec<Effect> {
    state.overlays.pop();
    let yes = match (&confirm.tier, key.code) {
        (Tier::Loss, KeyCode::Char('y')) => true,
        (Tier::Shape(word), KeyCode::Enter) => confirm.typed == *word,
        // Neither yes nor no: the question stays. IMPORTANT: Enter is never a yes to a loss.
        (Tier::Loss, code) if code != KeyCode::Char('n') && code != KeyCode::Esc => {
            state.overlays.push(Overlay::Confirm(Box::new(confirm)));
            return Vec::new();
        }
        (Tier::Shape(_), KeyCode::Char(character)) if confirm.typed.len() < 256 => {
            confirm.typed.push(character);
            state.overlays.push(Overlay::Confirm(Box::new(confirm)));
            return Vec::new();
        }
        (Tier::Shape(_), KeyCode::Backspace) => {
            confirm.typed.pop();
            state.overlays.push(Overlay::Confirm(Box::new(confirm)));
            return Vec::new();
        }
        _ => false,
    };
    match confirm.effect {
        _ if !yes => Vec::new(),
        Effect::Run(_, line) => begin(state, line),
        Effect::Confirmed(id) => screen(id).confirmed(state),
        effect => vec![effect],
    }
}

fn type_in(state: &mut State, key: KeyEvent) -> Vec<Effect> {
    let palette = &mut state.palette;
    let empty = palette.input().is_empty();
    match key.code {
        KeyCode::Enter => return run(state),
        KeyCode::Esc => return action::back(state),
        KeyCode::Backspace if empty => return action::back(state),
        KeyCode::Left if empty => palette.shift_by(-COLUMNS),
        KeyCode::Right if empty => palette.shift_by(COLUMNS),
        KeyCode::Up => palette.older(),
        KeyCode::Down => palette.newer(),
        KeyCode::PageUp => palette.scroll_by(-PAGE),
        KeyCode::PageDown => palette.scroll_by(PAGE),
        KeyCode::Tab => complete(state),
        _ => {
            palette.line.key(key);
        }
    }
    Vec::new()
}

fn complete(state: &mut State) {
    let typed = state.palette.input().to_owned();
    if let Some(line) = crate::commands::complete(&typed) {
        state.palette.set(&line);
    }
}

/// Runs the line: the console's own words here, everything else in the engine.
fn run(state: &mut State) -> Vec<Effect> {
    // A run under way may be a write: it is given up by a key of its own, never in passing.
    if let Some((_, running)) = &state.palette.pending {
        let hint = format!("{running} still runs; ^c gives it up");
        state.toasts.hint(state.now, hint);
        return Vec::new();
    }
    let Some(line) = state.palette.take() else { return Vec::new() };
    match line.as_str() {
        "q" | "quit" | "exit" => return vec![Effect::Quit],
        "help" | "h" | "?" => {
            let text = crate::commands::overview();
            let note = "PgUp and PgDn scroll, Esc closes".to_owned();
            state.palette.show(Output { line, text, failed: false, note });
            return Vec::new();
        }
        _ => {}
    }
    if let Some((tier, text)) = crate::commands::risk(&line) {
        let effect = Effect::Run(0, line.clone());
        let confirm = Confirm { tier, title: line, text, effect, typed: String::new() };
        state.overlays.push(Overlay::Confirm(Box::new(confirm)));
        return Vec::new();
    }
    begin(state, line)
}

/// Begins a run.
fn begin(state: &mut State, line: String) -> Vec<Effect> {
    state.runs += 1;
    state.palette.pending = Some((state.runs, line.clone()));
    vec![Effect::Run(state.runs, line)]
}
