//! [`hint`](hint()): what is still to come on a line, shown behind the cursor.

use super::{Context, Wants, place};
use crate::command::{CommandSpec, Target};

/// What is shown behind the cursor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hint {
    /// What is shown.
    pub shown: String,
    /// What is inserted when it is accepted; `None` for what only explains.
    pub insert: Option<String>,
}

/// The hint at the end of `source`: the rest of the only word that fits, or the arguments that are still missing.
#[must_use]
pub fn hint(source: &[u8], context: &Context) -> Option<Hint> {
    let place = place(source, source.len(), context);
    let typing = !place.typed.is_empty() || place.span.start < place.span.end;
    if let Wants::Names(names) = &place.wants
        && typing
    {
        let fits = |text: &str| text.as_bytes().starts_with(&place.typed);
        let mut fitting = names.iter().filter(|name| fits(&name.text));
        let (first, second) = (fitting.next(), fitting.next());
        if let (Some(only), None) = (first, second) {
            let rest = only.text.get(place.typed.len()..).filter(|rest| !rest.is_empty());
            if let Some(rest) = rest {
                return Some(Hint { shown: rest.to_owned(), insert: Some(rest.to_owned()) });
            }
        }
    }
    if place.typed.starts_with(b"-") {
        return None;
    }
    let given = place.args + usize::from(typing);
    let gap = if typing { " " } else { "" };
    let rest = match (&place.usage, place.target) {
        (Some(usage), _) => usage.split_whitespace().skip(given).collect::<Vec<_>>().join(" "),
        (None, Target::Command(spec)) => remaining(spec, given),
        (None, Target::Root) => whole_name(&place.wants, &place.typed)?,
        (None, Target::Group(group)) if !typing => {
            let commands: Vec<_> =
                Target::Group(group).children().iter().map(Target::last_word).collect();
            commands.join("|")
        }
        _ => return None,
    };
    (!rest.is_empty()).then(|| Hint { shown: format!("{gap}{rest}"), insert: None })
}

/// The arguments of a command whose name stands there, but no blank behind it.
fn whole_name(wants: &Wants, typed: &[u8]) -> Option<String> {
    let Wants::Names(_) = wants else { return None };
    match Target::Root.next(typed)? {
        Target::Command(spec) if spec.name.as_bytes() == typed => Some(remaining(spec, 0)),
        _ => None,
    }
}

fn remaining(spec: &CommandSpec, given: usize) -> String {
    let left = CommandSpec { args: spec.args.get(given..).unwrap_or_default(), ..*spec };
    left.usage()
}
