//! `member add`: adds a member, and says how to start it.

use std::time::Duration;

use mini_etcd_proto::etcdserverpb::{Member, MemberAddRequest, MemberAddResponse};
use prost::Message as _;

use super::member_change::{Changed, check_peer_urls, peer_urls};
use super::member_replace::Replace;
use super::replacement::{Asked, Replacement};
use super::request::asks;
use super::spec::{Arg, ArgKind, CommandSpec, Effect, Flag, ValueKind};
use super::{CommandLine, Made, Refusal, Report, Request};
use crate::client::Client;
use crate::failure::done;
use crate::text::quote;

/// `member add`
pub(super) const MEMBER_ADD: CommandSpec = CommandSpec {
    group: "member",
    effect: Effect::Writes,
    args: &[Arg::needed("name", ArgKind::Value)],
    flags: &[
        Flag::switch("learner", "the new member has no vote until it is promoted"),
        Flag::new("peer-urls", ValueKind::Text, "", "where peers reach it, separated by commas"),
        Flag::switch(
            "promote-when-ready",
            "wait until the learner is started and in sync, and give it its vote",
        ),
    ],
    long: "Then start it; what it says to standard error is the command line for that. One member is added at a time.\nA learner costs nothing while it catches up: a voter that does not answer counts against the quorum at once.",
    examples: &["member add n4 --learner --peer-urls=http://10.0.0.4:2380"],
    ..CommandSpec::new("add", "Adds a member to the cluster", made)
};

fn made(line: &CommandLine<'_>) -> Made {
    let name = match line.args() {
        [] => return Err(Refusal::bad_args("member name not provided")),
        [name] => String::from_utf8_lossy(name).into_owned(),
        _ => return Err(Refusal::bad_args("too many arguments")),
    };
    let request =
        MemberAddRequest { peer_ur_ls: peer_urls(line)?, is_learner: line.switch("learner") };
    let promote = line.switch("promote-when-ready");
    if promote && !request.is_learner {
        return Err(Refusal::bad_args("--promote-when-ready is for a learner: add --learner"));
    }
    let asked = ((name, promote), request);
    Ok(asks(asked, |client, (name, request)| add(client, name, request)))
}

async fn add(client: Client, (name, promote): (String, bool), request: MemberAddRequest) -> Report {
    if let Err(failure) = check_peer_urls(&request.peer_ur_ls) {
        return failure.into();
    }
    let typed = request.peer_ur_ls.join(",");
    match done(client.member_add(request).await) {
        Ok(answer) => {
            let added = answer.member.clone().unwrap_or_default();
            let notes = same_name(&answer.members, &added, &name);
            let notes = notes.into_iter().chain(start_line(&answer.members, &added, &name));
            let notes = notes.collect();
            let again = promote.then(|| {
                let course = Replacement::of_added(&added, &name);
                let rest =
                    Replace::new(Asked { who: name.clone(), ..Asked::default() }, Some(course));
                (Duration::ZERO, Box::new(rest) as Box<dyn Request>)
            });
            Report { notes, again, ..Report::of(changed(answer, &name, &typed)) }
        }
        Err(failure) => failure.into(),
    }
}

/// What to start a member that was added with: the line of mini-etcd, when the answer says enough for it, and the
/// environment of etcd. `typed` is where peers reach it, separated by commas.
#[must_use]
pub fn member_start_line(answer: &MemberAddResponse, name: &str, typed: &str) -> Vec<String> {
    let added = answer.member.clone().unwrap_or_default();
    let line = start_line(&answer.members, &added, name);
    line.into_iter().chain(settings(&answer.members, &added, name, typed)).collect()
}

fn changed(answer: MemberAddResponse, name: &str, typed: &str) -> Changed {
    let message = answer.encode_to_vec();
    let MemberAddResponse { header, member: added, members } = answer;
    let one = added.clone().unwrap_or_default();
    let mut more = vec![String::new()];
    more.extend(settings(&members, &one, name, typed));
    let what = if one.is_learner { "added as learner to" } else { "added to" };
    Changed { id: one.id, what, header, added, members, message, more }
}

/// The settings that start the new member of etcd, in etcdctl's words. `typed` is where peers reach it, separated by commas.
pub(super) fn settings(members: &[Member], added: &Member, name: &str, typed: &str) -> [String; 4] {
    let cluster = members.iter().flat_map(|one| {
        let name = if one.id == added.id { name } else { &one.name };
        one.peer_ur_ls.iter().map(move |url| format!("{name}={url}"))
    });
    let cluster = cluster.collect::<Vec<_>>().join(",");
    [
        format!("ETCD_NAME={}", quote(name.as_bytes())),
        format!("ETCD_INITIAL_CLUSTER={}", quote(cluster.as_bytes())),
        format!("ETCD_INITIAL_ADVERTISE_PEER_URLS={}", quote(typed.as_bytes())),
        "ETCD_INITIAL_CLUSTER_STATE=\"existing\"".to_owned(),
    ]
}

/// What is wrong where another member has the name too: etcd takes that, and nobody can tell the two apart.
fn same_name(members: &[Member], added: &Member, name: &str) -> Option<String> {
    let other = members.iter().find(|one| one.id != added.id && one.name == name)?;
    let other = other.id;
    Some(format!(
        "warning: member {other:x} is called {name} too: to replace it, remove this one and use member replace {name}; \
         else start this one under another name"
    ))
}

/// The line that starts the new member of mini-etcd. A host that is the member's name may be known to nobody, which is no matter to
/// those who dial it (`--peers` without addresses); it cannot be listened at.
pub(super) fn start_line(members: &[Member], added: &Member, name: &str) -> Option<String> {
    let address = |urls: &[String]| Some(urls.first()?.split_once("://")?.1.to_owned());
    let others = members.iter().filter(|one| one.id != added.id && !one.name.is_empty());
    let ask: Vec<_> = others.filter_map(|one| address(&one.peer_ur_ls)).collect();
    let (listen, ask) = (address(&added.peer_ur_ls)?, ask.join(","));
    let listen = listen.strip_prefix(name).filter(|port| port.starts_with(':')).unwrap_or(&listen);
    Some(format!("start it: mini-etcd --name {name} --listen {listen} --join {ask}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_another_member_has_is_told() {
        let member = |id, name: &str| Member { id, name: name.to_owned(), ..Member::default() };
        let added = member(4, "");
        let members = [member(0xab, "n1"), added.clone()];
        assert_eq!(same_name(&members, &added, "n2"), None);
        let said = same_name(&members, &added, "n1").unwrap();
        assert!(said.contains("member ab is called n1 too"), "{said}");
    }

    #[test]
    fn the_line_that_starts_it_asks_those_that_have_started() {
        let member = |id, name: &str, url: &str| Member {
            id,
            name: name.to_owned(),
            peer_ur_ls: vec![url.to_owned()],
            ..Member::default()
        };
        let added = member(4, "", "http://h4:2380");
        let members =
            [member(1, "n1", "http://h1:2380"), member(2, "", "http://h2:1"), added.clone()];
        assert_eq!(
            start_line(&members, &added, "n4").unwrap(),
            "start it: mini-etcd --name n4 --listen h4:2380 --join h1:2380"
        );
        assert_eq!(
            start_line(&members, &added, "h4").unwrap(),
            "start it: mini-etcd --name h4 --listen :2380 --join h1:2380"
        );
    }
}
