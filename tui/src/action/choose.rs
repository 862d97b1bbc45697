use super::{Action, Scope};
use crate::app::{Effect, Overlay, State};

/// A move in the list, or in the text that lies over it.
pub(super) struct Move {
    name: &'static str,
    help: &'static str,
    by: By,
}

enum By {
    Step(isize),
    Half(isize),
    Page(isize),
    Start,
    End,
}

pub(super) static DOWN: Move = Move { name: "down", help: "next row", by: By::Step(1) };
pub(super) static UP: Move = Move { name: "up", help: "row before", by: By::Step(-1) };
pub(super) static TOP: Move = Move { name: "top", help: "first row", by: By::Start };
pub(super) static BOTTOM: Move = Move { name: "bottom", help: "last row", by: By::End };
pub(super) static HALF_DOWN: Move =
    Move { name: "half-down", help: "half a page down", by: By::Half(1) };
pub(super) static HALF_UP: Move =
    Move { name: "half-up", help: "half a page up", by: By::Half(-1) };
pub(super) static PAGE_DOWN: Move =
    Move { name: "page-down", help: "a page down", by: By::Page(1) };
pub(super) static PAGE_UP: Move = Move { name: "page-up", help: "a page up", by: By::Page(-1) };

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
        let page = isize::try_from(state.size.1.saturating_sub(8).max(2)).unwrap_or(2);
        let by = match self.by {
            By::Step(by) => by,
            By::Half(by) => by * (page / 2),
            By::Page(by) => by * page,
            By::Start => isize::MIN,
            By::End => isize::MAX,
        };
        match state.overlays.last_mut() {
            Some(Overlay::Help(line)) => {
                let lines = crate::view::help_lines(&state.keymap, &state.look, state.size.0).len();
                *line = u16::try_from(moved(usize::from(*line), by, lines)).unwrap_or(u16::MAX);
            }
            Some(Overlay::Member(id)) => {
                let place = state.cluster.members.iter().position(|m| m.listed.id == *id);
                let place = moved(place.unwrap_or(0), by, state.cluster.members.len());
                if let Some(member) = state.cluster.members.get(place) {
                    (*id, state.chosen) = (member.listed.id, place);
                }
            }
            Some(_) => {}
            None => state.chosen = moved(state.chosen, by, state.cluster.members.len()),
        }
        Vec::new()
    }
}

fn moved(from: usize, by: isize, of: usize) -> usize {
    from.saturating_add_signed(by).min(of.saturating_sub(1))
}
