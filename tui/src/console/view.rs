//! Draws the state. Nothing here waits, reads a clock, or changes more than what a screen remembers of its last draw.
//!
//! ```text
//! &mut State ─▶ header · tabs · screen · footer ─▶ overlays ─▶ toasts ─▶ Frame
//! ```
//!
//! * I1: any size is drawn: below 60x16 one line asks for room; 80x24 shows every panel of a screen in short form.
//! * I2: colour never says something alone: a word or a sign says it too.
//! * I3: what a server does not offer is shown as such, never as zero.
//! * I4: nothing reaches the terminal that terminals draw in different ways (`widget::settle`).
//!
//! Snapshots are in `tests/console/screens.rs`, random sizes in `tests/console/random.rs`.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout};
use ratatui::text::Line;

use super::mouse::DrawnFrame;
use super::overlays::{actions, confirm, doctor, events, help, toasts};
use super::{Overlay, State, footer, header, palette};
use crate::screens::cluster;
use crate::widget::{fit, settle};

/// Smallest width and height that a screen is drawn in.
pub const SMALLEST: (u16, u16) = (60, 16);

/// Draws everything.
pub fn view(state: &mut State, frame: &mut Frame<'_>) {
    let area = frame.area();
    state.drawn = DrawnFrame::default();
    if area.width < SMALLEST.0 || area.height < SMALLEST.1 {
        let (width, height) = SMALLEST;
        let words =
            format!("mini-etcd needs {width}x{height}, this is {}x{}", area.width, area.height);
        let words = fit(&words, usize::from(area.width), &state.ctx.look.glyphs);
        frame.render_widget(Line::from(words), area);
        return;
    }
    let rows =
        [Constraint::Length(1), Constraint::Length(1), Constraint::Min(0), Constraint::Length(1)];
    let [top, tabs, body, bottom] = Layout::vertical(rows).areas(area);
    header::header(state, frame, top);
    state.drawn.tabs = header::tabs(state, frame, tabs);
    footer::footer(state, frame, bottom);
    let (screen, ctx) = state.top_mut();
    screen.view(ctx, frame, body, bottom);
    let mut top = None;
    for overlay in &state.ctx.overlays {
        top = match overlay {
            Overlay::Actions(list) => Some(actions::draw(state, list, frame)),
            Overlay::Help(line) => Some(help::help(state, frame, *line)),
            Overlay::Events(line) => Some(events::draw(&state.ctx, frame, *line)),
            Overlay::Doctor(line) => Some(doctor::draw(state, frame, *line)),
            Overlay::Member(id) => cluster::view::member::member(&state.ctx, frame, *id),
            Overlay::Confirm(confirm) => {
                confirm::confirm(&state.ctx, frame, confirm);
                None
            }
            Overlay::Palette => {
                Some(palette::palette(&state.repl, &state.ctx, frame, body, bottom))
            }
        };
    }
    state.drawn.overlay = top;
    toasts::toasts(&state.ctx, frame, body);
    settle(frame.buffer_mut());
}
