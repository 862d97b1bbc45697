//! [`Place`]: where what is published starts here, and [`Caller`]: who asks it there.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};
use mini_etcd_tests::page;
use mini_etcd_tests::process::{free_ports, workspace_binary};
use mini_etcd_tests::tls::{Authority, Identity, TlsClient, Valid};
use rcgen::KeyPair;
use regex::{Captures, Regex};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tonic::transport::{Channel, Endpoint};

use super::forms::Published;
use super::settings::Start;

/// What is made anew for published texts: ports of the machine, addresses of its loopback, and who signs.
pub struct Place {
    ports: RefCell<BTreeMap<u16, u16>>,
    authority: Authority,
    identity: Identity,
    /// Several members: each has an address of its own, and none listens at all of them.
    has_several: bool,
}

impl Place {
    pub fn new(published: &Published) -> anyhow::Result<Self> {
        let authority = Authority::new("etcd-ca")?;
        // Every address of 127.0.0.0/8 that the texts may have become.
        let mut hosts = BTreeSet::from(["localhost".to_owned(), "127.0.0.1".to_owned()]);
        let address = Regex::new(r"\b127\.\d+\.\d+\.\d+")?;
        for start in &published.starts {
            let texts = start.settings()?.into_values().collect::<Vec<_>>().join(",");
            hosts.extend(address.find_iter(&own_address(&texts)?).map(|it| it.as_str().to_owned()));
        }
        let hosts: Vec<_> = hosts.iter().map(String::as_str).collect();
        let identity = authority.issue("root", &hosts, Valid::Now)?;
        let has_several = published.starts.len() > 1;
        Ok(Self { ports: RefCell::default(), authority, identity, has_several })
    }

    /// The members, each with a directory, what its settings name in it, and URLs where it has none.
    pub fn members(&self, published: &Published) -> anyhow::Result<Vec<Member>> {
        let members = published.starts.iter().map(|start| {
            let dir = TempDir::new()?;
            let own = start.settings()?;
            let host = own
                .get("initial-advertise-peer-urls")
                .and_then(|url| Some(url.split_once("://")?.1.rsplit_once(':')?.0.to_owned()));
            let here = |text: &str| self.here(text, dir.path(), host.as_deref());
            let mut start = start.clone();
            for argument in &mut start.arguments {
                *argument = here(argument)?;
            }
            for (name, value) in &mut start.variables {
                if name.starts_with("ETCD_") {
                    *value = here(value)?;
                }
            }
            if let Some(file) = &mut start.file {
                *file = here(file)?;
            }
            self.complete(&mut start)?;
            let settings = start.settings()?;
            self.certificates(&settings)?;
            let probe = |(port, path): &(u16, String)| Ok((self.port(*port)?, path.clone()));
            let probes = published.probes.iter().map(probe).collect::<anyhow::Result<_>>()?;
            Ok(Member { start, settings, probes, dir })
        });
        members.collect()
    }

    /// What stands here for a published port.
    fn port(&self, published: u16) -> anyhow::Result<u16> {
        if let Some(port) = self.ports.borrow().get(&published) {
            return Ok(*port);
        }
        let port = free_ports(1)?.first().copied().context("a port")?;
        self.ports.borrow_mut().insert(published, port);
        Ok(port)
    }

    /// A text with the ports and addresses of this machine, and with its paths in `dir`.
    fn here(&self, text: &str, dir: &Path, host: Option<&str>) -> anyhow::Result<String> {
        let host = host.filter(|_| self.has_several);
        let text = host.map_or_else(|| text.to_owned(), |host| text.replace("0.0.0.0", host));
        let url = Regex::new(r"(://[^/:,\s]+):(\d+)")?;
        let mut problem = None;
        let text = url.replace_all(&text, |found: &Captures<'_>| {
            let port = found[2].parse().map_err(anyhow::Error::from);
            let port = port.and_then(|port| self.port(port)).unwrap_or_else(|error| {
                problem = Some(error);
                0
            });
            format!("{}:{port}", &found[1])
        });
        problem.map_or(Ok(()), Err)?;
        let path = Regex::new(r"(^|[=,\s])(/(?:bitnami|etc|etcd-data|opt|path|var)[^,\s]*)")?;
        let in_dir = format!("${{1}}{}${{2}}", dir.display());
        Ok(path.replace_all(&own_address(&text)?, in_dir).into_owned())
    }

    /// Flags for the ports that the published text leaves to the default, which are not ours to take.
    fn complete(&self, start: &mut Start) -> anyhow::Result<()> {
        let settings = start.settings()?;
        let (clients, peers) = (self.port(2379)?, self.port(2380)?);
        let clients = format!("http://localhost:{clients}");
        if !settings.contains_key("listen-client-urls") {
            start.arguments.push(format!("--listen-client-urls={clients}"));
        }
        if !settings.contains_key("advertise-client-urls") {
            start.arguments.push(format!("--advertise-client-urls={clients}"));
        }
        if !settings.contains_key("listen-peer-urls") {
            let name = settings.get("name").map_or("default", String::as_str);
            let url = format!("http://localhost:{peers}");
            start.arguments.push(format!("--listen-peer-urls={url}"));
            start.arguments.push(format!("--initial-advertise-peer-urls={url}"));
            start.arguments.push(format!("--initial-cluster={name}={url}"));
        }
        Ok(())
    }

    /// Writes the files that are named.
    fn certificates(&self, settings: &BTreeMap<String, String>) -> anyhow::Result<()> {
        let write = |path: &str, text: &str| {
            let path = Path::new(path);
            std::fs::create_dir_all(path.parent().context("a directory")?)?;
            std::fs::write(path, text).with_context(|| path.display().to_string())
        };
        for (name, value) in settings {
            match name.as_str() {
                "cert-file" | "peer-cert-file" => write(value, &self.identity.certificate)?,
                "key-file" | "peer-key-file" => write(value, &self.identity.key)?,
                "trusted-ca-file" | "peer-trusted-ca-file" => write(value, &self.authority.pem)?,
                "auth-token" => {
                    let key = value.split(',').find_map(|part| part.strip_prefix("priv-key="));
                    write(key.context("a key")?, &KeyPair::generate()?.serialize_pem())?;
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// Published addresses are private ones of other machines; here those of the loopback with the same end.
fn own_address(text: &str) -> anyhow::Result<String> {
    let private = Regex::new(r"\b(?:10|192)(\.\d+\.\d+\.\d+)\b")?;
    Ok(private.replace_all(text, "127$1").into_owned())
}

/// One member of a published text, here.
pub struct Member {
    start: Start,
    settings: BTreeMap<String, String>,
    pub probes: Vec<(u16, String)>,
    dir: TempDir,
}

/// Where a member listens.
#[derive(Clone, Debug)]
pub struct Url {
    pub is_secure: bool,
    pub address: String,
}

impl Member {
    /// What starts it, with nothing else in its environment.
    pub fn command(&self) -> anyhow::Result<Command> {
        let mut command = Command::new(workspace_binary("mini-etcd")?);
        command.args(&self.start.arguments).current_dir(self.dir.path()).env_clear();
        command.envs(self.start.variables.iter().map(|(name, value)| (name, value)));
        if let Some(file) = &self.start.file {
            let path = self.dir.path().join("config");
            std::fs::write(&path, file)?;
            command.arg("--config-file").arg(path);
        }
        Ok(command)
    }

    pub fn stderr(&self) -> PathBuf {
        self.dir.path().join("stderr")
    }

    pub fn name(&self) -> &str {
        self.settings.get("name").map_or("default", String::as_str)
    }

    /// Values of a setting, by commas.
    pub fn list(&self, name: &str) -> Vec<String> {
        let list = self.settings.get(name).into_iter().flat_map(|list| list.split(','));
        list.map(str::to_owned).collect()
    }

    /// URLs of a setting, as they are connected to.
    pub fn urls(&self, name: &str) -> Vec<Url> {
        let urls = self.list(name).into_iter().filter_map(|url| {
            let (scheme, address) = url.split_once("://")?;
            let address = address.replace("0.0.0.0", "127.0.0.1");
            Some(Url { is_secure: scheme == "https", address })
        });
        urls.collect()
    }

    /// Whom a client believes: who signed, or the certificate that the member made for itself.
    fn roots(&self, place: &Place) -> anyhow::Result<String> {
        if self.settings.get("auto-tls").is_none_or(|value| value != "true") {
            return Ok(place.authority.pem.clone());
        }
        let dir = self.settings.get("data-dir").context("a directory")?;
        let dir = self.dir.path().join(dir).join("fixtures/client");
        let certificate = std::fs::read_dir(&dir)?.filter_map(Result::ok).find_map(|entry| {
            let text = std::fs::read_to_string(entry.path()).ok()?;
            text.contains("BEGIN CERTIFICATE").then_some(text)
        });
        certificate.with_context(|| dir.display().to_string())
    }
}

/// Asks a member in plain text or by TLS, with a certificate of the authority.
pub struct Caller {
    tls: TlsClient,
}

impl Caller {
    pub fn new(place: &Place, member: &Member) -> anyhow::Result<Self> {
        Ok(Self { tls: TlsClient::new(&member.roots(place)?, Some(&place.identity)) })
    }

    /// Whether there is a page.
    pub async fn finds(&self, url: &Url, path: &str) -> anyhow::Result<()> {
        let answer = if url.is_secure {
            self.tls.clone().offering(&["http/1.1"]).page(&url.address, path).await?
        } else {
            page::answer(&url.address, path).await?
        };
        ensure!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        Ok(())
    }

    /// Whether somebody listens.
    pub async fn connects(&self, url: &Url) -> anyhow::Result<()> {
        if url.is_secure {
            return self.tls.connect(&url.address).await.map(drop);
        }
        Ok(TcpStream::connect(&url.address).await.map(drop)?)
    }

    /// Whether a probe of kubelet, in plain text, finds what it looks for.
    pub async fn is_well(&self, address: &str, path: &str) -> anyhow::Result<()> {
        self.finds(&Url { is_secure: false, address: address.to_owned() }, path).await
    }

    pub async fn channel(&self, url: &Url) -> anyhow::Result<Channel> {
        if url.is_secure {
            return self.tls.channel(&url.address).await;
        }
        Ok(Endpoint::from_shared(format!("http://{}", url.address))?.connect().await?)
    }
}
