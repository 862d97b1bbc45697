//! [`Shown`]: what the threads of a member show to everybody else.

use std::sync::Arc;

use arc_swap::ArcSwap;
use mini_etcd_shared::types::MemberId;
use tokio::sync::watch;

use super::defragmenter::Defragmenter;
use crate::apply::{Members, Published};
use crate::auth::Tokens;
use crate::log::LogReader;
use crate::raft::RaftStatus;

/// What the threads of a member show to everybody else.
pub struct Shown {
    /// Apply thread: the newest state.
    pub published: ArcSwap<Published>,
    /// Raft thread: where it stands.
    pub status: ArcSwap<RaftStatus>,
    /// Log writer: the newest log.
    pub log: ArcSwap<LogReader>,
    /// Raft thread: who leads, for those who wait for a change.
    pub leader: watch::Sender<MemberId>,
    /// Apply thread: the members, for those who wait for a change.
    pub members: watch::Sender<Arc<Members>>,
    /// Apply thread: compactions up to this revision are off the disk.
    pub compacted: watch::Sender<i64>,
    /// Gives space back to the file system.
    pub defragmenter: Defragmenter,
    /// Apply thread: which token is whose.
    pub tokens: Tokens,
}
