//! Members and alarms, and their rows.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Bound, ControlFlow};

use mini_etcd_proto::etcdserverpb::alarm_request::AlarmAction;
use mini_etcd_proto::etcdserverpb::{AlarmMember, AlarmRequest, AlarmType};
use mini_etcd_proto::internalpb::conf_change::Kind;
use mini_etcd_proto::internalpb::{ConfChange, Member, PublishRequest};
use prost::Message;

use super::{ApplyError, System};
use crate::storage::{Batch, Reader, Space};

/// First byte of a row's key: what the row is.
const MEMBER: u8 = b'm';
const REMOVED: u8 = b'r';
const ALARM: u8 = b'a';

fn id_key(table: u8, id: u64) -> Vec<u8> {
    let mut key = vec![table];
    key.extend_from_slice(&id.to_be_bytes());
    key
}

fn alarm_key(id: u64, alarm: i32) -> Vec<u8> {
    let mut key = id_key(ALARM, id);
    key.extend_from_slice(&alarm.to_be_bytes());
    key
}

impl System {
    /// The rows as they stand in `reader`.
    pub(super) fn load(reader: &dyn Reader) -> Result<Self, ApplyError> {
        let mut system = Self::default();
        let mut damaged = None;
        let all = (Bound::Unbounded, Bound::Unbounded);
        reader.scan(Space::System, all, &mut |key, value| {
            if system.load_row(key, value).is_some() {
                return ControlFlow::Continue(());
            }
            damaged = Some(ApplyError::Damaged(format!("system row {key:02x?}")));
            ControlFlow::Break(())
        })?;
        damaged.map_or(Ok(system), Err)
    }

    fn load_row(&mut self, key: &[u8], value: &[u8]) -> Option<()> {
        let (table, rest) = key.split_first()?;
        let (id, rest) = rest.split_first_chunk::<8>()?;
        let id = u64::from_be_bytes(*id);
        match *table {
            MEMBER if rest.is_empty() => {
                self.members.insert(id, Member::decode(value).ok()?);
            }
            REMOVED if rest.is_empty() => {
                self.removed.insert(id);
            }
            ALARM => {
                self.alarms.insert((id, i32::from_be_bytes(rest.try_into().ok()?)));
            }
            _ => return None,
        }
        Some(())
    }

    /// Stores a member.
    pub(super) fn put_member(&mut self, member: Member, batch: &mut Batch) {
        batch.put(Space::System, id_key(MEMBER, member.id), member.encode_to_vec());
        self.members.insert(member.id, member);
    }

    /// Carries a change of membership out.
    pub(super) fn change(&mut self, change: &ConfChange, batch: &mut Batch) {
        let id = change.member_id;
        if change.kind() == Kind::Remove {
            self.members.remove(&id);
            self.removed.insert(id);
            batch.remove(Space::System, id_key(MEMBER, id));
            batch.put(Space::System, id_key(REMOVED, id), Vec::new());
            return;
        }
        let known = self.members.get(&id).cloned();
        let mut member = known.or_else(|| change.member.clone()).unwrap_or_default();
        member.id = id;
        member.is_learner = change.kind() == Kind::AddLearner;
        self.put_member(member, batch);
    }

    /// Stores where clients reach a member; nothing when it is none.
    pub(super) fn publish(&mut self, request: &PublishRequest, batch: &mut Batch) {
        let Some(known) = self.members.get(&request.member_id) else { return };
        let mut member = known.clone();
        member.name.clone_from(&request.name);
        member.client_urls.clone_from(&request.client_urls);
        self.put_member(member, batch);
    }

    /// Lists, raises or clears alarms: those listed, raised or cleared.
    pub(super) fn alarm(&mut self, request: &AlarmRequest, batch: &mut Batch) -> Vec<AlarmMember> {
        let alarm = (request.member_id, request.alarm);
        let none = request.alarm == AlarmType::None as i32;
        let changed = match AlarmAction::try_from(request.action) {
            Ok(AlarmAction::Get) => {
                let listed = self.alarms.iter().filter(|(_, kind)| none || *kind == request.alarm);
                return listed.map(|(id, alarm)| member_of((*id, *alarm))).collect();
            }
            Ok(AlarmAction::Activate) if !none => {
                batch.put(Space::System, alarm_key(alarm.0, alarm.1), Vec::new());
                self.alarms.insert(alarm);
                true
            }
            Ok(AlarmAction::Deactivate) => {
                batch.remove(Space::System, alarm_key(alarm.0, alarm.1));
                self.alarms.remove(&alarm)
            }
            _ => false,
        };
        if changed { vec![member_of(alarm)] } else { Vec::new() }
    }

    /// Whether any member has raised `alarm`.
    pub(super) fn has(&self, alarm: AlarmType) -> bool {
        self.alarms.iter().any(|(_, kind)| *kind == alarm as i32)
    }

    /// A system of these members alone.
    pub(super) fn of(members: &[Member], batch: &mut Batch) -> Self {
        let mut system =
            Self { members: BTreeMap::new(), removed: BTreeSet::new(), alarms: BTreeSet::new() };
        for member in members {
            system.put_member(member.clone(), batch);
        }
        system
    }
}

fn member_of((member_id, alarm): (u64, i32)) -> AlarmMember {
    AlarmMember { member_id, alarm }
}
