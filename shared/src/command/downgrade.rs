//! `downgrade validate`, `enable` and `cancel`: going back to an older version of etcd.

use mini_etcd_proto::etcdserverpb::downgrade_request::DowngradeAction;
use mini_etcd_proto::etcdserverpb::{DowngradeRequest, DowngradeResponse};
use prost::Message as _;

use super::auth::but_fields;
use super::request::asks;
use super::spec::{Arg, ArgKind, CommandSpec, Effect};
use super::{CommandLine, Made, Refusal};
use crate::failure::{Failure, done};
use crate::format::{Answer, Facts, Field, Format, Page, Value, header};

/// The version to go to.
const TARGET: &[Arg] = &[Arg::needed("TARGET_VERSION", ArgKind::Value)];

/// `downgrade validate`
pub(super) const DOWNGRADE_VALIDATE: CommandSpec = CommandSpec {
    group: "downgrade",
    args: TARGET,
    long: "Changes nothing. A server goes back by one minor version at the most.",
    examples: &["downgrade validate 3.6.0"],
    ..CommandSpec::new("validate", "Asks whether the cluster may go to an older version", |line| {
        made(line, DowngradeAction::Validate)
    })
};

/// `downgrade enable`
pub(super) const DOWNGRADE_ENABLE: CommandSpec = CommandSpec {
    group: "downgrade",
    effect: Effect::Writes,
    args: TARGET,
    long: "The members are replaced by older ones after that, one at a time.",
    examples: &["downgrade enable 3.6.0"],
    ..CommandSpec::new("enable", "Prepares the cluster for an older version", |line| {
        made(line, DowngradeAction::Enable)
    })
};

/// `downgrade cancel`
pub(super) const DOWNGRADE_CANCEL: CommandSpec = CommandSpec {
    group: "downgrade",
    effect: Effect::Writes,
    examples: &["downgrade cancel"],
    ..CommandSpec::new("cancel", "Gives up going to an older version", |_| {
        Ok(asked(DowngradeAction::Cancel, String::new()))
    })
};

fn made(line: &CommandLine<'_>, action: DowngradeAction) -> Made {
    let version = match line.args() {
        [] => return Err(Refusal::bad_args("TARGET_VERSION not provided")),
        [empty] if empty.is_empty() => {
            return Err(Refusal::bad_args("target version not provided"));
        }
        [version] => String::from_utf8_lossy(version).into_owned(),
        _ => return Err(Refusal::bad_args("too many arguments")),
    };
    Ok(asked(action, version))
}

fn asked(action: DowngradeAction, version: String) -> Box<dyn super::Request> {
    let request = DowngradeRequest { action: action.into(), version };
    asks((action, request), |client, (action, request)| async move {
        let answer = done(client.downgrade(request).await);
        answer.map(|answer| Downgrade { action, answer })
    })
}

/// What a server says of going to an older version.
#[derive(Debug)]
struct Downgrade {
    action: DowngradeAction,
    answer: DowngradeResponse,
}

impl Answer for Downgrade {
    fn shown(&self, _hex: bool) -> Value {
        let DowngradeResponse { header: head, version } = &self.answer;
        vec![header("header", head.as_ref()), Field::in_json("version", version)].into()
    }

    fn simple(&self, page: &mut Page<'_>) {
        let action = self.action.as_str_name().to_lowercase();
        let version = &self.answer.version;
        page.line(&format!("Downgrade {action} success, cluster version {version}"));
    }

    fn protobuf(&self) -> Option<Vec<u8>> {
        Some(self.answer.encode_to_vec())
    }

    fn format(&self, asked: Format) -> Result<Format, Failure> {
        but_fields(asked)
    }

    fn facts(&self) -> Facts<'_> {
        let rev = self.answer.header.as_ref().map(|header| header.revision);
        Facts { rev, ..Facts::default() }
    }
}
