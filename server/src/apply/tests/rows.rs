//! Goal: an answer is the same wherever its rows come from, and how often the disk is asked for them is known before.
//! Method: ranges of one state, before a restart from the cache and after it from the disk.

use mini_etcd_proto::etcdserverpb::{RangeRequest, RangeResponse};
use prost::Message;

use super::fixture::{Node, delete, put, range};

/// Keys of the part that was written in order.
const ORDERED: usize = 100;
/// Keys of the part that was not.
const SCATTERED: usize = 50;
/// Other revisions after each of these.
const BETWEEN: usize = 20;

/// 100 keys in order, half of them written again; 50 scattered ones; some written around a removal of 300 keys in one
/// entry, which lies between them on the disk.
fn filled() -> Node {
    let mut keys = Node::new();
    let mut write = |key: String, value: &str| keys.run(put(&key, value)).unwrap();
    for key in (0..ORDERED).chain(0..ORDERED / 2) {
        write(format!("a{key:03}"), &format!("value {key}"));
    }
    for number in 0..SCATTERED {
        write(format!("b{:03}", number * 17 % SCATTERED), "scattered");
        (0..BETWEEN).for_each(|_| drop(write(format!("x{number}"), "between")));
    }
    for number in 0..300 {
        write(format!("gone{number}"), "");
    }
    for key in ["c1", "c2"] {
        write(key.to_owned(), "before");
    }
    keys.run(delete("gone", "gonf")).unwrap();
    for key in ["c3", "c4"] {
        keys.run(put(key, "behind")).unwrap();
    }
    keys
}

fn requests() -> [RangeRequest; 6] {
    let all = range("a", "d", 0);
    [
        all.clone(),
        RangeRequest { limit: 70, ..range("a", "b", 0) },
        range("b", "c", 0),
        range("c", "d", 0),
        RangeRequest { sort_order: 2, ..all.clone() },
        RangeRequest { keys_only: true, sort_target: 4, ..all },
    ]
}

#[test]
fn an_answer_is_the_same_from_the_cache_by_scans_and_by_single_reads() {
    let mut keys = filled();
    let expected = requests().map(|request| keys.view().range(&request).unwrap());
    assert_eq!(expected[0].kvs.len(), ORDERED + SCATTERED + 4);
    for _ in ["from the disk", "what single reads left in the cache, the rest from the disk"] {
        keys.restart();
        for (request, expected) in requests().iter().zip(&expected) {
            assert_eq!(&keys.view().range(request).unwrap(), expected, "{request:?}");
            let answer = keys.view().select(request).unwrap();
            let encoded = answer.encode().unwrap();
            assert_eq!(&RangeResponse::decode(encoded.clone()).unwrap(), expected, "{request:?}");
            let frame = answer.frame().unwrap();
            let (prefix, message) = frame.split_at(5);
            assert_eq!(message, encoded);
            let length = u32::try_from(encoded.len()).unwrap().to_be_bytes();
            assert_eq!(prefix, [&[0], length.as_slice()].concat());
        }
    }
}

#[test]
fn rows_that_were_written_one_after_the_other_take_one_read_of_the_disk() {
    let mut keys = filled();
    let reads = |keys: &Node, request: &RangeRequest| {
        keys.view().select(request).unwrap().disk_reads().unwrap()
    };
    let [_, ordered, scattered, ..] = requests();
    let whole = RangeRequest { limit: 0, ..ordered.clone() };
    assert_eq!((reads(&keys, &ordered), reads(&keys, &scattered)), (0, 0), "all is in the cache");
    keys.restart();
    assert_eq!(reads(&keys, &ordered), 2, "those written again lie apart");
    assert_eq!(reads(&keys, &whole), 1, "the rest of them lies between");
    assert_eq!(reads(&keys, &scattered), SCATTERED);
    assert_eq!(reads(&keys, &range("a000", "", 0)), 1);
}
