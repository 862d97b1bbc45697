//! `--force-new-cluster`: a member goes on alone, with the data that it has, after the quorum is lost for good.
//!
//! ```text
//! opened ─▶ ask (does anybody lead the others?) ─▶ go_alone: one write of the log ─▶ finish: applied ─▶ start as ever
//!                                                   crash before: as if never asked    crash: finished at the next start
//! ```
//!
//! Whatever the log holds is kept and counts as committed: how much of it was, a survivor cannot tell, and what was
//! acknowledged is among it. Behind it, in a new term, stand changes of membership that remove everybody else. Log, term and
//! commit index change in one write, so that there is no state in between. The changes take effect before the member
//! listens: no message of a member of the old cluster is ever taken.

use mini_etcd_proto::internalpb::conf_change::Kind;
use mini_etcd_proto::internalpb::{ConfChange, ConfState, Entry, EntryKind, HardState};
use mini_etcd_shared::types::{LogIndex, MemberId};
use prost::Message as _;

use super::StartError;
use crate::apply::{Applier, ApplyTask, Identity, Published};
use crate::limits::APPLY_BATCH_BYTES_MAX;
use crate::log::{LogError, LogStore, LogWrite, Recovered};
use crate::node::transport::{Connector, Lives, find_living};
use crate::raft::membership;
use crate::storage::Engine;

/// Refuses where a member of the cluster answers that it has a leader, or goes on without this one: the quorum is not lost.
pub(super) async fn ask(
    published: &Published,
    identity: Identity,
    connector: &Connector,
) -> Result<(), StartError> {
    match find_living(&published.members, identity, connector).await {
        None => Ok(()),
        Some(Lives::Led(peer)) => Err(StartError::NotLost { peer }),
        Some(Lives::Without(peer)) => Err(StartError::GoesOn { peer }),
    }
}

/// Makes this member the only one there is, in its log; answers whom that removes.
pub(super) fn go_alone<E, G, C>(
    me: MemberId,
    store: &mut LogStore<E, G, C>,
    recovered: &mut Recovered,
    published: &Published,
) -> Result<Vec<u64>, StartError>
where
    E: Engine,
    G: crate::log::GuardFile,
    C: mini_etcd_shared::clock::Clock,
{
    let tail = changes_behind(recovered, published.applied)?;
    let before = tail
        .iter()
        .fold(published.conf_state.clone(), |state, (_, change)| membership::after(&state, change));
    if !membership::contains(&before, me) {
        return Err(StartError::Removed);
    }
    let others: Vec<u64> =
        before.voters.iter().chain(&before.learners).copied().filter(|id| *id != me.0).collect();
    if others.is_empty() {
        return Ok(others);
    }
    let vote = ConfChange { kind: Kind::AddVoter.into(), member_id: me.0, ..ConfChange::default() };
    let vote = before.learners.contains(&me.0).then_some(vote);
    let remove = |id: &u64| ConfChange {
        kind: Kind::Remove.into(),
        member_id: *id,
        ..ConfChange::default()
    };
    let term = recovered.hard_state.term + 1;
    let changes = vote.into_iter().chain(others.iter().map(remove));
    let entries: Vec<Entry> = (recovered.last.0.0 + 1..)
        .zip(changes)
        .map(|(index, change)| Entry {
            kind: EntryKind::ConfChange.into(),
            term,
            index,
            data: change.encode_to_vec().into(),
        })
        .collect();
    let last = entries.last().map_or(recovered.last.0.0, |entry| entry.index);
    // SAFETY-RAFT: one write. Without the changes nothing is committed by it, with them all is.
    let hard_state = HardState { term, vote: me.0, commit: last };
    let write = LogWrite { entries, hard_state: Some(hard_state), acked: None };
    recovered.reader = store.append(&write)?;
    recovered.hard_state = hard_state;
    recovered.last = (LogIndex(last), mini_etcd_shared::types::Term(term));
    recovered.tail.extend(write.entries);
    Ok(others)
}

/// Applies what [`go_alone`] wrote, with all that stands before it, where that is not done yet.
pub(super) fn finish<E: Engine>(
    recovered: &Recovered,
    applier: &mut Applier<E>,
) -> Result<(), StartError> {
    let behind = applier.published().applied;
    let is_due = |(index, change): &(LogIndex, ConfChange)| {
        index.0 <= recovered.hard_state.commit && is_forced(change)
    };
    // It is behind everything: only the newest entries need be looked at.
    if !changes_of(&recovered.tail, behind).any(|found| is_due(&found)) {
        return Ok(());
    }
    let mut conf_state = applier.published().conf_state.clone();
    loop {
        let next = LogIndex(applier.published().applied.0 + 1);
        let end = LogIndex(recovered.hard_state.commit + 1);
        let entries = recovered.reader.entries(next, end, APPLY_BATCH_BYTES_MAX as u64)?;
        if entries.is_empty() {
            break;
        }
        let mut conf_states: Vec<(LogIndex, ConfState)> = Vec::new();
        for (index, change) in changes_of(&entries, LogIndex(0)) {
            conf_state = membership::after(&conf_state, &change);
            conf_states.push((index, conf_state.clone()));
        }
        applier.apply(&ApplyTask { entries, conf_states })?;
    }
    Ok(applier.sync()?)
}

/// Whether nobody asked for it but this module: every other one has the number of a member.
fn is_forced(change: &ConfChange) -> bool {
    change.origin == 0
}

/// The changes of membership behind `index` in the log.
fn changes_behind(
    recovered: &Recovered,
    index: LogIndex,
) -> Result<Vec<(LogIndex, ConfChange)>, LogError> {
    let (mut next, end) = (LogIndex(index.0 + 1), LogIndex(recovered.last.0.0 + 1));
    let mut changes = Vec::new();
    while next < end {
        let entries = recovered.reader.entries(next, end, APPLY_BATCH_BYTES_MAX as u64)?;
        let Some(last) = entries.last() else { break };
        next = LogIndex(last.index + 1);
        changes.extend(changes_of(&entries, LogIndex(0)));
    }
    Ok(changes)
}

/// The changes of membership among these entries, as far as they are behind `index`.
fn changes_of(
    entries: &[Entry],
    index: LogIndex,
) -> impl Iterator<Item = (LogIndex, ConfChange)> + '_ {
    let kind = i32::from(EntryKind::ConfChange);
    let changes = entries.iter().filter(move |it| it.index > index.0 && it.kind == kind);
    changes.filter_map(|entry| Some((LogIndex(entry.index), membership::change_of(entry)?)))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use mini_etcd_proto::etcdserverpb::PutRequest;
    use mini_etcd_proto::internalpb::command::Request;
    use mini_etcd_proto::internalpb::{Command, Member};
    use mini_etcd_shared::clock::SystemClock;
    use mini_etcd_shared::types::{ClusterId, Term};

    use super::*;
    use crate::apply::Birth;
    use crate::log::{self, DirStore};
    use crate::storage::{FjallEngine, FjallOptions, StateDirs};

    const ME: MemberId = MemberId(1);
    const BIRTH: (LogIndex, Term) = (LogIndex::BIRTH, Term(1));

    fn entry(index: u64, kind: EntryKind, data: Vec<u8>) -> Entry {
        Entry { kind: kind.into(), term: 2, index, data: data.into() }
    }

    /// A put that nobody knows to be committed, and a change of membership that nobody knows to be.
    fn tail() -> Vec<Entry> {
        let put = PutRequest { key: "k".into(), ..PutRequest::default() };
        let put = Command {
            origin: 2,
            incarnation: 7,
            request: Some(Request::Put(put)),
            ..Command::default()
        };
        let member = Member { id: 9, ..Member::default() };
        let add = ConfChange {
            kind: Kind::AddLearner.into(),
            member_id: 9,
            member: Some(member),
            origin: 2,
            ..ConfChange::default()
        };
        vec![
            entry(2, EntryKind::Normal, put.encode_to_vec()),
            entry(3, EntryKind::ConfChange, add.encode_to_vec()),
        ]
    }

    type Opened = (DirStore<SystemClock>, Recovered, Applier<FjallEngine>);

    /// A member of three, one of them a learner: this one, if so said.
    fn open(dir: &Path, is_learner: bool) -> Opened {
        let identity = Identity { cluster_id: ClusterId(5), member_id: ME };
        let (store, recovered) = log::open_dir(dir, SystemClock::new(), Some(BIRTH)).unwrap();
        let dirs = StateDirs::new(dir, FjallOptions::state());
        let (voters, learners) =
            if is_learner { (vec![2, 3], vec![1]) } else { (vec![1, 2], vec![3]) };
        let conf_state = ConfState { voters, learners, ..ConfState::default() };
        let members = (1..=3).map(|id| Member { id, ..Member::default() }).collect();
        let birth = Birth { index: BIRTH.0, term: BIRTH.1, conf_state, members };
        let made = Applier::create(dirs.open().unwrap(), identity, &birth);
        let applier = made.or_else(|_| Applier::open(dirs.open().unwrap(), identity)).unwrap();
        (store, recovered, applier)
    }

    /// Goal: the member is alone with all of its log, wherever it is stopped on the way. Method: stopped before the write,
    /// behind it, and when all is done, as voter and as learner; opened without the flag after that.
    #[test]
    fn stopped_at_any_step_it_is_alone_or_as_before() {
        for is_learner in [false, true] {
            let dir = tempfile::tempdir().unwrap();
            let (mut store, ..) = open(dir.path(), is_learner);
            let hard_state = HardState { term: 4, vote: 2, commit: 1 };
            store
                .append(&LogWrite { entries: tail(), hard_state: Some(hard_state), acked: None })
                .unwrap();
            drop(store);

            let (mut store, mut recovered, mut applier) = open(dir.path(), is_learner);
            finish(&recovered, &mut applier).unwrap();
            assert_eq!(applier.published().applied, BIRTH.0, "nothing was forced");
            let published = applier.published();
            let removed = go_alone(ME, &mut store, &mut recovered, &published).unwrap();
            assert_eq!(removed.len(), 3, "{removed:?}");
            // All of them hold the databases.
            drop((store, recovered, applier, published));

            for _ in 0..2 {
                let (mut store, mut recovered, mut applier) = open(dir.path(), is_learner);
                assert_eq!(recovered.hard_state.commit, recovered.last.0.0);
                assert_eq!(recovered.last.1, Term(5), "a term that nobody of the old cluster had");
                finish(&recovered, &mut applier).unwrap();
                let published = applier.published();
                assert_eq!(published.applied, recovered.last.0);
                assert_eq!(published.conf_state.voters, [ME.0]);
                assert!(published.conf_state.learners.is_empty());
                let listed: Vec<_> = published.members.by_id.values().collect();
                assert!(
                    matches!(listed[..], [Member { id: 1, is_learner: false, .. }]),
                    "{listed:?}"
                );
                assert_eq!(published.members.removed, [2, 3, 9].into());
                assert_eq!(published.view.revision().0, 2, "the put of the tail is there");
                let again = go_alone(ME, &mut store, &mut recovered, &published).unwrap();
                assert!(again.is_empty(), "there is nobody left to remove");
            }
        }
    }

    #[test]
    fn who_was_removed_does_not_go_on_alone() {
        let dir = tempfile::tempdir().unwrap();
        let (mut store, ..) = open(dir.path(), false);
        let remove = ConfChange {
            kind: Kind::Remove.into(),
            member_id: 1,
            origin: 2,
            ..ConfChange::default()
        };
        let entries = vec![entry(2, EntryKind::ConfChange, remove.encode_to_vec())];
        let hard_state = Some(HardState { term: 2, vote: 2, commit: 1 });
        store.append(&LogWrite { entries, hard_state, acked: None }).unwrap();
        drop(store);
        let (mut store, mut recovered, applier) = open(dir.path(), false);
        let published = applier.published();
        let refused = go_alone(ME, &mut store, &mut recovered, &published);
        assert!(matches!(refused, Err(StartError::Removed)), "{refused:?}");
    }
}
