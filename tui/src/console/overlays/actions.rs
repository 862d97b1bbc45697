//! [`ActionList`]: what can be done on the screen, to search by words and to run.

use crossterm::event::{KeyCode, KeyEvent};
use nucleo_matcher::pattern::{CaseMatching, Normalization, Pattern};
use nucleo_matcher::{Config, Matcher};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::help::{KEYS, keys_of, width};
use crate::console::action::{Act, Scope};
use crate::console::{Effect, Overlay, State, action};
use crate::widget::line::LineInput;
use crate::widget::theme::Meaning;
use crate::widget::{around, fit, fit_end, popup, say, set_cursor, style};

/// Rows of actions that are in sight at most.
const ROWS_MAX: u16 = 16;
/// Rows of a page.
const PAGE: isize = 16;

/// The list: what is typed to find an action, and the chosen one among those found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ActionList {
    pub(crate) line: LineInput,
    chosen: usize,
}

/// An action with the words by which it is found.
struct Candidate(&'static dyn Act, String);

impl AsRef<str> for Candidate {
    fn as_ref(&self) -> &str {
        &self.1
    }
}

impl ActionList {
    /// The actions that what is typed finds, the best first; all of them in the order of the help while nothing is.
    fn found(&self, state: &State) -> Vec<&'static dyn Act> {
        let of = |scope| action::all().filter(move |action| action.scope() == scope);
        let candidate = |act: &'static dyn Act| {
            Candidate(act, format!("{} {}", act.name().replace('-', " "), act.help()))
        };
        let all = of(state.scope()).chain(of(Scope::Global)).map(candidate);
        let pattern = Pattern::parse(self.line.text(), CaseMatching::Ignore, Normalization::Smart);
        let found = pattern.match_list(all, &mut Matcher::new(Config::DEFAULT));
        found.into_iter().map(|(candidate, _)| candidate.0).collect()
    }
}

/// A key typed over the list.
pub(crate) fn typed(state: &mut State, key: KeyEvent) -> Vec<Effect> {
    match key.code {
        KeyCode::Esc => {
            state.ctx.overlays.pop();
        }
        KeyCode::Enter => {
            let Some(Overlay::Actions(list)) = state.ctx.overlays.last() else { return Vec::new() };
            let found = list.found(state);
            if let Some(action) = found.get(list.chosen.min(found.len().saturating_sub(1))) {
                state.ctx.overlays.pop();
                return action.run(state);
            }
        }
        KeyCode::Up | KeyCode::BackTab => go(state, -1),
        KeyCode::Down | KeyCode::Tab => go(state, 1),
        KeyCode::PageUp => go(state, -PAGE),
        KeyCode::PageDown => go(state, PAGE),
        _ => {
            if let Some(Overlay::Actions(list)) = state.ctx.overlays.last_mut() {
                let before = list.line.text().to_owned();
                list.line.key(key);
                if list.line.text() != before {
                    list.chosen = 0;
                }
            }
        }
    }
    Vec::new()
}

/// Chooses another action, so many rows further.
pub(crate) fn go(state: &mut State, by: isize) {
    let Some(Overlay::Actions(list)) = state.ctx.overlays.last() else { return };
    let end = list.found(state).len().saturating_sub(1);
    let chosen = list.chosen.min(end).saturating_add_signed(by).min(end);
    if let Some(Overlay::Actions(list)) = state.ctx.overlays.last_mut() {
        list.chosen = chosen;
    }
}

/// Draws the list; answers where.
pub(crate) fn draw(state: &State, list: &ActionList, frame: &mut Frame<'_>) -> Rect {
    let look = &state.ctx.look;
    let found = list.found(state);
    let room = state.ctx.size.1.saturating_sub(5).min(ROWS_MAX);
    let size = (width(state.ctx.size.0), room.saturating_add(3));
    let title = format!("Actions: {}", state.scope().title());
    let right = say(look, Meaning::Dim, " type to search, Enter runs, Esc closes ");
    let inside = popup(frame, look, size, &title, Line::from(right));
    let line = Rect { height: inside.height.min(1), ..inside };
    let (left, rest) = list.line.shown();
    let left = fit_end(&left, usize::from(inside.width).saturating_sub(4)).to_owned();
    let columns = 3 + Span::raw(&*left).width();
    frame.render_widget(
        Line::from(vec![
            say(look, Meaning::Accent, format!(" {} ", look.glyphs.arrow)),
            say(look, Meaning::Input, left),
            say(look, Meaning::Input, rest),
        ]),
        line,
    );
    set_cursor(frame, line, columns);
    if found.is_empty() {
        let words = say(look, Meaning::Dim, " no action has these words");
        frame.render_widget(Line::from(words), line.offset(ratatui::layout::Offset { x: 0, y: 1 }));
    }
    let chosen = list.chosen.min(found.len().saturating_sub(1));
    let first = chosen.saturating_sub(usize::from(room).saturating_sub(1));
    let rows = found.iter().enumerate().skip(first);
    for ((at, action), y) in rows.zip(inside.y + 1..inside.bottom()) {
        let place = Rect { y, height: 1, ..inside };
        if at == chosen {
            frame.buffer_mut().set_style(place, style(look, Meaning::Selected));
        }
        let mark = if at == chosen { look.glyphs.mark } else { " " };
        let keys = keys_of(state, *action);
        let help =
            fit(action.help(), usize::from(inside.width).saturating_sub(KEYS + 3), &look.glyphs);
        let row = Line::from(vec![
            say(look, Meaning::Accent, mark),
            say(look, Meaning::Key, format!(" {keys:<KEYS$}")),
            say(look, Meaning::Text, help),
        ]);
        frame.render_widget(row, place);
    }
    around(inside)
}
