//! [`FrameAction`]: what a person can do on every screen.

use std::time::Duration;

use bytes::Bytes;

use super::{Act, Scope};
use crate::console::overlays::{ActionList, doctor, doctor_lines, event_lines, help_lines};
use crate::console::update::go_to;
use crate::console::{CommandLine, Effect, Overlay, State};
use crate::screens::Motion;
use crate::screens::repl::{drop_line, give_up};

/// Within this time the second press leaves.
const TWICE_WITHIN: Duration = Duration::from_secs(3);

/// Something a person can do on every screen.
pub(crate) struct FrameAction {
    name: &'static str,
    scope: Scope,
    help: &'static str,
    label: fn(&State) -> Option<&'static str>,
    run: fn(&mut State) -> Vec<Effect>,
}

impl Act for FrameAction {
    fn name(&self) -> &'static str {
        self.name
    }

    fn scope(&self) -> Scope {
        self.scope
    }

    fn help(&self) -> &'static str {
        self.help
    }

    fn label(&self, state: &State) -> Option<String> {
        (self.label)(state).map(str::to_owned)
    }

    fn run(&self, state: &mut State) -> Vec<Effect> {
        (self.run)(state)
    }
}

type Run = fn(&mut State) -> Vec<Effect>;

const fn moving(name: &'static str, help: &'static str, run: Run) -> FrameAction {
    FrameAction { name, scope: Scope::Move, help, label: |_| None, run }
}

const fn global(name: &'static str, help: &'static str, run: Run) -> FrameAction {
    FrameAction { name, scope: Scope::Global, help, label: |_| None, run }
}

/// Those of the frame, in the order of footer and help.
pub(super) static TABLE: &[FrameAction] = &[
    moving("down", "next row", |state| go(state, Motion::Step(1))),
    moving("up", "row before", |state| go(state, Motion::Step(-1))),
    moving("top", "first row", |state| go(state, Motion::Start)),
    moving("bottom", "last row", |state| go(state, Motion::End)),
    moving("half-down", "half a page down", |state| go(state, Motion::Half(1))),
    moving("half-up", "half a page up", |state| go(state, Motion::Half(-1))),
    moving("page-down", "a page down", |state| go(state, Motion::Page(1))),
    moving("page-up", "a page up", |state| go(state, Motion::Page(-1))),
    FrameAction {
        label: |state| (!state.ctx.is_covered() && state.top().has_panes()).then_some("pane"),
        ..moving("next-pane", "next pane", |state| focus(state, true))
    },
    moving("pane-before", "pane before", |state| focus(state, false)),
    global("screen-before", "the screen before this one", |state| go_to(state, state.before)),
    FrameAction {
        label: |state| (!state.ctx.is_covered() && state.ctx.misses_somebody()).then_some("doctor"),
        ..global(
            "doctor",
            "why a connection fails, layer by layer for every endpoint, and what to do",
            doctor::open,
        )
    },
    FrameAction {
        label: |state| (!state.ctx.is_covered()).then_some("command"),
        ..global(
            "palette",
            "type a command: put, get, del, member list, ... (help lists them)",
            |state| {
                state.ctx.overlays.retain(|overlay| *overlay != Overlay::Palette);
                state.ctx.overlays.push(Overlay::Palette);
                Vec::new()
            },
        )
    },
    global("actions", "what can be done on this screen: search it by words, and do it", |state| {
        state.ctx.overlays.push(Overlay::Actions(ActionList::default()));
        Vec::new()
    }),
    global(
        "copy-command",
        "copy the command for what is chosen: a line for palette, REPL and scripts",
        |state| copy(state, copy_line),
    ),
    global(
        "copy-shell",
        "the same for a shell: mini-etcdctl, with the endpoints of the cluster",
        |state| copy(state, copy_shell),
    ),
    global(
        "copy-done",
        "copy what was done last by keys, on any screen, as the same lines",
        |state| copy(state, copy_done),
    ),
    FrameAction {
        label: |state| (!state.ctx.is_covered()).then_some("help"),
        ..global("help", "this list of keys", |state| {
            if matches!(state.ctx.overlays.last(), Some(Overlay::Help(_))) {
                state.ctx.overlays.pop();
            } else {
                state.ctx.overlays.push(Overlay::Help(0));
            }
            Vec::new()
        })
    },
    FrameAction {
        label: |state| (state.ctx.is_covered() || state.top().has_back()).then_some("back"),
        ..global(
            "back",
            "one step back: close what lies on top, put messages away; never leaves the console",
            back,
        )
    },
    FrameAction {
        label: |_| Some("quit"),
        ..global(QUIT, "close what lies on top; twice on a screen leaves the console", |state| {
            if state.ctx.overlays.pop().is_some() {
                return Vec::new();
            }
            let quit = TABLE.iter().find(|action| action.name == QUIT);
            let key =
                quit.and_then(|quit| state.keymap.keys(quit).first().map(ToString::to_string));
            leave(state, &key.unwrap_or_else(|| ":quit".to_owned()))
        })
    },
    global(
        "interrupt",
        "give up what runs or is typed: a command, a scan, a line; with nothing left, twice leaves",
        interrupt,
    ),
    global("suspend", "back to the shell; its fg brings the console back", |_| {
        vec![Effect::Suspend]
    }),
    global("redraw", "paint the screen anew", |_| vec![Effect::Repaint]),
];

const QUIT: &str = "quit";

/// One level back; never leaves the console.
pub(crate) fn back(state: &mut State) -> Vec<Effect> {
    state.leaving = None;
    let palette = state.ctx.overlays.last() == Some(&Overlay::Palette);
    if palette && state.repl.palette.output.take().is_some() {
        return Vec::new();
    }
    if state.ctx.overlays.pop().is_some() {
        return Vec::new();
    }
    let (screen, ctx) = state.top_mut();
    screen.back(ctx).unwrap_or_else(|| {
        ctx.toasts.clear();
        Vec::new()
    })
}

/// A move in the list, or in the text that lies over it.
pub(crate) fn go(state: &mut State, by: Motion) -> Vec<Effect> {
    let page = state.ctx.page();
    // The last line that the first one of an overlay can be.
    let room = usize::from(state.ctx.size.1.saturating_sub(4));
    let firsts = |lines: usize| lines.saturating_sub(room) + 1;
    let lines = firsts(match state.ctx.overlays.last() {
        Some(Overlay::Help(_)) => help_lines(state).len(),
        Some(Overlay::Events(_)) => event_lines(&state.ctx).len(),
        Some(Overlay::Doctor(_)) => doctor_lines(state).len(),
        _ => 0,
    });
    match state.ctx.overlays.last_mut() {
        Some(Overlay::Help(line) | Overlay::Events(line) | Overlay::Doctor(line)) => {
            let first = by.apply(usize::from(*line), lines, page);
            *line = u16::try_from(first).unwrap_or(u16::MAX);
        }
        Some(Overlay::Member(id)) => {
            let members = &state.ctx.cluster.members;
            let place = members.iter().position(|m| m.listed.id == *id);
            let place = by.apply(place.unwrap_or(0), members.len(), page);
            if let Some(member) = members.get(place) {
                (*id, state.cluster.chosen) = (member.listed.id, place);
            }
        }
        Some(_) => {}
        None => {
            let (screen, ctx) = state.top_mut();
            return screen.motion(ctx, by);
        }
    }
    Vec::new()
}

fn focus(state: &mut State, forward: bool) -> Vec<Effect> {
    if !state.ctx.is_covered() {
        state.top_mut().0.focus(forward);
    }
    Vec::new()
}

fn copy(state: &mut State, what: Run) -> Vec<Effect> {
    // What lies over the screen has the keyboard; a member's details show what is chosen.
    match state.ctx.overlays.last() {
        None | Some(Overlay::Member(_)) => what(state),
        Some(_) => Vec::new(),
    }
}

fn copy_line(state: &mut State) -> Vec<Effect> {
    let Some(command) = command(state) else { return Vec::new() };
    warn(state, command.args());
    vec![Effect::Copy(command.language().into_bytes())]
}

fn copy_shell(state: &mut State) -> Vec<Effect> {
    let Some(command) = command(state) else { return Vec::new() };
    let known = state.ctx.cluster.members.iter().map(|member| member.listed.endpoint.clone());
    let endpoints = known.filter(|endpoint| !endpoint.is_empty()).collect::<Vec<_>>();
    let mut leading = state.ctx.flags.clone();
    if !endpoints.is_empty() {
        leading.insert(0, format!("--endpoints={}", endpoints.join(",")));
    }
    vec![Effect::Copy(command.shell(&leading).into_bytes())]
}

fn copy_done(state: &mut State) -> Vec<Effect> {
    let Some(done) = state.ctx.done.clone() else {
        state.ctx.toasts.hint(state.ctx.now, "nothing was done by keys yet");
        return Vec::new();
    };
    warn(state, done.keys());
    vec![Effect::Copy(done.line().as_bytes().to_vec())]
}

fn command(state: &mut State) -> Option<CommandLine> {
    let command = state.top().command(&state.ctx);
    if command.is_none() {
        state.ctx.toasts.hint(state.ctx.now, "nothing is chosen here that a command says");
    }
    command
}

/// The session's prefix goes before keys without a separator, also before copied ones.
fn warn(state: &mut State, keys: &[Bytes]) {
    let prompt = &state.ctx.prompt;
    if !prompt.prefix.is_empty() && keys.iter().any(|key| !key.starts_with(b"/")) {
        let hint = format!("the prompt is in {}: cd alone, before this", prompt.scope);
        state.ctx.toasts.hint(state.ctx.now, hint);
    }
}

/// Gives up what runs; with nothing running, it is a way out.
fn interrupt(state: &mut State) -> Vec<Effect> {
    if let Some(cancelled) = give_up(&mut state.repl, &mut state.ctx) {
        return cancelled;
    }
    if drop_line(&mut state.repl, &state.ctx) {
        return Vec::new();
    }
    let (screen, ctx) = state.top_mut();
    if let Some(dropped) = screen.cancel(ctx) {
        ctx.toasts.hint(ctx.now, "gave up what was under way");
        return dropped;
    }
    leave(state, "^c")
}

/// The second press leaves the console.
fn leave(state: &mut State, key: &str) -> Vec<Effect> {
    let now = state.ctx.now;
    if state.leaving.is_some_and(|then| now.since(then) < TWICE_WITHIN) {
        return vec![Effect::Quit];
    }
    state.leaving = Some(now);
    let ends = if state.ctx.bundled.is_empty() { "" } else { "; the bundled members stop with it" };
    state.ctx.toasts.hint(now, format!("{key} again leaves the console{ends}"));
    Vec::new()
}
