//! Signed tokens: who gives them out, where they are good, and what ends them.

use std::path::PathBuf;
use std::process::Command;

use anyhow::ensure;
use mini_etcd_proto::etcdserverpb as pb;
use mini_etcd_tests::cluster::{Cluster, Flavor};
use mini_etcd_tests::process::workspace_binary;
use mini_etcd_tests::wait::eventually;
use tempfile::TempDir;
use tonic::transport::Channel;

use super::DEADLINE;
use super::people::{Person, forged, settle};
use super::table::told;

const OLD: &str = "InvalidArgument: etcdserver: revision of auth store is old";
const DENIED: &str = "PermissionDenied: etcdserver: permission denied";
const TOKEN: &str = "Unauthenticated: etcdserver: invalid auth token";

/// A pair of keys for ES256, in files.
pub struct Keys {
    dir: TempDir,
}

impl Keys {
    pub fn new() -> anyhow::Result<Self> {
        let dir = TempDir::new()?;
        let key = rcgen::KeyPair::generate()?;
        std::fs::write(dir.path().join("private"), key.serialize_pem())?;
        std::fs::write(dir.path().join("public"), key.public_key_pem())?;
        Ok(Self { dir })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Flags of a member that signs by them, with `more` options behind; passwords are cheap.
    pub fn flags(&self, more: &str) -> Vec<String> {
        let (public, private) = (self.path("public"), self.path("private"));
        let (public, private) = (public.display(), private.display());
        let kind = format!("jwt,pub-key={public},priv-key={private},sign-method=ES256{more}");
        vec![format!("--auth-token={kind}"), "--bcrypt-cost=4".to_owned()]
    }
}

async fn cluster(size: usize, more: &str) -> (Cluster, Keys) {
    let keys = Keys::new().unwrap();
    let flags = keys.flags(more);
    let cluster = Cluster::start_of_with_flags(Flavor::Mini, size, &flags).await.unwrap();
    (cluster, keys)
}

/// Has a user root, and asks for logins from now on.
async fn enabled(channel: &Channel) {
    let all = Person::nobody(channel);
    all.add_user("root").await.unwrap();
    all.grant_role("root", "root").await.unwrap();
    all.enable().await.unwrap();
}

/// Goal: each member verifies for itself, also the one that has yet to hear of the user. Method: a user who is made at one member
/// logs in there and asks the others at once, round after round.
#[tokio::test]
async fn a_signed_token_is_good_at_every_member_at_once() {
    let (cluster, _keys) = cluster(3, "").await;
    settle(&cluster.channel(0).unwrap()).await.unwrap();
    for member in 0..3 {
        // A member that has yet to hear that users count asks nobody who it is.
        Person::login(&cluster.channel(member).unwrap(), "root").await.unwrap();
    }
    let users = ["u0", "u1", "u2", "u3", "u4"];
    for (round, user) in users.into_iter().enumerate() {
        let given = cluster.channel(round % 3).unwrap();
        let root = Person::login(&given, "root").await.unwrap();
        root.add_user(user).await.unwrap();
        let root = root.again().await.unwrap();
        root.grant_role(user, "owner").await.unwrap();
        let owner = Person::login(&given, user).await.unwrap();
        for other in [1, 2] {
            let there = owner.at(&cluster.channel((round + other) % 3).unwrap());
            assert_eq!(told(there.grant_lease(5000).await.map(drop)), "ok");
            assert_eq!(there.get("a", "").await.unwrap(), 1, "{user}");
            assert_eq!(told(there.put("z", 0).await.map(drop)), DENIED);
            let end = pb::LeaseRevokeRequest { id: 5000 };
            there.lease().lease_revoke(there.request(end)).await.unwrap();
        }
    }
}

/// Goal: what was signed before a change of users or rights is refused everywhere, in words by which clients log in again. Method: a
/// token before and after such a change, for what keys, users and members there are, at every member.
#[tokio::test]
async fn a_token_from_before_a_change_of_rights_is_refused() {
    let (cluster, _keys) = cluster(3, "").await;
    let channel = cluster.channel(0).unwrap();
    settle(&channel).await.unwrap();
    let (root, owner) = (
        Person::login(&channel, "root").await.unwrap(),
        Person::login(&channel, "owner").await.unwrap(),
    );
    let (name, password) = ("owner".to_owned(), "owner".to_owned());
    let change = pb::AuthUserChangePasswordRequest { name, password, ..Default::default() };
    root.auth().user_change_password(root.request(change)).await.unwrap();
    for member in 0..3 {
        let there = cluster.channel(member).unwrap();
        // A member that has yet to hear of the change judges by it when the request is applied.
        assert_eq!(told(owner.at(&there).put("a", 0).await.map(drop)), OLD);
        assert_eq!(told(owner.at(&there).get("a", "").await.map(drop)), OLD);
        assert_eq!(told(root.at(&there).add_role("r").await), OLD);
        let again = Person::login(&there, "owner").await.unwrap();
        assert_eq!(told(again.put("a", 0).await.map(drop)), "ok");
    }
}

/// Unlike a simple one, which stands in memory.
#[tokio::test]
async fn a_signed_token_outlives_a_restart_and_ends_in_time() {
    let (short, _keys) = cluster(1, ",ttl=2s").await;
    enabled(&short.channel(0).unwrap()).await;
    let root = Person::login(&short.channel(0).unwrap(), "root").await.unwrap();
    eventually("the end of a token", DEADLINE, || async {
        let got = told(root.get("a", "").await.map(drop));
        ensure!(got == TOKEN, "{got}");
        Ok(())
    })
    .await
    .unwrap();
    let (mut cluster, _keys) = cluster(1, ",ttl=1h").await;
    enabled(&cluster.channel(0).unwrap()).await;
    let root = Person::login(&cluster.channel(0).unwrap(), "root").await.unwrap();
    cluster.kill(0).unwrap();
    cluster.restart(0).unwrap();
    cluster.wait_ready().await.unwrap();
    let there = root.at(&cluster.channel(0).unwrap());
    assert_eq!(told(there.put("a", 0).await.map(drop)), "ok");
    let token = there.token.as_deref().map(forged);
    assert_eq!(told(Person { token, ..there }.get("a", "").await.map(drop)), TOKEN);
}

/// Goal: a member with the public key alone takes what others signed, and says why it gives nothing out. Method: two clusters with
/// the same users at the same revision.
#[tokio::test]
async fn a_member_with_the_public_key_alone_verifies() {
    let (signs, keys) = cluster(1, "").await;
    let public = keys.path("public");
    let flags = vec![format!("--auth-token=jwt,pub-key={},sign-method=ES256", public.display())];
    let verifies = Cluster::start_with_flags(1, &flags).await.unwrap();
    let (one, other) = (signs.channel(0).unwrap(), verifies.channel(0).unwrap());
    enabled(&one).await;
    enabled(&other).await;
    let root = Person::login(&one, "root").await.unwrap().at(&other);
    assert_eq!(told(root.put("a", 0).await.map(drop)), "ok");
    let request = pb::AuthenticateRequest { name: "root".to_owned(), password: "root".to_owned() };
    let refused = root.auth().authenticate(request).await.map(drop);
    assert_eq!(told(refused), "Unknown: auth: token signing attempted with verify-only key");
}

#[test]
fn a_member_whose_keys_cannot_be_used_does_not_start() {
    let keys = Keys::new().unwrap();
    let path = |name| keys.path(name).display().to_string();
    let other = Keys::new().unwrap().path("public");
    for (kind, code, said) in [
        (format!("jwt,pub-key={},sign-method=ES256", other.display()), 1, "No such file"),
        (format!("jwt,pub-key={},sign-method=RS256", path("public")), 1, "no public key for RS256"),
        (
            format!("jwt,priv-key={},sign-method=ES256", path("public")),
            1,
            "no private key for ES256",
        ),
        ("jwt,sign-method=ES256".to_owned(), 2, "one key file at least"),
    ] {
        let output = Command::new(workspace_binary("mini-etcd").unwrap())
            .args([format!("--auth-token={kind}"), format!("--data={}", path("data"))])
            .output()
            .unwrap();
        let printed = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{printed}");
        assert!(printed.contains(said), "{printed}");
        assert!(!keys.path("data").exists(), "nothing is made before");
    }
}

/// Goal: command lines of etcdctl work. Method: `--user` and the token that it leads to, by flag and by variable.
#[tokio::test]
async fn ctl_logs_in_or_shows_a_token() {
    let (cluster, _keys) = cluster(1, "").await;
    enabled(&cluster.channel(0).unwrap()).await;
    let root = Person::login(&cluster.channel(0).unwrap(), "root").await.unwrap();
    let token = root.token.unwrap();
    let run = |flags: &[&str], variable: &str| {
        let mut command = Command::new(workspace_binary("mini-etcdctl").unwrap());
        command.args(["--endpoints", &cluster.addresses()[0], "put", "k", "v"]).args(flags);
        if !variable.is_empty() {
            command.env("ETCDCTL_AUTH_JWT_TOKEN", variable);
        }
        let output = command.output().unwrap();
        let printed = [output.stdout, output.stderr].concat();
        String::from_utf8_lossy(&printed).into_owned()
    };
    assert!(run(&["--user=root:root"], "").starts_with("OK\n"));
    assert!(run(&["--auth-jwt-token", &token], "").starts_with("OK\n"));
    assert!(run(&[], &token).starts_with("OK\n"));
    let bad = run(&["--auth-jwt-token", &forged(&token), "--debug"], "");
    assert!(
        bad.contains("invalid auth token") && bad.contains("ETCDCTL_AUTH_JWT_TOKEN=***"),
        "{bad}"
    );
    assert!(run(&[], "").contains("user name is empty"));
}
