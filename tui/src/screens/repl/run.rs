//! From what is typed to a run, and from a run to what is shown.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use mini_etcd_shared::language::{Action, Statement, StatementKind, parse_input};
use mini_etcd_shared::text::masked;

use super::complete::{complete, take_hint};
use super::entry::Entry;
use super::scrollback::{Kind, Line, Said};
use super::{EditLine, Ended, History, Msg, Running, risk};
use crate::console::msg::Effect;
use crate::console::palette::Output;
use crate::console::state::{Confirm, Overlay, State};
use crate::screens::{ScreenId, go_to, keys, watch};
use crate::widget::{duration_us, escape};

/// Where a line is typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the pane.
    Pane,
    /// In the palette.
    Palette,
}

/// The line that is typed in there, and the history.
pub(super) fn entry(state: &mut State, place: Place) -> (&mut Entry, &mut History) {
    match place {
        Place::Pane => (&mut state.repl.entry, &mut state.repl.history),
        Place::Palette => (&mut state.palette.entry, &mut state.repl.history),
    }
}

/// A key that edits or completes.
pub(crate) fn typed(state: &mut State, place: Place, key: KeyEvent) -> Vec<Effect> {
    let (entry, _) = entry(state, place);
    let choosing = entry.popup.is_some() || entry.search.is_some();
    match key.code {
        KeyCode::Tab if !choosing => return complete(state, place),
        KeyCode::Right if !choosing && take_hint(state, place) => return Vec::new(),
        _ => {}
    }
    let (entry, history) = self::entry(state, place);
    entry.key(key, history);
    Vec::new()
}

/// Enter: takes what is chosen, or runs what is typed, or waits for the rest of it.
pub(crate) fn enter(state: &mut State, place: Place) -> Vec<Effect> {
    let (entry, history) = entry(state, place);
    if entry.search.is_some() || entry.popup.is_some() {
        entry.key(KeyEvent::new(KeyCode::Enter, KeyModifiers::NONE), history);
        return Vec::new();
    }
    let text = entry.text();
    // A run under way may be a write: it is given up by a key of its own, never in passing.
    if let Some(running) = &state.repl.running {
        let hint = format!("{} still runs; ^c gives it up", one_line(&running.text));
        state.toasts.hint(state.now, hint);
        return Vec::new();
    }
    if text.trim().is_empty() {
        self::entry(state, place).0.clear();
        return Vec::new();
    }
    match text.trim() {
        "q" | "quit" | "exit" => return vec![Effect::Quit],
        "h" | "?" => return submit(state, place, "\\h".to_owned()),
        _ => {}
    }
    submit(state, place, text)
}

fn submit(state: &mut State, place: Place, text: String) -> Vec<Effect> {
    let statements = match parse_input(text.as_bytes()) {
        Ok(statements) => statements,
        Err(error) if error.incomplete => {
            let (entry, _) = entry(state, place);
            entry.line.end();
            entry.expected = error.expected;
            if !entry.next_line() {
                state.toasts.hint(state.now, "a statement cannot have more lines");
            }
            return Vec::new();
        }
        Err(error) => {
            let mut words: Vec<String> =
                error.shown(text.as_bytes()).lines().map(str::to_owned).collect();
            words.push(escape(error.to_string().as_bytes()));
            refuse(state, place, &text, words);
            return Vec::new();
        }
    };
    let tail = match watch::watched(&statements, &state.repl.prompt.prefix) {
        Some(Ok(spec)) if place == Place::Palette => Some(spec),
        Some(Err(why)) if place == Place::Palette => {
            refuse(state, place, &text, vec![why]);
            return Vec::new();
        }
        _ => None,
    };
    if tail.is_some() && !state.watch.has_room() {
        let why = format!("{} tails is all: x on the Watch screen closes one", watch::TAILS_MAX);
        refuse(state, place, &text, vec![why]);
        return Vec::new();
    }
    let (entry, history) = entry(state, place);
    history.add(&text);
    entry.clear();
    if let Some(spec) = tail {
        let mut effects = go_to(state, ScreenId::Watch);
        effects.extend(watch::begin(state, &spec, None));
        return effects;
    }
    if let Some(effects) = own(state, &statements) {
        return effects;
    }
    if statements.is_empty() {
        return Vec::new();
    }
    if let Some((tier, words)) = risk::of(&statements) {
        let effect = Effect::Run(0, text.clone());
        let confirm =
            Confirm { tier, title: one_line(&text), text: words, effect, typed: String::new() };
        state.overlays.push(Overlay::Confirm(Box::new(confirm)));
        return Vec::new();
    }
    begin(state, text)
}

/// What only the console can do.
fn own(state: &mut State, statements: &[Statement]) -> Option<Vec<Effect>> {
    let [Statement { kind: StatementKind::Run(run), .. }] = statements else { return None };
    let Action::Meta { spec, args } = &run.action else { return None };
    match spec.name {
        "\\q" => Some(vec![Effect::Quit]),
        "\\e" => Some(edit(state)),
        "\\kill" => {
            let name = args.first()?.literal()?;
            let name = String::from_utf8(name).ok()?;
            Some(kill(state, &name))
        }
        _ => None,
    }
}

fn kill(state: &mut State, name: &str) -> Vec<Effect> {
    let leader = state.cluster.leader().and_then(|id| state.cluster.member(id));
    let name = match leader {
        Some(leader) if name == "leader" => leader.name(),
        _ => name.to_owned(),
    };
    if state.bundled.get(&name) != Some(&crate::console::Bundled::Running) {
        let known: Vec<&str> = state.bundled.keys().map(String::as_str).collect();
        let why = format!("there is no bundled member {name} that runs");
        let next = format!("bundled members: {}", known.join(", "));
        state.toasts.error(state.now, format!("\\kill {name}"), why, next);
        return Vec::new();
    }
    crate::screens::cluster::actions::kill::kill(state, name)
}

/// Opens what is typed, or what was run last, in an editor.
pub(super) fn edit(state: &mut State) -> Vec<Effect> {
    let repl = &mut state.repl;
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

fn refuse(state: &mut State, place: Place, text: &str, words: Vec<String>) {
    match place {
        Place::Pane => state.repl.entry.error = words,
        Place::Palette => {
            let note = "not run".to_owned();
            state.palette.show(Output { line: one_line(text), text: words, failed: true, note });
        }
    }
}

/// Begins a run, in the place that lies on top.
pub(crate) fn begin(state: &mut State, text: String) -> Vec<Effect> {
    let palette = state.overlays.contains(&Overlay::Palette);
    let place = if palette { Place::Palette } else { Place::Pane };
    if let Ok(statements) = parse_input(text.as_bytes()) {
        keys::command_changes(state, &statements, &one_line(&text));
    }
    state.runs += 1;
    let repl = &mut state.repl;
    let head = prompt(&repl.prompt.scope);
    let mut line = 0;
    for (at, part) in masked(&text).split('\n').enumerate() {
        let head = if at == 0 { head.clone() } else { continuation(&head) };
        let number = repl
            .scrollback
            .push(Line::new(Kind::Input, format!("{head}{}", escape(part.as_bytes()))));
        line = if at == 0 { number } else { line };
    }
    repl.scrollback.look_back(0);
    if place == Place::Palette {
        state.palette.show(Output {
            line: one_line(&text),
            text: Vec::new(),
            failed: false,
            note: "runs".to_owned(),
        });
    }
    state.repl.running =
        Some(Running { run: state.runs, text: text.clone(), since: state.now, place, line });
    vec![Effect::Run(state.runs, text)]
}

/// Gives up what runs; `None` when nothing does.
pub fn give_up(state: &mut State) -> Option<Vec<Effect>> {
    let running = state.repl.running.take()?;
    let words = "given up; what it writes may be written all the same";
    state.repl.scrollback.push(Line::new(Kind::Notice, words));
    if running.place == Place::Palette {
        state.palette.output = None;
    }
    state.toasts.hint(state.now, format!("gave up: {}", one_line(&running.text)));
    Some(vec![Effect::Cancel(running.run)])
}

/// Throws away what is typed; answers whether there was something.
pub fn drop_line(state: &mut State) -> bool {
    let palette = state.overlays.last() == Some(&Overlay::Palette);
    let pane = state.overlays.is_empty() && state.screen == crate::screens::ScreenId::Repl;
    let entry = match (palette, pane) {
        (true, _) => &mut state.palette.entry,
        (_, true) => &mut state.repl.entry,
        _ => return false,
    };
    let some = !entry.is_empty();
    entry.clear();
    some
}

/// The engine says lines.
pub(crate) fn said(state: &mut State, said: Vec<Said>, lost: u64) {
    let running = state.repl.running.as_ref().map(|running| (running.run, running.place));
    state.repl.scrollback.lost(lost);
    for Said { run, line } in said {
        if run.is_some() && run != running.map(|(run, _)| run) {
            continue;
        }
        if let (Some(_), Some((_, Place::Palette))) = (run, running) {
            state.palette.say(line.text.clone());
        }
        state.repl.scrollback.push(line);
    }
}

/// A run is over.
pub(crate) fn ended(state: &mut State, run: u64, ended: Ended) {
    let Some(running) = state.repl.running.take_if(|running| running.run == run) else { return };
    let repl = &mut state.repl;
    repl.prompt = ended.prompt;
    let took = duration_us(u64::try_from(ended.took.as_micros()).unwrap_or(u64::MAX));
    repl.scrollback.note(running.line, took.clone());
    for words in ended.failed.iter().flatten() {
        repl.scrollback.push(Line::new(Kind::Failed, words.clone()));
    }
    if running.place == Place::Palette {
        for words in ended.failed.iter().flatten() {
            state.palette.say(words.clone());
        }
        state.palette.ended(ended.failed.is_some(), took);
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
