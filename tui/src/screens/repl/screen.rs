//! The pane as the frame sees it.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::Frame;
use ratatui::layout::Rect;

use super::complete::completed;
use super::run::{Place, edit, enter, hide, paste, typed};
use super::{Msg, Repl, view};
use crate::console::{CommandLine, Context, Effect, Mouse};
use crate::engine::request::{Answer, Ticket, Trouble};
use crate::screens::{Motion, Screen};

impl Screen for Repl {
    fn view(&mut self, ctx: &Context, frame: &mut Frame<'_>, area: Rect, bottom: Rect) {
        view::draw(self, ctx, frame, area, bottom);
    }

    fn enter(&mut self, _: &mut Context) -> Vec<Effect> {
        self.typing = true;
        Vec::new()
    }

    fn command(&self, _: &Context) -> Option<CommandLine> {
        let history = &self.history;
        history.len().checked_sub(1).and_then(|last| history.get(last)).map(CommandLine::line)
    }

    fn motion(&mut self, ctx: &mut Context, motion: Motion) -> Vec<Effect> {
        let page = ctx.page();
        let scrollback = &mut self.scrollback;
        let count = scrollback.lines().len();
        let last = count.saturating_sub(1);
        let from = last.saturating_sub(scrollback.back());
        scrollback.look_back(last.saturating_sub(motion.apply(from, count, page)));
        Vec::new()
    }

    fn takes_text(&self) -> bool {
        self.typing
    }

    fn typed(&mut self, ctx: &mut Context, key: KeyEvent) -> Vec<Effect> {
        if let Some(effects) = hide(self, key) {
            return effects;
        }
        let ctrl = key.modifiers.contains(KeyModifiers::CONTROL);
        let entry = &self.entry;
        let choosing = entry.popup.is_some() || entry.search.is_some();
        match key.code {
            KeyCode::Enter => return enter(self, ctx, Place::Pane),
            KeyCode::Esc if !choosing => self.typing = false,
            KeyCode::Char('d') if ctrl && entry.is_empty() => self.typing = false,
            KeyCode::Char('o') if ctrl => return edit(self),
            KeyCode::PageUp => return self.motion(ctx, Motion::Page(-1)),
            KeyCode::PageDown => return self.motion(ctx, Motion::Page(1)),
            _ => {
                self.scrollback.look_back(0);
                return typed(self, ctx, Place::Pane, key);
            }
        }
        Vec::new()
    }

    fn pasted(&mut self, ctx: &mut Context, text: &str) -> Vec<Effect> {
        paste(self, ctx, Place::Pane, text);
        Vec::new()
    }

    fn mouse(&mut self, ctx: &mut Context, event: Mouse) -> Vec<Effect> {
        match event {
            Mouse::Click(_) => self.typing = true,
            Mouse::Wheel(_, by) => return self.motion(ctx, Motion::Step(by)),
        }
        Vec::new()
    }

    fn back(&mut self, _: &mut Context) -> Option<Vec<Effect>> {
        let looked_back = self.scrollback.back() > 0;
        self.scrollback.look_back(0);
        looked_back.then(Vec::new)
    }

    fn has_back(&self) -> bool {
        self.scrollback.back() > 0
    }

    fn answered(&mut self, ctx: &mut Context, ticket: Ticket, answer: Answer) -> Vec<Effect> {
        match self.requests.take(ticket, answer) {
            Some(Msg::Completed(asked, Ok(completion))) => completed(self, ctx, asked, completion),
            Some(Msg::Completed(_, Err(trouble))) => failed(ctx, "completion", trouble),
            Some(Msg::Edited(_, Ok(text))) => {
                let text = String::from_utf8_lossy(&text).into_owned();
                self.entry.set(text.trim_end_matches('\n'));
                self.typing = true;
            }
            Some(Msg::Edited(_, Err(trouble))) => failed(ctx, "the editor", trouble),
            None => {}
        }
        Vec::new()
    }
}

fn failed(ctx: &mut Context, what: &str, trouble: Trouble) {
    let what = format!("{what} {}", trouble.place);
    ctx.toasts.error(ctx.now, what, trouble.why, trouble.next);
}
