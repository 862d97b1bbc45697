//! The one function that changes the state.

use crossterm::event::KeyEventKind;

use super::deed::Deed;
use super::msg::{Effect, Ended, Msg, Pace, Report};
use super::replaced::replaced;
use super::state::{Bundled, Origin, Redraw, State};
use super::toast::Toast;
use super::{deed, press};
use crate::engine::sample::{Fault, Sample};
use crate::screens::cluster::happened;
use crate::screens::cluster::member::{Link, Listed};
use crate::screens::{SCREENS, screen};

/// Takes in what happened; answers what to do outside.
pub fn update(state: &mut State, msg: Msg) -> Vec<Effect> {
    match msg {
        Msg::Tick(now, wall) => {
            tick(state, now, wall);
            return screen(state.screen).tick(state);
        }
        Msg::Woke(now) => state.wake(now),
        Msg::Key(key) if key.kind == KeyEventKind::Release => return Vec::new(),
        Msg::Key(key) => {
            state.dirty(Redraw::Input);
            state.toasts.acknowledge(state.now);
            let mut effects = press::press(state, key);
            let noted: Vec<Effect> =
                effects.iter().flat_map(|effect| to_members(state, effect)).collect();
            effects.extend(noted);
            return effects;
        }
        Msg::Paste(text) => {
            state.dirty(Redraw::Input);
            return press::paste(state, &text);
        }
        Msg::Resize(width, height) => {
            state.size = (width, height);
            state.dirty(Redraw::Input);
        }
        Msg::Focus(focused) => {
            state.pace = if focused { Pace::Focused } else { Pace::Blurred };
            state.dirty(Redraw::Data);
            return vec![Effect::Pace(state.pace)];
        }
        Msg::Report(generation, Report::Answer(ticket, answer))
            if generation == state.generation =>
        {
            state.dirty(Redraw::Data);
            let asked = SCREENS.iter().find(|screen| screen.id().number() == ticket.screen);
            return asked.map_or_else(Vec::new, |screen| screen.answered(state, ticket, answer));
        }
        Msg::Report(generation, Report::Members(id, listed)) if generation == state.generation => {
            return members(state, id, listed);
        }
        Msg::Report(generation, report) if generation == state.generation => take(state, report),
        Msg::Report(..) => {}
    }
    Vec::new()
}

/// What is done to a bundled member.
fn to_members(state: &mut State, effect: &Effect) -> Vec<Effect> {
    match effect {
        Effect::Kill(name) => {
            // What follows from it is no news, so it is known before it happens.
            state.bundled.insert(name.clone(), Bundled::Killed);
            deed::done(state, Deed::kill(name))
        }
        Effect::Restart(name) => deed::done(state, Deed::restart(name)),
        _ => Vec::new(),
    }
}

fn tick(state: &mut State, now: mini_etcd_shared::clock::Moment, wall: u64) {
    let second_passed = wall != state.wall;
    state.time(now, wall);
    let faded = state.toasts.fade(now);
    let leadership = state.cluster.look(now);
    if second_passed || faded || leadership {
        state.dirty(Redraw::Data);
    }
}

/// Who is in the cluster, and whether it is another one.
fn members(state: &mut State, id: u64, listed: Vec<Listed>) -> Vec<Effect> {
    let other = state.cluster.id != 0 && state.cluster.id != id;
    let effects = if other { replaced(state, id) } else { Vec::new() };
    happened::to_members(state, id, &listed);
    let chosen = state.chosen_member().map(|member| member.listed.id);
    if state.cluster.list(id, listed) || other {
        state.dirty(Redraw::Data);
    }
    let place = state.cluster.members.iter().position(|m| Some(m.listed.id) == chosen);
    let last = state.cluster.members.len().saturating_sub(1);
    state.chosen = place.unwrap_or(state.chosen).min(last);
    effects
}

fn take(state: &mut State, report: Report) {
    match report {
        Report::Silent(silent) => {
            if state.cluster.members.is_empty() && state.cluster.silent != silent {
                state.cluster.silent = silent;
                state.dirty(Redraw::Data);
            }
        }
        Report::Sample(id, sample) => hear(state, id, *sample),
        Report::Rtt(id, at, rtt) => {
            state.cluster.timed(id, at, rtt);
            state.dirty(Redraw::Data);
        }
        Report::Proof(id, proof) => {
            let (now, stale_after) = (state.now, state.stale_after());
            if state.cluster.proved(id, proof, now, stale_after) {
                state.dirty(Redraw::Data);
            }
        }
        Report::Lost(id, fault) => lose(state, id, fault),
        Report::Started(name) => {
            state.cluster.process(&name, false);
            state.bundled.insert(name, Bundled::Running);
            state.dirty(Redraw::Data);
        }
        Report::Elsewhere(answers) => {
            state.elsewhere = answers;
            state.dirty(Redraw::Data);
            if let (true, Origin::StandIn(of)) = (answers, &state.origin) {
                let what = format!("{} answers now", of.join(", "));
                let next = "o on the Cluster screen looks at it";
                state.toasts.happened(Toast::info(state.now, what, next));
            }
        }
        Report::Ended(ended) => end(state, &ended),
        Report::Said(said, lost) => {
            crate::screens::repl::said(state, said, lost);
            state.dirty(Redraw::Data);
        }
        Report::Ran(run, ended) => {
            crate::screens::repl::ended(state, run, ended);
            state.dirty(Redraw::Input);
        }
        // Taken in by its screen, and by `members`.
        Report::Answer(..) | Report::Members(..) => {}
        Report::Done(what, next) => {
            state.toasts.info(state.now, what, next);
            state.dirty(Redraw::Data);
        }
        Report::Trouble(what, why, next) => {
            state.toasts.error(state.now, what, why, next);
            state.dirty(Redraw::Data);
        }
    }
}

fn hear(state: &mut State, id: u64, sample: Sample) {
    let back = state.cluster.member(id).and_then(|member| match &member.link {
        Link::Down(_, since) if member.told => Some((member.name(), state.now.since(*since))),
        _ => None,
    });
    happened::to_version(state, id, &sample);
    if state.cluster.hear(id, sample) {
        state.dirty(Redraw::Data);
    }
    happened::to_alarms(state);
    if let Some((name, gone)) = back {
        state.toasts.withdraw(&format!("{name} "));
        let gone = crate::widget::age(gone);
        state.toasts.happened(Toast::info(state.now, format!("{name} is back after {gone}"), ""));
    }
}

fn lose(state: &mut State, id: u64, fault: Fault) {
    let Some(member) = state.cluster.member(id) else { return };
    let was_live = member.link == Link::Live;
    let (name, endpoint) = (member.name(), member.listed.endpoint.clone());
    let why = fault.clone();
    // What this console did itself is no news, its return is; what broke while this process slept is neither.
    let expected = state.bundled.get(&name).is_some_and(|bundled| *bundled != Bundled::Running);
    let news = was_live && !expected && !state.is_waking();
    if state.cluster.lose(id, fault, state.now) {
        state.dirty(Redraw::Data);
    }
    if was_live {
        state.cluster.told(id, expected || news);
    }
    state.cluster.look(state.now);
    if news {
        let what = format!("{name} stopped answering at {endpoint}");
        state.toasts.happened(Toast::error(state.now, what, why.words, why.next));
    }
}

fn end(state: &mut State, ended: &Ended) {
    let kind = if ended.killed { Bundled::Killed } else { Bundled::Ended };
    state.bundled.insert(ended.name.clone(), kind);
    state.cluster.process(&ended.name, true);
    state.cluster.look(state.now);
    state.dirty(Redraw::Data);
    let name = &ended.name;
    if ended.killed {
        state.toasts.withdraw(&format!("{name} "));
        let what = format!("{name} was killed with SIGKILL");
        let next = "r on the Cluster screen starts it again";
        state.toasts.happened(Toast::info(state.now, what, next));
    } else {
        let what = format!("{name} ended by itself: {}", ended.how);
        let next = "r on the Cluster screen starts it again".to_owned();
        let why = format!("its log: {}", ended.log);
        state.toasts.happened(Toast::error(state.now, what, why, next));
    }
}
