use bytes::Bytes;

use super::{Action, Scope};
use crate::console::{CommandLine, Effect, Overlay, State};
use crate::screens::screen;

/// Copies a command.
pub(crate) struct Copy {
    name: &'static str,
    help: &'static str,
    run: fn(&mut State) -> Vec<Effect>,
}

pub(crate) static LINE: Copy = Copy {
    name: "copy-command",
    help: "copy the command for what is chosen: a line for palette, REPL and scripts",
    run: |state| {
        let Some(command) = command(state) else { return Vec::new() };
        warn(state, command.args());
        vec![Effect::Copy(command.language().into_bytes())]
    },
};

pub(crate) static SHELL: Copy = Copy {
    name: "copy-shell",
    help: "the same for a shell: mini-etcdctl, with the endpoints of the cluster",
    run: |state| {
        let Some(command) = command(state) else { return Vec::new() };
        let known = state.cluster.members.iter().map(|member| member.listed.endpoint.clone());
        let endpoints = known.filter(|endpoint| !endpoint.is_empty()).collect::<Vec<_>>();
        vec![Effect::Copy(command.shell(&endpoints.join(",")).into_bytes())]
    },
};

pub(crate) static DONE: Copy = Copy {
    name: "copy-done",
    help: "copy what was done last by keys, on any screen, as the same lines",
    run: |state| {
        let Some(deed) = state.done.clone() else {
            state.toasts.hint(state.now, "nothing was done by keys yet");
            return Vec::new();
        };
        warn(state, deed.keys());
        vec![Effect::Copy(deed.line().as_bytes().to_vec())]
    },
};

impl Action for Copy {
    fn name(&self) -> &'static str {
        self.name
    }

    fn scope(&self) -> Scope {
        Scope::Global
    }

    fn help(&self) -> &'static str {
        self.help
    }

    fn run(&self, state: &mut State) -> Vec<Effect> {
        // What lies over the screen has the keyboard; a member's details show what is chosen.
        match state.overlays.last() {
            None | Some(Overlay::Member(_)) => (self.run)(state),
            Some(_) => Vec::new(),
        }
    }
}

fn command(state: &mut State) -> Option<CommandLine> {
    let command = screen(state.screen).command(state);
    if command.is_none() {
        state.toasts.hint(state.now, "nothing is chosen here that a command says");
    }
    command
}

/// The session's prefix goes before keys without a separator, also before copied ones.
fn warn(state: &mut State, keys: &[Bytes]) {
    let scoped = !state.repl.prompt.prefix.is_empty();
    if scoped && keys.iter().any(|key| !key.starts_with(b"/")) {
        let hint = format!("the prompt is in {}: cd alone, before this", state.repl.prompt.scope);
        state.toasts.hint(state.now, hint);
    }
}
