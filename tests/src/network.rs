//! A network for the members of one cluster, in which links can be cut one way: a namespace for each, behind one bridge.
//!
//! It is made with `ip`, as root. What a link loses is lost by a route to nowhere at its beginning: connections that stand go
//! silent, and new ones fail at once.

use std::process::{Command, Stdio};

use anyhow::{Context as _, ensure};

/// The namespaces and their bridge; they go when it is dropped.
#[derive(Debug)]
pub struct Network {
    /// Beginning of all names: at most eleven letters, since those of links have fifteen.
    name: String,
    /// The first three numbers of each address.
    subnet: String,
    size: usize,
}

impl Network {
    /// A network with a place for each of `size` members, and one for who asks them: this process.
    ///
    /// # Errors
    /// When `ip` is missing, or may not do it.
    pub fn new(size: usize) -> anyhow::Result<Self> {
        let process = std::process::id();
        let subnet = format!("10.213.{}", process % 256);
        let network = Self { name: format!("net{process}"), subnet, size };
        let Self { name, subnet, .. } = &network;
        ip(&format!("link add {name} type bridge"))?;
        ip(&format!("addr add {subnet}.254/24 dev {name}"))?;
        ip(&format!("link set {name} up"))?;
        for index in 0..size {
            let (space, host) = (network.space(index), network.host(index));
            ip(&format!("netns add {space}"))?;
            ip(&format!("link add {name}v{index} type veth peer name inner netns {space}"))?;
            ip(&format!("link set {name}v{index} master {name} up"))?;
            ip(&format!("-n {space} addr add {host}/24 dev inner"))?;
            ip(&format!("-n {space} link set inner up"))?;
            ip(&format!("-n {space} link set lo up"))?;
        }
        Ok(network)
    }

    /// The address of a member.
    #[must_use]
    pub fn host(&self, index: usize) -> String {
        format!("{}.{}", self.subnet, index + 1)
    }

    /// Program and arguments that run another program in the place of a member.
    #[must_use]
    pub fn under(&self, index: usize) -> Vec<String> {
        let words = format!("ip netns exec {}", self.space(index));
        words.split(' ').map(str::to_owned).collect()
    }

    /// From now on nothing that `from` sends reaches `to`.
    ///
    /// # Errors
    /// When it is cut already.
    pub fn cut(&self, from: usize, to: usize) -> anyhow::Result<()> {
        ip(&format!("-n {} route add blackhole {}/32", self.space(from), self.host(to)))
    }

    /// The link is whole again.
    ///
    /// # Errors
    /// When it was.
    pub fn heal(&self, from: usize, to: usize) -> anyhow::Result<()> {
        ip(&format!("-n {} route del blackhole {}/32", self.space(from), self.host(to)))
    }

    fn space(&self, index: usize) -> String {
        format!("{}n{index}", self.name)
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        // One that was not made is no news.
        for index in 0..self.size {
            // By itself it goes with the namespace, some time later.
            let _ = ip(&format!("link del {}v{index}", self.name));
            let _ = ip(&format!("netns del {}", self.space(index)));
        }
        let _ = ip(&format!("link del {}", self.name));
    }
}

fn ip(arguments: &str) -> anyhow::Result<()> {
    let mut command = Command::new("ip");
    let output = command.args(arguments.split(' ')).stdin(Stdio::null()).output().context("ip")?;
    let words = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "ip {arguments}: {}", words.trim());
    Ok(())
}
