//! What a key press does: typed into what lies on top, or looked up in the keymap.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::action;
use super::context::{Confirm, Overlay, Tier, Yes};
use super::keymap::Key;
use super::msg::Effect;
use super::overlays::actions;
use super::state::State;
use crate::screens::repl::{self, Place};

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
    match state.ctx.overlays.last() {
        Some(Overlay::Palette) => type_in(state, key),
        Some(Overlay::Actions(_)) => actions::typed(state, key),
        Some(Overlay::Confirm(confirm)) => {
            let confirm = Confirm::clone(confirm);
            answer(state, confirm, key)
        }
        None if state.top().takes_text() => {
            let (screen, ctx) = state.top_mut();
            screen.typed(ctx, key)
        }
        _ => bound.map_or_else(Vec::new, |action| action.run(state)),
    }
}

/// Takes pasted text. Terminals send a line end as CR, CR LF or LF: here it is LF, whichever it was.
pub(crate) fn paste(state: &mut State, text: &str) -> Vec<Effect> {
    let text = &text.replace("\r\n", "\n").replace('\r', "\n");
    if let Some(Overlay::Actions(list)) = state.ctx.overlays.last_mut() {
        list.line.insert(text);
        return Vec::new();
    }
    match state.ctx.overlays.last() {
        Some(Overlay::Palette) => {
            repl::paste(&mut state.repl, &mut state.ctx, Place::Palette, text);
        }
        None if state.top().takes_text() => {
            let (screen, ctx) = state.top_mut();
            return screen.pasted(ctx, text);
        }
        _ => {}
    }
    Vec::new()
}

fn answer(state: &mut State, mut confirm: Confirm, key: KeyEvent) -> Vec<Effect> {
    // What is held down makes another key of it, which may be bound to something else: `^y` is no yes.
    if !key.modifiers.difference(KeyModifiers::SHIFT).is_empty() {
        return Vec::new();
    }
    state.ctx.overlays.pop();
    let yes = match (&confirm.tier, key.code) {
        (Tier::Loss, KeyCode::Char('y')) => true,
        (Tier::Shape(word), KeyCode::Enter) => confirm.typed == *word,
        // Neither yes nor no: the question stays. IMPORTANT: Enter is never a yes to a loss.
        (Tier::Loss, code) if code != KeyCode::Char('n') && code != KeyCode::Esc => {
            state.ctx.overlays.push(Overlay::Confirm(Box::new(confirm)));
            return Vec::new();
        }
        (Tier::Shape(_), KeyCode::Char(character)) if confirm.typed.len() < 256 => {
            confirm.typed.push(character);
            state.ctx.overlays.push(Overlay::Confirm(Box::new(confirm)));
            return Vec::new();
        }
        (Tier::Shape(_), KeyCode::Backspace) => {
            confirm.typed.pop();
            state.ctx.overlays.push(Overlay::Confirm(Box::new(confirm)));
            return Vec::new();
        }
        _ => false,
    };
    if yes
        && !confirm.again
        && let Some(name) = state.ctx.production()
    {
        let tier = Tier::Shape(name.to_owned());
        let text = format!("{name} is production: its name says that you mean it.");
        let again = Confirm { tier, text, typed: String::new(), again: true, ..confirm };
        state.ctx.overlays.push(Overlay::Confirm(Box::new(again)));
        return Vec::new();
    }
    match confirm.yes {
        _ if !yes => Vec::new(),
        Yes::Do(effect) => vec![effect],
        Yes::Run(text) => {
            let palette = state.ctx.overlays.contains(&Overlay::Palette);
            let place = if palette { Place::Palette } else { Place::Pane };
            repl::begin(&mut state.repl, &mut state.ctx, place, text)
        }
        Yes::Planned(id, plan) => {
            let (screen, ctx) = state.screen_mut(id);
            screen.confirmed(ctx, &plan)
        }
    }
}

fn type_in(state: &mut State, key: KeyEvent) -> Vec<Effect> {
    if let Some(effects) = repl::hide(&mut state.repl, key) {
        return effects;
    }
    let palette = &mut state.repl.palette;
    let empty = palette.entry.is_empty();
    let choosing = palette.entry.popup.is_some() || palette.entry.search.is_some();
    match key.code {
        KeyCode::Enter => return repl::enter(&mut state.repl, &mut state.ctx, Place::Palette),
        KeyCode::Esc if !choosing => return action::back(state),
        KeyCode::Backspace if empty && !choosing => return action::back(state),
        KeyCode::Left if empty => palette.shift_by(-COLUMNS),
        KeyCode::Right if empty => palette.shift_by(COLUMNS),
        KeyCode::PageUp => palette.scroll_by(-PAGE),
        KeyCode::PageDown => palette.scroll_by(PAGE),
        _ => return repl::typed(&mut state.repl, &mut state.ctx, Place::Palette, key),
    }
    Vec::new()
}
