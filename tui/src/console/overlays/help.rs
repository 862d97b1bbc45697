//! The keys, from the keymap.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Line;

use super::scrolled;
use crate::console::action::{Act, Scope};
use crate::console::{State, action};
use crate::widget::theme::Meaning;
use crate::widget::{Look, say, wrap};

/// Width of the keys before what they do.
pub(super) const KEYS: usize = 16;

/// Width of the overlay on a screen of this width.
pub(super) fn width(screen: u16) -> u16 {
    screen.saturating_sub(4).min(100)
}

/// Every line of the overlay: the keys of the screen first.
#[must_use]
pub fn help_lines(state: &State) -> Vec<Line<'static>> {
    let look = &state.ctx.look;
    let room = usize::from(width(state.ctx.size.0)).saturating_sub(KEYS + 6);
    let mut lines = Vec::new();
    for scope in [state.scope(), Scope::Move, Scope::Global] {
        if !lines.is_empty() {
            lines.push(Line::default());
        }
        lines.push(Line::from(say(look, Meaning::Title, format!(" {}", scope.title()))));
        for action in action::all().filter(|action| action.scope() == scope) {
            lines.extend(entry(look, &keys_of(state, action), action.help(), room));
        }
    }
    let g = &look.glyphs;
    lines.push(Line::default());
    lines.push(Line::from(say(look, Meaning::Title, " Signs")));
    for (signs, words) in [
        (
            format!("{} {} {} {}", g.full, g.half, g.hollow, g.down),
            "well, not quite well, heard by others only, down",
        ),
        ("L F l C".to_owned(), "leader, follower, learner (no vote), candidate"),
        (g.none.to_owned(), "not offered by this server, or not known"),
        (g.bar.concat(), "in use, allocated beyond that, free up to the quota"),
    ] {
        lines.extend(entry(look, &signs, words, room));
    }
    lines
}

/// The keys of an action.
pub(super) fn keys_of(state: &State, action: &dyn Act) -> String {
    let ascii = state.ctx.look.glyphs.ascii;
    let keys = state.keymap.keys(action).iter();
    let keys = keys.map(|key| if ascii { key.ascii() } else { key.to_string() });
    let keys = keys.collect::<Vec<_>>().join(" ");
    if keys.is_empty() { "(no key)".to_owned() } else { keys }
}

/// Keys and what they do, on as many lines as that takes.
fn entry(look: &Look, keys: &str, words: &str, room: usize) -> Vec<Line<'static>> {
    let line = |(at, part): (usize, String)| {
        let keys = if at == 0 { keys } else { "" };
        let keys = say(look, Meaning::Key, format!("   {keys:<KEYS$}"));
        Line::from(vec![keys, say(look, Meaning::Text, part)])
    };
    wrap(words, room).into_iter().enumerate().map(line).collect()
}

/// Draws the overlay from line `first` on; answers where.
pub(crate) fn help(state: &State, frame: &mut Frame<'_>, first: u16) -> Rect {
    let (ctx, hint) = (&state.ctx, " Esc closes, j k scroll ");
    scrolled(ctx, frame, ("Keys", hint), width(ctx.size.0), (help_lines(state), first))
}
