//! The job that is under way, or was last: its steps, and what to read when it is over.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Line;

use crate::console::Context;
use crate::screens::cluster::job::{Job, Stage};
use crate::widget::theme::Meaning;
use crate::widget::{age, fit, panel, say, wrap};

/// Lines of the panel with its border, at that width.
pub(super) fn height(job: &Job, width: u16) -> u16 {
    let notes: usize = job.notes.iter().map(|note| wrap(note, room(width)).len()).sum();
    u16::try_from(job.steps.len() + notes + 2).unwrap_or(u16::MAX)
}

fn room(width: u16) -> usize {
    usize::from(width).saturating_sub(4)
}

/// Draws it. Without room for all, the step that is under way and what comes behind it are in sight.
pub(super) fn job(ctx: &Context, job: &Job, frame: &mut Frame<'_>, area: Rect) {
    let look = &ctx.look;
    let failed = job.steps.iter().any(|(_, stage)| matches!(stage, Stage::Failed(_)));
    let (meaning, right) = match (job.over, failed) {
        (false, _) => (Meaning::Warn, " goes on, ^c stops it "),
        (true, true) => (Meaning::Bad, " ended early, Esc closes "),
        (true, false) => (Meaning::Ok, " done, Esc closes "),
    };
    let right = Line::from(say(look, meaning, right));
    let inside = panel(frame, look, area, &job.title, right);
    let mut lines: Vec<Line<'_>> = job.steps.iter().map(|step| line(ctx, step, inside)).collect();
    for note in &job.notes {
        let parts = wrap(note, room(area.width));
        lines.extend(parts.into_iter().map(|part| Line::from(format!(" {part}"))));
    }
    let at = job.steps.iter().position(|(_, stage)| !matches!(stage, Stage::Done(..)));
    let most = lines.len().saturating_sub(usize::from(inside.height));
    let first = if job.steps.is_empty() { 0 } else { at.unwrap_or(most).min(most) };
    for (line, y) in lines.into_iter().skip(first).zip(inside.y..inside.bottom()) {
        frame.render_widget(line, Rect { y, height: 1, ..inside });
    }
}

fn line(ctx: &Context, (words, stage): &(String, Stage), inside: Rect) -> Line<'static> {
    let look = &ctx.look;
    let (meaning, glyph, said) = match stage {
        Stage::Waits => (Meaning::Dim, look.glyphs.hollow, String::new()),
        Stage::Runs(since, now) => {
            let gap = if now.is_empty() { "" } else { ", " };
            (Meaning::Warn, look.glyphs.half, format!("{now}{gap}{}", age(ctx.now.since(*since))))
        }
        Stage::Done(what, took) => {
            let gap = if what.is_empty() { "" } else { ", " };
            (Meaning::Ok, look.glyphs.full, format!("{what}{gap}in {}", age(*took)))
        }
        Stage::Failed(why) => (Meaning::Bad, look.glyphs.down, why.clone()),
    };
    let room = usize::from(inside.width).saturating_sub(4);
    let text = if said.is_empty() { words.clone() } else { format!("{words}: {said}") };
    Line::from(vec![
        say(look, meaning, format!(" {glyph} ")),
        say(
            look,
            if *stage == Stage::Waits { Meaning::Dim } else { Meaning::Text },
            fit(&text, room, &look.glyphs),
        ),
    ])
}
