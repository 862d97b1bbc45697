//! Taking up a state, and refusing what cannot be one.

use mini_etcd_proto::etcdserverpb::AlarmRequest;
use mini_etcd_proto::internalpb::command::Request;
use mini_etcd_proto::internalpb::conf_change::Kind;
use mini_etcd_proto::internalpb::{
    Command, ConfChange, ConfState, EntryKind, Member, PublishRequest,
};
use mini_etcd_shared::types::{ClusterId, LogIndex, MemberId, Revision};
use prost::Message;

use super::fixture::{Disk, IDENTITY, Node, Response, birth, compact, delete, put, range};
use crate::apply::{self, Applier, ApplyError, ApplyTask, Identity};
use crate::error::RequestError;
use crate::mvcc::RowId;
use crate::storage::{Batch, Space};

fn alarm(action: i32, alarm: i32) -> Request {
    Request::Alarm(AlarmRequest { action, member_id: 9, alarm })
}

#[test]
fn the_revision_outlives_the_row_that_carried_it() {
    let mut node = Node::new();
    node.run(put("a", "1")).unwrap();
    node.run(delete("a", "")).unwrap();
    node.run(put("b", "1")).unwrap();
    node.run(delete("b", "")).unwrap();
    node.run(compact(5)).unwrap();
    node.collect_all();
    node.run(put("lost", "")).unwrap();
    node.run(delete("lost", "")).unwrap();
    node.run(compact(8)).unwrap();
    node.run(put("c", "")).unwrap();
    node.run(delete("c", "")).unwrap();
    node.run(compact(11)).unwrap();
    node.collect_all();
    node.restart();
    assert_eq!(node.view().revision().0, 11);
    assert_eq!(node.published().compact_finished, 11);
    assert_eq!(node.view().range(&range("c", "", 11)).unwrap().count, 0);
}

/// Goal: no crash takes the state back behind what it says is durable. Method: some entries before a sync and some after, and
/// every crash.
#[test]
fn a_state_is_durable_up_to_where_it_says() {
    for number in 0..4 {
        let mut node = Node::new();
        for key in ["a", "b"] {
            node.run(put(key, "1")).unwrap();
            assert_eq!(node.applier.synced(), LogIndex(0), "nothing was synced");
        }
        node.applier.sync().unwrap();
        let synced = node.published().applied;
        assert_eq!(node.applier.synced(), synced);
        for key in ["c", "d"] {
            node.run(put(key, "1")).unwrap();
        }
        assert_eq!(node.applier.synced(), synced);
        assert!(node.crash(number) <= 2);
        assert_eq!(node.applier.synced(), LogIndex(0), "what was found may be in memory alone");
    }
}

#[test]
fn a_state_is_opened_only_by_whom_it_belongs_to() {
    let node = Node::new();
    let stranger = Identity { cluster_id: ClusterId(8), ..IDENTITY };
    let opened = Applier::open(node.disk.open(), stranger);
    assert!(matches!(opened.err(), Some(ApplyError::WrongIdentity { .. })));
    let other = Identity { member_id: MemberId(2), ..IDENTITY };
    let opened = Applier::open(node.disk.open(), other).err().unwrap();
    assert_eq!(opened.exit_code(), 1);
    assert!(matches!(
        Applier::open(Disk::default().open(), IDENTITY).err(),
        Some(ApplyError::Empty)
    ));
    let again = Applier::create(node.disk.open(), IDENTITY, &birth());
    assert!(matches!(again.err(), Some(ApplyError::Exists)));
}

#[test]
fn a_row_that_is_lost_or_altered_is_noticed_at_the_start() {
    let node = || {
        let mut node = Node::new();
        node.run(put("a", "1")).unwrap();
        node.run(put("b", "2")).unwrap();
        node
    };
    let opened = |node: &Node| Applier::open(node.disk.open(), IDENTITY).err().unwrap();
    let first = RowId { revision: Revision(2), sub: 0 }.key();
    let changed = |change: &dyn Fn(&mut Batch, &[u8])| {
        let node = node();
        let row = node.table().get(&(Space::Rows, first.to_vec())).unwrap().clone();
        let mut batch = Batch::new();
        change(&mut batch, &row);
        node.disk.tamper(batch);
        opened(&node).exit_code()
    };
    assert_eq!(changed(&|batch, _| batch.remove(Space::Rows, first)), 72);
    assert_eq!(changed(&|batch, row| batch.put(Space::Rows, first, &row[..row.len() - 1])), 72);
    assert_eq!(changed(&|batch, _| batch.put(Space::Meta, *b"current", *b"\xff")), 72);
    assert_eq!(changed(&|batch, _| batch.put(Space::System, *b"?", *b"")), 72);
}

#[test]
fn entries_come_in_order_or_end_the_process() {
    let mut node = Node::new();
    let entry = node.entry(Some(put("a", "1")));
    let skipped = crate::apply::ApplyTask {
        entries: vec![mini_etcd_proto::internalpb::Entry { index: 3, ..entry.clone() }],
        conf_states: Vec::new(),
    };
    assert!(matches!(node.applier.apply(&skipped).err(), Some(ApplyError::Entry { .. })));
    let mut node = Node::new();
    let garbled = mini_etcd_proto::internalpb::Entry { data: b"\xff\xff".as_ref().into(), ..entry };
    assert_eq!(node.apply(vec![garbled]).err().unwrap().exit_code(), 72);
}

#[test]
fn alarms_refuse_what_they_forbid_and_nothing_else() {
    const NOSPACE: i32 = 1;
    const CORRUPT: i32 = 2;
    let mut node = Node::new();
    node.run(put("a", "1")).unwrap();
    node.run(alarm(1, NOSPACE)).unwrap();
    assert_eq!(node.run(put("a", "2")), Err(RequestError::NoSpace));
    assert!(node.run(delete("x", "")).is_ok());
    assert!(node.run(compact(1)).is_ok());
    node.run(alarm(1, CORRUPT)).unwrap();
    assert_eq!(node.run(put("a", "2")), Err(RequestError::Corrupt));
    assert_eq!(node.run(delete("a", "")), Err(RequestError::Corrupt));
    assert_eq!(node.run(compact(2)), Err(RequestError::Corrupt));
    node.restart();
    let Ok(Response::Alarm(listed)) = node.run(alarm(0, 0)) else { panic!("a list") };
    assert_eq!(listed.alarms.len(), 2);
    let Ok(Response::Alarm(cleared)) = node.run(alarm(2, CORRUPT)) else { panic!("cleared") };
    assert_eq!(cleared.alarms.len(), 1);
    assert_eq!(node.run(put("a", "2")), Err(RequestError::NoSpace));
    node.run(alarm(2, NOSPACE)).unwrap();
    let Ok(Response::Alarm(again)) = node.run(alarm(2, NOSPACE)) else { panic!("nothing") };
    assert_eq!(again.alarms, []);
    assert!(node.run(put("a", "2")).is_ok());
}

#[test]
fn members_and_addresses_are_part_of_the_state() {
    let mut node = Node::new();
    let urls = vec!["http://localhost:1".to_owned()];
    let publish = PublishRequest { member_id: 1, name: "n1".into(), client_urls: urls.clone() };
    assert_eq!(node.run(Request::Publish(publish)), Ok(Response::Published));
    let change = ConfChange {
        kind: Kind::AddLearner as i32,
        member_id: 2,
        member: Some(Member { id: 2, name: "n2".into(), ..Member::default() }),
        origin: 1,
        incarnation: 1,
        sequence: 77,
    };
    let mut entry = node.append(None);
    entry.kind = EntryKind::ConfChange as i32;
    entry.data = change.encode_to_vec().into();
    *node.log.last_mut().unwrap() = entry.clone();
    let conf_state = ConfState { voters: vec![1], learners: vec![2], ..ConfState::default() };
    let conf_states = vec![(LogIndex(entry.index), conf_state.clone())];
    let applied = node.applier.apply(&ApplyTask { entries: vec![entry], conf_states }).unwrap();
    assert_eq!(applied.results[0].sequence, 77);
    let Ok(apply::EntryResponse::Members(members)) = &applied.results[0].outcome else {
        panic!("members")
    };
    assert_eq!((members.len(), members[1].is_learner), (2, true));
    node.restart();
    let published = node.published();
    assert_eq!(published.conf_state, conf_state);
    assert_eq!(published.members.by_id[&1].client_urls, urls);
    assert!(published.members.by_id[&2].is_learner);
    assert_eq!(node.view().revision().0, 1, "none of this is a change of keys");
}

#[test]
fn the_first_command_names_the_lineage_for_ever() {
    let with = |node: &Node, incarnation| {
        let mut entry = node.entry(Some(put("a", "1")));
        let command = Command::decode(entry.data).unwrap();
        entry.data = Command { incarnation, ..command }.encode_to_vec().into();
        entry
    };
    // An entry of an earlier version has no incarnation; whoever has applied it cannot tell.
    for (first, lineage) in [(77, 77), (0, 0)] {
        let mut node = Node::new();
        let empty = node.append(None);
        node.apply(vec![empty]).unwrap();
        assert_eq!(node.published().lineage, 0);
        for incarnation in [first, 78] {
            let entry = with(&node, incarnation);
            node.log.push(entry.clone());
            node.apply(vec![entry]).unwrap();
            assert_eq!(node.published().lineage, lineage);
            node.restart();
            assert_eq!(node.published().lineage, lineage);
        }
    }
}

#[test]
fn a_reader_who_began_before_a_compaction_keeps_what_it_saw() {
    let mut node = Node::new();
    for value in ["1", "2", "3"] {
        node.run(put("a", value)).unwrap();
    }
    let old = node.view();
    let mut chunks = old.range_chunks(&range("a", "b", 3));
    node.run(put("a", "4")).unwrap();
    node.run(compact(5)).unwrap();
    assert!(node.applier.collect(100).unwrap(), "it waits for the old view");
    assert_eq!(old.range(&range("a", "", 3)).unwrap().kvs[0].value, "2");
    assert_eq!(node.view().range(&range("a", "", 3)), Err(RequestError::Compacted));
    drop(old);
    node.collect_all();
    assert_eq!(chunks.next(), Some(Err(RequestError::Compacted)), "a stream holds nothing back");
    assert_eq!(chunks.next(), None);
    let rows = node.table().keys().filter(|(space, _)| *space == Space::Rows).count();
    assert_eq!(rows, 1);
}
