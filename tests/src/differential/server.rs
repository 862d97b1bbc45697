//! [`Server`]: one of the two, with what callers show to it.

use std::collections::BTreeMap;

use anyhow::Context as _;
use mini_etcd_proto::etcdserverpb::{
    MemberListRequest, MemberListResponse, StatusRequest, StatusResponse,
};
use prost::Message;

use super::call::{Answer, Caller};
use crate::cluster::Cluster;
use crate::page;

/// One server.
pub struct Server {
    pub(super) cluster: Cluster,
    pub(super) caller: Caller,
    pub(super) tokens: BTreeMap<&'static str, String>,
    pub(super) is_secured: bool,
}

impl Server {
    pub(super) fn new(cluster: Cluster) -> anyhow::Result<Self> {
        let caller = Caller::new(cluster.channel(0)?);
        Ok(Self { cluster, caller, tokens: BTreeMap::new(), is_secured: false })
    }

    pub(super) fn token(&self, user: &str) -> String {
        match user {
            "" => String::new(),
            // Nobody gave that one out.
            "stranger" => "stranger.1".to_owned(),
            user => self.tokens.get(user).cloned().unwrap_or_default(),
        }
    }

    /// A gauge of its metrics that has no labels.
    pub(super) async fn gauge(&self, name: &str) -> anyhow::Result<u64> {
        let address = self.cluster.addresses().into_iter().next().context("a member")?;
        let page = page::get(&address, "/metrics").await?;
        let value = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        Ok(value.with_context(|| format!("no {name}"))?.parse()?)
    }

    /// A call of the run itself.
    pub(super) async fn ask(&self, path: &str, request: &impl Message) -> Answer {
        let message = request.encode_to_vec().into();
        // Up to 3.5 a token counts also where users do not.
        let token = if self.is_secured { self.token("root") } else { String::new() };
        self.caller.call(path, vec![message], &token, usize::MAX).await
    }

    /// Revision, number and first peer URL.
    pub(super) async fn facts(&self) -> anyhow::Result<(i64, u64, String)> {
        let status = self.ask("/etcdserverpb.Maintenance/Status", &StatusRequest {}).await;
        let header = first::<StatusResponse>(&status)?.header.context("a header")?;
        let list = MemberListRequest { linearizable: true };
        let list = self.ask("/etcdserverpb.Cluster/MemberList", &list).await;
        let members = first::<MemberListResponse>(&list)?.members;
        let url = members.into_iter().flat_map(|member| member.peer_ur_ls).next();
        Ok((header.revision, header.member_id, url.unwrap_or_default()))
    }
}

/// The first message of an answer.
///
/// # Errors
/// When it has none, or it is another.
pub(super) fn first<M: Message + Default>(answer: &Answer) -> anyhow::Result<M> {
    let bytes = answer.messages.first().with_context(|| format!("{:?}", answer.status))?;
    Ok(M::decode(bytes.clone())?)
}
