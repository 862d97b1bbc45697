//! The Raft log of a cluster, read page by page from every member and compared.

use anyhow::{Context, ensure};
use mini_etcd_proto::adminpb::admin_client::AdminClient;
use mini_etcd_proto::adminpb::{LogEntry, LogRequest};
use tonic::transport::Channel;

use crate::cluster::Cluster;

/// Entries of one page.
const PAGE: u32 = 1000;

/// First entry that a cluster ever appends.
const FIRST_INDEX: u64 = 2;

/// The committed entries of one member, from the first one the cluster ever appended.
///
/// # Errors
/// When the member does not answer, or no longer has its first entries.
pub async fn committed_log(channel: Channel) -> anyhow::Result<Vec<LogEntry>> {
    // A page may carry a thousand of the largest commands.
    let mut admin = AdminClient::new(channel).max_decoding_message_size(usize::MAX);
    let mut entries: Vec<LogEntry> = Vec::new();
    loop {
        let first_index = entries.last().map_or(FIRST_INDEX, |entry| entry.index + 1);
        let page = admin
            .log(LogRequest { first_index, limit: PAGE })
            .await
            .context("log page")?
            .into_inner();
        ensure!(page.first_index <= FIRST_INDEX, "the log begins at {}", page.first_index);
        let before = entries.len();
        entries.extend(page.entries.into_iter().filter(|entry| entry.index <= page.commit_index));
        if entries.len() == before {
            return Ok(entries);
        }
    }
}

/// The committed log of the cluster: what all members have must be equal; the longest is returned.
///
/// # Errors
/// When two members disagree on an entry.
pub async fn agreed_log(cluster: &Cluster) -> anyhow::Result<Vec<LogEntry>> {
    let mut longest: Vec<LogEntry> = Vec::new();
    for index in 0..cluster.size() {
        let mut entries = committed_log(cluster.channel(index)?).await?;
        for (a, b) in longest.iter().zip(&entries) {
            ensure!(a == b, "members disagree on entry {}: {a:?} and {b:?}", a.index);
        }
        if entries.len() > longest.len() {
            std::mem::swap(&mut longest, &mut entries);
        }
    }
    Ok(longest)
}
