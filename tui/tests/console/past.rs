//! Goal: what the Keys screen shows of a revision is what a Range at that revision says. Method: a history of random
//! changes with deletes and a compaction on a real member; the screen travels by its keys, opens everything, and is
//! compared row by row.

use bytes::Bytes;
use crossterm::event::KeyCode;
use futures::future::join_all;
use mini_etcd_proto::etcdserverpb::{CompactionRequest, DeleteRangeRequest};
use mini_etcd_proto::mvccpb::KeyValue;
use mini_etcd_shared::client::Client;
use mini_etcd_tui::screens::keys::model::Meta;
use mini_etcd_tui::screens::keys::tree::RowKind;

use crate::driver::{Driver, Member, Stock, everything, put};

/// Changes of the history, and how many are under way at once.
const CHANGES: u64 = 10_000;
const AT_ONCE: u64 = 100;
/// Keys they are about.
const KEYS: u64 = 300;

/// Numbers that look random and are the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % sides
    }
}

/// Names with empty parts, bytes that are no text, keys that are directories too.
fn name(n: u64) -> Vec<u8> {
    let dirs: [&[u8]; 6] = [b"", b"/", b"a/", b"a/b/", b"a//", b"\xff/\x01/"];
    let dir = dirs[usize::try_from(n % 6).unwrap()];
    let leaf = match n % 7 {
        0 => "b".to_owned(),
        1 => format!("b/{}", n / 7),
        _ => format!("k{}", n / 6),
    };
    [dir, leaf.as_bytes()].concat()
}

async fn change(client: &Client, dice: &mut Dice) {
    let batch: Vec<(Vec<u8>, Option<u64>)> = (0..AT_ONCE)
        .map(|_| (name(dice.roll(KEYS)), (dice.roll(4) > 0).then(|| dice.roll(1 << 30))))
        .collect();
    let one = |(key, value): (Vec<u8>, Option<u64>)| async move {
        if let Some(value) = value {
            put(client, &key, value.to_string().as_bytes()).await;
        } else {
            let request = DeleteRangeRequest { key: key.into(), ..Default::default() };
            client.delete_range(request).await.into_result().unwrap();
        }
    };
    join_all(batch.into_iter().map(one)).await;
}

/// Opens every directory and reads every page.
async fn open_all(driver: &mut Driver) {
    loop {
        let tree = &driver.state.keys.tree;
        let closed = tree.rows().iter().position(|row| {
            let dir = tree.node(row.node).and_then(|node| node.dir.as_ref());
            row.kind == RowKind::More
                || (row.kind == RowKind::Node && dir.is_some_and(|dir| !dir.open))
        });
        let Some(row) = closed else { return };
        driver.state.keys.chosen = row;
        driver.press(KeyCode::Enter);
        driver.settle().await;
    }
}

/// Every key that the tree shows.
fn shown(driver: &Driver) -> Vec<(Bytes, Meta)> {
    let tree = &driver.state.keys.tree;
    let nodes = tree.rows().iter().filter(|row| row.kind == RowKind::Node);
    let mut keys: Vec<(Bytes, Meta)> =
        nodes.filter_map(|row| Some((tree.key(row.node), tree.node(row.node)?.key?))).collect();
    keys.sort_by(|one, other| one.0.cmp(&other.0));
    keys
}

fn expected(kvs: &[KeyValue]) -> Vec<(Bytes, Meta)> {
    let meta = |kv: &KeyValue| Meta {
        create: kv.create_revision,
        modified: kv.mod_revision,
        version: kv.version,
        lease: kv.lease,
    };
    kvs.iter().map(|kv| (kv.key.clone(), meta(kv))).collect()
}

/// Counts that the directories show against what is below them.
fn counts_are_right(driver: &Driver, kvs: &[KeyValue]) {
    let tree = &driver.state.keys.tree;
    for row in tree.rows().iter().filter(|row| row.kind == RowKind::Node) {
        let Some(dir) = tree.node(row.node).and_then(|node| node.dir.as_ref()) else { continue };
        let prefix = tree.dir_prefix(row.node);
        let below = kvs.iter().filter(|kv| kv.key.starts_with(&prefix)).count();
        assert_eq!(dir.keys, Some(u64::try_from(below).unwrap()), "{prefix:?}");
    }
}

async fn value_is_right(driver: &mut Driver, kv: &KeyValue) {
    let row = driver.state.keys.tree.row_of_key(&kv.key).unwrap();
    driver.state.keys.chosen = row;
    // A step there and back, as a person would.
    driver.press(KeyCode::Char('k'));
    driver.press(KeyCode::Char('j'));
    if driver.state.keys.chosen != row {
        driver.press(KeyCode::Char('k'));
    }
    driver.settle().await;
    let entry = driver.state.keys.value.entry.as_ref().unwrap();
    assert_eq!((&entry.key, &entry.value), (&kv.key, &kv.value));
    assert_eq!(entry.meta.modified, kv.mod_revision);
}

#[tokio::test]
async fn tree_and_values_at_any_revision_equal_a_range_there() {
    let member = Member::start().await;
    let client = member.client();
    let mut dice = Dice(0x2545_f491_4f6c_dd1d);
    let mut compacted = 0;
    for round in 0..CHANGES / AT_ONCE {
        change(&client, &mut dice).await;
        if round == CHANGES / AT_ONCE / 4 {
            compacted = put(&client, b"mark", b"compacted").await;
            let request = CompactionRequest { revision: compacted, physical: true };
            client.compact(request).await.into_result().unwrap();
        }
    }
    let newest = put(&client, b"mark", b"end").await;
    let mut driver = Driver::keys(&member.endpoint).await;
    open_all(&mut driver).await;
    assert_eq!(shown(&driver), expected(&everything(&client, 0).await), "live");
    let span = u64::try_from(newest - compacted).unwrap();
    for _ in 0..50 {
        let revision = compacted + i64::try_from(dice.roll(span)).unwrap();
        driver.type_text("t");
        driver.type_text(&revision.to_string());
        driver.press(KeyCode::Enter);
        driver.settle().await;
        assert_eq!(driver.state.keys.at, Some(revision));
        open_all(&mut driver).await;
        let kvs = everything(&client, revision).await;
        assert_eq!(shown(&driver), expected(&kvs), "at {revision}");
        counts_are_right(&driver, &kvs);
        for _ in 0..4 {
            let sides = u64::try_from(kvs.len()).unwrap();
            let kv = &kvs[usize::try_from(dice.roll(sides)).unwrap()];
            value_is_right(&mut driver, kv).await;
        }
    }
    // Behind the wall nothing is shown, and what was shown stays.
    let at = driver.state.keys.at;
    driver.type_text("t2");
    driver.press(KeyCode::Enter);
    driver.settle().await;
    let said = format!("{:?}", driver.state.ctx.toasts.shown());
    assert!(driver.state.keys.at == at || said.contains("compacted"), "{said}");
    assert!(!driver.state.keys.tree.rows().is_empty());
}

#[tokio::test]
async fn history_goes_across_deletes_and_a_grave_is_opened_once() {
    let member = Member::start().await;
    let endpoint = member.endpoint.clone();
    across_deletes(&member, &endpoint).await;
}

#[tokio::test]
async fn what_etcd_does_not_offer_is_found_in_its_events() {
    let member = Member::start().await;
    let stock = Stock::before(&member).await;
    across_deletes(&member, &stock.endpoint).await;
}

#[tokio::test]
async fn behind_a_compaction_the_events_end_at_a_wall() {
    let member = Member::start().await;
    let client = member.client();
    let delete = |key: &'static str| {
        let request = DeleteRangeRequest { key: key.into(), ..Default::default() };
        client.delete_range(request)
    };
    put(&client, b"before", b"x").await;
    delete("before").await.into_result().unwrap();
    put(&client, b"key", b"one").await;
    delete("key").await.into_result().unwrap();
    let revision = put(&client, b"other", b"x").await;
    let request = CompactionRequest { revision, physical: true };
    client.compact(request).await.into_result().unwrap();
    put(&client, b"key", b"two").await;
    put(&client, b"late", b"x").await;
    delete("late").await.into_result().unwrap();
    let stock = Stock::before(&member).await;
    for endpoint in [&member.endpoint, &stock.endpoint] {
        let mut driver = Driver::keys(endpoint).await;
        assert!(driver.state.keys.strip.wall.is_some(), "{endpoint}");
        driver.press(KeyCode::Char('H'));
        driver.settle().await;
        let history = driver.state.keys.right.history().unwrap();
        assert_eq!((history.versions.len(), &history.key[..]), (1, &b"key"[..]));
        assert_eq!(history.reached.unwrap().wall, Some(revision), "{endpoint}");
        driver.press(KeyCode::Char('H'));
        driver.press(KeyCode::Char('B'));
        driver.settle().await;
        let graveyard = driver.state.keys.left.graveyard().unwrap();
        let graves: Vec<&[u8]> = graveyard.graves.iter().map(|grave| &grave.key[..]).collect();
        assert_eq!(graves, [b"late"], "{endpoint}");
        assert_eq!(graveyard.reached.unwrap().wall, Some(revision), "{endpoint}");
    }
}

async fn across_deletes(member: &Member, endpoint: &str) {
    let client = member.client();
    for value in ["one", "two"] {
        put(&client, b"a/key", value.as_bytes()).await;
    }
    let delete = || DeleteRangeRequest { key: Bytes::from_static(b"a/key"), ..Default::default() };
    client.delete_range(delete()).await.into_result().unwrap();
    put(&client, b"a/other", b"x").await;
    put(&client, b"a/key", b"three").await;
    client.delete_range(delete()).await.into_result().unwrap();
    let mut driver = Driver::keys(endpoint).await;
    driver.press(KeyCode::Char('B'));
    driver.settle().await;
    let graves = &driver.state.keys.left.graveyard().unwrap().graves;
    assert_eq!(graves.iter().map(|grave| &grave.key[..]).collect::<Vec<_>>(), [b"a/key"]);
    let value = driver.state.keys.value.entry.as_ref().map(|entry| entry.value.clone());
    assert_eq!(value, Some(Bytes::from_static(b"three")));
    // Somebody else puts it there: then it is not put back over that.
    put(&client, b"a/key", b"theirs").await;
    driver.press(KeyCode::Char('R'));
    driver.settle().await;
    assert!(driver.state.keys.right.conflict().is_some());
    assert_eq!(everything(&client, 0).await[0].value, "theirs");
    driver.press(KeyCode::Esc);
    client.delete_range(delete()).await.into_result().unwrap();
    driver.press(KeyCode::Char('T'));
    driver.settle().await;
    driver.press(KeyCode::Char('B'));
    driver.settle().await;
    driver.press(KeyCode::Char('R'));
    driver.settle().await;
    assert_eq!(everything(&client, 0).await[0].value, "theirs", "undeleted");
    driver.press(KeyCode::Char('H'));
    driver.settle().await;
    let history = driver.state.keys.right.history().unwrap();
    let words = |at: usize| history.versions[at].value().map(|value| value.to_vec());
    let all: Vec<Option<Vec<u8>>> = (0..history.versions.len()).map(words).collect();
    let some = |text: &str| Some(text.as_bytes().to_vec());
    assert_eq!(
        all,
        [some("theirs"), None, some("theirs"), None, some("three"), None, some("two"), some("one")]
    );
    assert_eq!(history.reached.unwrap().wall, None);
}

#[tokio::test]
async fn an_empty_cluster_has_no_past_and_says_so_at_once() {
    let member = Member::start().await;
    let stock = Stock::before(&member).await;
    for endpoint in [&member.endpoint, &stock.endpoint] {
        let mut driver = Driver::keys(endpoint).await;
        driver.press(KeyCode::Char('B'));
        driver.settle().await;
        let graveyard = driver.state.keys.left.graveyard().unwrap();
        assert!(graveyard.graves.is_empty() && !graveyard.loading, "{endpoint}");
        assert!(
            driver.state.ctx.toasts.shown().is_empty(),
            "{:?}",
            driver.state.ctx.toasts.shown()
        );
    }
}
