//! The console before a cluster with TLS and users: three members of mini-etcd, and the same of etcd if `ETCD_BIN` names it.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use crate::certificates::Authority;
use crate::console::{Console, DEADLINE};
use crate::member::{CTL, free_port};

/// Password of every user here.
const PASSWORD: &str = "open-sesame";

/// Three members with TLS for clients and between each other, and with users: root, and `dev`, who may write below `app/`.
struct Guarded {
    members: Vec<Child>,
    endpoints: String,
    authority: Authority,
    _dir: tempfile::TempDir,
}

impl Guarded {
    /// Of mini-etcd.
    fn mini() -> Self {
        Self::start(|name, data, (client, _), all| {
            let mut command = Command::new(env!("CARGO_BIN_EXE_mini-etcd-tui"));
            command.args(["serve", "--name", name, "--listen", client, "--peers", all]);
            command.arg("--data").arg(data);
            command
        })
    }

    /// Of the etcd that `ETCD_BIN` names, if it does.
    fn etcd() -> Option<Self> {
        let binary = std::env::var_os("ETCD_BIN")?;
        Some(Self::start(|name, data, (client, peer), all| {
            let (client, peer) = (format!("https://{client}"), format!("https://{peer}"));
            let mut command = Command::new(&binary);
            command.args(["--name", name, "--initial-cluster", all]);
            command.args(["--listen-client-urls", &client, "--advertise-client-urls", &client]);
            command.args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer]);
            command.arg("--data-dir").arg(data);
            command
        }))
    }

    fn start(of: impl Fn(&str, PathBuf, (&str, &str), &str) -> Command) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let authority = Authority::new("authority");
        let pair = authority.signs("member", &["127.0.0.1"]);
        let ports: Vec<_> = (1..=3).map(|n| (format!("n{n}"), free_port(), free_port())).collect();
        // Clients and peers of mini-etcd share a port.
        let is_mini = !of("", PathBuf::new(), ("", ""), "").get_args().any(|it| it == "--data-dir");
        let peer = |(_, client, peer): &(String, String, String)| {
            if is_mini { client.clone() } else { peer.clone() }
        };
        let all: Vec<_> = ports.iter().map(|it| format!("{}=https://{}", it.0, peer(it))).collect();
        let all = all.join(",");
        let members = ports.iter().map(|it| {
            let mut command = of(&it.0, dir.path().join(&it.0), (&it.1, &peer(it)), &all);
            for (flag, file) in [
                ("--cert-file", &pair.cert),
                ("--key-file", &pair.key),
                ("--peer-cert-file", &pair.cert),
                ("--peer-key-file", &pair.key),
                ("--peer-trusted-ca-file", &authority.cert),
            ] {
                command.arg(flag).arg(file);
            }
            command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
            command.spawn().unwrap()
        });
        let members = members.collect();
        let endpoints: Vec<_> = ports.iter().map(|it| format!("https://{}", it.1)).collect();
        let guarded = Self { members, endpoints: endpoints.join(","), authority, _dir: dir };
        guarded.begin();
        guarded
    }

    /// Makes the users, and lets them count.
    fn begin(&self) {
        let deadline = Instant::now() + DEADLINE;
        while !self.ctl("put app/greeting hello", None).0 {
            assert!(Instant::now() < deadline, "it does not answer");
        }
        for line in [
            &format!("user add root:{PASSWORD}"),
            "user grant-role root root",
            &format!("user add dev:{PASSWORD}"),
            "role add app",
            "role grant-permission app readwrite app/ --prefix",
            "user grant-role dev app",
            "put secret/key hidden",
            "auth enable",
        ] {
            let (fine, said) = self.ctl(line, None);
            assert!(fine, "{line}: {said}");
        }
    }

    fn ctl(&self, line: &str, user: Option<&str>) -> (bool, String) {
        let mut command = Command::new(CTL);
        command.arg(format!("--endpoints={}", self.endpoints)).env_remove("ETCDCTL_ENDPOINTS");
        command.arg("--cacert").arg(&self.authority.cert).args(line.split(' '));
        command.args(user.map(|name| format!("--user={name}:{PASSWORD}")));
        let output = command.output().unwrap();
        let said = if output.status.success() { output.stdout } else { output.stderr };
        (output.status.success(), String::from_utf8_lossy(&said).into_owned())
    }

    fn root(&self, line: &str) -> String {
        let (fine, said) = self.ctl(line, Some("root"));
        assert!(fine, "{line}: {said}");
        said
    }

    fn console(&self, user: &str) -> Console {
        let authority: &Path = &self.authority.cert;
        let authority = authority.display().to_string();
        let flags = ["--endpoints", &self.endpoints, "--cacert", &authority, "--user", user];
        let mut console = Console::start(&flags);
        console.resize(120, 36);
        console
    }

    /// A console whose user has typed the password.
    fn login(&self, user: &str) -> Console {
        let mut console = self.console(user);
        console.sees("Password:");
        console.press(&format!("{PASSWORD}\r"));
        console.sees("quorum 3/3");
        console
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        for member in &mut self.members {
            let _killed = member.kill();
            let _ended = member.wait();
        }
    }
}

/// Goal: root works on every screen as on a cluster without TLS and users. Method: a key is shown, edited and watched, a lease
/// granted and given a key; the password is shown nowhere.
fn root_works_as_usual(cluster: &Guarded) {
    let mut console = cluster.login("root");
    console.sees("verdict: quorum OK, 1 may fail");
    console.press("2");
    console.sees("▸ app/");
    console.sees("▸ secret/");
    console.press("\r");
    console.sees("greeting");
    console.press("j");
    console.sees("│ hello");
    console.press("3");
    console.sees("No tail yet");
    console.press("w");
    console.sees("New tail");
    console.press("app/\r");
    console.sees("begins at");
    console.press("2");
    console.sees("│ hello");
    console.press("E");
    console.sees("Edit app/greeting");
    console.press("well, \x13");
    console.sees("done: save app/greeting");
    console.sees("│ well, hello");
    assert_eq!(cluster.root("get app/greeting --print-value-only"), "well, hello\n");
    console.press("3");
    console.sees("well, hello");
    cluster.root("put app/other by-another");
    console.sees("by-another");
    console.press("4");
    console.sees("No lease.");
    console.press("n");
    console.sees("grant: ");
    console.press("600 7f3a\r");
    console.sees("0000000000007f3a was granted for 600s");
    cluster.root("put app/leased x --lease=7f3a");
    console.sees("1 key ends with it");
    console.press("d");
    console.sees("revoke 0000000000007f3a and delete 1 key");
    console.press("y");
    console.sees("No lease.");
    assert_eq!(cluster.root("get app/leased"), "");
    console.press("qq");
    let raw = String::from_utf8_lossy(&console.raw).into_owned();
    assert!(!raw.contains(PASSWORD), "the password was shown");
    assert!(console.ends().success());
}

/// Goal: who may little is told so and sees what it may. Method: a user with a prefix.
fn an_ordinary_user_works_within_its_rights(cluster: &Guarded) {
    let mut console = cluster.login("dev");
    console.press("2");
    console.sees("permission denied");
    console.press("F");
    console.sees("prefix: ");
    console.press("\x15app/\r");
    console.sees("greeting");
    console.sees("Revisions: for users who may read all keys");
    assert!(!console.shown().contains("what changed"), "{}", console.shown());
    console.press("g");
    console.sees("┌ app/greeting");
    console.press("E");
    console.sees("Edit app/greeting");
    console.press("dev: \x13");
    console.sees("done: save app/greeting");
    console.sees("version 3");
    console.press("d");
    console.sees("!!  delete app/greeting");
    console.press("y");
    console.sees("done: delete app/greeting");
    console.press("u");
    console.sees("version 1");
    console.press(":");
    console.sees("a command:");
    console.press("put secret/key x\r");
    console.sees("etcdserver: permission denied");
    console.press("\x1b\x1b");
    assert_eq!(cluster.root("get secret/key --print-value-only"), "hidden\n");
    console.press("\x03");
    console.signal("-TERM");
    assert_eq!(console.ends().exit_code(), 143);
}

/// Goal: a wrong password is told as one, and nothing is shown behind it.
fn a_wrong_password_is_told(cluster: &Guarded) {
    let mut console = cluster.console("root");
    console.sees("Password:");
    console.press("not it\r");
    console.sees("authentication failed");
    console.press("2");
    console.misses("greeting");
    console.press("\x03");
    console.signal("-TERM");
    console.ends();
}

fn all(cluster: &Guarded) {
    a_wrong_password_is_told(cluster);
    root_works_as_usual(cluster);
    an_ordinary_user_works_within_its_rights(cluster);
}

#[test]
fn a_cluster_with_tls_and_users_is_worked_on() {
    all(&Guarded::mini());
}

#[test]
fn a_cluster_of_etcds_with_tls_and_users_is_worked_on() {
    if let Some(cluster) = Guarded::etcd() {
        all(&cluster);
    }
}
