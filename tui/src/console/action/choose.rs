use super::{Action, Scope};
use crate::console::{Effect, Overlay, State};
use crate::screens::{Motion, screen};

/// A move in the list, or in the text that lies over it.
pub(crate) struct Move {
    name: &'static str,
    help: &'static str,
    by: Motion,
}

pub(crate) static DOWN: Move = Move { name: "down", help: "next row", by: Motion::Step(1) };
pub(crate) static UP: Move = Move { name: "up", help: "row before", by: Motion::Step(-1) };
pub(crate) static TOP: Move = Move { name: "top", help: "first row", by: Motion::Start };
pub(crate) static BOTTOM: Move = Move { name: "bottom", help: "last row", by: Motion::End };
pub(crate) static HALF_DOWN: Move =
    Move { name: "half-down", help: "half a page down", by: Motion::Half(1) };
pub(crate) static HALF_UP: Move =
    Move { name: "half-up", help: "half a page up", by: Motion::Half(-1) };
pub(crate) static PAGE_DOWN: Move =
    Move { name: "page-down", help: "a page down", by: Motion::Page(1) };
pub(crate) static PAGE_UP: Move = Move { name: "page-up", help: "a page up", by: Motion::Page(-1) };

impl Action for Move {
    fn name(&self) -> &'static str {
        self.name
    }

    fn scope(&self) -> Scope {
        Scope::Move
    }

    fn help(&self) -> &'static str {
        self.help
    }

    fn run(&self, state: &mut State) -> Vec<Effect> {
        let page = state.page();
        let lines = crate::console::overlays::help::help_lines(state).len();
        let events = crate::console::overlays::events::event_lines(state).len();
        match state.overlays.last_mut() {
            Some(Overlay::Help(line)) => {
                let first = self.by.apply(usize::from(*line), lines, page);
                *line = u16::try_from(first).unwrap_or(u16::MAX);
            }
            Some(Overlay::Events(line)) => {
                let first = self.by.apply(usize::from(*line), events, page);
                *line = u16::try_from(first).unwrap_or(u16::MAX);
            }
            Some(Overlay::Member(id)) => {
                let place = state.cluster.members.iter().position(|m| m.listed.id == *id);
                let place = self.by.apply(place.unwrap_or(0), state.cluster.members.len(), page);
                if let Some(member) = state.cluster.members.get(place) {
                    (*id, state.chosen) = (member.listed.id, place);
                }
            }
            Some(_) => {}
            None => return screen(state.screen).motion(state, self.by),
        }
        Vec::new()
    }
}
