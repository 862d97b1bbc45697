//! The Watch screen as the frame sees it.

use crossterm::event::{KeyCode, KeyEvent};

use super::filter::{Filter, Needle};
use super::spec::Spec;
use super::tail::{Link, News};
use super::{Msg, Prompt, page};
use crate::console::action::Scope;
use crate::console::deed::Deed;
use crate::console::msg::Effect;
use crate::console::state::{Redraw, State};
use crate::console::{CommandLine, deed};
use crate::engine::request::{Answer, Ticket};
use crate::screens::cluster::member::Member;
use crate::screens::{Motion, Screen, ScreenId};

/// The Watch screen.
pub(crate) struct WatchScreen;

impl Screen for WatchScreen {
    fn id(&self) -> ScreenId {
        ScreenId::Watch
    }

    fn title(&self) -> &'static str {
        "Watch"
    }

    fn scope(&self) -> Scope {
        Scope::Watch
    }

    fn command(&self, state: &State) -> Option<CommandLine> {
        state.watch.active().map(|tail| tail.spec.command())
    }

    fn motion(&self, state: &mut State, motion: Motion) -> Vec<Effect> {
        let page = page(state);
        if let Some(detail) = &mut state.watch.detail {
            detail.first = motion.apply(detail.first, detail.lines.len(), page);
        } else if let Some(tail) = state.watch.active_mut() {
            tail.motion(motion, page);
        }
        Vec::new()
    }

    fn focus(&self, state: &mut State, forward: bool) {
        state.watch.turn(forward);
    }

    fn has_panes(&self) -> bool {
        false
    }

    fn takes_text(&self, state: &State) -> bool {
        state.watch.prompt.is_some()
    }

    fn typed(&self, state: &mut State, key: KeyEvent) -> Vec<Effect> {
        match key.code {
            KeyCode::Esc => {
                state.watch.prompt = None;
                return Vec::new();
            }
            KeyCode::Enter => return entered(state),
            _ => {}
        }
        match &mut state.watch.prompt {
            Some(Prompt::Form(form)) => form.key(key),
            Some(Prompt::Filter(line, error)) => {
                line.key(key);
                *error = None;
            }
            Some(Prompt::Search(line) | Prompt::Save(line)) => {
                line.key(key);
            }
            None => {}
        }
        Vec::new()
    }

    fn pasted(&self, state: &mut State, text: &str) -> Vec<Effect> {
        match &mut state.watch.prompt {
            Some(Prompt::Form(form)) => form.paste(text),
            Some(Prompt::Search(line) | Prompt::Save(line) | Prompt::Filter(line, _)) => {
                line.insert(text);
            }
            None => {}
        }
        Vec::new()
    }

    fn back(&self, state: &mut State) -> Option<Vec<Effect>> {
        if state.watch.detail.take().is_some() {
            return Some(Vec::new());
        }
        let tail = state.watch.active_mut()?;
        if tail.search.take().is_none() {
            tail.pinned.as_ref()?;
            tail.unpin();
        }
        Some(Vec::new())
    }

    fn has_back(&self, state: &State) -> bool {
        let narrowed = |tail: &super::Tail| tail.search.is_some() || tail.pinned.is_some();
        state.watch.detail.is_some() || state.watch.active().is_some_and(narrowed)
    }

    fn answered(&self, state: &mut State, ticket: Ticket, answer: Answer) -> Vec<Effect> {
        match state.watch.requests.take(ticket, answer) {
            Some(Msg::News(asked, told)) => {
                let told = told.unwrap_or_else(|trouble| News::Ended(trouble.why));
                news(state, asked.tail, told);
            }
            Some(Msg::Saved(asked, Ok(lines))) => {
                let words = format!("{lines} lines written to {}", asked.file);
                state.toasts.info(state.now, words, "");
                state.dirty(Redraw::Data);
            }
            Some(Msg::Saved(_, Err(trouble))) => {
                let what = format!("nothing was written to {}", trouble.place);
                state.toasts.error(state.now, what, trouble.why, trouble.next);
                state.dirty(Redraw::Data);
            }
            None => {}
        }
        Vec::new()
    }
}

fn news(state: &mut State, number: u64, told: News) {
    let on_top = state.screen == ScreenId::Watch
        && state.watch.active().is_some_and(|tail| tail.number == number);
    let Some(tail) = state.watch.list.iter_mut().find(|tail| tail.number == number) else { return };
    let was_live = matches!(tail.link, Link::Live);
    let name = tail.name();
    let cluster = &state.cluster;
    let of = |id: u64, endpoint: &str| {
        let at = || cluster.members.iter().find(|member| member.listed.endpoint == endpoint);
        cluster.member(id).or_else(at).map_or_else(|| endpoint.to_owned(), Member::name)
    };
    tail.take(told, state.now, state.wall, of);
    // On another screen a tail that ended is news; one that is lost says so when it is looked at.
    if let Link::Ended(why) = &tail.link
        && !on_top
    {
        let what = format!("tail {name} ended");
        state.toasts.error(state.now, what, why.clone(), "3 shows it".to_owned());
        state.dirty(Redraw::Data);
    }
    let stands = matches!(
        state.watch.list.iter().find(|tail| tail.number == number).map(|tail| &tail.link),
        Some(Link::Live)
    );
    if on_top || was_live != stands {
        state.dirty(Redraw::Data);
    }
}

/// Enter, while something is typed.
fn entered(state: &mut State) -> Vec<Effect> {
    let page = page(state);
    match state.watch.prompt.take() {
        Some(Prompt::Search(line)) => search(state, line.text(), page),
        Some(Prompt::Filter(line, _)) => {
            let text = line.text().trim();
            let parsed = if text.is_empty() { Ok(None) } else { Filter::parse(text).map(Some) };
            match parsed {
                Ok(filter) => {
                    if let Some(tail) = state.watch.active_mut() {
                        tail.set_filter(filter);
                    }
                }
                Err(error) => state.watch.prompt = Some(Prompt::Filter(line, Some(error))),
            }
        }
        Some(Prompt::Save(line)) => {
            let file = line.text().trim();
            if file.is_empty() {
                state.watch.prompt = Some(Prompt::Save(line));
                return Vec::new();
            }
            return state.watch.save(file.to_owned());
        }
        Some(Prompt::Form(mut form)) => match form.read() {
            Some((spec, filter)) => return begin(state, &spec, filter),
            None => state.watch.prompt = Some(Prompt::Form(form)),
        },
        None => {}
    }
    Vec::new()
}

/// Begins a tail, and goes to it.
pub(crate) fn begin(state: &mut State, spec: &Spec, filter: Option<Filter>) -> Vec<Effect> {
    if !state.watch.has_room() {
        return Vec::new();
    }
    let mut effects = state.watch.begin(spec.clone(), filter);
    let name = format!("tail{}", state.watch.last);
    effects.extend(deed::done(state, Deed::tail(&name, spec)));
    effects
}

fn search(state: &mut State, text: &str, page: usize) {
    let Some(tail) = state.watch.active_mut() else { return };
    if text.is_empty() {
        tail.search = None;
        return;
    }
    let Some(needle) = Needle::text(text.as_bytes()) else {
        state.toasts.hint(state.now, "this text is too long to look for");
        return;
    };
    tail.search = Some((text.to_owned(), needle));
    find(state, true, page);
}

/// Goes to the next place where the text is found, and says what is worth saying.
pub(crate) fn find(state: &mut State, forward: bool, page: usize) {
    let Some(tail) = state.watch.active_mut() else { return };
    let Some(text) = tail.search.as_ref().map(|(text, _)| text.clone()) else { return };
    match tail.find(forward, page) {
        None => state.toasts.hint(state.now, format!("{text} is in no row that is shown")),
        Some(true) => state.toasts.hint(state.now, "the search went round the end"),
        Some(false) => {}
    }
}
