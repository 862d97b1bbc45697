//! From what is typed to a run, and from a run to what is shown.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use mini_etcd_shared::language::{
    Action, EDIT, KILL, PROFILE, QUIT, Statement, StatementKind, parse_input,
};
use mini_etcd_shared::text::masked;

use super::complete::{complete, take_hint};
use super::entry::Entry;
use super::palette::Output;
use super::risk::changes;
use super::{Asks, EditLine, History, Msg, Repl, Running, risk};
use crate::console::watch_line::watched;
use crate::console::{Attach, Bundled, Context, Effect, Overlay, Tier, Wish, Yes};
use crate::engine::order::Order;
use crate::engine::session::{LineKind, OutputLine, RunEnded, SessionLine};
use crate::password::Secret;
use crate::screens::ScreenId;
use crate::widget::line::HiddenInput;
use crate::widget::{duration_us, escape};

/// Where it is told why somebody may not do something.
const EXPLAINED: &str = "the Auth screen (6) explains it: e there";

/// Where a line is typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the pane.
    Pane,
    /// In the palette.
    Palette,
}

/// The line that is typed in there, and the history.
pub(super) fn entry(repl: &mut Repl, place: Place) -> (&mut Entry, &mut History) {
    match place {
        Place::Pane => (&mut repl.entry, &mut repl.history),
        Place::Palette => (&mut repl.palette.entry, &mut repl.history),
    }
}

/// A key that edits or completes.
pub(crate) fn typed(
    repl: &mut Repl,
    ctx: &mut Context,
    place: Place,
    key: KeyEvent,
) -> Vec<Effect> {
    let (entry, _) = entry(repl, place);
    let choosing = entry.popup.is_some() || entry.search.is_some();
    match key.code {
        KeyCode::Tab if !choosing => return complete(repl, ctx, place),
        KeyCode::Right if !choosing && take_hint(repl, ctx, place) => return Vec::new(),
        _ => {}
    }
    let (entry, history) = self::entry(repl, place);
    entry.key(key, history);
    Vec::new()
}

/// Enter: takes what is chosen, or runs what is typed, or waits for the rest of it.
pub(crate) fn enter(repl: &mut Repl, ctx: &mut Context, place: Place) -> Vec<Effect> {
    let (entry, history) = entry(repl, place);
    if entry.search.is_some() || entry.popup.is_some() {
        entry.key(KeyEvent::new(KeyCode::Enter, KeyModifiers::NONE), history);
        return Vec::new();
    }
    let text = entry.text();
    // A run under way may be a write: it is given up by a key of its own, never in passing.
    if let Some(running) = &repl.running {
        let hint = format!("{} still runs; ^c gives it up", one_line(&running.text));
        ctx.toasts.hint(ctx.now, hint);
        return Vec::new();
    }
    if text.trim().is_empty() {
        self::entry(repl, place).0.clear();
        return Vec::new();
    }
    match text.trim() {
        "q" | "quit" | "exit" => return vec![Effect::Quit],
        "h" | "?" => return submit(repl, ctx, place, "\\h".to_owned()),
        line if line.split_whitespace().next() == Some("profile") => {
            return submit(repl, ctx, place, format!("\\{line}"));
        }
        _ => {}
    }
    submit(repl, ctx, place, text)
}

fn submit(repl: &mut Repl, ctx: &mut Context, place: Place, text: String) -> Vec<Effect> {
    let statements = match parse_input(text.as_bytes()) {
        Ok(statements) => statements,
        Err(error) if error.incomplete => {
            let (entry, _) = entry(repl, place);
            entry.line.end();
            entry.expected = error.expected;
            if !entry.next_line() {
                ctx.toasts.hint(ctx.now, "a statement cannot have more lines");
            }
            return Vec::new();
        }
        Err(error) => {
            let mut words: Vec<String> =
                error.shown(text.as_bytes()).lines().map(str::to_owned).collect();
            words.push(escape(error.to_string().as_bytes()));
            refuse(repl, place, &text, words);
            return Vec::new();
        }
    };
    let tail = match watched(&statements, &ctx.prompt.prefix) {
        Some(Ok(spec)) if place == Place::Palette => Some(spec),
        Some(Err(why)) if place == Place::Palette => {
            refuse(repl, place, &text, vec![why]);
            return Vec::new();
        }
        _ => None,
    };
    if let Some(spec) = tail {
        ctx.wish(Wish::Follow(spec, text));
        return Vec::new();
    }
    accept(repl, place, &text);
    if let Some(effects) = own(repl, ctx, &statements) {
        return effects;
    }
    if statements.is_empty() {
        return Vec::new();
    }
    let asked = ctx.production().is_some() && statements.iter().any(changes);
    let risk = risk::of(&statements);
    if let Some((tier, words)) =
        risk.or_else(|| asked.then(|| (Tier::Loss, "It changes production.".to_owned())))
    {
        ctx.confirm(tier, one_line(&text), words, Yes::Run(text));
        return Vec::new();
    }
    begin(repl, ctx, place, text)
}

/// What only the console can do.
fn own(repl: &mut Repl, ctx: &mut Context, statements: &[Statement]) -> Option<Vec<Effect>> {
    let [Statement { kind: StatementKind::Run(run), .. }] = statements else { return None };
    let Action::Session { command, args } = &run.action else { return None };
    match **command {
        QUIT => Some(vec![Effect::Quit]),
        EDIT => Some(edit(repl)),
        PROFILE => {
            let name = String::from_utf8(args.first()?.literal()?).ok()?;
            Some(vec![Effect::Attach(Attach::Profile(name))])
        }
        KILL => {
            let name = args.first()?.literal()?;
            let name = String::from_utf8(name).ok()?;
            Some(kill(ctx, &name))
        }
        _ => None,
    }
}

fn kill(ctx: &mut Context, name: &str) -> Vec<Effect> {
    let leader = ctx.cluster.leader().and_then(|id| ctx.cluster.member(id));
    let name = match leader {
        Some(leader) if name == "leader" => leader.name(),
        _ => name.to_owned(),
    };
    if ctx.bundled.get(&name) == Some(&Bundled::Running) {
        ctx.wish(Wish::Kill(name));
    } else {
        let known: Vec<&str> = ctx.bundled.keys().map(String::as_str).collect();
        let why = format!("there is no bundled member {name} that runs");
        let next = format!("bundled members: {}", known.join(", "));
        ctx.toasts.error(ctx.now, format!("\\kill {name}"), why, next);
    }
    Vec::new()
}

/// Opens what is typed, or what was run last, in an editor.
pub(super) fn edit(repl: &mut Repl) -> Vec<Effect> {
    let typed = repl.entry.text();
    let last = (0..repl.history.len()).rev().filter_map(|at| repl.history.get(at));
    let mut last = last.filter(|text| !text.trim_start().starts_with("\\e"));
    let text = if typed.is_empty() { last.next().unwrap_or("").to_owned() } else { typed };
    let ticket = repl.requests.open(EditLine, Msg::Edited);
    let name = "line.ers";
    ticket
        .map(|ticket| Effect::Edit { ticket, name, text: text.into_bytes() })
        .into_iter()
        .collect()
}

/// A line is run: it is in the history, and no more in the place where it was typed.
pub(crate) fn accept(repl: &mut Repl, place: Place, text: &str) {
    let (entry, history) = entry(repl, place);
    history.add(text);
    entry.clear();
}

/// A line is not run; why.
pub(crate) fn refuse(repl: &mut Repl, place: Place, text: &str, words: Vec<String>) {
    match place {
        Place::Pane => repl.entry.error = words,
        Place::Palette => {
            let note = "not run".to_owned();
            repl.palette.show(Output { line: one_line(text), text: words, failed: true, note });
        }
    }
}

/// Begins a run.
pub(crate) fn begin(repl: &mut Repl, ctx: &mut Context, place: Place, text: String) -> Vec<Effect> {
    let statements = parse_input(text.as_bytes()).unwrap_or_default();
    if statements.iter().any(changes) {
        ctx.wish(Wish::Changes(one_line(&text)));
    }
    repl.runs += 1;
    let head = prompt(&ctx.prompt.scope);
    let mut line = 0;
    for (at, part) in masked(&text).split('\n').enumerate() {
        let head = if at == 0 { head.clone() } else { continuation(&head) };
        let number = repl
            .scrollback
            .push(OutputLine::new(LineKind::Input, format!("{head}{}", escape(part.as_bytes()))));
        line = if at == 0 { number } else { line };
    }
    repl.scrollback.look_back(0);
    if place == Place::Palette {
        repl.palette.show(Output {
            line: one_line(&text),
            text: Vec::new(),
            failed: false,
            note: "runs".to_owned(),
        });
    }
    repl.running = Some(Running {
        run: repl.runs,
        text: text.clone(),
        since: ctx.now,
        place,
        line,
        asks: None,
    });
    vec![Effect::Engine(Order::Run(repl.runs, text))]
}

/// Gives up what runs; `None` when nothing does.
pub fn give_up(repl: &mut Repl, ctx: &mut Context) -> Option<Vec<Effect>> {
    let running = repl.running.take()?;
    let words = "given up; what it writes may be written all the same";
    repl.scrollback.push(OutputLine::new(LineKind::Notice, words));
    if running.place == Place::Palette {
        repl.palette.output = None;
    }
    ctx.toasts.hint(ctx.now, format!("gave up: {}", one_line(&running.text)));
    Some(vec![Effect::Engine(Order::Cancel(running.run))])
}

/// Throws away what is typed; answers whether there was something.
pub fn drop_line(repl: &mut Repl, ctx: &Context) -> bool {
    let palette = ctx.overlays.last() == Some(&Overlay::Palette);
    let pane = ctx.overlays.is_empty() && ctx.screen == ScreenId::Repl;
    let entry = match (palette, pane) {
        (true, _) => &mut repl.palette.entry,
        (_, true) => &mut repl.entry,
        _ => return false,
    };
    let some = !entry.is_empty();
    entry.clear();
    some
}

/// The engine says lines.
pub(crate) fn said(repl: &mut Repl, said: Vec<SessionLine>, lost: u64) {
    let running = repl.running.as_ref().map(|running| (running.run, running.place));
    repl.scrollback.lost(lost);
    for SessionLine { run, line } in said {
        if run.is_some() && run != running.map(|(run, _)| run) {
            continue;
        }
        if let (Some(_), Some((_, Place::Palette))) = (run, running) {
            repl.palette.say(line.text.clone());
        }
        repl.scrollback.push(line);
    }
}

/// A run asks for a password: what is typed next, in pane or palette, is that.
pub(crate) fn asked(repl: &mut Repl, ctx: &mut Context, run: u64, prompt: &str) {
    let Some(running) = repl.running.as_mut().filter(|running| running.run == run) else { return };
    let prompt = prompt.trim_end_matches([':', ' ']).to_owned();
    running.asks = Some(Asks { prompt, typed: HiddenInput::default() });
    repl.typing = true;
    repl.scrollback.look_back(0);
    let pane = ctx.overlays.is_empty() && ctx.screen == ScreenId::Repl;
    if !pane && ctx.overlays.last() != Some(&Overlay::Palette) {
        let what = format!("{} asks for a password", one_line(&running.text));
        ctx.toasts.info(ctx.now, what, ": goes where it is typed");
    }
}

/// A key while a run asks for a password; `None` while none does.
pub(crate) fn hide(repl: &mut Repl, key: KeyEvent) -> Option<Vec<Effect>> {
    let running = repl.running.as_mut()?;
    let asks = running.asks.as_mut()?;
    let secret = match key.code {
        KeyCode::Enter => Some(Secret::new(asks.typed.take())),
        KeyCode::Esc => None,
        _ => {
            asks.typed.key(key);
            return Some(Vec::new());
        }
    };
    running.asks = None;
    Some(vec![Effect::Engine(Order::Password(running.run, secret))])
}

/// Text is pasted into the line, or into the password that a run asks for.
pub(crate) fn paste(repl: &mut Repl, ctx: &mut Context, place: Place, text: &str) {
    if let Some(asks) = repl.running.as_mut().and_then(|running| running.asks.as_mut()) {
        asks.typed.insert(text);
    } else if !entry(repl, place).0.insert(text) {
        ctx.toasts.hint(ctx.now, "only a part of it had room");
    }
}

/// A run is over.
pub(crate) fn ended(repl: &mut Repl, ctx: &mut Context, run: u64, ended: RunEnded) {
    let Some(running) = repl.running.take_if(|running| running.run == run) else { return };
    ctx.prompt = ended.prompt;
    let took = duration_us(u64::try_from(ended.took.as_micros()).unwrap_or(u64::MAX));
    repl.scrollback.note(running.line, took.clone());
    let is_denied = |words: &String| words.contains("permission denied");
    if ended.failed.iter().flatten().any(is_denied) {
        let what = format!("{}: permission denied", one_line(&running.text));
        ctx.toasts.info(ctx.now, what, EXPLAINED);
    }
    for words in ended.failed.iter().flatten() {
        repl.scrollback.push(OutputLine::new(LineKind::Failed, words.clone()));
    }
    if running.place == Place::Palette {
        for words in ended.failed.iter().flatten() {
            repl.palette.say(words.clone());
        }
        repl.palette.ended(ended.failed.is_some(), took);
    }
}

/// The prompt with the scope that `cd` has set.
#[must_use]
pub fn prompt(scope: &str) -> String {
    if scope.is_empty() { "etcd> ".to_owned() } else { format!("{scope}> ") }
}

/// What stands before the lines after the first.
#[must_use]
pub fn continuation(prompt: &str) -> String {
    let width = prompt.chars().count();
    format!("{:>width$}", ".. ", width = width.max(3))
}

/// A text of several lines as one.
/// A statement as notices show it.
fn one_line(text: &str) -> String {
    masked(text).split('\n').collect::<Vec<_>>().join(" ; ")
}
