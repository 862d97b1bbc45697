//! `mini-etcdctl member replace` against processes that are killed, and interrupted on its way.

use std::process::Command;

use anyhow::{Context as _, ensure};
use mini_etcd_proto::etcdserverpb::{MemberAddRequest, MemberRemoveRequest};
use mini_etcd_tests::cluster::{Cluster, Flavor};
use mini_etcd_tests::process::{Process, workspace_binary};
use rustix::process::Signal;

use super::{DEADLINE, Writer, client, ended_removed, members};

/// Exit code of a command that Ctrl-C ended.
const INTERRUPTED: i32 = 130;

/// `member replace` with these arguments, asked of the given members.
pub(super) fn replace(
    cluster: &Cluster,
    through: &[usize],
    args: &[&str],
) -> anyhow::Result<Process> {
    let addresses = cluster.addresses();
    let endpoints: Vec<_> = through.iter().map(|index| addresses[*index].clone()).collect();
    let mut command = Command::new(workspace_binary("mini-etcdctl")?);
    command
        .arg(format!("--endpoints={}", endpoints.join(",")))
        .args(["member", "replace"])
        .args(args);
    let errors = tempfile::NamedTempFile::new()?.into_temp_path().keep()?;
    Process::start("mini-etcdctl", &mut command, &errors)
}

/// What it printed up to and with the line that has `words`.
pub(super) fn until(command: &Process, words: &str) -> anyhow::Result<()> {
    loop {
        if command.line(DEADLINE)?.contains(words) {
            return Ok(());
        }
    }
}

/// Waits for its end, which is `code`; what it said to standard error.
pub(super) fn ends(mut command: Process, code: i32) -> anyhow::Result<String> {
    let ended = command.wait(DEADLINE)?;
    let said = command.errors();
    ensure!(ended.code() == Some(code), "{ended}: {said}");
    Ok(said)
}

/// Goal: the disk of a member is lost, and a new one has its place and address, while every acknowledged write stays. Method:
/// three members under writes; one is killed and its directory deleted; the command is interrupted once before the new
/// member is started, and the same line goes on.
#[tokio::test]
async fn a_member_whose_disk_is_lost_is_replaced_at_its_address() -> anyhow::Result<()> {
    let mut cluster = Cluster::start(Flavor::Mini, 3).await?;
    let writer = Writer::start(&cluster);
    let leader = cluster.leader().await?;
    let lost = (leader + 1) % 3;
    let other = (leader + 2) % 3;
    let name = cluster.member(lost)?.name.clone();
    cluster.kill(lost)?;
    writer.ask(&cluster, &[leader, other]);

    // At once: that the leader heard it a moment ago is not taken for an answer.
    let command = replace(&cluster, &[leader, other], &[&name])?;
    until(&command, "which does not answer")?;
    until(&command, "removed ")?;
    until(&command, "as a learner")?;
    until(&command, &format!("start it: mini-etcd --name {name} --listen "))?;
    until(&command, "waits for it")?;
    command.signal(Signal::INT)?;
    let said = ends(command, INTERRUPTED)?;
    ensure!(said.contains(&format!("go on with: member replace {name} --peer-urls=")), "{said}");

    let command = replace(&cluster, &[leader, other], &[&name])?;
    until(&command, "goes on where it was cut off")?;
    until(&command, "is started")?;
    cluster.renew(lost, leader)?;
    cluster.restart(lost)?;
    until(&command, "is in sync and votes")?;
    until(&command, "is replaced by")?;
    ends(command, 0)?;
    let listed = members(&cluster, leader).await?;
    ensure!(listed.len() == 3 && listed.iter().all(|member| !member.is_learner), "{listed:?}");

    // The new one counts: the cluster does without another.
    cluster.kill(other)?;
    writer.ask(&cluster, &[leader, lost]);
    writer.goes_on().await?;
    writer.check(&cluster, lost).await
}

/// Goal: a member that answers is moved without a moment of less redundancy, the leader too. Method: the leader is replaced by a
/// member elsewhere; it is removed last, and ends.
#[tokio::test]
async fn a_leader_that_answers_is_replaced_by_force_and_goes_last() -> anyhow::Result<()> {
    let mut cluster = Cluster::start(Flavor::Mini, 3).await?;
    let writer = Writer::start(&cluster);
    let leader = cluster.leader().await?;
    let rest = [(leader + 1) % 3, (leader + 2) % 3];
    let name = cluster.member(leader)?.name.clone();
    let said = ends(replace(&cluster, &rest, &[&name])?, 1)?;
    ensure!(said.contains("it need not be replaced"), "{said}");
    let said = ends(replace(&cluster, &rest, &[&name, "--force"])?, 1)?;
    ensure!(said.contains("--name and --peer-urls of its own"), "{said}");
    ensure!(said.contains("nothing was changed"), "{said}");

    let new = cluster.add(rest[0])?;
    let urls = format!("--peer-urls=http://{}", cluster.member(new)?.address);
    let args = [&name, "--force", "--name=n4", &urls];
    let command = replace(&cluster, &rest, &args)?;
    until(&command, "as a learner")?;
    cluster.restart(new)?;
    until(&command, "is in sync and votes")?;
    writer.ask(&cluster, &rest);
    until(&command, "removed ")?;
    until(&command, "is replaced by n4")?;
    ends(command, 0)?;
    ended_removed(&mut cluster, leader)?;
    writer.goes_on().await?;
    ensure!(members(&cluster, new).await?.len() == 3);
    // The same line again finds that all is done.
    until(&replace(&cluster, &rest, &args)?, "is replaced by n4")?;
    writer.check(&cluster, new).await
}

/// Goal: nothing is begun that would not come to its end. Method: a name that nobody has, a learner that is in the way, and
/// another voter that is away; without a quorum the way out is named.
#[tokio::test]
async fn a_replacement_that_may_not_be_changes_nothing() -> anyhow::Result<()> {
    let mut cluster = Cluster::start(Flavor::Mini, 3).await?;
    let said = ends(replace(&cluster, &[0], &["n9"])?, 1)?;
    ensure!(said.contains("no member has the name or id n9: there are n"), "{said}");
    let add =
        MemberAddRequest { peer_ur_ls: vec!["http://127.0.0.1:9".to_owned()], is_learner: true };
    let added = client(&cluster, 0)?.member_add(add).await?.into_inner();
    let id = added.member.context("the added member")?.id;
    let said = ends(replace(&cluster, &[0, 1, 2], &["n3"])?, 1)?;
    ensure!(said.contains("promote or remove it first"), "{said}");
    client(&cluster, 0)?.member_remove(MemberRemoveRequest { id }).await?;
    cluster.kill(2)?;
    cluster.kill(1)?;
    let said = ends(replace(&cluster, &[0], &["n3"])?, 1)?;
    ensure!(
        said.contains("1 of 3 voters answer") && said.contains("--force-new-cluster"),
        "{said}"
    );
    cluster.restart(1)?;
    let listed = members(&cluster, 0).await?;
    ensure!(listed.len() == 3, "{listed:?}");
    Ok(())
}
