//! The Watch screen as the frame sees it.

use crossterm::event::{KeyCode, KeyEvent};
use ratatui::Frame;
use ratatui::layout::Rect;

use super::filter::Filter;
use super::tail::{Link, News};
use super::{Msg, Prompt, Watch, leave, mouse, page, view};
use crate::console::replay::Replay;
use crate::console::spec::Spec;
use crate::console::{CommandLine, Context, Effect, Mouse, Redraw, replay};
use crate::engine::request::{Answer, Ticket};
use crate::screens::{Motion, Screen, ScreenId};
use crate::widget::needle::Needle;

impl Screen for Watch {
    fn view(&mut self, ctx: &Context, frame: &mut Frame<'_>, area: Rect, bottom: Rect) {
        view::draw(self, ctx, frame, area, bottom);
    }

    fn leave(&mut self, _: &mut Context, ended: &mut Vec<String>) -> Vec<Effect> {
        let (count, effects) = leave(self);
        match count {
            0 => {}
            1 => ended.push("1 tail has ended".to_owned()),
            n => ended.push(format!("{n} tails have ended")),
        }
        effects
    }

    fn command(&self, _: &Context) -> Option<CommandLine> {
        self.active().map(|tail| tail.spec.command())
    }

    fn motion(&mut self, ctx: &mut Context, motion: Motion) -> Vec<Effect> {
        let page = page(ctx);
        if let Some(detail) = &mut self.detail {
            detail.first = motion.apply(detail.first, detail.lines.len(), page);
        } else if let Some(tail) = self.active_mut() {
            tail.motion(motion, page);
        }
        Vec::new()
    }

    fn focus(&mut self, forward: bool) {
        self.turn(forward);
    }

    fn has_panes(&self) -> bool {
        false
    }

    fn offers_actions(&self) -> bool {
        self.is_plain()
    }

    fn takes_text(&self) -> bool {
        self.prompt.is_some()
    }

    fn typed(&mut self, ctx: &mut Context, key: KeyEvent) -> Vec<Effect> {
        match key.code {
            KeyCode::Esc => {
                self.prompt = None;
                return Vec::new();
            }
            KeyCode::Enter => return entered(self, ctx),
            _ => {}
        }
        match &mut self.prompt {
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

    fn pasted(&mut self, _: &mut Context, text: &str) -> Vec<Effect> {
        match &mut self.prompt {
            Some(Prompt::Form(form)) => form.paste(text),
            Some(Prompt::Search(line) | Prompt::Save(line) | Prompt::Filter(line, _)) => {
                line.insert(text);
            }
            None => {}
        }
        Vec::new()
    }

    fn mouse(&mut self, _: &mut Context, event: Mouse) -> Vec<Effect> {
        mouse::mouse(self, event);
        Vec::new()
    }

    fn back(&mut self, _: &mut Context) -> Option<Vec<Effect>> {
        if self.detail.take().is_some() {
            return Some(Vec::new());
        }
        let tail = self.active_mut()?;
        if tail.search.take().is_none() {
            tail.pinned.as_ref()?;
            tail.unpin();
        }
        Some(Vec::new())
    }

    fn has_back(&self) -> bool {
        let narrowed = |tail: &super::Tail| tail.search.is_some() || tail.pinned.is_some();
        self.detail.is_some() || self.active().is_some_and(narrowed)
    }

    fn answered(&mut self, ctx: &mut Context, ticket: Ticket, answer: Answer) -> Vec<Effect> {
        match self.requests.take(ticket, answer) {
            Some(Msg::News(asked, told)) => {
                let told = told.unwrap_or_else(|trouble| News::Ended(trouble.why));
                news(self, ctx, asked.tail, told);
            }
            Some(Msg::Saved(asked, Ok(lines))) => {
                let words = format!("{lines} lines written to {}", asked.file);
                ctx.toasts.info(ctx.now, words, "");
                ctx.dirty(Redraw::Data);
            }
            Some(Msg::Saved(_, Err(trouble))) => {
                let what = format!("nothing was written to {}", trouble.place);
                ctx.toasts.error(ctx.now, what, trouble.why, trouble.next);
                ctx.dirty(Redraw::Data);
            }
            None => {}
        }
        Vec::new()
    }
}

fn news(watch: &mut Watch, ctx: &mut Context, number: u64, told: News) {
    let on_top =
        ctx.screen == ScreenId::Watch && watch.active().is_some_and(|tail| tail.number == number);
    let Some(tail) = watch.list.iter_mut().find(|tail| tail.number == number) else { return };
    let was_live = matches!(tail.link, Link::Live);
    let name = tail.name();
    let of = |id: u64, endpoint: &str| ctx.cluster.name_at(id, endpoint);
    tail.take(told, ctx.now, ctx.wall, of);
    // On another screen a tail that ended is news; one that is lost says so when it is looked at.
    if let Link::Ended(why) = &tail.link
        && !on_top
    {
        let what = format!("tail {name} ended");
        ctx.toasts.error(ctx.now, what, why.clone(), "3 shows it".to_owned());
        ctx.dirty(Redraw::Data);
    }
    let stands = matches!(
        watch.list.iter().find(|tail| tail.number == number).map(|tail| &tail.link),
        Some(Link::Live)
    );
    if on_top || was_live != stands {
        ctx.dirty(Redraw::Data);
    }
}

/// Enter, while something is typed.
fn entered(watch: &mut Watch, ctx: &mut Context) -> Vec<Effect> {
    let page = page(ctx);
    match watch.prompt.take() {
        Some(Prompt::Search(line)) => search(watch, ctx, line.text(), page),
        Some(Prompt::Filter(line, _)) => {
            let text = line.text().trim();
            let parsed = if text.is_empty() { Ok(None) } else { Filter::parse(text).map(Some) };
            match parsed {
                Ok(filter) => {
                    if let Some(tail) = watch.active_mut() {
                        tail.set_filter(filter);
                    }
                }
                Err(error) => watch.prompt = Some(Prompt::Filter(line, Some(error))),
            }
        }
        Some(Prompt::Save(line)) => {
            let file = line.text().trim();
            if file.is_empty() {
                watch.prompt = Some(Prompt::Save(line));
                return Vec::new();
            }
            return watch.save(file.to_owned());
        }
        Some(Prompt::Form(mut form)) => match form.read() {
            Some((spec, filter)) => return begin(watch, ctx, &spec, filter),
            None => watch.prompt = Some(Prompt::Form(form)),
        },
        None => {}
    }
    Vec::new()
}

/// Begins a tail, and goes to it.
pub(crate) fn begin(
    watch: &mut Watch,
    ctx: &mut Context,
    spec: &Spec,
    filter: Option<Filter>,
) -> Vec<Effect> {
    if !watch.has_room() {
        return Vec::new();
    }
    let mut effects = watch.begin(spec.clone(), filter);
    let name = format!("tail{}", watch.last);
    effects.extend(replay::done(ctx, Replay::tail(&name, spec)));
    effects
}

fn search(watch: &mut Watch, ctx: &mut Context, text: &str, page: usize) {
    let Some(tail) = watch.active_mut() else { return };
    if text.is_empty() {
        tail.search = None;
        return;
    }
    let Some(needle) = Needle::text(text.as_bytes()) else {
        ctx.toasts.hint(ctx.now, "this text is too long to look for");
        return;
    };
    tail.search = Some((text.to_owned(), needle));
    find(watch, ctx, true, page);
}

/// Goes to the next place where the text is found, and says what is worth saying.
pub(crate) fn find(watch: &mut Watch, ctx: &mut Context, forward: bool, page: usize) {
    let Some(tail) = watch.active_mut() else { return };
    let Some(text) = tail.search.as_ref().map(|(text, _)| text.clone()) else { return };
    match tail.find(forward, page) {
        None => ctx.toasts.hint(ctx.now, format!("{text} is in no row that is shown")),
        Some(true) => ctx.toasts.hint(ctx.now, "the search went round the end"),
        Some(false) => {}
    }
}
