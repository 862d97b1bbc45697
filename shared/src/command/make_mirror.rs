//! `make-mirror`: copies keys to another cluster, and their changes for as long as it runs.

use std::path::PathBuf;

use bytes::Bytes;

use super::request::Misfit;
use super::spec::{Arg, ArgKind, CommandSpec, Flag, ValueKind};
use super::{CommandLine, Made, Refusal, Request};
use crate::client::Tls;
use crate::text::MASK;

/// `make-mirror`
pub(super) const MAKE_MIRROR: CommandSpec = CommandSpec {
    args: &[Arg::needed("destination", ArgKind::Endpoint)],
    flags: &[
        Flag::new("dest-cacert", ValueKind::Text, "", "as --cacert, for the destination"),
        Flag::new("dest-cert", ValueKind::Text, "", "as --cert, for the destination"),
        Flag::new(
            "dest-insecure-transport",
            ValueKind::Switch,
            "true",
            "speak without TLS to the destination",
        ),
        Flag::new("dest-key", ValueKind::Text, "", "file with the key of --dest-cert"),
        Flag::new("dest-password", ValueKind::Text, "", "password of --dest-user"),
        Flag::new(
            "dest-prefix",
            ValueKind::Text,
            "",
            "what stands in the place of --prefix at the destination",
        ),
        Flag::new(
            "dest-user",
            ValueKind::Text,
            "",
            "name[:password] to log in with at the destination",
        ),
        Flag::new(
            "max-txn-ops",
            ValueKind::Uint,
            "128",
            "most changes that go into one transaction; 0 for all of a revision",
        ),
        Flag::switch("no-dest-prefix", "write the keys without --prefix"),
        Flag::new("prefix", ValueKind::Text, "", "copy the keys that begin with this"),
        Flag::new(
            "rev",
            ValueKind::Int,
            "0",
            "copy the changes from this revision on, and not what was there before",
        ),
    ],
    long: "Writes to <destination> what is there now and then each change, and prints every 30 seconds how many keys it wrote.\nLeases are not copied, and what the destination has beside is left alone. When it ends, it says which --rev to go on with.\nOnly mini-etcdctl does this.",
    examples: &[
        "make-mirror other:2379",
        "make-mirror other:2379 --prefix /jobs/ --dest-prefix /copy/jobs/",
    ],
    ..CommandSpec::new("make-mirror", "Copies keys and their changes to another cluster", made)
};

/// A mirror to make. Whoever runs it goes on until something fails.
#[derive(Clone)]
pub struct MakeMirror {
    /// Where to write.
    pub destination: String,
    /// How TLS is spoken there.
    pub tls: Tls,
    /// As whom to log in there, as `--user` has it; empty for nobody.
    pub user: String,
    /// Their password, where the user has none.
    pub password: String,
    /// What the keys begin with.
    pub prefix: Bytes,
    /// What they begin with at the destination.
    pub dest_prefix: Bytes,
    /// The first revision to copy; 0 for all that is there.
    pub revision: i64,
    /// Most operations of a transaction; at least 1.
    pub operations_max: usize,
}

impl std::fmt::Debug for MakeMirror {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let hidden = |text: &str| if text.is_empty() { "" } else { MASK };
        f.debug_struct("MakeMirror")
            .field("destination", &self.destination)
            .field("tls", &self.tls)
            .field("user", &hidden(&self.user))
            .field("password", &hidden(&self.password))
            .field("prefix", &self.prefix)
            .field("dest_prefix", &self.dest_prefix)
            .field("revision", &self.revision)
            .field("operations_max", &self.operations_max)
            .finish()
    }
}

fn made(line: &CommandLine<'_>) -> Made {
    let [destination] = line.args() else {
        return Err(Refusal::bad_args("make-mirror takes one destination argument"));
    };
    let (prefix, other) = (line.text("prefix"), line.text("dest-prefix"));
    let bare = line.switch("no-dest-prefix");
    if bare && !other.is_empty() {
        return Err(Refusal::bad_args(
            "`--dest-prefix` and `--no-dest-prefix` cannot be set at the same time, choose one",
        ));
    }
    let dest_prefix = match other {
        _ if bare => String::new(),
        other if other.is_empty() => prefix.clone(),
        other => other,
    };
    let file = |name| Some(PathBuf::from(line.text(name))).filter(|it| !it.as_os_str().is_empty());
    Ok(Box::new(MakeMirror {
        destination: String::from_utf8_lossy(destination).into_owned(),
        tls: Tls {
            cacert: file("dest-cacert"),
            cert: file("dest-cert"),
            key: file("dest-key"),
            skip_verify: false,
            always: !line.switch("dest-insecure-transport"),
        },
        user: line.text("dest-user"),
        password: line.text("dest-password"),
        prefix: prefix.into(),
        dest_prefix: dest_prefix.into(),
        revision: line.int("rev").max(0),
        operations_max: match line.uint("max-txn-ops") {
            0 => usize::MAX,
            most => usize::try_from(most).unwrap_or(usize::MAX),
        },
    }))
}

impl Request for MakeMirror {
    fn misfit(&self) -> Option<Misfit> {
        let expected = "a command that ends; mini-etcdctl makes mirrors";
        Some(Misfit { found: Some("make-mirror".to_owned()), expected })
    }
}
