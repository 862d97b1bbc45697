//! What the system and the members say of themselves.

use std::fmt;
use std::fs::read_to_string;

use mini_etcd_proto::etcdserverpb::maintenance_client::MaintenanceClient;
use mini_etcd_proto::etcdserverpb::{StatusRequest, StatusResponse};
use mini_etcd_tests::cluster::{Cluster, Member};
use mini_etcd_tests::usage::{kilobytes, processor_seconds};

/// Processor time in seconds: of this program, and of all members.
pub struct Usage {
    load: f64,
    members: f64,
}

impl Usage {
    pub fn now(cluster: &Cluster) -> anyhow::Result<Self> {
        let mut members = 0.0;
        for pid in pids(cluster) {
            members += processor_seconds(&pid.to_string())?;
        }
        Ok(Self { load: processor_seconds("self")?, members })
    }

    pub fn since(&self, before: &Self) -> Self {
        Self { load: self.load - before.load, members: self.members - before.members }
    }
}

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (members, load) = (self.members, self.load);
        write!(f, "processor time of the members {members:.1} s, of this program {load:.1} s")
    }
}

/// Numbers of the processes of the members that run.
fn pids(cluster: &Cluster) -> impl Iterator<Item = i32> {
    (0..cluster.size()).filter_map(|index| cluster.pid(index).ok())
}

/// Averages of the last 1, 5 and 15 minutes.
pub fn machine_load() -> anyhow::Result<String> {
    let line = read_to_string("/proc/loadavg")?;
    Ok(line.split_whitespace().take(3).collect::<Vec<_>>().join(" "))
}

pub async fn status(cluster: &Cluster, index: usize) -> anyhow::Result<StatusResponse> {
    let mut client = MaintenanceClient::new(cluster.channel(index)?);
    Ok(client.status(StatusRequest {}).await?.into_inner())
}

/// The most memory that each member that runs ever had; lines.
pub fn peaks(cluster: &Cluster, leader: usize) -> anyhow::Result<Vec<String>> {
    let peak = |index| {
        let name = &cluster.member(index)?.name;
        let role = if index == leader { "leader" } else { "follower" };
        let megabytes = kilobytes(cluster.pid(index)?, "VmHWM")? / 1000;
        Ok(format!("{name} ({role}): peak of resident memory {megabytes} MB"))
    };
    (0..cluster.size()).filter(|index| cluster.pid(*index).is_ok()).map(peak).collect()
}

/// The end of each member's standard error.
pub fn last_words(cluster: &Cluster) -> String {
    let words = |index| cluster.member(index).map(Member::errors).unwrap_or_default();
    (0..cluster.size()).map(words).collect()
}
