//! [`Side`]: one program's cluster.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, ensure};
use mini_etcd_tests::cluster::{Cluster, Flavor};
use mini_etcd_tests::usage::processor_seconds;

/// A program to measure.
#[derive(Clone, Debug)]
pub enum Program {
    /// This workspace's.
    Mini,
    /// An etcd, by its path and what it calls itself.
    Etcd(PathBuf, String),
}

impl Program {
    /// The etcd at `path`; asks it for its version.
    pub fn etcd(path: PathBuf) -> anyhow::Result<Self> {
        let output = Command::new(&path).arg("--version").output();
        let output = output.with_context(|| format!("starting {}", path.display()))?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let version = text.lines().find_map(|line| line.strip_prefix("etcd Version: "));
        let version = version.with_context(|| format!("{} is no etcd", path.display()))?;
        Ok(Self::Etcd(path, format!("etcd {version}")))
    }

    pub fn name(&self) -> &str {
        match self {
            Self::Mini => "mini-etcd",
            Self::Etcd(_, name) => name,
        }
    }
}

/// A cluster of one program.
pub struct Side {
    pub name: String,
    pub cluster: Cluster,
}

impl Side {
    pub async fn start(program: &Program, size: usize) -> anyhow::Result<Self> {
        let cluster = match program {
            Program::Mini => Cluster::start(Flavor::Mini, size).await?,
            Program::Etcd(path, _) => Cluster::start_etcd(path, size).await?,
        };
        Ok(Self { name: program.name().to_owned(), cluster })
    }

    /// One side for each program.
    pub async fn start_all(programs: &[Program], size: usize) -> anyhow::Result<Vec<Self>> {
        let mut sides = Vec::new();
        for program in programs {
            sides.push(Self::start(program, size).await?);
        }
        ensure!(!sides.is_empty(), "nothing to measure");
        Ok(sides)
    }

    /// Processor time of all members so far, in seconds.
    pub fn processor_seconds(&self) -> anyhow::Result<f64> {
        let members = 0..self.cluster.size();
        members.map(|index| processor_seconds(&self.cluster.pid(index)?.to_string())).sum()
    }
}
