//! The sample scripts of `assets/scripts` on stock etcd: what they expect is what any etcd does.
//!
//! `ETCD_BIN` names etcd 3.5.1's server. The scripts run on mini-etcd in `tui/tests/script`.

use std::path::Path;
use std::process::Command;

use anyhow::ensure;
use mini_etcd_tests::cluster::{Cluster, Flavor};
use mini_etcd_tests::process::workspace_binary;

/// All but the one that kills a bundled member.
const SCRIPTS: &[&str] = &["smoke.ers", "locks.ers", "migration.ers", "watch-order.ers"];

/// Goal: a script that passes here passes on etcd. Method: the real program, on one member and on three.
#[tokio::test]
async fn the_samples_pass_on_etcd() -> anyhow::Result<()> {
    let program = workspace_binary("mini-etcd-tui")?;
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../assets/scripts");
    for size in [1, 3] {
        let cluster = Cluster::start(Flavor::Etcd, size).await?;
        let output = Command::new(&program)
            .args(["run", "--endpoints", &cluster.addresses().join(",")])
            .args(SCRIPTS.iter().map(|name| dir.join(name)))
            .output()?;
        let report = String::from_utf8_lossy(&output.stdout);
        let errors = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.code() == Some(0), "{size} members:\n{report}\n{errors}");
        ensure!(report.contains("\n1..22\n"), "{report}");
    }
    Ok(())
}
