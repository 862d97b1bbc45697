//! From what servers say to [`Sample`].

use mini_etcd_proto::adminpb::{self, MemberStatus};
use mini_etcd_proto::etcdserverpb::StatusResponse;
use mini_etcd_shared::clock::Moment;

use super::metrics::Metrics;
use super::sample::{Alarm, AlarmKind, Progress, Role, Sample, Sending, Source};

/// What the admin stream of mini-etcd says.
pub(crate) fn of_admin(status: MemberStatus, at: Moment) -> Sample {
    let role = match status.role() {
        adminpb::Role::Follower => Role::Follower,
        adminpb::Role::Candidate | adminpb::Role::PreCandidate => Role::Candidate,
        adminpb::Role::Leader => Role::Leader,
        adminpb::Role::Learner => Role::Learner,
        adminpb::Role::Unspecified => Role::Unknown,
    };
    let sizes = status.sizes.unwrap_or_default();
    let p99 = |latency: &Option<adminpb::Latency>| latency.as_ref().map(|latency| latency.p99_us);
    let present = |value: u64| (value > 0).then_some(value);
    Sample {
        at,
        source: Source::Admin,
        cluster_id: status.cluster_id,
        role,
        leader: status.leader,
        term: status.term,
        commit: status.commit_index,
        applied: status.applied_index,
        log: Some((status.first_index, status.last_index)),
        revision: status.revision,
        compacted: Some(status.compact_revision),
        put_p99_us: p99(&status.proposal),
        sync_p99_us: p99(&status.sync),
        in_use: sizes.logical.into(),
        allocated: sizes.state_disk.into(),
        quota: present(sizes.quota),
        log_bytes: sizes.log_disk.into(),
        resident: present(sizes.resident),
        watchers: status.watchers.into(),
        slow_watchers: status.slow_watchers.into(),
        connections: status.connections.into(),
        keys: status.keys.into(),
        uptime_s: Some(
            std::time::Duration::try_from_secs_f64(status.uptime_s).unwrap_or_default().as_secs(),
        ),
        leader_changes: status.leader_changes.into(),
        progress: (role == Role::Leader).then(|| status.progress.iter().map(progress).collect()),
        version: status.version,
        alarms: status.alarms.iter().filter_map(|text| alarm(text)).collect(),
        ..Sample::default()
    }
}

/// An alarm in a server's words: `memberID:149 alarm:NOSPACE` in etcd, `95 NOSPACE` in the admin stream.
///
/// etcd's words are the text of a protobuf message, whose blanks are not stable: 3.7 writes two between fields.
fn alarm(text: &str) -> Option<Alarm> {
    let spaced = text.replace(':', " : ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    if let [member, name] = words[..] {
        let member = u64::from_str_radix(member, 16).ok()?;
        return Some(Alarm { member, kind: AlarmKind::named(name) });
    }
    let field = |wanted: &str| {
        let mut fields = words.windows(3);
        fields.find_map(|field| match field {
            [name, ":", value] if *name == wanted => Some(*value),
            _ => None,
        })
    };
    let kind = AlarmKind::named(field("alarm")?);
    let member = field("memberID").map_or(Ok(0), str::parse).ok()?;
    Some(Alarm { member, kind })
}

fn progress(progress: &adminpb::Progress) -> Progress {
    use adminpb::progress::State;
    Progress {
        member: progress.member_id,
        matched: progress.match_index,
        next: progress.next_index,
        sending: match progress.state() {
            State::Probe => Sending::Probe,
            State::Replicate => Sending::Replicate,
            State::Snapshot => Sending::Snapshot,
        },
        in_flight: progress.in_flight,
        active: progress.recently_active,
        behind_bytes: (progress.behind_bytes > 0).then_some(progress.behind_bytes),
    }
}

/// What `Status` of the etcd API says. Fields that came with later versions are zero on older ones: not offered.
pub(crate) fn of_status(status: StatusResponse, at: Moment) -> Sample {
    let header = status.header.unwrap_or_default();
    let size = |value: i64| u64::try_from(value).ok().filter(|size| *size > 0);
    let role = match status.leader {
        _ if status.is_learner => Role::Learner,
        0 => Role::Unknown,
        leader if leader == header.member_id => Role::Leader,
        _ => Role::Follower,
    };
    let applied =
        if status.raft_applied_index > 0 { status.raft_applied_index } else { status.raft_index };
    Sample {
        at,
        source: Source::Status,
        cluster_id: header.cluster_id,
        version: status.version,
        role,
        leader: status.leader,
        term: status.raft_term,
        commit: status.raft_index,
        applied,
        revision: header.revision,
        in_use: size(status.db_size_in_use),
        allocated: size(status.db_size),
        quota: size(status.db_size_quota),
        alarms: status.errors.iter().filter_map(|error| alarm(error)).collect(),
        // Without a leader the field of it says so.
        complaints: status
            .errors
            .into_iter()
            .filter(|error| alarm(error).is_none() && !error.contains("no leader"))
            .collect(),
        ..Sample::default()
    }
}

/// What `Status` leaves out and the page of metrics tells.
pub(crate) fn with_metrics(sample: Sample, metrics: &Metrics) -> Sample {
    Sample {
        compacted: sample.compacted.or(metrics.compacted),
        quota: sample.quota.or(metrics.quota),
        sync_p99_us: metrics.sync_p99_us,
        resident: metrics.resident,
        watchers: metrics.watchers,
        slow_watchers: metrics.slow_watchers,
        streams: metrics.streams,
        keys: metrics.keys,
        leader_changes: metrics.leader_changes,
        peers: Some(metrics.peers.clone()),
        ..sample
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alarms_are_read_in_the_words_of_every_server() {
        let no_space = Alarm { member: 149, kind: AlarmKind::NoSpace };
        assert_eq!(alarm("memberID:149 alarm:NOSPACE "), Some(no_space.clone()));
        assert_eq!(alarm("95 NOSPACE"), Some(no_space.clone()));
        // As etcd 3.7.3 says it; and as any writer of protobuf text may.
        for words in ["memberID:149  alarm:NOSPACE", " alarm: NOSPACE  memberID: 149"] {
            assert_eq!(alarm(words), Some(no_space.clone()), "{words}");
        }
        let of_whom = Alarm { member: 0, ..no_space };
        assert_eq!(alarm("alarm:NOSPACE"), Some(of_whom));
        let other = alarm("memberID:1 alarm:LATER").map(|alarm| alarm.kind);
        assert_eq!(other, Some(AlarmKind::Other("LATER".into())));
        assert_eq!(alarm("etcdserver: no leader"), None);
    }
}
