//! Answers that etcdctl 3.5.1 printed on etcd 3.5.1, in each of its formats, in the form that 3.7 gave them.
//!
//! `golden/NAME.pb` holds the message, the files beside it what etcdctl printed for it; the keys hold bytes of every
//! kind. They were recorded once; `tests/tests/oracle_ctl` compares with etcdctl itself.

use std::path::Path;

use mini_etcd_proto::etcdserverpb::{
    AlarmResponse, DeleteRangeResponse, MemberListResponse, PutResponse, RangeResponse,
    TxnResponse, WatchResponse,
};
use prost::Message;

use super::{Answer, Format, Style, render};
use crate::command::Got;

fn answer(name: &str, message: &[u8]) -> Box<dyn Answer> {
    match name {
        "txn" => Box::new(TxnResponse::decode(message).unwrap()),
        "put" | "put-again" => Box::new(PutResponse::decode(message).unwrap()),
        "del" | "del-two" => Box::new(DeleteRangeResponse::decode(message).unwrap()),
        "members" => Box::new(MemberListResponse::decode(message).unwrap()),
        "alarms" => Box::new(AlarmResponse::decode(message).unwrap()),
        "watch" => Box::new(WatchResponse::decode(message).unwrap()),
        _ => {
            let response = RangeResponse::decode(message).unwrap();
            Box::new(Got { response, ..Got::default() })
        }
    }
}

/// The format and style that a file's ending stands for.
fn style(ending: &str) -> Style {
    let (format, hex) = match ending {
        "hex" => ("simple", true),
        "hexjson" => ("json", true),
        "pb" => ("protobuf", false),
        other => (other, false),
    };
    Style { format: Format::of(format).unwrap(), hex }
}

#[test]
fn every_format_prints_what_etcdctl_printed() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/format/golden");
    let mut compared = 0;
    for entry in std::fs::read_dir(&dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        let ending = path.extension().unwrap().to_str().unwrap();
        let message = std::fs::read(dir.join(format!("{name}.pb"))).unwrap();
        let shown = render(answer(name, &message).as_ref(), style(ending), "mini-etcdctl").unwrap();
        let expected = std::fs::read(&path).unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert_eq!(shown.out, expected, "{name}.{ending}: {}", text(&shown.out));
        compared += 1;
    }
    // A directory that lost its files must not pass.
    assert_eq!(compared, 46);
}
