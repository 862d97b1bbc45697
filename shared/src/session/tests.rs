//! Filters and conditions, without a server.

use mini_etcd_proto::etcdserverpb::{RangeResponse, ResponseHeader};
use mini_etcd_proto::mvccpb::KeyValue;
use tonic::Code;

use super::evaluate::evaluate;
use super::filter::apply;
use super::*;
use crate::command::Got;
use crate::error::ClientError;
use crate::failure::{Failure, words_of};
use crate::language::{Span, StatementKind, Variables, parse_script};

fn found(value: &[u8]) -> CommandOutcome {
    let kv = KeyValue {
        key: "k".into(),
        value: value.to_vec().into(),
        mod_revision: 7,
        version: 2,
        ..KeyValue::default()
    };
    let header = Some(ResponseHeader { revision: 9, ..ResponseHeader::default() });
    let response = RangeResponse { header, kvs: vec![kv], count: 3, more: false };
    CommandOutcome {
        answer: Some(std::sync::Arc::new(Got { response, ..Got::default() })),
        elapsed: std::time::Duration::from_millis(20),
        ..CommandOutcome::default()
    }
}

fn verdict(outcome: &CommandOutcome, condition: &str) -> Result<(), String> {
    let script = parse_script(format!("get k\nexpect {condition}").as_bytes()).unwrap();
    let StatementKind::Run(run) = &script.statements[0].kind else { panic!() };
    let mut variables = Variables::default();
    variables.set("R", "7");
    let verdict = evaluate(&run.expects[0].condition, outcome, &variables).unwrap();
    verdict.map_err(|(expected, got)| format!("{expected} / {got}"))
}

#[test]
fn conditions_hold_or_say_what_is_there_instead() {
    let outcome = found(br#"{"a": [1, "x"]}"#);
    for condition in [
        "ok",
        "count == 3",
        "count within 3..4",
        "rev > 8",
        "key == k",
        "lease absent",
        "exit == 0",
        "elapsed < 50ms",
        "elapsed within 10ms..20ms",
        "value ~ '^\\{.*\\}$'",
        "value contains '\"x\"'",
        "json .kvs[0].mod_revision == $R",
        "json .kvs[0].value.a[1] == x",
        "json .kvs[0].value.a[2] absent",
        "deleted absent",
    ] {
        assert_eq!(verdict(&outcome, condition), Ok(()), "{condition}");
    }
    for (condition, says) in [
        ("error", "error / ok"),
        ("count != 3", "count != 3 / count 3"),
        ("key absent", "key absent / key \"k\""),
        ("succeeded == true", "succeeded == true / succeeded absent"),
        ("elapsed < 5ms", "elapsed < 5ms / elapsed 20ms"),
    ] {
        assert_eq!(verdict(&outcome, condition), Err(says.to_owned()), "{condition}");
    }
    // Numbers compare as numbers, what only looks like one as text.
    assert_eq!(verdict(&found(b"10"), "value > 9"), Ok(()));
    assert!(verdict(&found(b"10"), "value > '9 '").is_err());
    assert!(verdict(&found(b"007"), "value == 7").is_err());
    assert_eq!(verdict(&found(b"\xff\x00"), "value == hex:ff00"), Ok(()));
}

#[test]
fn an_error_is_asked_for_by_code_and_words() {
    let error = ClientError::Refused {
        code: Code::OutOfRange,
        message: "etcdserver: mvcc: required revision has been compacted".to_owned(),
    };
    let failure =
        Failure { error: Some(error), ..Failure::new(1, "required revision has been compacted") };
    let outcome = CommandOutcome::failed(failure);
    for condition in [
        "error",
        "error OutOfRange",
        "error ~compacted$",
        "error outofrange ~ compacted",
        "exit == 1",
    ] {
        assert_eq!(verdict(&outcome, condition), Ok(()), "{condition}");
    }
    let says = "error NotFound / error OutOfRange: required revision has been compacted";
    assert_eq!(verdict(&outcome, "error NotFound"), Err(says.to_owned()));
    assert!(verdict(&outcome, "error ~future").is_err());
    assert!(verdict(&outcome, "ok").is_err());
    assert!(verdict(&outcome, "value == x").unwrap_err().contains("compacted"));
}

#[test]
fn builtins_take_bytes_and_give_bytes() {
    for (pipe, input, output) in [
        ("head 2", &b"a\nb\nc\n"[..], &b"a\nb\n"[..]),
        ("head", b"a", b"a"),
        ("count", b"a\nb\nc", b"3\n"),
        ("count", b"", b"0\n"),
        ("sort", b"b\na\n\xff\n", b"a\nb\n\xff\n"),
        ("hex", b"\xff\nA", b"00000000  ff 0a 41                                         ..A\n"),
        ("json .a", b"{\"a\":\"x\"}\n{\"a\":[1]}\n", b"x\n[1]\n"),
        ("json .a.b", br#"{"a":"{\"b\":1}"}"#, b"1\n"),
        ("json .", br#"{"b":1}"#, b"{\"b\":1}\n"),
    ] {
        let script = parse_script(format!("get k | {pipe}").as_bytes()).unwrap();
        let StatementKind::Run(run) = &script.statements[0].kind else { panic!() };
        let found = apply(&run.filters[0], input, &Variables::default()).unwrap();
        assert_eq!(String::from_utf8_lossy(&found), String::from_utf8_lossy(output), "{pipe}");
    }
}

#[test]
fn a_transport_error_is_said_once_and_has_the_exit_code_of_no_connection() {
    let endpoint = || "e:1".to_owned();
    let reason = || "reset".to_owned();
    let timed_out = |reason| {
        let after = std::time::Duration::from_secs(5);
        ClientError::TimedOut { endpoint: endpoint(), after, unsent: false, reason }
    };
    let refused =
        |message: &str| ClientError::Refused { code: Code::Unknown, message: message.to_owned() };
    for (error, text, shown, exit) in [
        (
            ClientError::NotConnected { endpoint: endpoint(), reason: reason() },
            None,
            "no connection to e:1: reset",
            2,
        ),
        (
            ClientError::Broken { endpoint: endpoint(), reason: reason() },
            None,
            "connection to e:1 lost: reset",
            2,
        ),
        (
            ClientError::Broken { endpoint: endpoint(), reason: reason() },
            Some("f.ers:3: connection to e:1 lost: reset"),
            "f.ers:3: connection to e:1 lost: reset",
            2,
        ),
        // The words for it stand in the notes of the command.
        (
            ClientError::NotConnected { endpoint: endpoint(), reason: reason() },
            Some(""),
            "no connection to e:1: reset",
            2,
        ),
        (timed_out(Some(reason())), None, "no answer from e:1 within 5s", 2),
        (timed_out(None), None, "context deadline exceeded\nno answer from e:1 within 5s", 1),
        (refused("odd"), None, "rpc error: code = Unknown desc = odd", 1),
        (refused("etcdserver: no leader"), None, "etcdserver: no leader", 1),
    ] {
        let text = text.map_or_else(|| words_of(&error), str::to_owned);
        let failure = Failure { error: Some(error), ..Failure::new(1, text) };
        let reason = Reason::Command(Box::new(failure));
        let failed = Failed { span: Span::default(), line: 1, reason };
        assert_eq!((failed.to_string().as_str(), failed.exit()), (shown, exit));
    }
}
