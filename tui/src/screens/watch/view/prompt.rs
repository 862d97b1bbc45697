//! A line that is typed, over the footer.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Line;
use ratatui::widgets::Clear;
use unicode_width::UnicodeWidthStr;

use crate::console::Context;
use crate::screens::watch::Watch;
use crate::screens::watch::{Prompt, Tail};
use crate::widget::theme::Meaning;
use crate::widget::{fit, fit_end, say, set_cursor};

/// Draws the line.
pub(super) fn prompt(
    watch: &Watch,
    ctx: &Context,
    frame: &mut Frame<'_>,
    area: Rect,
    prompt: &Prompt,
) {
    let look = &ctx.look;
    let (name, line, hint) = match prompt {
        Prompt::Search(line) => ("/", line, String::new()),
        Prompt::Filter(line, None) => (
            "filter: ",
            line,
            "put del new txn lease  key^/a  value:x  size>9  & | ~ ( )".to_owned(),
        ),
        Prompt::Filter(line, Some(error)) => ("filter: ", line, error.to_string()),
        Prompt::Save(line) => {
            let rows = watch.active().map_or(0, Tail::rows);
            ("save to: ", line, format!("what is shown, {rows} rows; replaces no file"))
        }
        Prompt::Form(_) => return,
    };
    frame.render_widget(Clear, area);
    let wrong = matches!(prompt, Prompt::Filter(_, Some(_)));
    let hint_room = if wrong { hint.width() + 3 } else { 0 };
    let room = usize::from(area.width).saturating_sub(name.len() + 2 + hint_room);
    let (left, right) = line.shown();
    let left = fit_end(&left, room);
    let right = fit(&right, room.saturating_sub(left.width()), &look.glyphs);
    let used = 1 + name.len() + left.width();
    let rest = usize::from(area.width).saturating_sub(used + right.width() + 2);
    let meaning = if wrong { Meaning::Bad } else { Meaning::Dim };
    let spans = vec![
        say(look, Meaning::Accent, format!(" {name}")),
        say(look, Meaning::Input, left),
        say(look, Meaning::Input, right),
        say(look, meaning, format!("  {}", fit(&hint, rest, &look.glyphs))),
    ];
    frame.render_widget(Line::from(spans), area);
    set_cursor(frame, area, used);
}
