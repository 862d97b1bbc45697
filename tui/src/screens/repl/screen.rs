//! The pane as the frame sees it.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::Msg;
use super::complete::completed;
use super::run::{Place, edit, enter, typed};
use crate::console::CommandLine;
use crate::console::action::Scope;
use crate::console::msg::Effect;
use crate::console::state::State;
use crate::engine::request::{Answer, Ticket, Trouble};
use crate::screens::{Motion, Screen, ScreenId};

/// The REPL pane.
pub(crate) struct ReplScreen;

impl Screen for ReplScreen {
    fn id(&self) -> ScreenId {
        ScreenId::Repl
    }

    fn title(&self) -> &'static str {
        "REPL"
    }

    fn scope(&self) -> Scope {
        Scope::Repl
    }

    fn enter(&self, state: &mut State) -> Vec<Effect> {
        state.repl.typing = true;
        Vec::new()
    }

    fn command(&self, state: &State) -> Option<CommandLine> {
        let history = &state.repl.history;
        history.len().checked_sub(1).and_then(|last| history.get(last)).map(CommandLine::line)
    }

    fn motion(&self, state: &mut State, motion: Motion) -> Vec<Effect> {
        let page = state.page();
        let scrollback = &mut state.repl.scrollback;
        let count = scrollback.lines().len();
        let last = count.saturating_sub(1);
        let from = last.saturating_sub(scrollback.back());
        scrollback.look_back(last.saturating_sub(motion.apply(from, count, page)));
        Vec::new()
    }

    fn takes_text(&self, state: &State) -> bool {
        state.repl.typing
    }

    fn typed(&self, state: &mut State, key: KeyEvent) -> Vec<Effect> {
        let ctrl = key.modifiers.contains(KeyModifiers::CONTROL);
        let entry = &state.repl.entry;
        let choosing = entry.popup.is_some() || entry.search.is_some();
        match key.code {
            KeyCode::Enter => return enter(state, Place::Pane),
            KeyCode::Esc if !choosing => state.repl.typing = false,
            KeyCode::Char('d') if ctrl && entry.is_empty() => state.repl.typing = false,
            KeyCode::Char('o') if ctrl => return edit(state),
            KeyCode::PageUp => return self.motion(state, Motion::Page(-1)),
            KeyCode::PageDown => return self.motion(state, Motion::Page(1)),
            _ => {
                state.repl.scrollback.look_back(0);
                return typed(state, Place::Pane, key);
            }
        }
        Vec::new()
    }

    fn pasted(&self, state: &mut State, text: &str) -> Vec<Effect> {
        if !state.repl.entry.insert(text) {
            state.toasts.hint(state.now, "only a part of it had room");
        }
        Vec::new()
    }

    fn back(&self, state: &mut State) -> Option<Vec<Effect>> {
        let looked_back = state.repl.scrollback.back() > 0;
        state.repl.scrollback.look_back(0);
        looked_back.then(Vec::new)
    }

    fn has_back(&self, state: &State) -> bool {
        state.repl.scrollback.back() > 0
    }

    fn answered(&self, state: &mut State, ticket: Ticket, answer: Answer) -> Vec<Effect> {
        match state.repl.requests.take(ticket, answer) {
            Some(Msg::Completed(asked, Ok(completion))) => completed(state, asked, completion),
            Some(Msg::Completed(_, Err(trouble))) => failed(state, "completion", trouble),
            Some(Msg::Edited(_, Ok(text))) => {
                let text = String::from_utf8_lossy(&text).into_owned();
                state.repl.entry.set(text.trim_end_matches('\n'));
                state.repl.typing = true;
            }
            Some(Msg::Edited(_, Err(trouble))) => failed(state, "the editor", trouble),
            None => {}
        }
        Vec::new()
    }
}

fn failed(state: &mut State, what: &str, trouble: Trouble) {
    let what = format!("{what} {}", trouble.place);
    state.toasts.error(state.now, what, trouble.why, trouble.next);
}
