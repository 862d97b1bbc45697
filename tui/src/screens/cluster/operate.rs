//! What is done to the cluster from its screen: the line that is typed, the questions, and the job that goes on.
//!
//! ```text
//! action ─▶ (line) ─▶ what-if ─▶ question with a Plan ─▶ request ─▶ Job ─▶ view, toasts
//! ```
//!
//! * I1: nothing is done without a question that says what it means; a cluster's shape and alarms want a name typed.
//! * I2: one job at a time. It goes on while another screen is looked at, and is given up by `^c` on this one.
//! * I3: a read-only console offers none of it.

use std::time::Duration;

use crossterm::event::{KeyCode, KeyEvent};

use super::ClusterScreen;
use super::job::{Job, Stage};
use super::questions::{entered, progress};
use super::requests::{ChangeMembers, Disarm, MemberChange, SaveBackup};
use super::upkeep::{Said, Told, Upkeep};
use crate::console::replay::{self, Replay};
use crate::console::toast::Toast;
use crate::console::{Context, Effect, Plan};
use crate::engine::request::Trouble;
use crate::engine::sample::Source;
use crate::widget::line::LineInput;
use crate::widget::{age, bytes};

/// What is being typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// A new member: its name, and where peers reach it.
    Add {
        /// It has no vote until it is promoted.
        learner: bool,
    },
    /// Where peers reach this member.
    PeerUrls(u64),
    /// Where a backup of this member goes.
    Save(u64),
}

/// The line at the bottom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prompt {
    /// What for.
    pub ask: Ask,
    /// What is typed.
    pub line: LineInput,
    /// What to say about it.
    pub error: Option<String>,
}

/// What has come of a request.
#[derive(Clone, Debug)]
pub(crate) enum Msg {
    Changed(ChangeMembers, Result<Vec<String>, Trouble>),
    Disarmed(Result<u64, Trouble>),
    Upkeep(Upkeep, Result<Told, Trouble>),
    Saved(SaveBackup, Result<u64, Trouble>),
}

/// What a question carries.
#[derive(Clone, Debug)]
pub(super) enum Planned {
    Change(ChangeMembers),
    Disarm,
    Upkeep(Upkeep),
    Save(SaveBackup),
}

impl Planned {
    pub(super) fn change(change: MemberChange, done: String) -> Self {
        Self::Change(ChangeMembers { change, done })
    }
}

/// Opens the line.
pub(super) fn prompt(screen: &mut ClusterScreen, ctx: &mut Context, ask: Ask) {
    if ctx.refuses_changes() {
        return;
    }
    // What lies over the screen would take the keys.
    ctx.overlays.clear();
    let mut line = LineInput::default();
    if let Ask::PeerUrls(id) = ask
        && let Some(member) = ctx.cluster.member(id)
    {
        line.set(&member.listed.peer_urls.join(","));
    }
    screen.prompt = Some(Prompt { ask, line, error: None });
}

/// A key is typed into the line.
pub(super) fn typed(screen: &mut ClusterScreen, ctx: &mut Context, key: KeyEvent) -> Vec<Effect> {
    let Some(prompt) = &mut screen.prompt else { return Vec::new() };
    match key.code {
        KeyCode::Esc => screen.prompt = None,
        KeyCode::Enter => match entered(ctx, prompt) {
            Ok(now) => {
                screen.prompt = None;
                return now.map_or_else(Vec::new, |planned| carry_out(screen, ctx, planned));
            }
            Err(error) => prompt.error = Some(error),
        },
        _ => {
            prompt.error = None;
            prompt.line.key(key);
        }
    }
    Vec::new()
}

pub(super) fn is_busy(screen: &ClusterScreen, ctx: &mut Context) -> bool {
    let busy = screen.job.as_ref().filter(|job| !job.over);
    if let Some(job) = busy {
        ctx.toasts.hint(ctx.now, format!("{} goes on; ^c stops it", job.title));
    }
    busy.is_some()
}

/// Asks where a backup of the chosen member goes.
pub(super) fn save(screen: &mut ClusterScreen, ctx: &mut Context) -> Vec<Effect> {
    let Some(member) = screen.member(ctx) else { return Vec::new() };
    let (id, heard) = (member.listed.id, member.live().is_some());
    if heard && !is_busy(screen, ctx) {
        prompt(screen, ctx, Ask::Save(id));
    }
    Vec::new()
}

/// A question was answered with yes.
pub(super) fn confirmed(screen: &mut ClusterScreen, ctx: &mut Context, plan: &Plan) -> Vec<Effect> {
    plan.of().map_or_else(Vec::new, |planned| carry_out(screen, ctx, planned))
}

fn carry_out(screen: &mut ClusterScreen, ctx: &mut Context, planned: Planned) -> Vec<Effect> {
    let requests = &mut screen.requests;
    let (title, steps, effects) = match planned {
        Planned::Change(change) => return requests.ask(change, Msg::Changed),
        Planned::Disarm => return requests.ask(Disarm, |_, cleared| Msg::Disarmed(cleared)),
        // A question may stand while a job is begun by another one.
        _ if screen.job.as_ref().is_some_and(|job| !job.over) => return Vec::new(),
        Planned::Upkeep(upkeep) => {
            let steps = upkeep.steps.iter().map(super::upkeep::Step::words).collect();
            (upkeep.title.clone(), steps, requests.ask(upkeep, Msg::Upkeep))
        }
        Planned::Save(save) => {
            let title = format!("backup of {}", save.member);
            let steps = vec![format!("save {}", save.path.display())];
            (title, steps, requests.ask(save, Msg::Saved))
        }
    };
    if !effects.is_empty() {
        screen.job = Some(Job::new(title, steps, ctx.now));
    }
    effects
}

/// Takes in what has come of a request.
pub(super) fn update(screen: &mut ClusterScreen, ctx: &mut Context, msg: Msg) -> Vec<Effect> {
    match msg {
        Msg::Changed(change, answer) => return changed(screen, ctx, &change, answer),
        Msg::Disarmed(Ok(cleared)) => {
            let plural = if cleared == 1 { "alarm was" } else { "alarms were" };
            ctx.toasts.happened(Toast::info(ctx.now, format!("{cleared} {plural} cleared"), ""));
            return replay::done(ctx, Replay::cluster("alarm disarm"));
        }
        Msg::Disarmed(Err(trouble)) => ctx.failed("the alarms were not cleared".into(), trouble),
        Msg::Upkeep(upkeep, Ok(told)) => {
            let last = told.step + 1 == upkeep.steps.len();
            let Some(job) = &mut screen.job else { return Vec::new() };
            match told.said {
                Said::Begun => {
                    if let Some((_, stage)) = job.steps.get_mut(told.step) {
                        *stage = Stage::Runs(ctx.now, String::new());
                    }
                }
                Said::Now(words) => {
                    if let Some((_, Stage::Runs(_, now))) = job.steps.get_mut(told.step) {
                        words.clone_into(now);
                    }
                }
                Said::Done(words) => {
                    job.end(ctx.now, Ok(words));
                    if last {
                        over(screen, ctx);
                    }
                }
            }
        }
        Msg::Saved(save, Ok(bytes_so_far)) => {
            let going = screen.requests.running::<SaveBackup>().next().is_some();
            let Some(job) = &mut screen.job else { return Vec::new() };
            if going {
                if let Some((_, Stage::Runs(since, now))) = job.steps.first_mut() {
                    *now = rate(bytes_so_far, ctx.now.since(*since));
                }
                return Vec::new();
            }
            let took = match job.steps.first() {
                Some((_, Stage::Runs(since, _))) => ctx.now.since(*since),
                _ => Duration::ZERO,
            };
            let words = format!("{}, its checksum is right", rate(bytes_so_far, took));
            job.end(ctx.now, Ok(words));
            job.notes = vec![format!("Snapshot saved at {}", save.path.display())];
            over(screen, ctx);
        }
        Msg::Upkeep(_, Err(trouble)) | Msg::Saved(_, Err(trouble)) => {
            let Some(job) = &mut screen.job else { return Vec::new() };
            job.end(ctx.now, Err(words(&trouble)));
            job.over = true;
            let what = format!("{} was not done", job.title);
            ctx.failed(what, trouble);
        }
    }
    Vec::new()
}

fn rate(so_far: u64, took: Duration) -> String {
    let millis = u64::try_from(took.as_millis()).unwrap_or(u64::MAX).max(1);
    let each = so_far.saturating_mul(1000) / millis;
    format!("{}, {}/s", bytes(so_far), bytes(each))
}

fn words(trouble: &Trouble) -> String {
    let place = if trouble.place.is_empty() { "" } else { ": " };
    let next = if trouble.next.is_empty() { "" } else { "; " };
    format!("{}{place}{}{next}{}", trouble.place, trouble.why, trouble.next)
}

fn over(screen: &mut ClusterScreen, ctx: &mut Context) {
    let Some(job) = &mut screen.job else { return };
    job.over = true;
    let toast = Toast::info(ctx.now, format!("{} is done", job.title), "");
    ctx.toasts.happened(toast);
}

fn changed(
    screen: &mut ClusterScreen,
    ctx: &mut Context,
    change: &ChangeMembers,
    answer: Result<Vec<String>, Trouble>,
) -> Vec<Effect> {
    match answer {
        Ok(mut notes) => {
            let done = change.done.clone();
            // The list of members tells it too, once it has come.
            ctx.toasts.info(ctx.now, done.clone(), "");
            let mut live = ctx.cluster.members.iter().filter_map(|member| member.live());
            if !live.any(|sample| sample.source == Source::Admin) {
                notes.retain(|note| note.starts_with("ETCD_"));
            }
            if !notes.is_empty() && screen.job.as_ref().is_none_or(|job| job.over) {
                screen.job = Some(Job { title: done, steps: Vec::new(), notes, over: true });
            }
            replay::done(ctx, Replay::cluster(change.change.line()))
        }
        Err(mut trouble) => {
            if let MemberChange::Promote(id) = change.change
                && let Some(words) = progress(ctx, id)
            {
                trouble.next = words;
            }
            ctx.failed(format!("{} was refused", change.change.line()), trouble);
            Vec::new()
        }
    }
}

/// Gives up what runs. `None` when nothing does.
pub(super) fn cancel(screen: &mut ClusterScreen, ctx: &mut Context) -> Option<Vec<Effect>> {
    let job = screen.job.as_mut().filter(|job| !job.over)?;
    let since = job.steps.iter().find_map(|(_, stage)| match stage {
        Stage::Runs(since, _) => Some(ctx.now.since(*since)),
        _ => None,
    });
    let after = since.map(|since| format!(" after {}", age(since))).unwrap_or_default();
    let mut effects = screen.requests.cancel::<SaveBackup>(|_| true);
    let more =
        if effects.is_empty() { "; what the member was asked for may go on there" } else { "" };
    effects.extend(screen.requests.cancel::<Upkeep>(|_| true));
    job.end(ctx.now, Err(format!("stopped{after}{more}")));
    job.over = true;
    ctx.toasts.happened(Toast::info(ctx.now, format!("{} was stopped", job.title), ""));
    Some(effects)
}
