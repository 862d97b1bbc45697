//! A state as a backup and back, and backups that no etcd wrote.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write as _;
use std::sync::Arc;

use bytes::Bytes;
use mini_etcd_proto::authpb::{Permission, Role, User, UserAddOptions};
use mini_etcd_proto::etcdserverpb::AlarmMember;
use mini_etcd_proto::internalpb::ConfState;
use mini_etcd_proto::mvccpb::KeyValue;
use mini_etcd_shared::bbolt::{BulkLoader, Database};
use mini_etcd_shared::types::{ClusterId, LogIndex, MemberId, Revision, Term};
use proptest::prelude::*;
use prost::Message;

use super::schema::{self, EtcdLease, version_key};
use super::{BackupContent, BackupSource, ContentError};
use crate::apply::{Applier, Birth, Identity, Published, Standing, StateBuilder};
use crate::limits::{BACKUP_AUTH_BYTES_MAX, LEASE_TTL_MAX};
use crate::mvcc::RowId;
use crate::storage::MemoryEngine;

type Version = (RowId, KeyValue, bool);
type Buckets = BTreeMap<Vec<u8>, BTreeMap<Vec<u8>, Vec<u8>>>;

const IDENTITY: Identity = Identity { cluster_id: ClusterId(7), member_id: MemberId(1) };

fn file_of(bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file
}

fn backup_of(published: &Published) -> Vec<u8> {
    let source = BackupSource::new(published);
    let layout = source.layout().unwrap();
    let mut bytes = layout.head();
    let again = source.load(&mut |page| {
        bytes.extend_from_slice(page);
        Ok(())
    });
    assert_eq!(again.unwrap(), layout);
    assert_eq!(bytes.len() as u64, layout.bytes());
    bytes
}

fn read(bytes: &[u8]) -> Result<(BackupContent, Vec<Version>), ContentError> {
    let file = file_of(bytes);
    let mut versions = Vec::new();
    let database = Database::open(&file, bytes.len() as u64)?;
    let content = BackupContent::read(&database, &mut |id, kv, tombstone| {
        versions.push((id, kv.clone(), tombstone));
        Ok(())
    })?;
    Ok((content, versions))
}

/// A state of these versions, as a restore makes it.
fn restored(content: &BackupContent, versions: &[Version]) -> Arc<Published> {
    let mut engine = MemoryEngine::default();
    let index = LogIndex(content.revision.unsigned_abs());
    let mut builder = StateBuilder::new(&mut engine, index);
    for (id, kv, tombstone) in versions {
        builder.version(*id, kv, *tombstone).unwrap();
    }
    content.leases(index).for_each(|lease| builder.lease(&lease).unwrap());
    builder.auth(&content.auth).unwrap();
    content.alarms.iter().for_each(|alarm| builder.alarm(*alarm).unwrap());
    let conf_state = ConfState { voters: vec![1], ..ConfState::default() };
    let birth = Birth { index, term: Term(1), conf_state, members: Vec::new() };
    let BackupContent { revision, compacted, finished, .. } = *content;
    builder.finish(IDENTITY, &birth, Standing { revision, compacted, finished }).unwrap();
    Applier::open(engine, IDENTITY).unwrap().published()
}

fn kv(key: &str, create: i64, revision: i64, version: i64) -> KeyValue {
    KeyValue {
        key: Bytes::copy_from_slice(key.as_bytes()),
        create_revision: create,
        mod_revision: revision,
        version,
        value: Bytes::from_static(b"v"),
        lease: 0,
    }
}

fn id(revision: i64, sub: u32) -> RowId {
    RowId { revision: Revision(revision), sub }
}

fn user(name: &'static str, role: &str) -> Vec<u8> {
    let options = Some(UserAddOptions::default());
    let (password, roles) = ("hashed".into(), vec![role.to_owned()]);
    User { name: name.into(), password, roles, options }.encode_to_vec()
}

fn role(name: &'static str) -> Vec<u8> {
    let permission = Permission { key: "a".into(), ..Permission::default() };
    Role { name: name.into(), key_permission: vec![permission] }.encode_to_vec()
}

/// What an etcd holds that was written to a little.
fn etcd() -> Buckets {
    let mut buckets = Buckets::new();
    let mut put = |bucket: &[u8], key: &[u8], value: Vec<u8>| {
        buckets.entry(bucket.to_vec()).or_default().insert(key.to_vec(), value);
    };
    let lease = |id, ttl| EtcdLease { id, ttl, remaining: 0 }.encode_to_vec();
    let hangs = |key, revision, lease| KeyValue { lease, ..kv(key, revision, revision, 1) };
    put(schema::KEY, &version_key(id(5, 0), false), kv("a", 3, 5, 2).encode_to_vec());
    put(schema::KEY, &version_key(id(6, 0), false), hangs("b", 6, 9).encode_to_vec());
    put(schema::KEY, &version_key(id(6, 1), false), hangs("c", 6, -9).encode_to_vec());
    put(schema::KEY, &version_key(id(7, 0), false), hangs("d", 7, 77).encode_to_vec());
    put(schema::KEY, &version_key(id(8, 0), true), [b"\n\x01a".as_slice()].concat());
    put(schema::LEASE, &9_i64.to_be_bytes(), lease(9, 60));
    put(schema::LEASE, &(-9_i64).to_be_bytes(), lease(-9, 60));
    let alarm = AlarmMember { member_id: 4, alarm: 1 };
    put(schema::ALARM, &alarm.encode_to_vec(), Vec::new());
    let compaction = version_key(id(4, 0), false);
    put(schema::META, schema::FINISHED_COMPACTION, compaction.clone());
    put(schema::META, schema::SCHEDULED_COMPACTION, compaction);
    put(schema::META, b"of an etcd to come", b"?".to_vec());
    put(schema::AUTH, schema::AUTH_ENABLED, vec![1]);
    put(schema::AUTH, schema::AUTH_REVISION, 6_u64.to_be_bytes().to_vec());
    put(schema::AUTH_USERS, b"ann", user("ann", "readers"));
    put(schema::AUTH_USERS, b"root", user("root", "root"));
    put(schema::AUTH_ROLES, b"readers", role("readers"));
    put(
        schema::AUTH_ROLES,
        b"root",
        Role { name: "root".into(), ..Role::default() }.encode_to_vec(),
    );
    put(b"a bucket to come", b"k", b"v".to_vec());
    buckets
}

fn database(buckets: &Buckets) -> Vec<u8> {
    let load = |bytes: &mut Vec<u8>| {
        let mut out = |page: &[u8]| {
            bytes.extend_from_slice(page);
            Ok::<_, ContentError>(())
        };
        let mut loader = BulkLoader::new(&mut out);
        for (name, entries) in buckets {
            loader.bucket(name).unwrap();
            entries.iter().try_for_each(|(key, value)| loader.put(key, value)).unwrap();
        }
        loader.finish().unwrap()
    };
    let mut bytes = load(&mut Vec::new()).head();
    load(&mut bytes);
    bytes
}

#[test]
fn what_an_etcd_holds_is_told() {
    let (content, versions) = read(&database(&etcd())).unwrap();
    assert_eq!((content.revision, content.compacted, content.finished), (8, 4, 4));
    assert_eq!((content.versions, content.removals, content.keys), (5, 1, 3));
    assert_eq!((content.schema.as_str(), content.lease_count()), ("3.4", 2));
    assert_eq!(content.alarms, [(4, 1)]);
    assert!(
        content.auth.users().eq(["ann", "root"]) && content.auth.roles().eq(["readers", "root"])
    );
    assert!(content.auth.is_enabled() && content.auth.revision() == 6);
    // A lease that is gone while a key hangs on it is damage in ours, so it is there again.
    assert_eq!(content.lost_leases, BTreeMap::from([(77, 1)]));
    let ours = restored(&content, &versions);
    assert_eq!(ours.leases.times(77).map(|times| times.ttl), Some(LEASE_TTL_MAX));
    assert_eq!(ours.leases.keys(-9).map(|keys| keys.len()), Some(1));
    assert_eq!((ours.view.revision(), ours.view.compacted()), (Revision(8), 4));
}

#[test]
fn a_backup_of_what_was_restored_has_the_same_in_it() {
    let (content, versions) = read(&database(&etcd())).unwrap();
    let ours = restored(&content, &versions);
    let (again, same) = read(&backup_of(&ours)).unwrap();
    assert_eq!(same, versions);
    assert_eq!((again.revision, again.compacted, again.finished), (8, 4, 4));
    assert_eq!((again.alarms.clone(), again.lease_count()), (content.alarms, 3));
    assert_eq!(again.schema, "3.5");
    assert!(again.auth.is_enabled() && again.auth.revision() == 6);
    assert!(again.auth.rows().eq(content.auth.rows()) && ours.auth.password("ann").is_ok());
    assert_eq!(ours.auth.permissions("readers").unwrap().len(), 1);
    let twice = restored(&again, &same);
    assert_eq!(backup_of(&twice), backup_of(&ours));
}

#[test]
fn a_raised_revision_is_in_the_next_backup() {
    let (mut content, versions) = read(&database(&etcd())).unwrap();
    content.revision = 1000;
    let (again, same) = read(&backup_of(&restored(&content, &versions))).unwrap();
    assert_eq!((again.revision, same), (1000, versions));
}

#[test]
fn members_that_were_restored_from_something_else_are_told_apart() {
    let (content, versions) = read(&database(&etcd())).unwrap();
    let of = |content: &BackupContent, versions: &[Version]| {
        let published = restored(content, versions);
        assert_ne!(published.lineage, 0);
        (published.digest, published.lineage)
    };
    let first = of(&content, &versions);
    assert_eq!(first, of(&content, &versions));
    let mut other = versions.clone();
    other[0].1.value = Bytes::from_static(b"w");
    let differs = |second: (u64, u64)| assert!(first.0 != second.0 && first.1 != second.1);
    differs(of(&content, &other));
    let mut open = read(&database(&etcd())).unwrap().0;
    open.auth.stand(false, 6);
    differs(of(&open, &versions));
    differs(of(&BackupContent { alarms: Vec::new(), ..content }, &versions));
}

/// A bucket, a key and a value in it, and what is wrong with that.
type Case<'a> = (&'a [u8], Vec<u8>, Vec<u8>, &'a str);

#[test]
fn what_no_etcd_writes_is_refused_by_its_place() {
    let (key, lease, meta) = (schema::KEY, schema::LEASE, schema::META);
    let (auth, users, roles) = (schema::AUTH, schema::AUTH_USERS, schema::AUTH_ROLES);
    let version = |revision| version_key(id(revision, 0), false);
    let encoded = |kv: KeyValue| kv.encode_to_vec();
    let cases: [Case<'_>; 24] = [
        (key, b"short".to_vec(), Vec::new(), "no revision"),
        (key, version(-1), encoded(kv("x", 1, 1, 1)), "not above"),
        (key, version_key(id(6, 0), true), b"\n\x01b".to_vec(), "not above"),
        (key, version(9), vec![0xff], "no version of a key"),
        (key, version(9), encoded(kv("", 9, 9, 1)), "of no key"),
        (key, version(9), encoded(kv("x", 9, 8, 1)), "contradict"),
        (key, version(9), encoded(kv("x", 10, 9, 1)), "contradict"),
        (key, version(9), encoded(kv("x", 9, 9, 0)), "contradict"),
        (key, version(i64::MAX), Vec::new(), "no revision is left"),
        (lease, vec![1], Vec::new(), "no number of a lease"),
        (lease, 5_i64.to_be_bytes().to_vec(), Vec::new(), "cannot be"),
        (lease, vec![0; 8], EtcdLease { id: 0, ttl: 5, remaining: 0 }.encode_to_vec(), "cannot be"),
        (meta, schema::SCHEDULED_COMPACTION.to_vec(), vec![1], "no revision"),
        (auth, schema::AUTH_ENABLED.to_vec(), vec![2], "neither 0 nor 1"),
        (auth, schema::AUTH_ENABLED.to_vec(), Vec::new(), "neither 0 nor 1"),
        (auth, schema::AUTH_REVISION.to_vec(), vec![6], "no revision of users"),
        (auth, schema::AUTH_REVISION.to_vec(), vec![0xff; 8], "no revision of users"),
        (users, b"eve".to_vec(), vec![0xff], "key \"eve\": it is not the user of this name"),
        (users, b"eve".to_vec(), user("ann", "readers"), "key \"eve\": it is not the user"),
        (users, vec![b'x'; 4097], Vec::new(), "longer than 4096"),
        (users, b"root".to_vec(), user("root", "readers"), "no user root has the role root"),
        (roles, b"eve".to_vec(), vec![0xff], "key \"eve\": it is not the role of this name"),
        (roles, b"eve".to_vec(), role("readers"), "key \"eve\": it is not the role"),
        (schema::ALARM, vec![0xff], Vec::new(), "no alarm"),
    ];
    for (bucket, key, value, what) in cases {
        let mut buckets = etcd();
        buckets.get_mut(bucket).unwrap().insert(key.clone(), value);
        let error = read(&database(&buckets)).unwrap_err().to_string();
        assert!(error.contains(what), "{key:?}: {error}");
    }
    for missing in [key, meta] {
        let mut buckets = etcd();
        buckets.remove(missing);
        let error = read(&database(&buckets)).unwrap_err().to_string();
        assert!(error.contains("no database of an etcd"), "{error}");
    }
}

/// A login with such a password would take hours of a thread.
#[test]
fn a_password_that_costs_too_much_is_not_restored() {
    let tail = "CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW";
    for (cost, fits) in [(16, true), (17, false), (31, false)] {
        let mut buckets = etcd();
        let password = format!("$2a${cost}${tail}").into();
        let user = User { name: "dear".into(), password, ..User::default() }.encode_to_vec();
        buckets.get_mut(schema::AUTH_USERS).unwrap().insert(b"dear".to_vec(), user);
        let found = read(&database(&buckets));
        assert_eq!(found.is_ok(), fits, "{cost}");
        let said = found.err().map(|error| error.to_string()).unwrap_or_default();
        assert!(fits || said.contains("a cost above 16"), "{said}");
    }
}

#[test]
fn users_and_roles_of_a_backup_are_bounded() {
    let mut buckets = etcd();
    let bytes = BACKUP_AUTH_BYTES_MAX;
    for name in ["eve", "mallory"] {
        let password = vec![b'x'; bytes / 2].into();
        let user = User { name: name.into(), password, ..User::default() }.encode_to_vec();
        buckets.get_mut(schema::AUTH_USERS).unwrap().insert(name.into(), user);
    }
    let error = read(&database(&buckets)).unwrap_err().to_string();
    assert!(error.contains("key \"mallory\": users and roles take more than 64 MiB"), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Goal: nothing that a file holds does harm. Method: bytes of a sound one are changed; what is read can be restored.
    #[test]
    fn hostile_content_is_taken_whole_or_refused(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut bytes = database(&etcd());
        for (at, byte) in changes {
            let at = 2 * 4096 + at.index(bytes.len() - 2 * 4096);
            bytes[at] = byte;
        }
        if let Ok((content, versions)) = read(&bytes) {
            let _ = restored(&content, &versions);
        }
    }
}
