//! What is expected of a statement the next time: what came of it, as far as that holds in any cluster with these keys.

use mini_etcd_shared::error::code_name;
use mini_etcd_shared::session::{CommandOutcome, Volatile};

/// Bytes of a value that is expected to come again.
pub(crate) const VALUE_BYTES_MAX: usize = 1 << 10;

/// Conditions that held; never none.
pub(super) fn expectations(outcome: &CommandOutcome, volatile: &Volatile) -> Vec<String> {
    if let Some(failure) = &outcome.failure {
        let code = failure.error.as_ref().map_or("", |error| code_name(error.code()));
        return vec![format!("error {code}").trim_end().to_owned()];
    }
    let value = |bytes: &[u8]| value(bytes, volatile);
    let answer = outcome.answer.as_ref();
    let mut held = answer.map(|answer| answer.expected(&value)).unwrap_or_default();
    if held.is_empty() {
        held.push("ok".to_owned());
    }
    held
}

/// What a value is expected to be; `None` when it is long, or another one in every run.
fn value(bytes: &[u8], volatile: &Volatile) -> Option<String> {
    let short = Some(bytes).filter(|bytes| bytes.len() <= VALUE_BYTES_MAX)?;
    volatile.expected(short).map(|value| format!("value == {value}"))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use mini_etcd_proto::etcdserverpb::{PutResponse, RangeResponse};
    use mini_etcd_proto::mvccpb::KeyValue;
    use mini_etcd_shared::command::Got;
    use mini_etcd_shared::format::Answer;
    use mini_etcd_shared::language::{StatementKind, Variables, parse_input};

    use super::*;

    fn got(values: &[&[u8]]) -> CommandOutcome {
        let kvs: Vec<_> = values
            .iter()
            .map(|value| KeyValue { value: value.to_vec().into(), ..KeyValue::default() })
            .collect();
        let count = i64::try_from(kvs.len()).unwrap();
        let response = RangeResponse { kvs, count, ..RangeResponse::default() };
        with(Got { response, ..Got::default() })
    }

    fn with(answer: impl Answer + 'static) -> CommandOutcome {
        CommandOutcome { answer: Some(Arc::new(answer)), ..CommandOutcome::default() }
    }

    #[test]
    fn what_came_is_expected_and_what_is_of_this_run_is_not() {
        let mut variables = Variables::default();
        variables.set("RUN", "r7k2");
        variables.set("R", "57");
        let mut volatile = Volatile::default();
        let put = with(PutResponse::default());
        let statements = parse_input(b"put a b -> R").unwrap();
        let StatementKind::Run(run) = &statements[0].kind else { panic!("a command") };
        volatile.take(run, false, &put, &variables);
        let expected = |outcome: &CommandOutcome| expectations(outcome, &volatile).join(", ");
        assert_eq!(expected(&got(&[b"v v"])), "value == 'v v', count == 1");
        assert_eq!(expected(&got(&[])), "key absent");
        assert_eq!(expected(&got(&[b"1", b"2"])), "count == 2");
        assert_eq!(expected(&got(&[b"\xff"])), "value == \"\\xff\", count == 1");
        assert_eq!(expected(&got(&[b"57"])), "value == \"$R\", count == 1");
        assert_eq!(expected(&got(&[b"/ci/r7k2/a"])), "count == 1");
        assert_eq!(expected(&got(&[b"at 57"])), "count == 1");
        assert_eq!(expected(&got(&[&[b'x'; VALUE_BYTES_MAX + 1]])), "count == 1");
        assert_eq!(expected(&with(Got { keys_only: true, ..Got::default() })), "count == 0");
        assert_eq!(expected(&CommandOutcome::default()), "ok");
    }
}
