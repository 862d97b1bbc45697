//! Changes of a text, each in the place of a span.

use mini_etcd_shared::language::Span;

/// Changes that do not overlap.
#[derive(Debug, Default)]
pub(super) struct Edits(Vec<(Span, String)>);

impl Edits {
    /// Has something else stand there.
    pub(super) fn replace(&mut self, span: Span, with: impl Into<String>) {
        self.0.push((span, with.into()));
    }

    /// Takes changes of a text in which this one stands behind `shift` bytes.
    pub(super) fn shifted(&mut self, other: Self, shift: usize) {
        let back = |at: usize| at.saturating_sub(shift);
        let moved = |span: Span| Span { start: back(span.start), end: back(span.end) };
        self.0.extend(other.0.into_iter().map(|(span, with)| (moved(span), with)));
    }

    /// The text with the changes; as it was when one of them lies outside.
    pub(super) fn apply(mut self, text: &str) -> String {
        self.0.sort_by_key(|(span, _)| span.start);
        let mut out = String::with_capacity(text.len());
        let mut at = 0;
        for (span, with) in &self.0 {
            let Some(before) = text.get(at..span.start) else { return text.to_owned() };
            out.push_str(before);
            out.push_str(with);
            at = span.end;
        }
        match text.get(at..) {
            Some(rest) => out + rest,
            None => text.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_replaced_in_any_order() {
        let mut edits = Edits::default();
        edits.replace(Span { start: 4, end: 7 }, "c");
        edits.replace(Span { start: 0, end: 1 }, "get");
        assert_eq!(edits.apply("g a /xy y"), "get a c y");
    }
}
