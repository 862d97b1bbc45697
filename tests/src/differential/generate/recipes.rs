//! Leases, locks and elections.

use bytes::Bytes;
use mini_etcd_proto::etcdserverpb as pb;
use mini_etcd_proto::v3electionpb as election;
use mini_etcd_proto::v3lockpb as lock;
use prost::Message as _;

use super::Generator;
use crate::differential::names::{DRAWN, leader_key};
use crate::differential::step::Step;

/// Seconds that no run lasts.
const LONG: i64 = 100_000;
/// Seconds that are too many for a lease.
const TOO_LONG: i64 = 9_000_000_001;

impl Generator {
    fn lease_id(&mut self) -> i64 {
        match self.some_lease() {
            0 => i64::try_from(self.rng.between(1, 6)).unwrap_or(1),
            id => id,
        }
    }

    pub(super) fn lease(&mut self) -> Step {
        match self.rng.below(100) {
            0..32 => {
                let ttl = match self.rng.below(60) {
                    0 => TOO_LONG,
                    1 => i64::MAX,
                    2 => TOO_LONG - 1,
                    _ => LONG + i64::try_from(self.rng.below(100)).unwrap_or(0),
                };
                let id = if self.rng.chance(150) { 0 } else { self.lease_id().min(DRAWN - 1) };
                Step::call("/etcdserverpb.Lease/LeaseGrant", &pb::LeaseGrantRequest { ttl, id })
            }
            32..52 => {
                let id = if self.rng.chance(30) { 0 } else { self.lease_id() };
                Step::call("/etcdserverpb.Lease/LeaseRevoke", &pb::LeaseRevokeRequest { id })
            }
            52..70 => {
                let count = self.rng.between(1, 3);
                let messages = (0..count).map(|_| {
                    let id = self.lease_id();
                    pb::LeaseKeepAliveRequest { id }.encode_to_vec().into()
                });
                let messages = messages.collect();
                Step::Call { path: "/etcdserverpb.Lease/LeaseKeepAlive", messages, user: "" }
            }
            70..95 => {
                let request =
                    pb::LeaseTimeToLiveRequest { id: self.lease_id(), keys: self.rng.chance(600) };
                Step::call("/etcdserverpb.Lease/LeaseTimeToLive", &request)
            }
            _ => Step::call("/etcdserverpb.Lease/LeaseLeases", &pb::LeaseLeasesRequest {}),
        }
    }

    /// Name of a lock or election, and lease to have it with.
    fn subject(&mut self) -> (Bytes, i64) {
        const NAMES: &[&[u8]] = &[b"lock", b"election", b"l2", b"", b"b/3"];
        if self.rng.chance(150) {
            // Alone, so that the number that the server draws changes no order.
            let name = format!("alone-{}", self.rng.below(1_000_000_000));
            return (name.into(), 0);
        }
        let name = self.rng.pick(NAMES).copied().unwrap_or_default();
        (Bytes::from_static(name), i64::try_from(self.rng.between(1, 5)).unwrap_or(1))
    }

    pub(super) fn recipe(&mut self) -> Step {
        let (name, lease) = self.subject();
        let key = [&name[..], format!("/{lease:x}").as_bytes()].concat();
        let has_leader = self.rng.chance(950);
        // A lease drawn for a proclamation would never be known.
        let leader = has_leader.then(|| leader_key(&name, lease.max(1)));
        match self.rng.below(100) {
            0..20 => Step::call("/v3lockpb.Lock/Lock", &lock::LockRequest { name, lease }),
            20..45 => {
                let key = if self.rng.chance(20) { Bytes::new() } else { key.into() };
                Step::call("/v3lockpb.Lock/Unlock", &lock::UnlockRequest { key })
            }
            45..62 => {
                let request = election::CampaignRequest { name, lease, value: self.value() };
                Step::call("/v3electionpb.Election/Campaign", &request)
            }
            62..70 => {
                let request = election::ProclaimRequest { leader, value: self.value() };
                Step::call("/v3electionpb.Election/Proclaim", &request)
            }
            70..80 => {
                Step::call("/v3electionpb.Election/Leader", &election::LeaderRequest { name })
            }
            80..85 => {
                Step::call("/v3electionpb.Election/Observe", &election::LeaderRequest { name })
            }
            _ => Step::call("/v3electionpb.Election/Resign", &election::ResignRequest { leader }),
        }
    }
}
