//! `alarm disarm`: clears the alarms.

use mini_etcd_proto::etcdserverpb::alarm_request::AlarmAction;
use mini_etcd_proto::etcdserverpb::{AlarmRequest, AlarmResponse};
use tonic::Code;

use super::request::asks;
use super::spec::{CommandSpec, Effect};
use super::{CommandLine, Made, Refusal, Report};
use crate::client::Client;
use crate::failure::{Failure, done};

/// `alarm disarm`
pub(super) const ALARM_DISARM: CommandSpec = CommandSpec {
    group: "alarm",
    effect: Effect::Writes,
    long: "Prints those that it cleared. NOSPACE stays while the quota is used up: give history up with compaction,\nor delete keys and do it then.",
    examples: &["alarm disarm"],
    ..CommandSpec::new("disarm", "Clears the alarms that are raised", made)
};

fn made(line: &CommandLine<'_>) -> Made {
    if !line.args().is_empty() {
        return Err(Refusal::bad_args("alarm disarm command accepts no arguments"));
    }
    Ok(asks((), |client, ()| disarm(client)))
}

/// Clears one alarm after another, as etcdctl does; the answer has those that are cleared, also when one is refused.
/// What helps where the quota is used up.
pub const MAKE_ROOM: &str = "compact, or delete keys and compact";

async fn disarm(client: Client) -> Report {
    let listed = match done(client.alarm(AlarmRequest::default()).await) {
        Ok(listed) => listed,
        Err(failure) => return failure.into(),
    };
    let (mut cleared, mut last) = (AlarmResponse::default(), None);
    for alarm in listed.alarms {
        let action = AlarmAction::Deactivate.into();
        let request = AlarmRequest { action, member_id: alarm.member_id, alarm: alarm.alarm };
        match done(client.alarm(request).await) {
            Ok(answer) => cleared.alarms.extend(answer.alarms),
            Err(failure) => last = Some(advised(failure)),
        }
    }
    Report { failure: last, ..Report::of(cleared) }
}

fn advised(mut failure: Failure) -> Failure {
    let error = failure.error.as_ref();
    if error.is_some_and(|error| error.code() == Code::ResourceExhausted) {
        failure.hint =
            Some(format!("the quota is used up still: {MAKE_ROOM}, then try again").into());
    }
    failure
}
