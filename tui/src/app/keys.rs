//! What a key does: typed into what lies on top, or looked up in the keymap.

use crossterm::event::{KeyCode, KeyEvent};

use super::msg::Effect;
use super::palette::Output;
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
    // These two work whatever lies on top: a terminal must always be able to get out.
    if let Some(action) =
        bound.filter(|action| ["interrupt", "suspend", "redraw"].contains(&action.name()))
    {
        return action.run(state);
    }
    match state.overlays.last() {
        Some(Overlay::Palette) => type_in(state, key),
        Some(Overlay::Confirm(confirm)) => {
            let confirm = confirm.clone();
            answer(state, confirm, key)
        }
        _ => bound.map_or_else(Vec::new, |action| action.run(state)),
    }
}

fn answer(state: &mut State, mut confirm: Confirm, key: KeyEvent) -> Vec<Effect> {
    state.overlays.pop();
    let yes = match (&confirm.tier, key.code) {
        (Tier::Loss, KeyCode::Char('y')) => true,
        (Tier::Shape(word), KeyCode::Enter) => confirm.typed == *word,
        // Neither yes nor no: the question stays. IMPORTANT: Enter is never a yes to a loss.
        (Tier::Loss, code) if code != KeyCode::Char('n') && code != KeyCode::Esc => {
            state.overlays.push(Overlay::Confirm(confirm));
            return Vec::new();
        }
        (Tier::Shape(_), KeyCode::Char(character)) if confirm.typed.len() < 256 => {
            confirm.typed.push(character);
            state.overlays.push(Overlay::Confirm(confirm));
            return Vec::new();
        }
        (Tier::Shape(_), KeyCode::Backspace) => {
            confirm.typed.pop();
            state.overlays.push(Overlay::Confirm(confirm));
            return Vec::new();
        }
        _ => false,
    };
    match confirm.effect {
        _ if !yes => Vec::new(),
        Effect::Run(_, line) => begin(state, line),
        effect => vec![effect],
    }
}

fn type_in(state: &mut State, key: KeyEvent) -> Vec<Effect> {
    let held = Key::from(key);
    let palette = &mut state.palette;
    let is = |word: &str| Key::parse(word) == Some(held);
    match key.code {
        KeyCode::Enter => return run(state),
        KeyCode::Esc => return action::back(state),
        KeyCode::Backspace if palette.input().is_empty() => return action::back(state),
        KeyCode::Backspace => palette.backspace(),
        KeyCode::Delete => palette.delete(),
        KeyCode::Left if palette.input().is_empty() => palette.shift_by(-COLUMNS),
        KeyCode::Right if palette.input().is_empty() => palette.shift_by(COLUMNS),
        KeyCode::Left => palette.left(),
        KeyCode::Right => palette.right(),
        KeyCode::Home => palette.home(),
        KeyCode::End => palette.end(),
        KeyCode::Up => palette.older(),
        KeyCode::Down => palette.newer(),
        KeyCode::PageUp => palette.scroll_by(-PAGE),
        KeyCode::PageDown => palette.scroll_by(PAGE),
        KeyCode::Tab => complete(state),
        _ if is("ctrl-a") => palette.home(),
        _ if is("ctrl-e") => palette.end(),
        _ if is("ctrl-u") => palette.delete_to_start(),
        _ if is("ctrl-w") => palette.delete_word(),
        KeyCode::Char(character) if held == Key::plain(character) => {
            palette.insert(character.encode_utf8(&mut [0; 4]));
        }
        _ => {}
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
        state.overlays.push(Overlay::Confirm(confirm));
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
