//! The Keys screen as the frame sees it.

use std::time::Duration;

use crossterm::event::KeyEvent;
use ratatui::Frame;
use ratatui::layout::Rect;

use super::load::look;
use super::requests::{ChangeMany, WriteKey};
use super::travel::choose_version;
use super::update::update;
use super::{
    Keys, Left, Pane, Right, bulk, change, edit, folding, leave, load, mouse, search, sideways,
    view,
};
use crate::console::replay::Replay;
use crate::console::{CommandLine, Context, Effect, Mouse, Plan, replay};
use crate::engine::report::Pace;
use crate::engine::request::{Answer, Ticket};
use crate::screens::{Motion, Screen};

/// The tree is read anew by itself, at most so often, while that takes few requests.
const REFRESH_EVERY: Duration = Duration::from_secs(2);
/// More requests than this are only made when somebody asks for it.
const REFRESH_REQUESTS_MAX: u32 = 8;

/// Lines that other things may take of a page of the tree: no page passes over a row unseen.
const BESIDE_TREE: usize = 8;

impl Screen for Keys {
    fn view(&mut self, ctx: &Context, frame: &mut Frame<'_>, area: Rect, bottom: Rect) {
        view::draw(self, ctx, frame, area, bottom);
    }

    fn enter(&mut self, ctx: &mut Context) -> Vec<Effect> {
        if self.tree.revision == 0 && self.coming.is_none() {
            return load::reload(self, ctx);
        }
        Vec::new()
    }

    fn leave(&mut self, ctx: &mut Context, _: &mut Vec<String>) -> Vec<Effect> {
        leave::leave(self, ctx)
    }

    fn begin_anew(&mut self, ctx: &mut Context) -> Vec<Effect> {
        load::reload(self, ctx)
    }

    fn command(&self, _: &Context) -> Option<CommandLine> {
        change::command(self)
    }

    fn motion(&mut self, ctx: &mut Context, motion: Motion) -> Vec<Effect> {
        if self.pane == Pane::Value {
            // In a history steps choose a version, and pages go through what it changed.
            let pages = matches!(motion, Motion::Half(_) | Motion::Page(_));
            if let Right::History(history) = &mut self.right
                && !pages
            {
                let chosen = motion.apply(history.chosen, history.versions.len(), ctx.page());
                choose_version(history, chosen);
                self.shift = 0;
            } else if self.chosen_line().is_some() {
                folding::choose(self, ctx, motion);
            } else {
                sideways::scroll(self, ctx, motion);
            }
            return Vec::new();
        }
        let page = ctx.page();
        let page = page.saturating_sub(BESIDE_TREE);
        let (rows, chosen) = self.list();
        *chosen = motion.apply(*chosen, rows, page);
        self.remember_chosen();
        look(self, false)
    }

    fn focus(&mut self, _forward: bool) {
        self.pane = if self.pane == Pane::Tree { Pane::Value } else { Pane::Tree };
    }

    fn has_panes(&self) -> bool {
        true
    }

    fn takes_text(&self) -> bool {
        self.prompt.is_some() || self.right.editor().is_some()
    }

    fn typed(&mut self, ctx: &mut Context, key: KeyEvent) -> Vec<Effect> {
        if self.prompt.is_some() {
            search::typed(self, ctx, key)
        } else {
            edit::typed(self, ctx, key)
        }
    }

    fn pasted(&mut self, ctx: &mut Context, text: &str) -> Vec<Effect> {
        if self.prompt.is_some() {
            return search::pasted(self, ctx, text);
        }
        edit::pasted(self, ctx, text);
        Vec::new()
    }

    fn mouse(&mut self, ctx: &mut Context, event: Mouse) -> Vec<Effect> {
        mouse::mouse(self, ctx, event)
    }

    fn back(&mut self, ctx: &mut Context) -> Option<Vec<Effect>> {
        if self.pane == Pane::Value && self.find.is_some() {
            self.find = None;
            return Some(Vec::new());
        }
        if self.right.take_conflict().is_some() {
            return Some(load::reload(self, ctx));
        }
        if self.right.history().is_some() {
            return Some(super::history(self, ctx));
        }
        if self.pane == Pane::Value {
            (self.pane, self.zoom) = (Pane::Tree, false);
            return Some(Vec::new());
        }
        if let Some(graveyard) = self.left.graveyard_mut() {
            if !graveyard.marks.is_empty() {
                graveyard.marks.clear();
                return Some(Vec::new());
            }
            return Some(super::graveyard(self, ctx));
        }
        if !self.filter.is_empty() {
            self.filter.clear();
            let node = self.tree.rows().get(self.chosen).map(|row| row.node);
            self.tree.set_filter("");
            let row = node.and_then(|node| self.tree.row_of(node));
            self.chosen = row.unwrap_or(0);
            return Some(look(self, false));
        }
        if !self.marks.is_empty() {
            self.marks.clear();
            return Some(Vec::new());
        }
        None
    }

    fn has_back(&self) -> bool {
        !self.is_value()
            || self.pane == Pane::Value
            || self.left.graveyard().is_some()
            || !self.filter.is_empty()
            || !self.marks.is_empty()
    }

    fn cancel(&mut self, ctx: &mut Context) -> Option<Vec<Effect>> {
        if !self.is_reading() && self.coming.is_none() {
            return None;
        }
        let writes: Vec<WriteKey> = self.requests.running().cloned().collect();
        let bulks: Vec<ChangeMany> = self.requests.running().cloned().collect();
        if self.is_changing() {
            let what = "a change was given up while it was under way".to_owned();
            let why = "it may have been done all the same".to_owned();
            ctx.toasts.error(ctx.now, what, why, "r reads the keys anew".to_owned());
        }
        let doings = writes.iter().map(|w| &w.doing).chain(bulks.iter().map(|b| &b.doing));
        if let Some(doing) = doings.last() {
            let words = doing.words();
            self.no_undo(format!("it was given up, and may have been done: {words}"));
        }
        for write in &writes {
            edit::not_saved(self, write);
        }
        if !self.value.here {
            // It is asked for again as soon as it is looked at again.
            self.value.key = None;
        }
        self.queue.clear();
        self.coming = None;
        self.strip.loading = false;
        if let Some(graveyard) = self.left.graveyard_mut() {
            graveyard.loading = false;
        }
        if let Some(history) = self.right.history_mut()
            && history.reached.is_none()
        {
            history.end();
        }
        self.tree.stop_loading();
        let mut effects = self.requests.forget();
        let not_made = |w: &WriteKey| Replay::not_made(&w.write, "given up; it may have been done");
        let given_up = |b: &ChangeMany| Replay::given_up(&b.bulk);
        for replay in writes.iter().map(not_made).chain(bulks.iter().map(given_up)) {
            effects.extend(replay::note(ctx, replay));
        }
        Some(effects)
    }

    fn confirmed(&mut self, ctx: &mut Context, plan: &Plan) -> Vec<Effect> {
        plan.of().map_or_else(Vec::new, |plan| bulk::planned(self, ctx, plan))
    }

    fn answered(&mut self, ctx: &mut Context, ticket: Ticket, answer: Answer) -> Vec<Effect> {
        let msg = self.requests.take(ticket, answer);
        msg.map_or_else(Vec::new, |msg| update(self, ctx, msg))
    }

    /// Reads the tree anew when there is something newer and that is cheap.
    fn tick(&mut self, ctx: &mut Context) -> Vec<Effect> {
        let (at, requests) = self.refreshed;
        let shown = self.tree.revision;
        let behind = ctx.cluster.newest().2 > shown;
        // Somebody who leads, and knows less than was read before that was said: the data was replaced.
        let leads = ctx.cluster.leader_sample().filter(|s| s.revision > 0 && s.at > at);
        let gone_back = leads.is_some_and(|sample| sample.revision < shown);
        let due = ctx.now.since(at) >= REFRESH_EVERY && requests <= REFRESH_REQUESTS_MAX;
        let idle = !self.is_reading()
            && self.coming.is_none()
            && self.prompt.is_none()
            && matches!((&self.left, &self.right), (Left::Tree, Right::Value))
            && ctx.overlays.is_empty();
        let live = self.at.is_none() && ctx.pace == Pace::Focused;
        if live && idle && due && (behind || gone_back || shown == 0) {
            // A failure is not repeated faster than a success.
            self.refreshed.0 = ctx.now;
            return load::reload(self, ctx);
        }
        Vec::new()
    }
}
