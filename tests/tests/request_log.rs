//! The log of requests of a running member: who did what, and nothing that is secret.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use mini_etcd_proto::etcdserverpb::auth_client::AuthClient;
use mini_etcd_proto::etcdserverpb::kv_client::KvClient;
use mini_etcd_proto::etcdserverpb::watch_client::WatchClient;
use mini_etcd_proto::etcdserverpb::watch_request::RequestUnion;
use mini_etcd_proto::etcdserverpb::{
    AuthEnableRequest, AuthRoleAddRequest, AuthUserAddRequest, AuthUserGrantRoleRequest,
    AuthenticateRequest, PutRequest, RangeRequest, WatchCreateRequest, WatchRequest,
};
use mini_etcd_tests::cluster::{Cluster, Flavor};
use mini_etcd_tests::process::workspace_binary;
use mini_etcd_tests::wait::eventually;
use rustix::process::Signal;
use serde_json::Value;
use tonic::Request;

const DEADLINE: Duration = Duration::from_secs(20);
const SECRET: &str = "not-to-be-shown";

/// The lines that a member has written, and its whole standard error.
fn lines(cluster: &Cluster) -> anyhow::Result<(Vec<Value>, String)> {
    let text = cluster.member(0)?.log()?;
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    let objects = whole.lines().filter(|line| line.starts_with('{'));
    let objects = objects.map(|line| serde_json::from_str(line).context(line.to_owned()));
    Ok((objects.collect::<Result<_, _>>()?, text))
}

/// Waits for a line that `is_it` takes.
async fn line(cluster: &Cluster, is_it: impl Fn(&Value) -> bool) -> anyhow::Result<Value> {
    eventually("a line", DEADLINE, || async {
        let (lines, text) = lines(cluster)?;
        lines.into_iter().find(&is_it).context(text)
    })
    .await
}

fn put(key: &str) -> PutRequest {
    PutRequest { key: key.to_owned().into(), value: SECRET.into(), ..PutRequest::default() }
}

/// Goal: each call is a line with who asked, for what, and what came of it; values, passwords and tokens are in none.
#[tokio::test]
async fn a_call_is_a_line_and_no_line_has_a_secret() -> anyhow::Result<()> {
    let flags = ["--request-log=all".to_owned()];
    let cluster = Cluster::start_of_with_flags(Flavor::Mini, 1, &flags).await?;
    let channel = cluster.channel(0)?;
    let mut kv = KvClient::new(channel.clone());
    let revision = kv.put(put("k")).await?.into_inner().header.context("a header")?.revision;
    let wrote = line(&cluster, |line| line["key"] == "k").await?;
    ensure!(wrote["request"] == "etcdserverpb.KV/Put" && wrote["code"] == "OK", "{wrote}");
    ensure!(wrote["revision"] == revision && wrote["took_us"].is_u64(), "{wrote}");
    let peer = wrote["peer"].as_str().context("a peer")?;
    ensure!(peer.starts_with("127.0.0.1:"), "{wrote}");
    kv.range(RangeRequest::default()).await.err().context("a key is needed")?;
    line(&cluster, |line| line["code"] == "InvalidArgument").await?;

    let create = WatchCreateRequest { key: "w".into(), ..WatchCreateRequest::default() };
    let create = WatchRequest { request_union: Some(RequestUnion::CreateRequest(create)) };
    let (sender, requests) = futures::channel::mpsc::unbounded();
    sender.unbounded_send(create)?;
    let mut watch = WatchClient::new(channel.clone()).watch(requests).await?.into_inner();
    watch.message().await?.context("an answer")?;
    drop((sender, watch));
    let watched = line(&cluster, |line| line["request"] == "etcdserverpb.Watch/Watch").await?;
    ensure!(watched["key"] == "w" && watched["code"] == "Canceled", "{watched}");

    let mut auth = AuthClient::new(channel.clone());
    let (name, password) = ("root".to_owned(), SECRET.to_owned());
    let user = AuthUserAddRequest {
        name: name.clone(),
        password: password.clone(),
        ..AuthUserAddRequest::default()
    };
    auth.user_add(user).await?;
    auth.role_add(AuthRoleAddRequest { name: name.clone() }).await?;
    let grant = AuthUserGrantRoleRequest { user: name.clone(), role: name.clone() };
    auth.user_grant_role(grant).await?;
    auth.auth_enable(AuthEnableRequest {}).await?;
    let login = AuthenticateRequest { name, password };
    let token = auth.authenticate(login).await?.into_inner().token;
    let mut request = Request::new(put("by root"));
    request.metadata_mut().insert("token", token.parse()?);
    kv.put(request).await?;
    let wrote = line(&cluster, |line| line["key"] == "by root").await?;
    ensure!(wrote["user"] == "root", "{wrote}");
    kv.put(put("by nobody")).await.err().context("nobody may write")?;
    let refused = line(&cluster, |line| line["key"] == "by nobody").await?;
    ensure!(refused.get("user").is_none() && refused["code"] != "OK", "{refused}");
    let (_, text) = lines(&cluster)?;
    ensure!(!text.contains(SECRET) && !text.contains(&token), "{text}");
    Ok(())
}

/// Goal: a command costs its server one login, each of which is a comparison of passwords. Method: the lines that the
/// member writes up to that of the command itself.
#[tokio::test]
async fn a_command_of_a_user_logs_in_once() -> anyhow::Result<()> {
    let flags = ["--request-log=all".to_owned()];
    let cluster = Cluster::start_of_with_flags(Flavor::Mini, 1, &flags).await?;
    let endpoint = format!("--endpoints={}", cluster.member(0)?.address);
    let ctl = workspace_binary("mini-etcdctl")?;
    for line in
        ["user add root:pw", "user grant-role root root", "auth enable", "--user root:pw get k"]
    {
        let ran = Command::new(&ctl).arg(&endpoint).args(line.split(' ')).output()?;
        ensure!(ran.status.success(), "{line}: {ran:?}");
    }
    line(&cluster, |line| line["key"] == "k" && line["user"] == "root").await?;
    let (lines, text) = lines(&cluster)?;
    let logins = lines.iter().filter(|line| line["request"] == "etcdserverpb.Auth/Authenticate");
    ensure!(logins.count() == 1, "{text}");
    Ok(())
}

/// Goal: with `writes` each write is written and no read is, with a sample no more than that, and without the flag nothing.
/// Method: the end of a member, which writes what it has to say before.
#[tokio::test]
async fn writes_are_written_as_often_as_the_flags_say() -> anyhow::Result<()> {
    let writes = "--request-log=writes".to_owned();
    let sample = "--request-log-sample=1000000".to_owned();
    for (flags, want) in [(vec![writes.clone()], 10), (vec![writes, sample], 0), (vec![], 0)] {
        let mut cluster = Cluster::start_of_with_flags(Flavor::Mini, 1, &flags).await?;
        let mut kv = KvClient::new(cluster.channel(0)?);
        for number in 0..10 {
            kv.put(put(&format!("k{number}"))).await?;
            kv.range(RangeRequest { key: "k".into(), ..RangeRequest::default() }).await?;
        }
        cluster.signal(0, Signal::TERM)?;
        cluster.wait_exit(0, DEADLINE)?;
        let (lines, text) = lines(&cluster)?;
        let is_ours = |line: &&Value| line["key"].as_str().is_some_and(|it| it.starts_with('k'));
        ensure!(lines.iter().filter(is_ours).count() == want, "{text}");
        ensure!(lines.iter().all(|line| line["request"] == "etcdserverpb.KV/Put"), "{text}");
    }
    Ok(())
}
