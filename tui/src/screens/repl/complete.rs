//! Tab and hints: by the tables at once, by the cluster through the engine.

use mini_etcd_shared::complete::{self, Completion, Wants};

use super::Msg;
use super::entry::Entry;
use super::requests::Complete;
use super::run::{Place, entry};
use crate::console::{Context, Effect};
use crate::engine::session::Prompt;
use crate::screens::repl::Repl;

/// Tab: offers what could stand at the cursor.
pub(super) fn complete(repl: &mut Repl, ctx: &mut Context, place: Place) -> Vec<Effect> {
    let prompt = ctx.prompt.clone();
    let (entry, _) = entry(repl, place);
    let (text, at) = entry.cursor();
    let known = complete::Context { profiles: ctx.profiles.clone(), ..prompt.context() };
    let found = complete::place(text.as_bytes(), at, &known);
    match found.wants {
        Wants::Nothing => Vec::new(),
        Wants::Names(names) => {
            let fits = |text: &str| text.as_bytes().starts_with(&found.typed);
            let candidates = names.into_iter().filter(|name| fits(&name.text)).collect();
            entry.offer(Completion { span: found.span, candidates, more: false });
            Vec::new()
        }
        Wants::Key | Wants::Member | Wants::Lease | Wants::User | Wants::Role | Wants::File => {
            let requests = &mut repl.requests;
            // Only the newest question is worth an answer.
            let mut effects = requests.cancel::<Complete>(|_| true);
            effects.extend(requests.ask(Complete { place, text, at, prompt }, Msg::Completed));
            effects
        }
    }
}

/// The engine has found candidates; they are dropped when something else was typed meanwhile.
pub(super) fn completed(
    repl: &mut Repl,
    ctx: &mut Context,
    asked: Complete,
    completion: Completion,
) {
    let Complete { place, text, at, .. } = asked;
    if completion.candidates.is_empty() {
        ctx.toasts.hint(ctx.now, "nothing begins like this");
    }
    let (entry, _) = entry(repl, place);
    if entry.cursor() == (text, at) && entry.search.is_none() {
        entry.offer(completion);
    }
}

/// What may follow the cursor, and why the line deserves a second look.
#[must_use]
pub fn hint(entry: &Entry, prompt: &Prompt) -> (String, Option<&'static str>) {
    let (text, at) = entry.cursor();
    let danger = complete::danger(text.as_bytes());
    if at < text.len() || entry.search.is_some() {
        return (String::new(), danger);
    }
    if !entry.above.is_empty() && entry.line.text().is_empty() {
        return (entry.expected.clone(), danger);
    }
    let found = complete::hint(text.as_bytes(), &prompt.context());
    (found.map(|hint| hint.shown).unwrap_or_default(), danger)
}

/// Right at the end of the line: takes the rest of the only word that fits. Answers whether there was one.
pub(super) fn take_hint(repl: &mut Repl, ctx: &mut Context, place: Place) -> bool {
    let context = ctx.prompt.context();
    let (entry, _) = entry(repl, place);
    let (text, at) = entry.cursor();
    if at < text.len() {
        return false;
    }
    let insert = complete::hint(text.as_bytes(), &context).and_then(|hint| hint.insert);
    insert.is_some_and(|insert| entry.insert(&insert))
}
