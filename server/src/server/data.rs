//! [`Data`]: locks a member's directory and checks whose it is.
//!
//! | file | what it is |
//! |---|---|
//! | `LOCK` | locked while a process runs on the directory |
//! | `member` | whose it is, as TOML with a checksum; written once, whole or not at all |
//! | `origin` | when it was made, to tell a copy, see [`super::origin`] |
//! | `log/`, `guard`, `aside/` | the log, see [`crate::log`] |
//! | `state/`, `state.N/` | the applied state, see [`crate::storage`] |
//! | `fixtures/` | certificates that the member makes for itself, see [`crate::tls`] |

use std::fmt::Write as _;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use mini_etcd_proto::internalpb::Member;
use mini_etcd_shared::types::{ClusterId, MemberId};
use serde::{Deserialize, Serialize};

use super::StartError;
use super::origin::Origin;
use crate::config::{Cluster, Config, DEFAULT_TOKEN, Peer};
use crate::node::transport::{LocalNames, resolves};
use crate::storage::StateDirs;

/// Format of the file `member`.
const FORMAT: u32 = 2;

/// Format of a member that joined a cluster: it names the members instead of the list.
const FORMAT_JOINED: u32 = 3;

/// Format of earlier versions: without a checksum, and with a count of starts that nobody needs any more.
const FORMAT_UNSUMMED: u32 = 1;

/// What the last line of the file begins with: the checksum of everything before that line.
const CHECKSUM: &str = "# crc32c ";

/// A directory that this process alone uses.
pub(super) struct Data {
    path: PathBuf,
    /// Held for its lock.
    _lock: File,
    member: MemberFile,
    /// The file says so, in the format of today.
    is_kept: bool,
    is_to_join: bool,
    origin: Origin,
    is_copied: bool,
}

/// The file `member`.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
struct MemberFile {
    format: u32,
    name: String,
    /// `--peers` of the first start; empty for a member alone.
    peers: String,
    /// Of a restored cluster that was given one of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    token: Option<String>,
    /// The short names of peers mean this machine.
    names_mean_this_machine: bool,
    /// In [`FORMAT_UNSUMMED`] only.
    #[serde(skip_serializing)]
    starts: Option<u64>,
    /// In [`FORMAT_JOINED`] only.
    #[serde(skip_serializing_if = "Option::is_none")]
    joined: Option<JoinedFile>,
}

/// What a member was told of the cluster that it joined. Numbers in hexadecimal, as everywhere.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
struct JoinedFile {
    cluster: String,
    member: String,
    members: Vec<JoinedMember>,
}

/// One of them.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
struct JoinedMember {
    id: String,
    name: String,
    peer_url: String,
}

impl JoinedFile {
    fn of(cluster: &Cluster) -> Self {
        let member = |peer: &Peer| JoinedMember {
            id: peer.id.to_string(),
            name: peer.name.clone(),
            peer_url: peer.address.url(),
        };
        Self {
            cluster: cluster.id().to_string(),
            member: cluster.me().to_string(),
            members: cluster.members().map(member).collect(),
        }
    }

    fn cluster(&self, name: &str) -> Result<Cluster, String> {
        let number = |text: &str| {
            u64::from_str_radix(text, 16).map_err(|error| format!("{text:?}: {error}"))
        };
        let member = |member: &JoinedMember| {
            let id = number(&member.id)?;
            let (name, peer_urls) = (member.name.clone(), vec![member.peer_url.clone()]);
            Ok::<_, String>(Member { id, name, peer_urls, ..Member::default() })
        };
        let members = self.members.iter().map(member).collect::<Result<Vec<_>, _>>()?;
        let (id, me) = (ClusterId(number(&self.cluster)?), MemberId(number(&self.member)?));
        let cluster = Cluster::joined(id, (me, name), &members);
        if cluster.member(me).is_none() {
            return Err("the member is not among the members".to_owned());
        }
        Ok(cluster)
    }
}

impl Data {
    /// Takes the directory for this process and reads whose it is.
    pub fn open(config: &Config) -> Result<Self, StartError> {
        let path = config.data.clone();
        let refuse = |source| StartError::Directory { path: path.clone(), source };
        DirBuilder::new().recursive(true).mode(0o700).create(&path).map_err(refuse)?;
        let lock = lock(&path)?;
        let (member, is_kept) = match read(&path)? {
            Some(member) => {
                compare(&path, &member, config)?;
                let is_kept = member.format != FORMAT_UNSUMMED;
                let format = member.format.max(FORMAT);
                (MemberFile { format, ..member }, is_kept)
            }
            None if path.join("guard").exists() || StateDirs::exists(&path).map_err(refuse)? => {
                let detail = "it is missing, and there is data beside it".to_owned();
                return Err(StartError::Damaged { path: path.join(MemberFile::NAME), detail });
            }
            None => (first(config), false),
        };
        let is_to_join = !is_kept && config.join.is_some() && !path.join(MemberFile::NAME).exists();
        let origin = Origin::of(&path);
        let is_copied = origin.is_copied().map_err(refuse)?;
        if is_copied.is_none() {
            origin.settle().map_err(refuse)?;
        }
        let is_copied = is_copied == Some(true);
        Ok(Self { path, _lock: lock, member, is_kept, is_to_join, origin, is_copied })
    }

    /// Whether the member has to find its place in a cluster that runs.
    pub fn is_to_join(&self) -> bool {
        self.is_to_join
    }

    /// The member has its place.
    pub fn join(&mut self, cluster: &Cluster) {
        self.member.format = FORMAT_JOINED;
        self.member.peers.clear();
        self.member.joined = Some(JoinedFile::of(cluster));
        self.member.names_mean_this_machine = !LocalNames::decide(cluster, resolves).is_empty();
        self.is_to_join = false;
    }

    /// The members, as the first start knew them.
    pub fn cluster(&self) -> Result<Cluster, StartError> {
        self.member.cluster().map_err(|detail| StartError::Damaged {
            path: self.path.join(MemberFile::NAME),
            detail,
        })
    }

    /// Which hosts of `cluster` mean this machine.
    pub fn local_names(&self, cluster: &Cluster) -> LocalNames {
        let names_are_local = self.member.names_mean_this_machine;
        if names_are_local { LocalNames::of(cluster) } else { LocalNames::default() }
    }

    /// Whether the directory was put back from a copy, which may be an older one.
    pub fn is_copied(&self) -> bool {
        self.is_copied
    }

    /// Where it comes from.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes durable whose the directory is, where that does not stand there yet.
    pub fn keep(&self) -> Result<(), StartError> {
        let refuse = |source| StartError::Directory { path: self.path.clone(), source };
        if self.is_kept { Ok(()) } else { self.member.write(&self.path).map_err(refuse) }
    }
}

impl MemberFile {
    const NAME: &str = "member";

    fn cluster(&self) -> Result<Cluster, String> {
        if let Some(joined) = &self.joined {
            return joined.cluster(&self.name);
        }
        let cluster = match self.peers.as_str() {
            "" => Cluster::alone(&self.name),
            peers => Cluster::parse(peers, &self.name).map_err(|error| error.to_string())?,
        };
        Ok(match &self.token {
            Some(token) => cluster.with_token(token),
            None => cluster,
        })
    }

    /// The file's text, which [`MemberFile::parse`] takes.
    fn text(&self) -> Result<String, toml::ser::Error> {
        let mut text =
            "# Whose this directory is. Written by mini-etcd; not to be edited.\n".to_owned();
        text.push_str(&toml::to_string(self)?);
        let sum = crc32c::crc32c(text.as_bytes());
        // Writing to a string never fails.
        let _ = writeln!(text, "{CHECKSUM}{sum:08x}");
        Ok(text)
    }

    /// Reads the text, or says what is wrong with it.
    fn parse(bytes: &[u8]) -> Result<Self, String> {
        let text = std::str::from_utf8(bytes).map_err(|error| error.to_string())?;
        let summed = text.rfind(CHECKSUM).map(|at| text.split_at(at));
        if let Some((before, line)) = summed {
            let expected = format!("{CHECKSUM}{:08x}\n", crc32c::crc32c(before.as_bytes()));
            if line != expected {
                let (line, expected) = (line.trim_end(), expected.trim_end());
                return Err(format!("it ends in {line:?} and should in {expected:?}"));
            }
        }
        let member: Self = toml::from_str(text).map_err(|error| error.to_string())?;
        match (member.format, summed, member.starts) {
            (FORMAT, Some(_), None) | (FORMAT_UNSUMMED, None, Some(_))
                if member.joined.is_none() =>
            {
                Ok(member)
            }
            (FORMAT_JOINED, Some(_), None) if member.joined.is_some() => Ok(member),
            (FORMAT | FORMAT_JOINED, None, _) => Err("its checksum is missing".to_owned()),
            (format, ..) => Err(format!(
                "it is of format {format} by its content, this program knows {FORMAT_JOINED}"
            )),
        }
    }

    /// Replaces the file: whole or not at all, and durable.
    fn write(&self, dir: &Path) -> io::Result<()> {
        let new = dir.join("member.new");
        let mut file = File::create(&new)?;
        file.write_all(self.text().map_err(io::Error::other)?.as_bytes())?;
        file.sync_all()?;
        fs::rename(&new, dir.join(Self::NAME))?;
        File::open(dir)?.sync_all()
    }
}

pub(super) fn lock(dir: &Path) -> Result<File, StartError> {
    let path = dir.join("LOCK");
    let refuse = |source| StartError::Directory { path: path.clone(), source };
    let open = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
    let file = open.map_err(refuse)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StartError::InUse { path: dir.to_owned() }),
        Err(TryLockError::Error(source)) => Err(refuse(source)),
    }
}

fn read(dir: &Path) -> Result<Option<MemberFile>, StartError> {
    let path = dir.join(MemberFile::NAME);
    if path.is_dir() {
        return Err(StartError::OfEtcd { path: dir.to_owned() });
    }
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(StartError::Directory { path, source }),
    };
    MemberFile::parse(&bytes).map(Some).map_err(|detail| StartError::Damaged { path, detail })
}

/// The file of a member that starts for the first time; decides where names lead.
fn first(config: &Config) -> MemberFile {
    let names_mean_this_machine = !LocalNames::decide(&config.cluster, resolves).is_empty();
    if names_mean_this_machine {
        tracing::warn!("no name in --peers resolves: all of them mean this machine");
    }
    MemberFile {
        format: FORMAT,
        name: config.name.clone(),
        peers: config.cluster.typed().to_owned(),
        token: Some(config.cluster.token().to_owned()).filter(|token| token != DEFAULT_TOKEN),
        names_mean_this_machine,
        starts: None,
        joined: None,
    }
}

/// What was typed now against whose the directory is (I2 of the module).
fn compare(dir: &Path, member: &MemberFile, config: &Config) -> Result<(), StartError> {
    let path = dir.join(MemberFile::NAME);
    let stored = member.cluster().map_err(|detail| StartError::Damaged { path, detail })?;
    // That counts which the data has, as in etcd.
    let typed = &config.cluster.with_token(stored.token());
    // Numbers of one that joined do not follow from a list.
    let is_joined = config.join.is_some() || stored.is_joined();
    let told_nothing = (typed.typed().is_empty() || is_joined) && config.name == member.name;
    if told_nothing || stored.id() == typed.id() && stored.me() == typed.me() {
        return Ok(());
    }
    // A member that moved has another number in the list of where it is now; those that stayed say that it is of this cluster.
    let knows = |peer: &Peer| {
        stored.peers().any(|known| (&known.name, &known.address) == (&peer.name, &peer.address))
    };
    let is_same = stored.me() == typed.me() || typed.peers().any(knows);
    if is_same && member.name == config.name {
        tracing::warn!(
            stored = %member.peers,
            "--peers differs from the members that the data was made for; the data counts"
        );
        return Ok(());
    }
    let words = |name: &str, cluster: &Cluster| {
        format!("member {name} ({}) of cluster {}", cluster.me(), cluster.id())
    };
    Err(StartError::Foreign {
        path: dir.to_owned(),
        found: words(&member.name, &stored),
        wanted: words(&config.name, typed),
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::config::Join;

    fn config(dir: &Path, name: &str, peers: &str) -> Config {
        let mut config = Config::alone(dir);
        name.clone_into(&mut config.name);
        config.cluster = match peers {
            "" => Cluster::alone(name),
            _ => Cluster::parse(peers, name).unwrap(),
        };
        config
    }

    const PEERS: &str = "a=127.0.0.1:1,b=127.0.0.1:2";

    #[test]
    fn a_directory_is_used_by_one_process_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let config = config(dir.path(), "a", PEERS);
        let first = Data::open(&config).unwrap();
        assert!(matches!(Data::open(&config), Err(StartError::InUse { .. })));
        drop(first);
        Data::open(&config).unwrap();
    }

    #[test]
    fn the_directory_of_an_etcd_is_told_from_a_damaged_one() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("member/snap")).unwrap();
        let refused = Data::open(&config(dir.path(), "a", PEERS)).err().unwrap();
        assert!(matches!(refused, StartError::OfEtcd { .. }), "{refused}");
        assert_eq!(refused.exit_code(), 1);
    }

    #[test]
    fn damage_in_any_bit_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let config = config(dir.path(), "a", PEERS);
        Data::open(&config).unwrap().keep().unwrap();
        let path = dir.path().join(MemberFile::NAME);
        let sound = fs::read(&path).unwrap();
        for bit in 0..sound.len() * 8 {
            let mut damaged = sound.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            fs::write(&path, &damaged).unwrap();
            let refused = Data::open(&config).err().unwrap_or_else(|| panic!("bit {bit}"));
            assert_eq!(refused.exit_code(), 72, "bit {bit}: {refused}");
        }
        for length in 0..sound.len() {
            fs::write(&path, &sound[..length]).unwrap();
            let refused = Data::open(&config).err().unwrap_or_else(|| panic!("{length} bytes"));
            assert_eq!(refused.exit_code(), 72, "{length} bytes: {refused}");
        }
        fs::write(&path, &sound).unwrap();
        Data::open(&config).unwrap();
    }

    #[test]
    fn a_file_of_the_format_without_a_checksum_is_read_and_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(MemberFile::NAME);
        let old = "# Whose this directory is. Written by mini-etcd; not to be edited.\nformat = 1\n\
            name = \"a\"\npeers = \"a=127.0.0.1:1,b=127.0.0.1:2\"\n\
            names_mean_this_machine = true\nstarts = 7\n";
        fs::write(&path, old).unwrap();
        let data = Data::open(&config(dir.path(), "a", PEERS)).unwrap();
        assert!(data.member.names_mean_this_machine);
        data.keep().unwrap();
        drop(data);
        assert!(fs::read_to_string(&path).unwrap().contains(CHECKSUM));
        let data = Data::open(&config(dir.path(), "a", PEERS)).unwrap();
        assert_eq!(data.cluster().unwrap(), Cluster::parse(PEERS, "a").unwrap());
    }

    #[test]
    fn a_directory_belongs_to_one_member_for_ever() {
        let dir = tempfile::tempdir().unwrap();
        let open = |name, peers| Data::open(&config(dir.path(), name, peers));
        open("a", PEERS).unwrap().keep().unwrap();
        assert!(matches!(open("b", PEERS), Err(StartError::Foreign { .. })));
        assert!(matches!(open("c", ""), Err(StartError::Foreign { .. })));
        // Without --peers the data knows, and a changed list is not believed.
        let cluster = open("a", "").unwrap().cluster().unwrap();
        assert_eq!(cluster, Cluster::parse(PEERS, "a").unwrap());
        let changed = open("a", "a=127.0.0.1:1,b=127.0.0.1:3").unwrap().cluster().unwrap();
        assert_eq!(changed, cluster);
        // Nor is one that says where this member is now, after its address was changed.
        let moved = open("a", "a=127.0.0.1:9,b=127.0.0.1:2").unwrap().cluster().unwrap();
        assert_eq!(moved, cluster);
        let other = "a=127.0.0.1:9,b=127.0.0.1:3";
        assert!(matches!(open("a", other), Err(StartError::Foreign { .. })));
    }

    #[test]
    fn a_member_that_joined_knows_its_place_for_ever() {
        let dir = tempfile::tempdir().unwrap();
        let member = |id: u64, port| Member {
            id,
            peer_urls: vec![format!("http://127.0.0.1:{port}")],
            ..Member::default()
        };
        let members = [member(0xab, 1), member(u64::MAX, 2)];
        let cluster = Cluster::joined(ClusterId(7), (MemberId(u64::MAX), "d"), &members);
        let mut joining = config(dir.path(), "d", "");
        joining.join = Some(Join { ask: Vec::new(), short: BTreeSet::new(), me: None, port: 2 });
        let mut data = Data::open(&joining).unwrap();
        assert!(data.is_to_join());
        data.join(&cluster);
        data.keep().unwrap();
        drop(data);
        for config in [config(dir.path(), "d", ""), joining] {
            let data = Data::open(&config).unwrap();
            assert!(!data.is_to_join());
            assert_eq!(data.cluster().unwrap(), cluster);
        }
        let other = Data::open(&config(dir.path(), "d", "d=127.0.0.1:2,e=127.0.0.1:3"));
        assert_eq!(other.unwrap().cluster().unwrap(), cluster, "the data counts");
        assert!(matches!(
            Data::open(&config(dir.path(), "e", "")),
            Err(StartError::Foreign { .. })
        ));
    }

    #[test]
    fn data_without_an_owner_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("guard"), "x").unwrap();
        let refused = Data::open(&config(dir.path(), "a", PEERS)).err().unwrap();
        assert_eq!(refused.exit_code(), 72);
        fs::write(dir.path().join("member"), "format = 1\nname = 3").unwrap();
        let refused = Data::open(&config(dir.path(), "a", PEERS)).err().unwrap();
        assert_eq!(refused.exit_code(), 72);
    }
}
