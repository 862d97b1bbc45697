use ratatui::text::Span;

use super::Look;
use super::theme::Meaning;

/// A bar of three parts: of `whole`, `inner` is filled and `outer` half-filled.
#[must_use]
pub fn bar(look: &Look, width: usize, inner: u64, outer: u64, whole: u64) -> [Span<'static>; 3] {
    let cells = |part: u64| {
        let part = u128::from(part.min(whole)) * width as u128;
        // What is there at all shows at least one cell.
        let rounded = (part + u128::from(whole) / 2) / u128::from(whole.max(1));
        usize::try_from(rounded).unwrap_or(width).max(usize::from(part > 0 && width > 0))
    };
    let (inner, outer) = (cells(inner), cells(outer.max(inner)));
    let outer = outer.max(inner);
    let [full, part, empty] = look.glyphs.bar;
    let style = |meaning| look.theme.style(meaning);
    [
        Span::styled(full.repeat(inner), style(Meaning::Bar)),
        Span::styled(part.repeat(outer - inner), style(Meaning::BarPart)),
        Span::styled(empty.repeat(width.saturating_sub(outer)), style(Meaning::BarEmpty)),
    ]
}
