use ratatui::Frame;
use ratatui::layout::{Margin, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Clear};

use super::Look;
use super::theme::Meaning;

/// A box with a title at its left and words at its right; answers the room inside.
pub fn panel(frame: &mut Frame<'_>, look: &Look, area: Rect, title: &str, right: Line<'_>) -> Rect {
    let style = |meaning| look.theme.style(meaning);
    let title = Line::from(vec![
        Span::raw(" "),
        Span::styled(title.to_owned(), style(Meaning::Title)),
        Span::raw(" "),
    ]);
    let room = usize::from(area.width).saturating_sub(2);
    let mut block =
        Block::bordered().border_set(look.glyphs.border).border_style(style(Meaning::Border));
    let both = title.width() + right.width() < room;
    block = block.title_top(title);
    if both && right.width() > 0 {
        block = block.title_top(right.right_aligned());
    }
    let inside = block.inner(area);
    frame.render_widget(block, area);
    inside
}

/// A panel by the room inside it.
#[must_use]
pub fn around(inside: Rect) -> Rect {
    inside.outer(Margin { horizontal: 1, vertical: 1 })
}

/// A panel in the middle of the screen, over what is there.
pub fn popup(
    frame: &mut Frame<'_>,
    look: &Look,
    size: (u16, u16),
    title: &str,
    right: Line<'_>,
) -> Rect {
    let whole = frame.area();
    let (width, height) = (size.0.min(whole.width), size.1.min(whole.height));
    let area = Rect {
        x: whole.x + (whole.width - width) / 2,
        y: whole.y + (whole.height - height) / 2,
        width,
        height,
    };
    // A column on either side keeps it apart from what lies below.
    let margin = Rect { x: area.x.saturating_sub(1), width: area.width.saturating_add(2), ..area };
    ground(frame, look, margin.intersection(whole));
    panel(frame, look, area, title, right)
}

fn ground(frame: &mut Frame<'_>, look: &Look, area: Rect) {
    frame.render_widget(Clear, area);
    frame.buffer_mut().set_style(area, look.theme.style(Meaning::Overlay));
}
