//! Pages of the Raft log.

use std::sync::Arc;

use mini_etcd_proto::adminpb::{LogEntry, LogRequest, LogResponse};
use mini_etcd_proto::internalpb::auth_change::Change;
use mini_etcd_proto::internalpb::command::Request as Asked;
use mini_etcd_proto::internalpb::{Command, ConfChange, Entry, EntryKind};
use mini_etcd_shared::types::LogIndex;
use prost::Message;
use tonic::Response;

use crate::api::{Host, Unread};
use crate::error::RequestError;
use crate::limits;

/// Entries of a page for clients that leave it to us.
const PAGE_DEFAULT: usize = 100;

/// The page that is asked for.
pub(super) async fn page(
    host: &Host,
    unread: &Arc<Unread>,
    request: &LogRequest,
) -> Result<Response<LogResponse>, RequestError> {
    let limit = match usize::try_from(request.limit) {
        Ok(0) => PAGE_DEFAULT,
        Ok(limit) => limit.min(limits::LOG_PAGE_ENTRIES_MAX),
        Err(_) => limits::LOG_PAGE_ENTRIES_MAX,
    };
    let first = LogIndex(request.first_index);
    let member = host.clone();
    let page = move || {
        let page = member.proposer().log_page(first, limit)?;
        Ok(LogResponse {
            first_index: page.first.0,
            last_index: page.last.0,
            commit_index: member.status().commit.0,
            entries: page.entries.into_iter().map(shown).collect(),
        })
    };
    host.results().page(unread, limits::ADMIN_PAGE_BYTES_MAX, page).await
}

/// What a password hashes to, and what tokens begin with, is shown to nobody.
fn without_secrets(mut command: Command) -> Command {
    if let Some(Asked::Auth(change)) = &mut command.request {
        match &mut change.change {
            Some(Change::UserAdd(add)) => add.hashed_password.clear(),
            Some(Change::UserChangePassword(change)) => change.hashed_password.clear(),
            Some(Change::Login(login)) => login.token.clear(),
            _ => {}
        }
    }
    command
}

/// An entry as the console shows it.
fn shown(entry: Entry) -> LogEntry {
    let mut shown = LogEntry {
        index: entry.index,
        term: entry.term,
        size: u64::try_from(entry.data.len()).unwrap_or(u64::MAX),
        ..LogEntry::default()
    };
    if entry.kind() == EntryKind::ConfChange {
        shown.conf_change = ConfChange::decode(entry.data).ok();
        "membership".clone_into(&mut shown.kind);
        return shown;
    }
    if entry.data.is_empty() {
        "new term".clone_into(&mut shown.kind);
        return shown;
    }
    shown.command = Command::decode(entry.data).ok().map(without_secrets);
    let kind = match shown.command.as_ref().and_then(|command| command.request.as_ref()) {
        Some(Asked::Put(_)) => "put",
        Some(Asked::DeleteRange(_)) => "delete",
        Some(Asked::Txn(_)) => "txn",
        Some(Asked::Compaction(_)) => "compaction",
        Some(Asked::Alarm(_)) => "alarm",
        Some(Asked::Publish(_)) => "publish",
        Some(Asked::LeaseGrant(_)) => "lease grant",
        Some(Asked::LeaseRevoke(_)) => "lease revoke",
        Some(Asked::LeaseCheckpoint(_)) => "lease checkpoint",
        Some(Asked::Auth(_)) => "auth",
        None => "unknown",
    };
    kind.clone_into(&mut shown.kind);
    shown
}

#[cfg(test)]
mod tests {
    use mini_etcd_proto::etcdserverpb::PutRequest;

    use super::*;

    #[test]
    fn an_entry_is_shown_by_what_it_asks() {
        let command = Command {
            origin: 1,
            incarnation: 3,
            sequence: 2,
            asker: None,
            request: Some(Asked::Put(PutRequest { key: "k".into(), ..PutRequest::default() })),
        };
        let entry = |kind: EntryKind, data: Vec<u8>| Entry {
            kind: kind.into(),
            term: 3,
            index: 4,
            data: data.into(),
        };
        let put = shown(entry(EntryKind::Normal, command.encode_to_vec()));
        assert_eq!((put.index, put.term, put.kind.as_str()), (4, 3, "put"));
        assert_eq!(put.command, Some(command));
        assert_eq!(shown(entry(EntryKind::Normal, Vec::new())).kind, "new term");
        assert_eq!(shown(entry(EntryKind::Normal, vec![0xff])).kind, "unknown");
        assert_eq!(shown(entry(EntryKind::ConfChange, Vec::new())).kind, "membership");
    }
}
