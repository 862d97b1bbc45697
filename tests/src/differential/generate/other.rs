//! Members, maintenance, and bytes that are no proper request.

use bytes::Bytes;
use mini_etcd_proto::etcdserverpb as pb;

use super::Generator;
use crate::differential::names::MEMBER;
use crate::differential::step::Step;

/// Number of a member that there is not.
const NOBODY: u64 = 77;

impl Generator {
    fn member(&mut self) -> u64 {
        match self.rng.below(3) {
            0 => MEMBER,
            1 => NOBODY,
            _ => 0,
        }
    }

    pub(super) fn cluster(&mut self) -> Step {
        match self.rng.below(20) {
            0..8 => {
                let request = pb::MemberListRequest { linearizable: self.rng.chance(500) };
                Step::call("/etcdserverpb.Cluster/MemberList", &request)
            }
            8..12 => {
                // None of these is ever added.
                const LISTS: &[&[&str]] = &[
                    &[],
                    &["own"],
                    &["127.0.0.1:1"],
                    &["http://127.0.0.1"],
                    &["http://h:1/path"],
                    &["own", "x"],
                ];
                let list = self.rng.pick(LISTS).copied().unwrap_or_default();
                let peer_ur_ls = list.iter().map(|url| (*url).to_owned()).collect();
                let request = pb::MemberAddRequest { peer_ur_ls, is_learner: self.rng.chance(500) };
                Step::call("/etcdserverpb.Cluster/MemberAdd", &request)
            }
            12..15 => {
                let request = pb::MemberRemoveRequest { id: self.member() };
                Step::call("/etcdserverpb.Cluster/MemberRemove", &request)
            }
            15..17 => {
                let id = self.member();
                let peer_ur_ls = vec!["own".to_owned()];
                let request = pb::MemberUpdateRequest { id, peer_ur_ls };
                Step::call("/etcdserverpb.Cluster/MemberUpdate", &request)
            }
            _ => {
                let request = pb::MemberPromoteRequest { id: self.member() };
                Step::call("/etcdserverpb.Cluster/MemberPromote", &request)
            }
        }
    }

    pub(super) fn maintenance(&mut self) -> Step {
        match self.rng.below(100) {
            30..60 => {
                let alarm = i32::try_from(self.rng.below(4)).unwrap_or(0);
                let action = match self.rng.below(20) {
                    0 => 3,
                    1..5 => 2,
                    _ => 0,
                };
                let member_id = self.member();
                let request = pb::AlarmRequest { action, member_id, alarm };
                Step::call("/etcdserverpb.Maintenance/Alarm", &request)
            }
            60..80 => {
                let revision = self.revision();
                Step::call("/etcdserverpb.Maintenance/HashKV", &pb::HashKvRequest { revision })
            }
            80..85 => Step::call("/etcdserverpb.Maintenance/Hash", &pb::HashRequest {}),
            85..95 => {
                let request = pb::MoveLeaderRequest { target_id: self.member() };
                Step::call("/etcdserverpb.Maintenance/MoveLeader", &request)
            }
            95 if self.rng.chance(200) => {
                Step::call("/etcdserverpb.Maintenance/Defragment", &pb::DefragmentRequest {})
            }
            96 if self.rng.chance(200) => {
                Step::call("/etcdserverpb.Maintenance/Snapshot", &pb::SnapshotRequest {})
            }
            _ => Step::call("/etcdserverpb.Maintenance/Status", &pb::StatusRequest {}),
        }
    }

    /// An alarm is raised, and cleared some steps later.
    pub(super) fn alarm(&mut self) {
        if self.alarmed > 0 {
            return;
        }
        let alarm = i32::try_from(self.rng.between(1, 2)).unwrap_or(1);
        let request = pb::AlarmRequest { action: 1, member_id: self.member(), alarm };
        let by = if self.secured > 0 { "root" } else { "" };
        self.next.push_back(Step::call("/etcdserverpb.Maintenance/Alarm", &request).by(by));
        self.alarmed = self.rng.between(5, 40);
    }

    pub(super) fn clear_alarms(&mut self) {
        let by = if self.secured > 0 { "root" } else { "" };
        for alarm in 1..=2 {
            for member_id in [MEMBER, NOBODY, 0] {
                let request = pb::AlarmRequest { action: 2, member_id, alarm };
                self.next.push_back(Step::call("/etcdserverpb.Maintenance/Alarm", &request).by(by));
            }
        }
    }

    /// A request with a field that nobody knows, or cut off, or of other bytes.
    pub(super) fn malformed(&mut self) -> Step {
        let step = match self.rng.below(4) {
            0 => self.put(),
            1 => self.transaction(),
            2 => self.range(),
            _ => self.lease(),
        };
        let Step::Call { path, messages, .. } = step else { return step };
        let way = self.rng.below(3);
        let spoil = |message: Bytes| -> Bytes {
            match way {
                // Field 1000, a number.
                0 => [&message[..], &[0xc0, 0x3e, 0x05]].concat().into(),
                1 => message.slice(..message.len().saturating_sub(1)),
                _ => [&message[..], &[0xff, 0xff, 0x07]].concat().into(),
            }
        };
        Step::Call { path, messages: messages.into_iter().map(spoil).collect(), user: "" }
    }
}
