//! [`mouse`]: what the mouse does on the Watch screen, by what was drawn last.

use ratatui::layout::Rect;

use super::{Prompt, Watch, actions};
use crate::console::Mouse;
use crate::screens::Motion;
use crate::widget::DrawnRows;

/// What was drawn where.
#[derive(Clone, Debug, Default)]
pub(super) struct DrawnWatch {
    /// The rows of a tail, and its number.
    pub rows: (DrawnRows, u64),
    /// The names of the tails, each with its place in the list.
    pub tabs: Vec<(Rect, usize)>,
    /// A change in full, or the form of a new tail, over the list.
    pub over: Option<Rect>,
}

/// Takes what is done with the mouse.
pub(super) fn mouse(watch: &mut Watch, event: Mouse) {
    let beside = watch.drawn.over.is_some_and(|area| !area.contains(event.place()));
    if let Some(detail) = &mut watch.detail {
        match event {
            Mouse::Wheel(_, by) => {
                let room = watch.drawn.over.map_or(0, |area| area.height.saturating_sub(2));
                let firsts = detail.lines.len().saturating_sub(usize::from(room)) + 1;
                detail.first = Motion::Step(by).apply(detail.first, firsts, 0);
            }
            Mouse::Click(_) if beside => watch.detail = None,
            Mouse::Click(_) => {}
        }
        return;
    }
    match (&watch.prompt, event) {
        (None, _) => list(watch, event),
        (Some(Prompt::Form(_)), Mouse::Click(_)) if beside => watch.prompt = None,
        // What is typed has no other place that could be clicked.
        (Some(_), _) => {}
    }
}

fn list(watch: &mut Watch, event: Mouse) {
    let place = event.place();
    let tab = watch.drawn.tabs.iter().find(|(area, _)| area.contains(place));
    if let (Mouse::Click(_), Some((_, at))) = (event, tab) {
        watch.active = (*at).min(watch.list.len().saturating_sub(1));
        return;
    }
    let (rows, number) = watch.drawn.rows;
    let page = usize::from(rows.area.height);
    let Some(tail) = watch.list.get_mut(watch.active).filter(|tail| tail.number == number) else {
        return;
    };
    match event {
        Mouse::Wheel(_, by) if rows.area.contains(place) => tail.scroll(by, page),
        Mouse::Click(_) => {
            if rows.at(place).is_some_and(|row| tail.choose(row, page)) {
                actions::unfold(watch, page);
            }
        }
        Mouse::Wheel(..) => {}
    }
}
