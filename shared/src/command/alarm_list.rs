//! `alarm list`: lists the alarms.

use mini_etcd_proto::etcdserverpb::{AlarmMember, AlarmRequest, AlarmResponse, AlarmType};
use prost::Message as _;

use super::request::asks;
use super::spec::CommandSpec;
use super::{CommandLine, Made, Refusal};
use crate::failure::done;
use crate::format::{Answer, Facts, Field, Message, Page, Value, count_of, header};
use crate::text::replaced;

/// `alarm list`
pub(super) const ALARM_LIST: CommandSpec = CommandSpec {
    group: "alarm",
    examples: &["alarm list"],
    ..CommandSpec::new("list", "Lists the alarms that are raised", made)
};

fn made(line: &CommandLine<'_>) -> Made {
    if !line.args().is_empty() {
        return Err(Refusal::bad_args("alarm list command accepts no arguments"));
    }
    Ok(asks(
        AlarmRequest::default(),
        |client, request| async move { done(client.alarm(request).await) },
    ))
}

/// The name of an alarm's type; its number when it has none.
fn name(alarm: &AlarmMember) -> String {
    AlarmType::try_from(alarm.alarm)
        .map_or_else(|_| alarm.alarm.to_string(), |kind| kind.as_str_name().to_owned())
}

fn fields(alarm: &AlarmMember) -> Message {
    vec![
        Field::new("memberID", "MemberID", Value::Id(alarm.member_id)),
        Field::new("alarm", "AlarmType", Value::Kind(alarm.alarm, name(alarm))),
        Field::blank(),
    ]
}

/// An alarm as the text form of its message: every field that is set.
fn line(alarm: &AlarmMember) -> String {
    let member = (alarm.member_id != 0).then(|| format!("memberID:{}", alarm.member_id));
    let kind = (alarm.alarm != 0).then(|| format!("alarm:{}", name(alarm)));
    member.into_iter().chain(kind).collect::<Vec<_>>().join(" ")
}

impl Answer for AlarmResponse {
    fn shown(&self, _hex: bool) -> Value {
        let alarms = Value::Rows(self.alarms.iter().map(fields).collect());
        vec![header("header", self.header.as_ref()), Field::new("alarms", "", alarms)].into()
    }

    fn simple(&self, page: &mut Page<'_>) {
        self.alarms.iter().for_each(|alarm| page.line(&line(alarm)));
    }

    fn protobuf(&self) -> Option<Vec<u8>> {
        Some(self.encode_to_vec())
    }

    fn facts(&self) -> Facts<'_> {
        let rev = self.header.as_ref().map(|header| header.revision);
        Facts { rev, count: count_of(self.alarms.len()), ..Facts::default() }
    }

    fn masked(&self, line: &str) -> String {
        let ids = self.alarms.iter().map(|alarm| alarm.member_id.to_string());
        ids.fold(line.to_owned(), |line, id| replaced(&line, &id))
    }
}
