//! [`ClusterScreen`]: the screen as the frame sees it, a list of members.

use crossterm::event::KeyEvent;
use ratatui::Frame;
use ratatui::layout::Rect;

use super::job::Job;
use super::member::Member;
use super::operate::{self, Msg, Prompt};
use super::{actions, view};
use crate::console::{Bundled, CommandLine, Context, Effect, Mouse, Plan};
use crate::engine::request::{Answer, Ticket};
use crate::screens::requests::Requests;
use crate::screens::{Motion, Screen, ScreenId};
use crate::widget::DrawnRows;

/// The Cluster screen; what it shows of the cluster is in the context.
#[derive(Clone, Debug)]
pub struct ClusterScreen {
    /// The chosen member.
    pub chosen: usize,
    /// Somebody answers where a bundled server stands in for it.
    pub elsewhere: bool,
    /// The members as they were drawn last.
    pub(super) drawn: DrawnRows,
    /// The line at the bottom.
    pub prompt: Option<Prompt>,
    /// Work that is under way, or was last.
    pub job: Option<Job>,
    pub(super) requests: Requests<Msg>,
}

impl Default for ClusterScreen {
    fn default() -> Self {
        Self {
            chosen: 0,
            elsewhere: false,
            drawn: DrawnRows::default(),
            prompt: None,
            job: None,
            requests: Requests::new(ScreenId::Cluster.number()),
        }
    }
}

impl ClusterScreen {
    /// The chosen member.
    #[must_use]
    pub fn member<'a>(&self, ctx: &'a Context) -> Option<&'a Member> {
        ctx.cluster.members.get(self.chosen)
    }

    /// The chosen member as a bundled process, with its name.
    #[must_use]
    pub fn bundled(&self, ctx: &Context) -> Option<(String, Bundled)> {
        let name = self.member(ctx)?.name();
        ctx.bundled.get(&name).map(|process| (name, *process))
    }
}

impl Screen for ClusterScreen {
    fn view(&mut self, ctx: &Context, frame: &mut Frame<'_>, area: Rect, bottom: Rect) {
        view::draw(self, ctx, frame, area, bottom);
    }

    fn leave(&mut self, _: &mut Context, ended: &mut Vec<String>) -> Vec<Effect> {
        self.chosen = 0;
        self.prompt = None;
        if let Some(job) = self.job.take().filter(|job| !job.over) {
            ended.push(format!("{} was stopped", job.title));
        }
        self.requests.forget()
    }

    fn takes_text(&self) -> bool {
        self.prompt.is_some()
    }

    fn typed(&mut self, ctx: &mut Context, key: KeyEvent) -> Vec<Effect> {
        operate::typed(self, ctx, key)
    }

    fn pasted(&mut self, _: &mut Context, text: &str) -> Vec<Effect> {
        if let Some(prompt) = &mut self.prompt {
            prompt.error = None;
            prompt.line.insert(text);
        }
        Vec::new()
    }

    fn has_back(&self) -> bool {
        self.job.as_ref().is_some_and(|job| job.over)
    }

    fn back(&mut self, _: &mut Context) -> Option<Vec<Effect>> {
        self.job.take_if(|job| job.over).map(|_| Vec::new())
    }

    fn cancel(&mut self, ctx: &mut Context) -> Option<Vec<Effect>> {
        operate::cancel(self, ctx)
    }

    fn confirmed(&mut self, ctx: &mut Context, plan: &Plan) -> Vec<Effect> {
        operate::confirmed(self, ctx, plan)
    }

    fn answered(&mut self, ctx: &mut Context, ticket: Ticket, answer: Answer) -> Vec<Effect> {
        let msg = self.requests.take(ticket, answer);
        msg.map_or_else(Vec::new, |msg| operate::update(self, ctx, msg))
    }

    fn acts_covered(&self) -> bool {
        true
    }

    fn command(&self, ctx: &Context) -> Option<CommandLine> {
        let member = self.member(ctx).filter(|member| !member.listed.endpoint.is_empty())?;
        let of = format!("--endpoints={}", member.listed.endpoint);
        Some(CommandLine::new("endpoint status").flag(of).flag("--write-out=table"))
    }

    fn motion(&mut self, ctx: &mut Context, motion: Motion) -> Vec<Effect> {
        self.chosen = motion.apply(self.chosen, ctx.cluster.members.len(), ctx.page());
        Vec::new()
    }

    fn mouse(&mut self, ctx: &mut Context, event: Mouse) -> Vec<Effect> {
        match event {
            Mouse::Click(place) => {
                let row = self.drawn.at(place).and_then(|row| usize::try_from(row).ok());
                match row.filter(|row| *row < ctx.cluster.members.len()) {
                    Some(row) if row == self.chosen => return actions::open(self, ctx),
                    Some(row) => self.chosen = row,
                    None => {}
                }
            }
            Mouse::Wheel(place, by) if self.drawn.area.contains(place) => {
                return self.motion(ctx, Motion::Step(by));
            }
            Mouse::Wheel(..) => {}
        }
        Vec::new()
    }
}
