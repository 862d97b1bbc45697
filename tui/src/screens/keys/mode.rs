//! [`Left`] and [`Right`]: what stands in the two panes.
//!
//! A conflict and an editor come over what was there, and leave it as it was: an editor over a conflict, both over the
//! versions of a key or its value.

use super::{Conflict, Editor, Graveyard, History};

/// What stands at the left.
#[derive(Clone, Debug, Default)]
pub enum Left {
    /// The tree.
    #[default]
    Tree,
    /// Deleted keys.
    Graveyard(Graveyard),
}

/// What stands at the right.
#[derive(Clone, Debug, Default)]
pub enum Right {
    /// The value.
    #[default]
    Value,
    /// The versions of a key.
    History(Box<History>),
    /// A change that met another one, over the versions or the value.
    Conflict(Box<Over<Conflict>>),
    /// A value being edited here, over any other.
    Editor(Box<Over<Editor>>),
}

/// Something over something else.
#[derive(Clone, Debug)]
pub struct Over<T> {
    /// What is in sight.
    pub top: T,
    /// What is below it.
    pub below: Right,
}

impl Left {
    /// The deleted keys, when they are shown.
    #[must_use]
    pub fn graveyard(&self) -> Option<&Graveyard> {
        match self {
            Self::Tree => None,
            Self::Graveyard(graveyard) => Some(graveyard),
        }
    }

    /// The same, to be changed.
    pub(super) fn graveyard_mut(&mut self) -> Option<&mut Graveyard> {
        match self {
            Self::Tree => None,
            Self::Graveyard(graveyard) => Some(graveyard),
        }
    }
}

impl Right {
    /// The versions of a key, also when something stands over them.
    #[must_use]
    pub fn history(&self) -> Option<&History> {
        match self {
            Self::Value => None,
            Self::History(history) => Some(history),
            Self::Conflict(over) => over.below.history(),
            Self::Editor(over) => over.below.history(),
        }
    }

    /// The conflict, also when an editor stands over it.
    #[must_use]
    pub fn conflict(&self) -> Option<&Conflict> {
        match self {
            Self::Value | Self::History(_) => None,
            Self::Conflict(over) => Some(&over.top),
            Self::Editor(over) => over.below.conflict(),
        }
    }

    /// The editor.
    #[must_use]
    pub fn editor(&self) -> Option<&Editor> {
        match self {
            Self::Editor(over) => Some(&over.top),
            _ => None,
        }
    }

    /// The editor, to be changed.
    pub(super) fn editor_mut(&mut self) -> Option<&mut Editor> {
        match self {
            Self::Editor(over) => Some(&mut over.top),
            _ => None,
        }
    }

    /// What an editor stands over, or all of it.
    pub(super) fn below_editor(&self) -> &Self {
        match self {
            Self::Editor(over) => &over.below,
            other => other,
        }
    }

    /// The same, to be changed.
    pub(super) fn below_editor_mut(&mut self) -> &mut Self {
        match self {
            Self::Editor(over) => &mut over.below,
            other => other,
        }
    }

    /// The versions or the value, whatever stands over them.
    fn lowest(&mut self) -> &mut Self {
        match self {
            Self::Value | Self::History(_) => self,
            Self::Conflict(over) => over.below.lowest(),
            Self::Editor(over) => over.below.lowest(),
        }
    }

    /// The versions, to be changed.
    pub(super) fn history_mut(&mut self) -> Option<&mut History> {
        match self.lowest() {
            Self::History(history) => Some(history),
            _ => None,
        }
    }

    /// Shows versions in place of the value.
    pub(super) fn set_history(&mut self, history: History) {
        *self.lowest() = Self::History(Box::new(history));
    }

    /// Shows the value in place of versions; answers whether they were shown.
    pub(super) fn end_history(&mut self) -> bool {
        matches!(std::mem::take(self.lowest()), Self::History(_))
    }

    /// Shows a conflict, in place of an older one of the same key, and over one of another.
    pub(super) fn set_conflict(&mut self, conflict: Conflict) {
        if self.conflict().is_some_and(|before| before.write.key == conflict.write.key) {
            let _before = self.take_conflict();
        }
        let below = self.below_editor_mut();
        let over = Over { top: conflict, below: std::mem::take(below) };
        *below = Self::Conflict(Box::new(over));
    }

    /// Shows what the conflict stands over.
    pub(super) fn take_conflict(&mut self) -> Option<Conflict> {
        let below = self.below_editor_mut();
        match std::mem::take(below) {
            Self::Conflict(over) => {
                *below = over.below;
                Some(over.top)
            }
            other => {
                *below = other;
                None
            }
        }
    }

    /// Shows an editor, in place of the one before.
    pub(super) fn set_editor(&mut self, editor: Editor) {
        let _before = self.take_editor();
        *self = Self::Editor(Box::new(Over { top: editor, below: std::mem::take(self) }));
    }

    /// Shows what the editor stands over.
    pub(super) fn take_editor(&mut self) -> Option<Editor> {
        match std::mem::take(self) {
            Self::Editor(over) => {
                *self = over.below;
                Some(over.top)
            }
            other => {
                *self = other;
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use ratatui_textarea::TextArea;

    use super::*;
    use crate::screens::keys::lines::{Lines, Place};
    use crate::screens::keys::model::{Change, Write};

    fn history() -> History {
        History {
            key: "k".into(),
            versions: Vec::new(),
            reached: None,
            chosen: 0,
            diff: Lines::default(),
            top: Place::default(),
        }
    }

    fn conflict(expected: i64) -> Conflict {
        let write = Write { key: "k".into(), expected, change: Change::Delete };
        Conflict { write, met: true, theirs: None, diff: Lines::default(), top: Place::default() }
    }

    fn editor() -> Editor {
        Editor {
            key: "k".into(),
            expected: 0,
            area: TextArea::default(),
            original: Bytes::new(),
            line_end: "\n",
            leaving: false,
            saving: false,
        }
    }

    #[test]
    fn what_comes_over_something_leaves_it_as_it_was() {
        let mut right = Right::default();
        right.set_history(history());
        right.set_conflict(conflict(1));
        right.set_editor(editor());
        // Another change meets one while the editor is open.
        right.set_conflict(conflict(2));
        assert!(matches!(right, Right::Editor(_)));
        assert!(right.take_editor().is_some());
        assert_eq!(right.conflict().map(|conflict| conflict.write.expected), Some(2));
        assert!(right.take_conflict().is_some());
        assert!(matches!(right, Right::History(_)));
        right.set_conflict(conflict(3));
        assert!(right.end_history() && !right.end_history());
        assert!(right.take_conflict().is_some() && right.take_conflict().is_none());
        assert!(matches!(right, Right::Value));
    }
}
