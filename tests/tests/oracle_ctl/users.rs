//! Users and roles: both programs make the same changes from the same beginning, one after the other.

use std::path::Path;
use std::process::Command;

use anyhow::ensure;
use mini_etcd_tests::cluster::{Cluster, Flavor};
use mini_etcd_tests::process::workspace_binary;

use crate::printed::{Printed, programs, run_line};

/// Lines in their order, each with its standard input: every command, flag and format, and what is refused.
const LINES: &[(&str, &str)] = &[
    ("auth status", ""),
    ("auth status -w json", ""),
    ("auth status -w fields", ""),
    ("auth status -w table", ""),
    ("auth status x", ""),
    ("auth enable", ""),
    ("auth enable x", ""),
    ("auth disable", ""),
    ("auth disable x", ""),
    ("auth disable -w json", ""),
    ("auth disable -w table", ""),
    ("auth disable -w bogus", ""),
    // user add: where a password comes from
    ("user list", ""),
    ("user list -w json", ""),
    ("user add", ""),
    ("user add a b", ""),
    ("user add alice:pw", ""),
    ("user add alice:pw", ""),
    ("user add :pw", ""),
    ("user add b1 --interactive=false", "pw\n"),
    ("user add b2 --interactive=false", "pw"),
    ("user add b3 --interactive=false", ""),
    ("user add b4 --interactive=false", "two words\n"),
    ("user add b5 --interactive=false", "\n"),
    ("user add b6", "pw\npw\n"),
    ("user add b7", "pw\nother\n"),
    ("user add b7", "pw\n"),
    ("user add b7", "\n"),
    ("user add b7", ""),
    ("user add c1 --new-user-password=pw", ""),
    ("user add c2 --new-user-password=", "pw\npw\n"),
    ("user add c3:x --new-user-password pw", ""),
    ("user add c4 --no-password", ""),
    ("user add c5:x --no-password", ""),
    ("user add c6 --no-password --new-user-password=x", ""),
    ("user add c7:", ""),
    ("user add c8:a:b", ""),
    ("user add c9 --interactive=maybe", ""),
    ("user add '' --interactive=false", "x\n"),
    ("user add '' --no-password", ""),
    ("user add 'blank in it':pw", ""),
    ("user add d1:pw -w json", ""),
    ("user add d2:pw -w fields", ""),
    ("user add d3:pw -w protobuf", ""),
    ("user add d4:pw -w table", ""),
    ("user list", ""),
    ("user list x", ""),
    ("user list -w json", ""),
    ("user list -w fields", ""),
    ("user list -w protobuf", ""),
    ("user list -w table", ""),
    ("user passwd", ""),
    ("user passwd a b", ""),
    ("user passwd alice --interactive=false", "new\n"),
    ("user passwd alice", "new\nnew\n"),
    ("user passwd alice", "new\nold\n"),
    ("user passwd alice", "\n"),
    ("user passwd nobody --interactive=false", "new\n"),
    ("user passwd alice --interactive=false -w json", "new\n"),
    ("user passwd alice --interactive=false -w fields", "new\n"),
    ("user passwd alice --interactive=false -w protobuf", "new\n"),
    ("user passwd alice --interactive=false -w table", "new\n"),
    // roles
    ("role list", ""),
    ("role list -w json", ""),
    ("role list -w fields", ""),
    ("role add", ""),
    ("role add a b", ""),
    ("role add r", ""),
    ("role add r", ""),
    ("role add ''", ""),
    ("role add s -w json", ""),
    ("role add t -w fields", ""),
    ("role add u -w protobuf", ""),
    ("role add v -w table", ""),
    ("role list", ""),
    ("role list x", ""),
    ("role list -w json", ""),
    ("role list -w fields", ""),
    ("role list -w protobuf", ""),
    ("role list -w table", ""),
    ("role get r", ""),
    ("role get r -w json", ""),
    ("role get r -w fields", ""),
    ("role get nothing", ""),
    ("role get", ""),
    ("role get a b", ""),
    ("role grant-permission", ""),
    ("role grant-permission r read", ""),
    ("role grant-permission r reading k", ""),
    ("role grant-permission r 0 k", ""),
    ("role grant-permission nothing read k", ""),
    ("role grant-permission r read k", ""),
    ("role grant-permission r READ k2", ""),
    ("role grant-permission r Write k2", ""),
    ("role grant-permission r readwrite dir/ --prefix", ""),
    ("role grant-permission r write a c", ""),
    ("role grant-permission r read a b c", ""),
    ("role grant-permission r read z --from-key", ""),
    ("role grant-permission r read z y --from-key", ""),
    ("role grant-permission r read z y --prefix", ""),
    ("role grant-permission r read z --prefix --from-key", ""),
    ("role grant-permission r read '' --prefix --from-key", ""),
    ("role grant-permission r read '' --prefix", ""),
    ("role grant-permission r read '' x", ""),
    ("role grant-permission r write '' --from-key", ""),
    ("role grant-permission r read m b", ""),
    ("role grant-permission r readwrite \"x\\xff\" --prefix", ""),
    ("role grant-permission r write \"\\xff\" --prefix", ""),
    ("role grant-permission r read \"t\\tab\\\"\"", ""),
    ("role grant-permission r read j -w json", ""),
    ("role grant-permission r read j -w fields", ""),
    ("role grant-permission r read j -w protobuf", ""),
    ("role grant-permission r read j -w table", ""),
    ("role get r", ""),
    ("role get r --hex", ""),
    ("role get r -w json", ""),
    ("role get r -w fields", ""),
    ("role get r -w protobuf", ""),
    ("role get r -w table", ""),
    // who has which
    ("user grant-role", ""),
    ("user grant-role alice", ""),
    ("user grant-role alice r s", ""),
    ("user grant-role alice nothing", ""),
    ("user grant-role nobody r", ""),
    ("user grant-role alice r", ""),
    ("user grant-role alice r", ""),
    ("user grant-role alice root", ""),
    ("user grant-role b1 s -w json", ""),
    ("user grant-role b1 t -w fields", ""),
    ("user grant-role b1 u -w protobuf", ""),
    ("user grant-role b1 v -w table", ""),
    ("user get", ""),
    ("user get a b", ""),
    ("user get nobody", ""),
    ("user get nobody --detail", ""),
    ("user get c1", ""),
    ("user get c1 --detail", ""),
    ("user get c1 --detail -w json", ""),
    ("user get c1 --detail -w table", ""),
    ("user get alice", ""),
    ("user get alice -w json", ""),
    ("user get alice -w fields", ""),
    ("user get alice -w protobuf", ""),
    ("user get alice -w table", ""),
    // The role root is not there yet.
    ("user get alice --detail", ""),
    ("user get b1 --detail", ""),
    ("user get b1 --detail -w json", ""),
    ("user get b1 --detail -w fields", ""),
    ("user get b1 --detail -w protobuf", ""),
    ("role add root", ""),
    ("role get root", ""),
    ("role get root -w json", ""),
    ("user get alice --detail", ""),
    ("user revoke-role", ""),
    ("user revoke-role alice", ""),
    ("user revoke-role alice nothing", ""),
    ("user revoke-role nobody r", ""),
    ("user revoke-role alice r", ""),
    ("user revoke-role alice r", ""),
    ("user revoke-role b1 s -w json", ""),
    ("user revoke-role b1 t -w fields", ""),
    ("user revoke-role b1 u -w protobuf", ""),
    ("user revoke-role b1 v -w table", ""),
    ("role revoke-permission", ""),
    ("role revoke-permission r", ""),
    ("role revoke-permission nothing k", ""),
    ("role revoke-permission r never", ""),
    ("role revoke-permission r k", ""),
    ("role revoke-permission r k", ""),
    ("role revoke-permission r a", ""),
    ("role revoke-permission r a c", ""),
    ("role revoke-permission r a b c", ""),
    ("role revoke-permission r dir/ --prefix", ""),
    ("role revoke-permission r z y --prefix", ""),
    ("role revoke-permission r z y --from-key", ""),
    ("role revoke-permission r z --prefix --from-key", ""),
    ("role revoke-permission r z --from-key", ""),
    ("role revoke-permission r '' --prefix", ""),
    ("role revoke-permission r ''", ""),
    ("role revoke-permission r \"x\\xff\" --prefix", ""),
    ("role revoke-permission r \"\\xff\" --prefix", ""),
    ("role revoke-permission r j -w json", ""),
    ("role grant-permission r read j", ""),
    ("role revoke-permission r j -w fields", ""),
    ("role grant-permission r read j", ""),
    ("role revoke-permission r j -w protobuf", ""),
    ("role grant-permission r read j", ""),
    ("role revoke-permission r j -w table", ""),
    ("role get r", ""),
    ("role delete", ""),
    ("role delete a b", ""),
    ("role delete nothing", ""),
    ("role delete ''", ""),
    ("role delete r", ""),
    ("role delete s -w json", ""),
    ("role delete t -w fields", ""),
    ("role delete u -w protobuf", ""),
    ("role delete v -w table", ""),
    ("user delete", ""),
    ("user delete a b", ""),
    ("user delete nobody", ""),
    ("user delete ''", ""),
    ("user delete b1", ""),
    ("user delete d1 -w json", ""),
    ("user delete d2 -w fields", ""),
    ("user delete d3 -w protobuf", ""),
    ("user delete d4 -w table", ""),
    // Lines that are none.
    ("user bogus", ""),
    ("user add x --bogus", ""),
    ("role get r --prefix", ""),
    // A root without the role is given it, unless the role is there.
    ("user add root:rootpw", ""),
    ("auth enable", ""),
    ("role delete root", ""),
    ("auth enable", ""),
    ("auth status", ""),
    ("auth status --user root:rootpw", ""),
    ("auth status --user root:rootpw -w json", ""),
    ("auth enable --user root:rootpw", ""),
    ("user list", ""),
    ("user list --user root:rootpw", ""),
    ("user list --user root:wrong", ""),
    ("user get alice --user alice:new", ""),
    ("user list --user c1:pw", ""),
    ("user get c1 --user c1:pw", ""),
    ("user get alice --user c1:pw", ""),
    ("role list --user c1:pw", ""),
    ("auth disable --user c1:pw", ""),
    ("user add e1:pw --user c1:pw", ""),
    ("user delete root --user root:rootpw", ""),
    ("role delete root --user root:rootpw", ""),
    ("user revoke-role root root --user root:rootpw", ""),
    ("auth disable --user root:rootpw", ""),
    ("auth status", ""),
];

/// What both must say alike. Masked: the words of help, how often users and roles have changed, and what etcdctl's
/// helper says without a terminal.
fn said(binary: &Path, endpoint: &str, line: &str, input: &str) -> anyhow::Result<Printed> {
    let mut printed = run_line(binary, endpoint, line, input)?;
    let own = |line: &&str| !line.starts_with("stty: ");
    printed.err = printed.err.lines().filter(own).collect::<Vec<_>>().join("\n");
    for name in ["\"authRevision\":", "AuthRevision: "] {
        let Some((before, after)) = printed.out.split_once(name) else { continue };
        let after = after.trim_start_matches(|c: char| c.is_ascii_digit());
        printed.out = format!("{before}{name}#{after}");
    }
    Ok(printed)
}

/// Leaves no user and no role, as it was in the beginning.
fn clear(theirs: &Path, endpoint: &str) -> anyhow::Result<()> {
    for what in ["user", "role"] {
        for name in run_line(theirs, endpoint, &format!("{what} list"), "")?.out.lines() {
            let gone = run_line(theirs, endpoint, &format!("{what} delete '{name}'"), "")?;
            ensure!(gone.code == Some(0), "{name}: {gone:?}");
        }
    }
    Ok(())
}

/// Goal: byte-equal output, errors and exit codes. Method: the lines run in their order with each program, on the same
/// server, which has no users before.
#[tokio::test]
async fn users_and_roles_change_and_show_as_in_etcdctl() -> anyhow::Result<()> {
    let [ours, theirs] = programs()?;
    let cluster = Cluster::start(Flavor::Etcd, 1).await?;
    let endpoint = cluster.member(0)?.address.clone();
    let mut said_by = Vec::new();
    for binary in [&ours, &theirs] {
        let lines = LINES.iter().map(|(line, input)| said(binary, &endpoint, line, input));
        said_by.push(lines.collect::<anyhow::Result<Vec<_>>>()?);
        clear(&theirs, &endpoint)?;
    }
    let mut different = Vec::new();
    for ((line, input), (ours, theirs)) in LINES.iter().zip(said_by[0].iter().zip(&said_by[1])) {
        if ours != theirs {
            different.push(format!("{line:?} {input:?}\n  ours   {ours:?}\n  theirs {theirs:?}"));
        }
    }
    ensure!(different.is_empty(), "{} lines differ:\n{}", different.len(), different.join("\n"));
    Ok(())
}

/// The same commands in a script: names from variables, a password from a heredoc, conditions on what came of them.
const SCRIPT: &str = r#"
set PW hush
user add root --new-user-password=$PW
user add alice --interactive=false <<END
$PW
END
user passwd alice --interactive=false <<'END'
hush2
END
! user passwd alice
expect error ~"heredoc"
! user add bob --interactive=false
expect error ~"heredoc"
! user add alice --no-password
expect error FailedPrecondition
role add readers
role grant-permission readers read $RUN/ --prefix
role get readers
expect count == 1
user grant-role alice readers
user get alice
expect json .roles[0] == readers
user list
expect count == 2
expect json .users[0] == alice
auth enable
with --user alice:hush2
get $RUN/k
! put $RUN/k v
expect error PermissionDenied
! user list
expect error PermissionDenied
end
with --user root:$PW
auth status
expect json .enabled == true
put $RUN/k v
auth disable
end
user revoke-role alice readers
role revoke-permission readers $RUN/ --prefix
role delete readers
user delete alice
user delete root
role list
expect count == 1
"#;

#[tokio::test]
async fn a_script_has_users_roles_and_passwords_that_no_report_shows() -> anyhow::Result<()> {
    let cluster = Cluster::start(Flavor::Etcd, 1).await?;
    let endpoint = cluster.member(0)?.address.clone();
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("users.ers");
    std::fs::write(&file, SCRIPT)?;
    let output = Command::new(workspace_binary("mini-etcd-tui")?)
        .args(["run", "--endpoints", &endpoint])
        .arg(&file)
        .output()?;
    let report = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    ensure!(output.status.code() == Some(0), "{report}");
    ensure!(!report.contains("hush"), "{report}");
    Ok(())
}
