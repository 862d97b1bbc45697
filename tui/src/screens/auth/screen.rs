//! The Auth screen as the frame sees it.

use bytes::Bytes;
use crossterm::event::{KeyCode, KeyEvent};
use ratatui::Frame;
use ratatui::layout::Rect;

use super::requests::Change;
use super::tree::Node;
use super::typed::entered;
use super::update::{look, update};
use super::{Ask, Auth, Pane, actions, mouse, view};
use crate::console::{CommandLine, Context, Effect, Mouse, Plan};
use crate::engine::request::{Answer, Ticket};
use crate::screens::{Motion, Screen};

impl Screen for Auth {
    fn view(&mut self, ctx: &Context, frame: &mut Frame<'_>, area: Rect, bottom: Rect) {
        view::draw(self, ctx, frame, area, bottom);
    }

    fn enter(&mut self, ctx: &mut Context) -> Vec<Effect> {
        look(self, ctx)
    }

    fn leave(&mut self, _: &mut Context, _: &mut Vec<String>) -> Vec<Effect> {
        let effects = self.requests.forget();
        let before = std::mem::take(self);
        self.requests = before.requests;
        effects
    }

    fn begin_anew(&mut self, ctx: &mut Context) -> Vec<Effect> {
        look(self, ctx)
    }

    fn command(&self, _: &Context) -> Option<CommandLine> {
        let of = |command: &str, name: &str| {
            CommandLine::new(command).arg(&Bytes::copy_from_slice(name.as_bytes()))
        };
        Some(match self.chosen_node()? {
            Node::Users => CommandLine::new("user list"),
            Node::Roles => CommandLine::new("role list"),
            Node::User(user) => of("user get", user).flag("--detail"),
            Node::Held(_, role)
            | Node::HeldGrant(_, role, _)
            | Node::Role(role)
            | Node::RoleGrant(role, _) => of("role get", role),
        })
    }

    fn motion(&mut self, ctx: &mut Context, motion: Motion) -> Vec<Effect> {
        let page = view::rows(self, ctx);
        let row = match self.pane {
            Pane::Tree => motion.apply(self.chosen, self.tree.rows().len(), page),
            Pane::Facts => motion.apply(self.scroll, view::lines(self, ctx), page),
        };
        actions::go(self, ctx, row)
    }

    fn focus(&mut self, _forward: bool) {
        self.pane = if self.pane == Pane::Tree { Pane::Facts } else { Pane::Tree };
    }

    fn has_panes(&self) -> bool {
        self.told.is_some()
    }

    fn takes_text(&self) -> bool {
        self.prompt.is_some()
    }

    fn typed(&mut self, ctx: &mut Context, key: KeyEvent) -> Vec<Effect> {
        let Some(prompt) = &mut self.prompt else { return Vec::new() };
        match key.code {
            KeyCode::Esc => {
                let filtered = self.prompt.take().is_some_and(|prompt| prompt.ask == Ask::Filter);
                if filtered {
                    filter(self, ctx, "");
                }
                Vec::new()
            }
            KeyCode::Enter => entered(self),
            _ => {
                prompt.error = None;
                if matches!(prompt.ask, Ask::Password { .. }) {
                    prompt.hidden.key(key);
                } else {
                    prompt.line.key(key);
                    changed(self, ctx);
                }
                Vec::new()
            }
        }
    }

    fn pasted(&mut self, ctx: &mut Context, text: &str) -> Vec<Effect> {
        let Some(prompt) = &mut self.prompt else { return Vec::new() };
        prompt.error = None;
        if matches!(prompt.ask, Ask::Password { .. }) {
            prompt.hidden.insert(text);
        } else {
            prompt.line.insert(text);
            changed(self, ctx);
        }
        Vec::new()
    }

    fn mouse(&mut self, ctx: &mut Context, event: Mouse) -> Vec<Effect> {
        mouse::mouse(self, ctx, event)
    }

    fn back(&mut self, ctx: &mut Context) -> Option<Vec<Effect>> {
        if self.question.take().is_some() {
            (self.pane, self.scroll) = (Pane::Tree, 0);
        } else if self.pane == Pane::Facts {
            self.pane = Pane::Tree;
        } else if !self.tree.filter.is_empty() {
            filter(self, ctx, "");
        } else {
            return None;
        }
        Some(Vec::new())
    }

    fn has_back(&self) -> bool {
        self.question.is_some() || self.pane == Pane::Facts || !self.tree.filter.is_empty()
    }

    fn confirmed(&mut self, _: &mut Context, plan: &Plan) -> Vec<Effect> {
        plan.of::<Change>().map_or_else(Vec::new, |change| self.change(change))
    }

    fn answered(&mut self, ctx: &mut Context, ticket: Ticket, answer: Answer) -> Vec<Effect> {
        let msg = self.requests.take(ticket, answer);
        msg.map_or_else(Vec::new, |msg| update(self, ctx, msg))
    }

    fn tick(&mut self, ctx: &mut Context) -> Vec<Effect> {
        look(self, ctx)
    }
}

/// What is typed has changed: a filter narrows the tree at once.
fn changed(auth: &mut Auth, ctx: &Context) {
    if let Some(prompt) = auth.prompt.as_ref().filter(|prompt| prompt.ask == Ask::Filter) {
        let text = prompt.line.text().trim().to_lowercase();
        filter(auth, ctx, &text);
    }
}

fn filter(auth: &mut Auth, ctx: &Context, text: &str) {
    auth.lay_out(ctx, |tree, _| text.clone_into(&mut tree.filter));
}
