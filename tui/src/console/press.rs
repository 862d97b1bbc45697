//! What a key press does: typed into what lies on top, or looked up in the keymap.

use crossterm::event::{KeyCode, KeyEvent};

use super::action;
use super::keymap::Key;
use super::msg::Effect;
use super::state::{Confirm, Overlay, State, Tier};
use crate::screens::repl::Place;
use crate::screens::{repl, screen};

/// Lines that a page of output moves.
const PAGE: isize = 10;
/// Columns that an arrow shifts it.
const COLUMNS: isize = 20;

/// Takes a key.
pub(crate) fn press(state: &mut State, key: KeyEvent) -> Vec<Effect> {
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

/// Takes pasted text. Terminals send a line end as CR, CR LF or LF: here it is LF, whichever it was.
pub(crate) fn paste(state: &mut State, text: &str) -> Vec<Effect> {
    let text = &text.replace("\r\n", "\n").replace('\r', "\n");
    match state.overlays.last() {
        Some(Overlay::Palette) => {
            let whole = state.palette.entry.insert(text);
            if !whole {
                state.toasts.hint(state.now, "only a part of it had room");
            }
        }
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
        Effect::Run(_, text) => repl::begin(state, text),
        Effect::Confirmed(id) => screen(id).confirmed(state),
        effect => vec![effect],
    }
}

fn type_in(state: &mut State, key: KeyEvent) -> Vec<Effect> {
    let palette = &mut state.palette;
    let empty = palette.entry.is_empty();
    let choosing = palette.entry.popup.is_some() || palette.entry.search.is_some();
    match key.code {
        KeyCode::Enter => return repl::enter(state, Place::Palette),
        KeyCode::Esc if !choosing => return action::back(state),
        KeyCode::Backspace if empty && !choosing => return action::back(state),
        KeyCode::Left if empty => palette.shift_by(-COLUMNS),
        KeyCode::Right if empty => palette.shift_by(COLUMNS),
        KeyCode::PageUp => palette.scroll_by(-PAGE),
        KeyCode::PageDown => palette.scroll_by(PAGE),
        _ => return repl::typed(state, Place::Palette, key),
    }
    Vec::new()
}
