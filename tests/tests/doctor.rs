//! `mini-etcdctl doctor` of clusters that work, want users, or have lost their quorum.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, ensure};
use mini_etcd_tests::cluster::{Cluster, Flavor};
use mini_etcd_tests::process::workspace_binary;

struct Ctl {
    program: PathBuf,
    endpoint: String,
}

impl Ctl {
    fn of(cluster: &Cluster) -> anyhow::Result<Self> {
        let endpoint = format!("--endpoints={}", cluster.member(0)?.address);
        Ok(Self { program: workspace_binary("mini-etcdctl")?, endpoint })
    }

    /// Exit code, and all that was printed.
    fn run(&self, words: &[&str]) -> anyhow::Result<(i32, String)> {
        let ran = Command::new(&self.program).arg(&self.endpoint).args(words).output()?;
        let printed = [ran.stdout, ran.stderr].concat();
        Ok((ran.status.code().context("a code")?, String::from_utf8(printed)?))
    }

    fn done(&self, words: &[&str]) -> anyhow::Result<()> {
        let (code, printed) = self.run(words)?;
        ensure!(code == 0, "{words:?}: {printed}");
        Ok(())
    }

    /// Which line of `doctor` with these words tells the trouble.
    fn doctor(&self, words: &[&str], code: i32, line: &str) -> anyhow::Result<String> {
        let all: Vec<_> = ["doctor", "--command-timeout=3s"].iter().chain(words).copied().collect();
        let (exit, printed) = self.run(&all)?;
        ensure!(
            exit == code && printed.contains(line),
            "{words:?}: {exit}, not {line:?}:\n{printed}"
        );
        Ok(printed)
    }
}

/// Goal: members that nobody named are found, and a lost quorum is told from a lost member. Method: of three members only
/// the first is named; the others end one after another.
#[tokio::test]
async fn advertised_members_and_a_lost_quorum_are_found() -> anyhow::Result<()> {
    let mut cluster = Cluster::start(Flavor::Mini, 3).await?;
    cluster.wait_ready().await?;
    let ctl = Ctl::of(&cluster)?;
    ctl.doctor(&[], 0, "endpoints that are well: 3 of 3")?;
    cluster.kill(2)?;
    let printed = ctl.doctor(&[], 1, "tcp fails: nobody listens there")?;
    ensure!(printed.contains("endpoints that fail: 1 of 3"), "{printed}");
    ctl.doctor(&["--advertised=false"], 0, "endpoints that are well: 1 of 1")?;
    cluster.kill(1)?;
    let printed = ctl.doctor(&["--advertised=false"], 1, "more than half of the voting members")?;
    ensure!(printed.contains("status fails") || printed.contains("read fails"), "{printed}");
    Ok(())
}

/// Goal: a login that is missing, wrong or without rights is told apart, and no password is printed.
#[tokio::test]
async fn logins_that_are_missing_or_wrong_fail_at_login() -> anyhow::Result<()> {
    let cluster = Cluster::start(Flavor::Mini, 1).await?;
    cluster.wait_ready().await?;
    let ctl = Ctl::of(&cluster)?;
    ctl.doctor(&["--user=a:b"], 0, "users are off")?;
    for (user, password) in [("root", "secret1"), ("guest", "secret2")] {
        ctl.done(&["user", "add", &format!("{user}:{password}")])?;
    }
    ctl.done(&["user", "grant-role", "root", "root"])?;
    ctl.done(&["auth", "enable"])?;
    ctl.doctor(&[], 1, "login fails: users are on: --user NAME")?;
    let printed = ctl.doctor(&["--user=root:secret3"], 1, "login fails: correct --user")?;
    ensure!(!printed.contains("secret3"), "{printed}");
    let printed = ctl.doctor(&["--user=root:secret1"], 0, "as root")?;
    ensure!(!printed.contains("secret1"), "{printed}");
    ctl.doctor(&["--user=guest:secret2"], 0, "this user may not read the key health")?;
    Ok(())
}
