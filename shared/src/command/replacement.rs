//! [`Replacement`]: what comes next in the replacement of a member, by what a [`Look`] at the cluster shows.
//!
//! Who does not answer goes first: it counts in the quorum and helps nobody, so that the cluster without it is never worse
//! off; etcd and mini-etcd add no member while a voter is away; and its address becomes free. Who answers goes last: until
//! then the new one is one more.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::future::join_all;
use mini_etcd_proto::adminpb::MemberStatus;
use mini_etcd_proto::adminpb::progress::State;
use mini_etcd_proto::etcdserverpb::{Member, MemberListRequest, StatusRequest, StatusResponse};

use crate::client::{Client, ClientConfig, Endpoint, Offered};
use crate::failure::{Failure, done, exit};

/// How long a member may take to say that it is there.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// What is typed.
#[derive(Clone, Debug, Default)]
pub(super) struct Asked {
    /// Name or id of the member to be replaced.
    pub who: String,
    /// Name of the new one; empty for the old one's.
    pub name: String,
    /// Where peers reach the new one; empty for the old one's.
    pub peer_urls: Vec<String>,
    /// Replace also who answers.
    pub force: bool,
}

/// What the cluster looks like from here.
#[derive(Clone, Debug, Default)]
pub(super) struct Look {
    pub members: Vec<Member>,
    /// Who answers here, or was heard by the leader lately.
    pub up: BTreeSet<u64>,
    /// Who answers here.
    answers: BTreeSet<u64>,
    /// To whom the leader sends a snapshot; only mini-etcd says.
    pub gets_snapshot: BTreeSet<u64>,
    /// Last index of the leader's log, where that is known.
    last: u64,
    /// How far the log of each reaches, where that is known.
    reached: BTreeMap<u64, u64>,
}

impl Look {
    /// Asks for the members, and each of them how it is.
    ///
    /// # Errors
    /// Nobody answers, or no quorum stands behind the answers.
    pub async fn take(client: &Client) -> Result<Self, Failure> {
        let list = |linearizable| client.member_list(MemberListRequest { linearizable });
        let (members, failed) = match done(list(true).await) {
            Ok(list) => (list.members, None),
            // What the members know without a quorum tells whether there is one.
            Err(failure) => match done(list(false).await) {
                Ok(list) => (list.members, Some(failure)),
                Err(_) => return Err(failure),
            },
        };
        let mut look = Self { members, ..Self::default() };
        let ClientConfig { endpoints, .. } = client.config();
        let given = endpoints.iter().map(|endpoint| endpoint.as_str().to_owned());
        let listed = look.members.iter().flat_map(|member| member.client_ur_ls.clone());
        let addresses: BTreeSet<_> = given.chain(listed).collect();
        for (status, admin) in
            join_all(addresses.iter().map(|url| ask(client, url))).await.into_iter().flatten()
        {
            look.add(&status, admin.as_ref());
        }
        match failed {
            Some(failure) => Err(look.without_quorum(failure)),
            None => Ok(look),
        }
    }

    fn add(&mut self, status: &StatusResponse, admin: Option<&MemberStatus>) {
        let id = status.header.map_or(0, |header| header.member_id);
        self.up.insert(id);
        self.answers.insert(id);
        self.reached.entry(id).or_insert(status.raft_applied_index);
        self.last = self.last.max(status.raft_index);
        // Of those that do not lead, it is empty.
        let Some(admin) = admin.filter(|admin| admin.leader == admin.member_id) else { return };
        self.last = self.last.max(admin.last_index);
        for progress in &admin.progress {
            let id = progress.member_id;
            // Better than what the member says: until it has a snapshot it says nothing.
            self.reached.insert(id, progress.match_index);
            self.up.extend(progress.recently_active.then_some(id));
            let gets_snapshot = progress.state() == State::Snapshot;
            self.gets_snapshot.extend(gets_snapshot.then_some(id));
        }
    }

    fn without_quorum(&self, failure: Failure) -> Failure {
        let (all, up) = (self.voters().count(), self.up_voters().count());
        if up > all / 2 {
            return failure;
        }
        let text = format!(
            "{failure}: {up} of {all} voters answer, and a quorum is {}: without one no member can be replaced. \
             Start those that can be started. If the quorum is lost for good, the member with the newest data goes on \
             alone: start it with --force-new-cluster",
            all / 2 + 1
        );
        Failure::new(exit::ERROR, text)
    }

    fn voters(&self) -> impl Iterator<Item = &Member> {
        self.members.iter().filter(|member| !member.is_learner)
    }

    fn up_voters(&self) -> impl Iterator<Item = &Member> {
        self.voters().filter(|voter| self.up.contains(&voter.id))
    }

    fn member(&self, id: u64) -> Option<&Member> {
        self.members.iter().find(|member| member.id == id)
    }

    /// Entries that a member lacks; none where that is not known.
    pub fn behind(&self, id: u64) -> Option<u64> {
        self.reached.get(&id).map(|reached| self.last.saturating_sub(*reached))
    }
}

/// The state of the member at an address; a server may not have the second.
async fn ask(client: &Client, url: &str) -> Option<(StatusResponse, Option<MemberStatus>)> {
    let one = client.with_config(ClientConfig {
        endpoints: vec![Endpoint::parse(url).ok()?],
        learn_members: false,
        wait_for_connection: false,
        command_timeout: Some(ANSWER_WITHIN),
        ..client.config().clone()
    });
    let one = one.ok()?;
    let status = one.status(StatusRequest {}).await.into_result().ok()?;
    let admin = one.member_status().await.ok().and_then(Offered::answer);
    Some((status, admin))
}

/// A replacement that has begun.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Replacement {
    /// The member that goes; none when it went before this run.
    old: Option<Member>,
    /// Whether it answered, so that it goes last.
    is_old_up: bool,
    /// Whether this run removed it.
    pub is_removed: bool,
    /// Id of the member that comes, once it was added.
    pub new: Option<u64>,
    /// Its name.
    pub name: String,
    pub peer_urls: Vec<String>,
    /// Whether it comes in the place of another.
    pub replaces: bool,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Next {
    /// Remove the old member.
    Remove(Member),
    /// Add the new one.
    Add,
    /// Promote the new one as soon as that may be.
    Wait(Member),
    /// Nothing: this is the new member.
    Done(Member),
}

impl Replacement {
    /// A member that was added as a learner and is to get its vote.
    pub fn of_added(new: &Member, name: &str) -> Self {
        let (name, peer_urls) = (name.to_owned(), new.peer_ur_ls.clone());
        Self {
            old: None,
            is_old_up: false,
            is_removed: false,
            new: Some(new.id),
            name,
            peer_urls,
            replaces: false,
        }
    }

    /// Finds out who is to go, and what was done already by a run that was cut off. Answers in words why nothing may be
    /// done.
    pub fn begin(asked: &Asked, look: &Look) -> Result<Self, String> {
        let (old, new) = find(asked, look)?;
        let is_old_up = old.is_some_and(|old| look.up.contains(&old.id));
        let of_old = |urls: &Member| urls.peer_ur_ls.clone();
        let peer_urls = match (new, old) {
            (Some(new), _) => of_old(new),
            (None, Some(old)) if asked.peer_urls.is_empty() => of_old(old),
            _ => asked.peer_urls.clone(),
        };
        let name = [&*asked.name, new.or(old).map_or("", |member| &*member.name), &*asked.who]
            .into_iter()
            .find(|name| !name.is_empty())
            .unwrap_or_default()
            .to_owned();
        let begun = Self {
            old: old.cloned(),
            is_old_up,
            is_removed: false,
            new: new.map(|new| new.id),
            name,
            peer_urls,
            replaces: true,
        };
        begun.check(asked, look)?;
        Ok(begun)
    }

    /// Whether this may begin.
    fn check(&self, asked: &Asked, look: &Look) -> Result<(), String> {
        let is_other = |member: &&Member| {
            Some(member.id) != self.new && self.old.as_ref().is_none_or(|old| old.id != member.id)
        };
        if let Some(learner) = look.members.iter().filter(is_other).find(|one| one.is_learner) {
            return Err(format!(
                "{} is a learner, and there is room for one: promote or remove it first",
                named(learner)
            ));
        }
        let away = |voter: &&Member| !look.up.contains(&voter.id);
        let away: Vec<_> = look.voters().filter(is_other).filter(away).map(named).collect();
        if !away.is_empty() && self.new.is_none() {
            return Err(format!(
                "{} must answer too: the cluster takes no new member while another voter is away. Start it, or \
                 remove it first (member remove ID); --endpoints says where members are that do not answer at their client URLs",
                away.join(", ")
            ));
        }
        let Some(old) = self.old.as_ref().filter(|_| self.is_old_up) else { return Ok(()) };
        if !asked.force {
            let how = if look.answers.contains(&old.id) {
                "answers"
            } else {
                "does not answer here, and the leader hears it"
            };
            return Err(format!(
                "{} {how}: it need not be replaced. With --force it is all the same: the new member comes first, \
                 under a name and peer URLs of its own, and the old one goes last",
                named(old)
            ));
        }
        let taken = |url: &String| {
            look.members.iter().any(|one| Some(one.id) != self.new && one.peer_ur_ls.contains(url))
        };
        if self.peer_urls.iter().any(taken) || self.name == old.name {
            return Err(format!(
                "{} stays until the new member is in sync: give that one --name and --peer-urls of its own",
                named(old)
            ));
        }
        Ok(())
    }

    /// Whether the member that is to go does not answer and was heard by the leader: it may have ended a moment ago.
    pub fn is_old_only_heard(asked: &Asked, look: &Look) -> bool {
        let old = find(asked, look).ok().and_then(|(old, _)| old);
        old.is_some_and(|old| look.up.contains(&old.id) && !look.answers.contains(&old.id))
    }

    /// What comes next.
    pub fn next(&self, look: &Look) -> Result<Next, String> {
        let old = self.old.as_ref().and_then(|old| look.member(old.id));
        // One that was added while no answer came is found by its address.
        let is_new = |member: &&Member| match self.new {
            Some(new) => member.id == new,
            None => member.is_learner && member.peer_ur_ls == self.peer_urls,
        };
        Ok(match (look.members.iter().find(is_new), old) {
            (Some(new), _) if new.is_learner => Next::Wait(new.clone()),
            (Some(_), Some(old)) => Next::Remove(old.clone()),
            (Some(new), None) => Next::Done(new.clone()),
            (None, _) if self.new.is_some() => {
                return Err("the new member was removed meanwhile".to_owned());
            }
            (None, Some(old)) if !self.is_old_up => Next::Remove(old.clone()),
            (None, _) => Next::Add,
        })
    }

    /// Id of the member that goes; 0 when it is gone.
    pub fn old_id(&self) -> u64 {
        self.old.as_ref().map_or(0, |old| old.id)
    }

    /// What becomes of the quorum meanwhile.
    pub fn what_if(&self, look: &Look) -> String {
        let quorum = |voters: usize| voters / 2 + 1;
        let (all, up) = (look.voters().count(), look.up_voters().count());
        let now = format!("{all} voters, {up} of them answer, quorum {}", quorum(all));
        let Some(old) = &self.old else {
            return format!("goes on where it was cut off: {now}");
        };
        let old = named(old);
        if self.is_old_up {
            let more = all + usize::from(self.new.is_none());
            return format!(
                "replaces {old}, which answers: {now}; with the new member {more} voters, quorum {}, then {all} again",
                quorum(more)
            );
        }
        let rest = all.saturating_sub(1);
        let spare = up.saturating_sub(quorum(rest));
        let may = match spare {
            0 => "none of these may fail".to_owned(),
            spare => format!("{spare} of these may fail"),
        };
        format!(
            "replaces {old}, which does not answer: {now}; without it {rest} voters, quorum {}: {may} until the new member votes",
            quorum(rest)
        )
    }

    /// Where things stand, and the line that goes on from there.
    pub fn stands(&self, asked: &Asked) -> String {
        let urls = self.peer_urls.join(",");
        let done = match (&self.old, self.new) {
            _ if !self.replaces => {
                let id = self.new.unwrap_or(0);
                return format!(
                    "member {id:x} was added as a learner and has no vote yet: member promote {id:x} gives it one"
                );
            }
            (Some(old), None) if self.is_removed => {
                format!("{} is removed, and nobody was added in its place yet", named(old))
            }
            (Some(old), None) => format!("{} was still a member when last seen", named(old)),
            (_, None) => "nobody was added yet".to_owned(),
            (Some(old), Some(new)) if self.is_old_up => {
                format!("member {new:x} was added, and {} is still a member", named(old))
            }
            (_, Some(new)) => format!("member {new:x} was added and has no vote yet"),
        };
        let force = if asked.force { " --force" } else { "" };
        let (who, name) = (&asked.who, &self.name);
        let name = if name == who { String::new() } else { format!(" --name={name}") };
        format!("{done}; go on with: member replace {who}{name} --peer-urls={urls}{force}")
    }
}

/// The member that goes, and the one that comes where it was added before.
fn find<'a>(
    asked: &Asked,
    look: &'a Look,
) -> Result<(Option<&'a Member>, Option<&'a Member>), String> {
    let id = u64::from_str_radix(&asked.who, 16).ok();
    let of_id = id.and_then(|id| look.member(id));
    let of_name: Vec<_> = look.voters().filter(|voter| voter.name == asked.who).collect();
    let old = match (of_id, &of_name[..]) {
        (Some(of_id), _) => Some(of_id),
        (None, []) => None,
        (None, [one]) => Some(*one),
        (None, several) => {
            let ids: Vec<_> = several.iter().map(|one| format!("{:x}", one.id)).collect();
            return Err(format!(
                "{} is the name of {}: say which by its id",
                asked.who,
                ids.join(", ")
            ));
        }
    };
    let is_old_up = old.is_some_and(|old| look.up.contains(&old.id));
    let is_new = |one: &&Member| {
        let is_at = !asked.peer_urls.is_empty() && one.peer_ur_ls == asked.peer_urls;
        match old {
            // Where the old one is gone, a learner is what was added in its place.
            None => is_at || (one.is_learner && asked.peer_urls.is_empty()),
            // A voter is what was added only if all that was said of it fits: the old one goes then.
            Some(old) => {
                let votes = is_old_up && !asked.name.is_empty() && one.name == asked.name;
                one.id != old.id && is_at && (one.is_learner || votes)
            }
        }
    };
    let new = look.members.iter().find(is_new);
    if let Some(learner) = old.filter(|old| old.is_learner) {
        return Err(format!(
            "{} is a learner, without a vote: remove it and add a new one",
            named(learner)
        ));
    }
    if old.is_none() && new.is_none() && asked.peer_urls.is_empty() {
        let there: Vec<_> = look.members.iter().map(named).collect();
        return Err(format!(
            "no member has the name or id {}: there are {}. Where an earlier run removed it already, --peer-urls says \
             where the new one is to be",
            asked.who,
            there.join(", ")
        ));
    }
    Ok((old, new))
}

/// A member in words: name and id.
pub(super) fn named(member: &Member) -> String {
    let name = if member.name.is_empty() { "member" } else { &member.name };
    format!("{name} ({:x})", member.id)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(id: u64, name: &str) -> Member {
        let peer_ur_ls = vec![format!("http://h{id}:1")];
        Member { id, name: name.to_owned(), peer_ur_ls, ..Member::default() }
    }

    fn look(members: &[Member], up: &[u64]) -> Look {
        let (members, up) = (members.to_vec(), up.iter().copied().collect::<BTreeSet<_>>());
        Look { members, answers: up.clone(), up, ..Look::default() }
    }

    fn asked(who: &str, url: &str, force: bool) -> Asked {
        let peer_urls = url.split_terminator(',').map(str::to_owned).collect();
        let name = if force { "n4" } else { "" };
        Asked { who: who.to_owned(), name: name.to_owned(), peer_urls, force }
    }

    /// Goal: the order is the one that never costs a quorum, and each run that is cut off is continued by the same line.
    /// Method: what is next in each state of the cluster that a replacement passes, begun anew in each.
    #[test]
    fn each_state_on_the_way_leads_to_the_next() {
        let three = [member(1, "n1"), member(2, "n2"), member(3, "n3")];
        let two = &three[..2];
        let with = |rest: &[Member], new: Member| [rest, &[new]].concat();
        let at_three = Member { peer_ur_ls: three[2].peer_ur_ls.clone(), ..member(4, "") };
        let learner = Member { is_learner: true, ..at_three.clone() };
        let moved = Member { is_learner: true, ..member(4, "n4") };
        let voter = member(4, "n4");
        let next = |asked: &Asked, look: &Look| {
            let begun = Replacement::begin(asked, look)?;
            begun.next(look)
        };
        // One that is gone goes first.
        let plain = asked("n3", "", false);
        let urls = asked("n3", "http://h3:1", false);
        let of = |members: &[Member]| look(members, &[1, 2]);
        for (asked, members, then) in [
            (&plain, &three[..], Next::Remove(three[2].clone())),
            (&urls, two, Next::Add),
            (&plain, &with(two, learner.clone()), Next::Wait(learner.clone())),
            (&urls, &with(two, learner.clone()), Next::Wait(learner)),
            (&urls, &with(two, at_three.clone()), Next::Done(at_three)),
        ] {
            assert_eq!(next(asked, &of(members)), Ok(then), "{members:?}");
        }
        // One that answers goes last.
        let forced = asked("n3", "http://h4:1", true);
        let of = |members: &[Member]| look(members, &[1, 2, 3]);
        for (members, then) in [
            (&three[..], Next::Add),
            (&with(&three, moved.clone()), Next::Wait(moved)),
            (&with(&three, voter.clone()), Next::Remove(three[2].clone())),
            (&with(two, voter.clone()), Next::Done(voter)),
        ] {
            assert_eq!(next(&forced, &of(members)), Ok(then), "{members:?}");
        }
    }

    #[test]
    fn what_would_not_come_to_its_end_is_refused_before_it_begins() {
        let three = [member(1, "n1"), member(2, "n2"), member(3, "n3")];
        let learner = Member { is_learner: true, ..member(9, "") };
        let twins = [member(1, "n1"), member(2, "n3"), member(3, "n3")];
        let with_learner = [&three[..], &[learner]].concat();
        for (asked, members, up, why) in [
            (asked("n3", "", false), &three[..], &[1, 2, 3][..], "it need not be replaced"),
            (asked("n3", "", false), &three, &[1], "n2 (2) must answer too"),
            (asked("n7", "", false), &three, &[1, 2], "no member has the name or id n7"),
            (asked("n3", "", false), &twins, &[1], "is the name of 2, 3"),
            (asked("n3", "", false), &with_learner, &[1, 2], "promote or remove it first"),
            (asked("n3", "", true), &three, &[1, 2, 3], "--name and --peer-urls of its own"),
            // The address of another voter is no new member.
            (asked("n3", "http://h1:1", true), &three, &[1, 2, 3], "peer-urls of its own"),
        ] {
            let refused = Replacement::begin(&asked, &look(members, up));
            let said = refused.and_then(|begun| begun.next(&look(members, up))).unwrap_err();
            assert!(said.contains(why), "{said}");
        }
    }

    #[test]
    fn who_ended_a_moment_ago_is_not_taken_for_one_that_answers() {
        let three = [member(1, "n1"), member(2, "n2"), member(3, "n3")];
        let asked = asked("n3", "", false);
        let mut seen = look(&three, &[1, 2, 3]);
        assert!(!Replacement::is_old_only_heard(&asked, &seen));
        seen.answers.remove(&3);
        assert!(Replacement::is_old_only_heard(&asked, &seen));
        let said = Replacement::begin(&asked, &seen).unwrap_err();
        assert!(said.contains("does not answer here, and the leader hears it"), "{said}");
        assert!(!Replacement::is_old_only_heard(&asked, &look(&three, &[1, 2])));
    }

    #[test]
    fn what_becomes_of_the_quorum_is_said() {
        let members: Vec<_> = (1..=5).map(|id| member(id, &format!("n{id}"))).collect();
        let begin = |members: &[Member], up: &[u64], who| {
            let look = look(members, up);
            Replacement::begin(&asked(who, "", false), &look).unwrap().what_if(&look)
        };
        assert_eq!(
            begin(&members[..3], &[1, 2], "n3"),
            "replaces n3 (3), which does not answer: 3 voters, 2 of them answer, quorum 2; without it 2 voters, \
             quorum 2: none of these may fail until the new member votes"
        );
        assert!(begin(&members, &[1, 2, 3, 4], "n5").contains("quorum 3: 1 of these may fail"));
    }
}
