//! The Leases screen as the frame sees it.

use bytes::Bytes;
use crossterm::event::{KeyCode, KeyEvent};
use mini_etcd_shared::command::lease_hex;
use ratatui::Frame;
use ratatui::layout::Rect;

use super::requests::{ReadLeases, RevokeLease};
use super::update::{look, update};
use super::{Ask, Leases, Msg, Pane, actions, mouse, view};
use crate::console::{CommandLine, Context, Effect, Mouse, Plan, Wish};
use crate::engine::request::{Answer, Ticket};
use crate::screens::{Motion, Screen};
use crate::widget::counted;

impl Screen for Leases {
    fn view(&mut self, ctx: &Context, frame: &mut Frame<'_>, area: Rect, bottom: Rect) {
        view::draw(self, ctx, frame, area, bottom);
    }

    fn enter(&mut self, ctx: &mut Context) -> Vec<Effect> {
        look(self, ctx)
    }

    fn leave(&mut self, _: &mut Context, ended: &mut Vec<String>) -> Vec<Effect> {
        let kept = u64::try_from(self.kept.len()).unwrap_or(u64::MAX);
        if kept > 0 {
            ended.push(format!("{} not kept alive any more", counted(kept, "lease")));
        }
        let effects = self.requests.forget();
        let before = std::mem::take(self);
        self.requests = before.requests;
        self.list.sort = before.list.sort;
        effects
    }

    fn begin_anew(&mut self, ctx: &mut Context) -> Vec<Effect> {
        look(self, ctx)
    }

    fn command(&self, _: &Context) -> Option<CommandLine> {
        let id = Bytes::from(lease_hex(self.chosen_id()?));
        Some(CommandLine::new("lease timetolive").arg(&id).flag("--keys"))
    }

    fn motion(&mut self, ctx: &mut Context, motion: Motion) -> Vec<Effect> {
        let page = view::rows(self, ctx);
        let row = match self.pane {
            Pane::List => motion.apply(self.chosen, self.list.rows().len(), page),
            Pane::Keys => motion.apply(self.key, usize::MAX, page),
        };
        actions::go(self, ctx, row)
    }

    fn focus(&mut self, _forward: bool) {
        self.pane = if self.pane == Pane::List { Pane::Keys } else { Pane::List };
    }

    fn has_panes(&self) -> bool {
        self.chosen_id().is_some()
    }

    fn takes_text(&self) -> bool {
        self.prompt.is_some()
    }

    fn typed(&mut self, ctx: &mut Context, key: KeyEvent) -> Vec<Effect> {
        let Some(prompt) = &mut self.prompt else { return Vec::new() };
        match key.code {
            KeyCode::Esc => {
                let ask = prompt.ask;
                self.prompt = None;
                if ask == Ask::Filter { filter(self, ctx, "") } else { Vec::new() }
            }
            KeyCode::Enter => entered(self),
            _ => {
                prompt.error = None;
                prompt.line.key(key);
                changed(self, ctx)
            }
        }
    }

    fn pasted(&mut self, ctx: &mut Context, text: &str) -> Vec<Effect> {
        if let Some(prompt) = &mut self.prompt {
            prompt.error = None;
            prompt.line.insert(text);
        }
        changed(self, ctx)
    }

    fn mouse(&mut self, ctx: &mut Context, event: Mouse) -> Vec<Effect> {
        mouse::mouse(self, ctx, event)
    }

    fn back(&mut self, ctx: &mut Context) -> Option<Vec<Effect>> {
        if self.pane == Pane::Keys {
            self.pane = Pane::List;
            return Some(Vec::new());
        }
        if !self.list.is_narrowed() {
            return None;
        }
        self.list.orphans = false;
        Some(filter(self, ctx, ""))
    }

    fn has_back(&self) -> bool {
        self.pane == Pane::Keys || self.list.is_narrowed()
    }

    fn cancel(&mut self, _: &mut Context) -> Option<Vec<Effect>> {
        self.survey.take()?;
        Some(self.requests.cancel::<ReadLeases>(|read| read.survey))
    }

    fn confirmed(&mut self, ctx: &mut Context, plan: &Plan) -> Vec<Effect> {
        let Some(plan) = plan.of::<RevokeLease>() else { return Vec::new() };
        if plan.count > 0 {
            ctx.wish(Wish::Changes(format!("lease revoke {}", lease_hex(plan.id))));
        }
        self.requests.ask(plan, Msg::Revoked)
    }

    fn answered(&mut self, ctx: &mut Context, ticket: Ticket, answer: Answer) -> Vec<Effect> {
        let msg = self.requests.take(ticket, answer);
        msg.map_or_else(Vec::new, |msg| update(self, ctx, msg))
    }

    fn tick(&mut self, ctx: &mut Context) -> Vec<Effect> {
        self.count(ctx, false);
        look(self, ctx)
    }
}

/// What is typed has changed: a filter narrows the list at once.
fn changed(leases: &mut Leases, ctx: &mut Context) -> Vec<Effect> {
    match &leases.prompt {
        Some(prompt) if prompt.ask == Ask::Filter => {
            let text = prompt.line.text().trim().to_ascii_lowercase();
            filter(leases, ctx, &text)
        }
        _ => Vec::new(),
    }
}

fn filter(leases: &mut Leases, ctx: &mut Context, text: &str) -> Vec<Effect> {
    let now = ctx.now;
    leases.lay_out(ctx, |list| {
        text.clone_into(&mut list.filter);
        list.lay_out(now);
    });
    look(leases, ctx)
}

/// Enter, while something is typed.
fn entered(leases: &mut Leases) -> Vec<Effect> {
    let Some(prompt) = &mut leases.prompt else { return Vec::new() };
    if prompt.ask == Ask::Filter {
        leases.prompt = None;
        return Vec::new();
    }
    match actions::grant(prompt.line.text()) {
        Ok(grant) => {
            leases.prompt = None;
            leases.requests.ask(grant, Msg::Granted)
        }
        Err(error) => {
            prompt.error = Some(error);
            Vec::new()
        }
    }
}
