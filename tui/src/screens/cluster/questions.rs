//! What is asked before something is done to the cluster, and what is refused without a question.
//!
//! * I1: a question says what it means: of the quorum before and after, of the steps to come.
//! * I2: what would lose the quorum is refused, with the reason.

use std::path::PathBuf;

use mini_etcd_shared::command::check_peer_urls;

use super::ClusterScreen;
use super::operate::{Ask, Planned, Prompt, is_busy};
use super::quorum::{Change, WhatIf};
use super::requests::{MemberChange, SaveBackup};
use super::upkeep::Upkeep;
use crate::console::{Context, Effect, Plan, Tier, Yes};
use crate::screens::ScreenId;

fn ask(ctx: &mut Context, tier: Tier, title: String, text: String, planned: Planned) {
    let yes = Yes::Planned(ScreenId::Cluster, Plan::new(planned));
    ctx.confirm(tier, title, text, yes);
}

/// Asks about what was typed; answers what wants no question, for it changes nothing that is there.
pub(super) fn entered(ctx: &mut Context, prompt: &Prompt) -> Result<Option<Planned>, String> {
    let text = prompt.line.text().trim();
    match prompt.ask {
        Ask::Add { learner } => {
            let (name, peer_urls) = new_member(text)?;
            let change = if learner { Change::AddLearner } else { Change::AddVoter };
            let what = what_if(ctx, change)?;
            let kind = if learner { "a learner" } else { "a voter" };
            let title = format!("add {name} as {kind} at {}", peer_urls.join(", "));
            let more = if learner {
                "It has no vote until it is promoted."
            } else {
                "It counts as failed until it is started."
            };
            let text = format!("{}\n{more} What to start it with is said then.", what.words());
            let done = format!("{name} was added as {kind}");
            let change = MemberChange::Add { name, peer_urls, learner };
            ask(ctx, Tier::Loss, title, text, Planned::change(change, done));
        }
        Ask::PeerUrls(id) => {
            let urls = peer_urls(text)?;
            let name = ctx.cluster.name(id);
            let title = format!("peers reach {name} at {}", urls.join(", "));
            let text =
                "The members talk to it there from then on. It has to listen there, which is set \
                        where it is started."
                    .to_owned();
            let done = format!("{name} is reached by its peers at {}", urls.join(", "));
            let planned = Planned::change(MemberChange::Update(id, urls), done);
            ask(ctx, Tier::Loss, title, text, planned);
        }
        Ask::Save(id) => {
            let path = file(text)?;
            let member = ctx.cluster.member(id).ok_or("that member is gone")?;
            let there = path.exists();
            let endpoint = member.listed.endpoint.clone();
            let save = SaveBackup { member: member.name(), endpoint, path, replace: there };
            if !there {
                return Ok(Some(Planned::Save(save)));
            }
            let title = format!("replace {}", save.path.display());
            let text = "It is there already; it goes when the new backup is whole. A file that is no backup is \
                        not replaced."
                .to_owned();
            ask(ctx, Tier::Loss, title, text, Planned::Save(save));
        }
    }
    Ok(None)
}

/// Name and peer URLs of a new member.
fn new_member(text: &str) -> Result<(String, Vec<String>), String> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let [name, urls] = words.as_slice() else {
        return Err("a name and peer URLs: n4 http://10.0.0.4:2380".to_owned());
    };
    if name.contains("://") {
        return Err("the name comes first: n4 http://10.0.0.4:2380".to_owned());
    }
    Ok(((*name).to_owned(), peer_urls(urls)?))
}

fn peer_urls(text: &str) -> Result<Vec<String>, String> {
    if text.is_empty() {
        return Err("peer URLs, separated by commas: http://10.0.0.4:2380".to_owned());
    }
    let urls: Vec<String> = text.split(',').map(|url| url.trim().to_owned()).collect();
    check_peer_urls(&urls).map_err(|failure| failure.text)?;
    Ok(urls)
}

/// The path of a file, from where the console was started.
fn file(text: &str) -> Result<PathBuf, String> {
    if text.is_empty() {
        return Err("a file name: backup.db".to_owned());
    }
    let home = text.strip_prefix("~/").zip(std::env::var_os("HOME"));
    let path =
        home.map_or_else(|| PathBuf::from(text), |(rest, home)| PathBuf::from(home).join(rest));
    if path.is_dir() { Err(format!("{text} is a directory")) } else { Ok(path) }
}

/// What a change makes of the quorum, unless that is refused.
fn what_if(ctx: &Context, change: Change) -> Result<WhatIf, String> {
    let what = WhatIf::of(ctx.cluster.votes(ctx.now, ctx.stale_after()), change);
    match what.refusal() {
        Some(why) => Err(why),
        None => Ok(what),
    }
}

fn refuse(ctx: &mut Context, what: String, why: String) -> Vec<Effect> {
    ctx.toasts.error(ctx.now, what, why, String::new());
    Vec::new()
}

/// Gives the chosen learner its vote.
pub(super) fn promote(screen: &mut ClusterScreen, ctx: &mut Context) -> Vec<Effect> {
    if ctx.refuses_changes() {
        return Vec::new();
    }
    let Some(member) = screen.member(ctx).filter(|member| member.listed.learner) else {
        ctx.toasts.hint(ctx.now, "only a learner is promoted");
        return Vec::new();
    };
    let (id, name) = (member.listed.id, member.name());
    let answers = ctx.cluster.answers(member, ctx.now, ctx.stale_after());
    let what = match what_if(ctx, Change::Promote { answers }) {
        Ok(what) => what,
        Err(why) => return refuse(ctx, format!("{name} is not promoted"), why),
    };
    let text = format!("{}\n{}", what.words(), progress(ctx, id).unwrap_or_default());
    let planned = Planned::change(MemberChange::Promote(id), format!("{name} is a voter"));
    ask(ctx, Tier::Loss, format!("promote {name}: it gets a vote"), text, planned);
    Vec::new()
}

/// How far a learner is, when that is told.
pub(super) fn progress(ctx: &Context, id: u64) -> Option<String> {
    let last = ctx.cluster.leader_sample()?.commit;
    let own = ctx.cluster.member(id).and_then(|member| member.live()).map(|sample| sample.commit);
    let matched = ctx.cluster.progress(id).map(|progress| progress.matched).or(own)?;
    let part = matched.min(last).saturating_mul(100).checked_div(last)?;
    Some(format!("It has {part} % of the entries; 90 % are needed."))
}

/// Removes the chosen member.
pub(super) fn remove(screen: &mut ClusterScreen, ctx: &mut Context) -> Vec<Effect> {
    if ctx.refuses_changes() {
        return Vec::new();
    }
    let Some(member) = screen.member(ctx) else { return Vec::new() };
    let (id, name) = (member.listed.id, member.name());
    let answers = ctx.cluster.answers(member, ctx.now, ctx.stale_after());
    let change = Change::Remove { votes: !member.listed.learner, answers };
    let what = match what_if(ctx, change) {
        Ok(what) => what,
        Err(why) => return refuse(ctx, format!("{name} is not removed"), why),
    };
    let text = format!(
        "{}\nIt stops, and its number is never used again: to have it back, its data are deleted and it is \
         added anew.",
        what.words()
    );
    let planned = Planned::change(MemberChange::Remove(id), format!("{name} was removed"));
    ask(ctx, Tier::Shape(name.clone()), format!("remove {name} from the cluster"), text, planned);
    Vec::new()
}

/// Hands leadership to the chosen member.
pub(super) fn move_leader(screen: &mut ClusterScreen, ctx: &mut Context) -> Vec<Effect> {
    if ctx.refuses_changes() {
        return Vec::new();
    }
    let Some(member) = screen.member(ctx) else { return Vec::new() };
    let (id, name) = (member.listed.id, member.name());
    let leader = ctx.cluster.leader().and_then(|leader| ctx.cluster.member(leader));
    let checked = match leader {
        _ if member.listed.learner => Err("a learner does not lead".to_owned()),
        _ if member.live().is_none() => Err("it does not answer".to_owned()),
        None => Err("nobody leads".to_owned()),
        Some(leader) if leader.listed.id == id => Err("it leads already".to_owned()),
        Some(leader) if leader.listed.endpoint.is_empty() => {
            Err(format!("{} leads, who is asked for it, and is not reached", leader.name()))
        }
        Some(leader) => what_if(ctx, Change::Move)
            .map(|what| (what, leader.name(), leader.listed.endpoint.clone())),
    };
    let (what, old, endpoint) = match checked {
        Ok(checked) => checked,
        Err(why) => return refuse(ctx, format!("{name} does not get the lead"), why),
    };
    let text =
        format!("{}\nWrites wait for a moment while {name} takes over from {old}.", what.words());
    let change = MemberChange::Move { leader: endpoint, to: id };
    let planned = Planned::change(change, format!("{name} leads"));
    ask(ctx, Tier::Loss, format!("hand leadership from {old} to {name}"), text, planned);
    Vec::new()
}

/// Clears the alarms.
pub(super) fn disarm(_: &mut ClusterScreen, ctx: &mut Context) -> Vec<Effect> {
    if ctx.refuses_changes() {
        return Vec::new();
    }
    let alarms: Vec<String> = ctx
        .cluster
        .alarms()
        .map(|(kind, of)| format!("{} of {}", kind.name(), ctx.cluster.name(of)))
        .collect();
    let Some((kind, _)) = ctx.cluster.alarms().next() else {
        ctx.toasts.hint(ctx.now, "no alarm is raised");
        return Vec::new();
    };
    let tier = Tier::Shape(kind.name().to_owned());
    let text = format!(
        "Raised: {}. What is not mended raises it again. NOSPACE wants room first: the rescue makes it. CORRUPT \
         wants the member replaced.",
        alarms.join(", ")
    );
    ask(ctx, tier, "clear all alarms".to_owned(), text, Planned::Disarm);
    Vec::new()
}

/// The work that `made` says, after a question that shows its steps.
pub(super) fn upkeep(
    screen: &ClusterScreen,
    ctx: &mut Context,
    made: Result<Upkeep, String>,
) -> Vec<Effect> {
    if ctx.refuses_changes() || is_busy(screen, ctx) {
        return Vec::new();
    }
    let upkeep = match made {
        Ok(upkeep) => upkeep,
        Err(why) => return refuse(ctx, "that is not begun".to_owned(), why),
    };
    let steps = upkeep.steps.iter().enumerate();
    let mut lines: Vec<String> =
        steps.map(|(at, step)| format!("{}. {}", at + 1, step.words())).collect();
    lines.push(
        "An etcd stands still while it is defragmented; a mini-etcd serves. Each waits for the one before to \
         be healthy; ^c stops between and within steps."
            .to_owned(),
    );
    let title = upkeep.title.clone();
    let loses = upkeep.steps.len() > 1 && title.starts_with("rescue");
    let tier = if loses { Tier::Shape("rescue".to_owned()) } else { Tier::Loss };
    ask(ctx, tier, title, lines.join("\n"), Planned::Upkeep(upkeep));
    Vec::new()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_member_is_a_name_and_urls() {
        let urls = |urls: &[&str]| urls.iter().map(|url| (*url).to_owned()).collect::<Vec<_>>();
        let taken = new_member(" n4  http://a:1,https://b:2 ").unwrap();
        assert_eq!(taken, ("n4".to_owned(), urls(&["http://a:1", "https://b:2"])));
        for (text, words) in [
            ("", "a name and peer URLs"),
            ("n4", "a name and peer URLs"),
            ("n4 http://a:1 voter", "a name and peer URLs"),
            ("http://a:1 n4", "the name comes first"),
            ("n4 a:1", "URL scheme must be"),
            ("n4 http://a", "host:port"),
        ] {
            let error = new_member(text).unwrap_err();
            assert!(error.contains(words), "{text}: {error}");
        }
    }

    #[test]
    fn a_backup_wants_the_name_of_a_file() {
        assert!(file("").is_err() && file("/").is_err());
        assert_eq!(file("b.db").unwrap(), PathBuf::from("b.db"));
        assert!(!file("~/no/such/b.db").unwrap().starts_with("~"));
    }
}
