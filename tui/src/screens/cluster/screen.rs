//! [`ClusterScreen`]: the screen as the frame sees it, a list of members.

use ratatui::Frame;
use ratatui::layout::Rect;

use super::member::Member;
use super::{actions, view};
use crate::console::{Bundled, CommandLine, Context, Effect, Mouse};
use crate::screens::{Motion, Screen};
use crate::widget::DrawnRows;

/// The Cluster screen; what it shows of the cluster is in the context.
#[derive(Clone, Debug, Default)]
pub struct ClusterScreen {
    /// The chosen member.
    pub chosen: usize,
    /// Somebody answers where a bundled server stands in for it.
    pub elsewhere: bool,
    /// The members as they were drawn last.
    pub(super) drawn: DrawnRows,
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
    fn view(&mut self, ctx: &Context, frame: &mut Frame<'_>, area: Rect, _: Rect) {
        view::draw(self, ctx, frame, area);
    }

    fn leave(&mut self, _: &mut Context, _: &mut Vec<String>) -> Vec<Effect> {
        self.chosen = 0;
        Vec::new()
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
