//! [`mouse`]: what a click or a turn of the wheel does, by what was drawn last at that place.
//!
//! ```text
//! terminal ─▶ Msg::Mouse ─┬─▶ what lies on top: scrolled, or closed by a click beside it
//!                         ├─▶ tabs: to that screen
//!                         └─▶ Screen::mouse
//! ```
//!
//! * I1: a question is never answered by a click, neither with yes nor with no.
//! * I2: a click does only what a key does: it chooses, opens, closes, goes to a pane or a screen.
//!
//! It refuses other buttons, moves and drags: with Shift the terminal itself selects text. Tested in
//! `tests/console/mouse.rs`, and with a terminal's own sequences in `tests/pty/mouse.rs`.

use crossterm::event::{MouseButton, MouseEvent, MouseEventKind};
use ratatui::layout::{Position, Rect};

use super::action;
use super::context::{Overlay, Redraw};
use super::msg::Effect;
use super::overlays::actions;
use super::state::State;
use super::update::go_to;
use crate::screens::{Motion, ScreenId};

/// Rows that a turn of the wheel scrolls by.
const WHEEL_ROWS: isize = 3;

/// Something done with the mouse, at a place of the frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mouse {
    /// The left button was pressed.
    Click(Position),
    /// The wheel was turned by so many rows, downward when that is positive.
    Wheel(Position, isize),
}

impl Mouse {
    /// What an event of the terminal is; `None` when nothing is done by it.
    fn of(event: MouseEvent) -> Option<Self> {
        let place = Position { x: event.column, y: event.row };
        match event.kind {
            MouseEventKind::Down(MouseButton::Left) => Some(Self::Click(place)),
            MouseEventKind::ScrollDown => Some(Self::Wheel(place, WHEEL_ROWS)),
            MouseEventKind::ScrollUp => Some(Self::Wheel(place, -WHEEL_ROWS)),
            _ => None,
        }
    }

    /// Where it was done.
    #[must_use]
    pub fn place(self) -> Position {
        match self {
            Self::Click(place) | Self::Wheel(place, _) => place,
        }
    }
}

/// What the frame has drawn where.
#[derive(Clone, Debug, Default)]
pub(crate) struct DrawnFrame {
    /// The tabs.
    pub tabs: Vec<(Rect, ScreenId)>,
    /// What lies on top of the screen, its border included.
    pub overlay: Option<Rect>,
}

/// Takes what is done with the mouse.
pub(super) fn mouse(state: &mut State, event: MouseEvent) -> Vec<Effect> {
    let Some(event) = Mouse::of(event) else { return Vec::new() };
    state.ctx.dirty(Redraw::Input);
    let place = event.place();
    if let Mouse::Click(_) = event {
        state.ctx.toasts.acknowledge(state.ctx.now);
    }
    if state.ctx.is_covered() {
        return over(state, event);
    }
    let tab = state.drawn.tabs.iter().find(|(area, _)| area.contains(place));
    match (event, tab.map(|(_, id)| *id)) {
        (Mouse::Click(_), Some(id)) => go_to(state, id),
        (Mouse::Wheel(..), Some(_)) => Vec::new(),
        (_, None) => {
            let (screen, ctx) = state.top_mut();
            screen.mouse(ctx, event)
        }
    }
}

/// Something lies over the screen.
fn over(state: &mut State, event: Mouse) -> Vec<Effect> {
    let beside = state.drawn.overlay.is_some_and(|area| !area.contains(event.place()));
    match (state.ctx.overlays.last(), event) {
        // I1
        (Some(Overlay::Confirm(_)) | None, _) => Vec::new(),
        (Some(_), Mouse::Click(_)) if beside => action::back(state),
        (Some(Overlay::Actions(_)), Mouse::Wheel(_, by)) => {
            actions::go(state, by);
            Vec::new()
        }
        (Some(Overlay::Palette), Mouse::Wheel(_, by)) => {
            state.repl.palette.scroll_by(by);
            Vec::new()
        }
        (Some(Overlay::Help(_) | Overlay::Events(_) | Overlay::Doctor(_)), Mouse::Wheel(_, by)) => {
            action::go(state, Motion::Step(by))
        }
        (Some(_), _) => Vec::new(),
    }
}
