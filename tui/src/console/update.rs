//! The one function that changes the state.

use crossterm::event::KeyEventKind;

use super::context::{Bundled, Origin, Redraw, Wish};
use super::mouse;
use super::msg::{Effect, Msg};
use super::overlays::doctor::OF_FRAME;
use super::press;
use super::replaced::replaced;
use super::replay::{self, Replay};
use super::state::State;
use super::toast::Toast;
use crate::engine::order::Order;
use crate::engine::report::{Ended, Pace, Report};
use crate::engine::sample::{Fault, Listed, Sample};
use crate::screens::cluster::happened;
use crate::screens::cluster::member::Link;
use crate::screens::repl::{self, Place};
use crate::screens::watch::{self, TAILS_MAX};
use crate::screens::{SCREENS, ScreenId, cluster, keys};

/// What is said when nobody answers any more.
const DOCTOR: &str = "! shows which layer fails";

/// Takes in what happened; answers what to do outside.
pub fn update(state: &mut State, msg: Msg) -> Vec<Effect> {
    match msg {
        Msg::Tick(now, wall) => {
            tick(state, now, wall);
            let (screen, ctx) = state.top_mut();
            return screen.tick(ctx);
        }
        Msg::Woke(now) => state.ctx.wake(now),
        Msg::Key(key) if key.kind == KeyEventKind::Release => return Vec::new(),
        Msg::Key(key) => {
            state.ctx.dirty(Redraw::Input);
            state.ctx.toasts.acknowledge(state.ctx.now);
            let effects = press::press(state, key);
            return followed(state, effects);
        }
        Msg::Mouse(event) => {
            let effects = mouse::mouse(state, event);
            return followed(state, effects);
        }
        Msg::Paste(text) => {
            state.ctx.dirty(Redraw::Input);
            return press::paste(state, &text);
        }
        Msg::Resize(width, height) => {
            state.ctx.size = (width, height);
            state.ctx.dirty(Redraw::Input);
        }
        Msg::Focus(focused) => {
            state.ctx.pace = if focused { Pace::Focused } else { Pace::Blurred };
            state.ctx.dirty(Redraw::Data);
            return vec![Effect::Engine(Order::Pace(state.ctx.pace))];
        }
        Msg::Report(generation, Report::Answer(ticket, answer))
            if generation == state.generation =>
        {
            state.ctx.dirty(Redraw::Data);
            if ticket.screen == OF_FRAME {
                state.doctor.answered(ticket, answer);
                return Vec::new();
            }
            let asked = SCREENS.iter().find(|screen| screen.number() == ticket.screen);
            return asked.map_or_else(Vec::new, |id| {
                let on_top = state.ctx.screen == *id && !state.ctx.is_covered();
                state.ctx.busy = !on_top || state.top().takes_text();
                let (screen, ctx) = state.screen_mut(*id);
                let effects = screen.answered(ctx, ticket, answer);
                ctx.busy = false;
                effects
            });
        }
        Msg::Report(generation, Report::Members(id, listed)) if generation == state.generation => {
            return members(state, id, listed);
        }
        Msg::Report(generation, report) if generation == state.generation => take(state, report),
        Msg::Report(..) => {}
    }
    Vec::new()
}

/// Goes to a screen; what lies over the one before goes away.
pub(crate) fn go_to(state: &mut State, id: ScreenId) -> Vec<Effect> {
    state.ctx.overlays.clear();
    if state.ctx.screen == id {
        return Vec::new();
    }
    state.before = std::mem::replace(&mut state.ctx.screen, id);
    let (screen, ctx) = state.top_mut();
    screen.enter(ctx)
}

/// What somebody did, with what follows from it for other screens and for bundled members.
fn followed(state: &mut State, mut effects: Vec<Effect>) -> Vec<Effect> {
    effects.extend(grant(state));
    let noted: Vec<Effect> = effects.iter().flat_map(|effect| to_members(state, effect)).collect();
    effects.extend(noted);
    effects
}

/// Does what screens wish of each other.
fn grant(state: &mut State) -> Vec<Effect> {
    let mut effects = Vec::new();
    for wish in std::mem::take(&mut state.ctx.wishes) {
        match wish {
            Wish::Follow(_, line) if !state.watch.has_room() => {
                let why = format!("{TAILS_MAX} tails is all: x on the Watch screen closes one");
                repl::refuse(&mut state.repl, Place::Palette, &line, vec![why]);
            }
            Wish::Follow(spec, line) => {
                repl::accept(&mut state.repl, Place::Palette, &line);
                effects.extend(go_to(state, ScreenId::Watch));
                effects.extend(watch::begin(&mut state.watch, &mut state.ctx, &spec, None));
            }
            Wish::Kill(name) => effects.extend(cluster::actions::kill(&mut state.ctx, name)),
            Wish::Changes(line) => state.keys.changed_by(&line),
            Wish::ShowKey(key) => {
                effects.extend(go_to(state, ScreenId::Keys));
                effects.extend(keys::show_key(&mut state.keys, &mut state.ctx, &key));
            }
        }
    }
    effects
}

/// What is done to a bundled member.
fn to_members(state: &mut State, effect: &Effect) -> Vec<Effect> {
    match effect {
        Effect::Engine(Order::Kill(name)) => {
            // What follows from it is no news, so it is known before it happens.
            state.ctx.bundled.insert(name.clone(), Bundled::Killed);
            replay::done(&mut state.ctx, Replay::kill(name))
        }
        Effect::Engine(Order::Restart(name)) => replay::done(&mut state.ctx, Replay::restart(name)),
        _ => Vec::new(),
    }
}

fn tick(state: &mut State, now: mini_etcd_shared::clock::Moment, wall: u64) {
    let second_passed = wall != state.ctx.wall;
    state.ctx.time(now, wall);
    let faded = state.ctx.toasts.fade(now);
    let leadership = state.ctx.cluster.look(now);
    if second_passed || faded || leadership {
        state.ctx.dirty(Redraw::Data);
    }
}

/// Who is in the cluster, and whether it is another one.
fn members(state: &mut State, id: u64, listed: Vec<Listed>) -> Vec<Effect> {
    let other = state.ctx.cluster.id != 0 && state.ctx.cluster.id != id;
    let effects = if other { replaced(state, id) } else { Vec::new() };
    happened::to_members(&mut state.ctx, id, &listed);
    let chosen = state.chosen_member().map(|member| member.listed.id);
    if state.ctx.cluster.list(id, listed) || other {
        state.ctx.dirty(Redraw::Data);
    }
    let place = state.ctx.cluster.members.iter().position(|m| Some(m.listed.id) == chosen);
    let last = state.ctx.cluster.members.len().saturating_sub(1);
    state.cluster.chosen = place.unwrap_or(state.cluster.chosen).min(last);
    effects
}

fn take(state: &mut State, report: Report) {
    match report {
        Report::Silent(silent) => {
            if state.ctx.cluster.members.is_empty() && state.ctx.cluster.silent != silent {
                state.ctx.cluster.silent = silent;
                state.ctx.dirty(Redraw::Data);
            }
        }
        Report::Sample(id, sample) => hear(state, id, *sample),
        Report::Rtt(id, at, rtt) => {
            state.ctx.cluster.timed(id, at, rtt);
            state.ctx.dirty(Redraw::Data);
        }
        Report::Proof(id, proof) => {
            let (now, stale_after) = (state.ctx.now, state.ctx.stale_after());
            if state.ctx.cluster.proved(id, proof, now, stale_after) {
                state.ctx.dirty(Redraw::Data);
            }
        }
        Report::Lost(id, fault) => lose(state, id, fault),
        Report::Started(name) => {
            state.ctx.cluster.process(&name, false);
            state.ctx.bundled.insert(name, Bundled::Running);
            state.ctx.dirty(Redraw::Data);
        }
        Report::Elsewhere(answers) => {
            state.cluster.elsewhere = answers;
            state.ctx.dirty(Redraw::Data);
            if let (true, Origin::StandIn(of)) = (answers, &state.ctx.origin) {
                let what = format!("{} answers now", of.join(", "));
                let next = "o on the Cluster screen looks at it";
                state.ctx.toasts.happened(Toast::info(state.ctx.now, what, next));
            }
        }
        Report::Ended(ended) => end(state, &ended),
        Report::Said(said, lost) => {
            repl::said(&mut state.repl, said, lost);
            state.ctx.dirty(Redraw::Data);
        }
        Report::Asked(run, prompt) => {
            repl::asked(&mut state.repl, &mut state.ctx, run, &prompt);
            state.ctx.dirty(Redraw::Input);
        }
        Report::Ran(run, ended) => {
            repl::ended(&mut state.repl, &mut state.ctx, run, ended);
            state.ctx.dirty(Redraw::Input);
        }
        // Taken in by its screen, and by `members`.
        Report::Answer(..) | Report::Members(..) => {}
        Report::Done(what, next) => {
            state.ctx.toasts.info(state.ctx.now, what, next);
            state.ctx.dirty(Redraw::Data);
        }
        Report::Trouble(what, why, next) => {
            state.ctx.toasts.error(state.ctx.now, what, why, next);
            state.ctx.dirty(Redraw::Data);
        }
    }
}

fn hear(state: &mut State, id: u64, sample: Sample) {
    let back = state.ctx.cluster.member(id).and_then(|member| match &member.link {
        Link::Down(_, since) if member.told => Some((member.name(), state.ctx.now.since(*since))),
        _ => None,
    });
    happened::to_version(&mut state.ctx, id, &sample);
    if state.ctx.cluster.hear(id, sample) {
        state.ctx.dirty(Redraw::Data);
    }
    happened::to_alarms(&mut state.ctx);
    if let Some((name, gone)) = back {
        state.ctx.toasts.withdraw(&format!("{name} "));
        let gone = crate::widget::age(gone);
        state.ctx.toasts.happened(Toast::info(
            state.ctx.now,
            format!("{name} is back after {gone}"),
            "",
        ));
    }
}

fn lose(state: &mut State, id: u64, fault: Fault) {
    let Some(member) = state.ctx.cluster.member(id) else { return };
    let was_live = member.link == Link::Live;
    let (name, endpoint) = (member.name(), member.listed.endpoint.clone());
    let why = fault.clone();
    // What this console did itself is no news, its return is; what broke while this process slept is neither.
    let expected = state.ctx.bundled.get(&name).is_some_and(|bundled| *bundled != Bundled::Running);
    let news = was_live && !expected && !state.ctx.is_waking();
    if state.ctx.cluster.lose(id, fault, state.ctx.now) {
        state.ctx.dirty(Redraw::Data);
    }
    if was_live {
        state.ctx.cluster.told(id, expected || news);
    }
    state.ctx.cluster.look(state.ctx.now);
    if news {
        let what = format!("{name} stopped answering at {endpoint}");
        let heard = state.ctx.cluster.members.iter().any(|member| member.link == Link::Live);
        let next = match (heard, why.next) {
            (true, next) => next,
            (false, next) if next.is_empty() => DOCTOR.to_owned(),
            (false, next) => format!("{next}; {DOCTOR}"),
        };
        state.ctx.toasts.happened(Toast::error(state.ctx.now, what, why.words, next));
    }
}

fn end(state: &mut State, ended: &Ended) {
    let kind = if ended.killed { Bundled::Killed } else { Bundled::Ended };
    state.ctx.bundled.insert(ended.name.clone(), kind);
    state.ctx.cluster.process(&ended.name, true);
    state.ctx.cluster.look(state.ctx.now);
    state.ctx.dirty(Redraw::Data);
    let name = &ended.name;
    if ended.killed {
        state.ctx.toasts.withdraw(&format!("{name} "));
        let what = format!("{name} was killed with SIGKILL");
        let next = "r on the Cluster screen starts it again";
        state.ctx.toasts.happened(Toast::info(state.ctx.now, what, next));
    } else {
        let what = format!("{name} ended by itself: {}", ended.how);
        let next = "r on the Cluster screen starts it again".to_owned();
        let why = format!("its log: {}", ended.log);
        state.ctx.toasts.happened(Toast::error(state.ctx.now, what, why, next));
    }
}
