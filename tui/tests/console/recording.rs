//! Goal: what is recorded on an empty keyspace, by lines or by keys, passes as a script on a new cluster. Method: each is
//! done in a console without a terminal on a real member, whose revisions are made unlike those of a new one first; then
//! the program runs what was recorded on a bundled member.

use std::path::Path;
use std::process::Command;

use crossterm::event::KeyCode;
use mini_etcd_proto::etcdserverpb::DeleteRangeRequest;
use mini_etcd_tui::console::Overlay;

use crate::driver::{Driver, Member, everything, put};
use crate::support::ctrl;

/// A source of the same choices for the same seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        let at = self.roll(u64::try_from(from.len()).unwrap());
        &from[usize::try_from(at).unwrap()]
    }
}

/// A console that records, on a member with nothing in it.
struct Recorded {
    driver: Driver,
    member: Member,
    dir: tempfile::TempDir,
}

impl Recorded {
    async fn start() -> Self {
        let member = Member::start().await;
        let client = member.client();
        for _ in 0..20 {
            put(&client, b"before", b"x").await;
        }
        let key = bytes::Bytes::from_static(b"before");
        let delete = DeleteRangeRequest { key, ..DeleteRangeRequest::default() };
        client.delete_range(delete).await.into_result().unwrap();
        let driver = Driver::start(&member.endpoint);
        let mut recorded = Self { driver, member, dir: tempfile::tempdir().unwrap() };
        let line = format!("\\record {}", recorded.file().display());
        recorded.driver.press(KeyCode::Char('5'));
        recorded.line(&line).await;
        recorded
    }

    fn file(&self) -> std::path::PathBuf {
        self.dir.path().join("done.ers")
    }

    /// Types a line into the pane, and waits until it has run.
    async fn line(&mut self, line: &str) {
        self.driver.type_text(line);
        self.driver.press(KeyCode::Enter);
        if matches!(self.driver.state.ctx.overlays.last(), Some(Overlay::Confirm(_))) {
            self.driver.press(KeyCode::Char('y'));
        }
        self.driver.until(line, |state| state.repl.running.is_none()).await;
    }

    /// Goes to the Keys screen.
    async fn keys(&mut self) {
        self.driver.press(KeyCode::Esc);
        self.driver.press(KeyCode::Char('2'));
        self.driver.settle().await;
    }

    /// Presses keys on a screen, one after the other.
    async fn press(&mut self, keys: &str) {
        for character in keys.chars() {
            match character {
                '\n' => self.driver.press(KeyCode::Enter),
                '\x13' => {
                    let saved = ctrl(&mut self.driver.state, 's');
                    self.driver.send(saved);
                }
                character => self.driver.press(KeyCode::Char(character)),
            }
            self.driver.settle().await;
        }
    }

    /// Goes back to the pane.
    fn pane(&mut self) {
        self.driver.press(KeyCode::Char('5'));
    }

    /// Ends the recording; answers what was written.
    async fn ends(&mut self) -> String {
        self.line("\\record").await;
        std::fs::read_to_string(self.file()).unwrap()
    }
}

/// Runs a script on a cluster that has just begun.
fn passes_on_a_new_cluster(script: &Path, text: &str) {
    let output = Command::new(env!("CARGO_BIN_EXE_mini-etcd-tui"))
        .args(["run", "--bundled", "1"])
        .arg(script)
        .env_remove("ETCDCTL_ENDPOINTS")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}\n{text}", String::from_utf8_lossy(&output.stdout));
}

/// The lines of a script that run something, without one that expects something of it.
fn without_expectation(text: &str) -> Vec<&str> {
    let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    let is_own =
        |line: &str| ["expect ", "set ", "await ", "cancel "].iter().any(|s| line.starts_with(s));
    let mut bare = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        if !is_own(line) && !lines.get(at + 1).is_some_and(|next| next.starts_with("expect ")) {
            bare.push(*line);
        }
    }
    bare
}

#[tokio::test]
async fn what_is_typed_passes_again_on_a_new_cluster() {
    let mut recorded = Recorded::start().await;
    recorded.line("put /a/k \"one\\ttwo\" -> R").await;
    let rev = everything(&recorded.member.client(), 0).await[0].mod_revision;
    let endpoint = recorded.member.endpoint.clone();
    for line in [
        "watch /a --prefix --rev=20 & as w1",
        "cd /a/",
        "get k",
        "get k --rev $R",
        &format!("get k --rev {rev}"),
        "put r $R",
        "get r",
        "put $RUN/x $RUN",
        "get $RUN/x",
        "get '' --prefix --keys-only",
        "txn if value(k) = x then put k y else get k end",
        &format!("txn if mod(k) = {rev} then put k \"\\xff\" get k end"),
        "get k",
        "del nothing",
        "get nothing | count -> N",
        "put '' v",
        "compaction 99999",
        &format!("compaction {rev}"),
        "expect ok",
        "member list",
        "endpoint status -w table",
        &format!("get r --endpoints={endpoint}"),
        "await w1 events 2 within 5s",
        "cancel w1",
        "\\w json",
        "get k | json .count",
        "expect count == 1",
        "expect rev > 1",
        "expect rev == 57",
        "repeat 2",
    ] {
        recorded.line(line).await;
    }
    recorded.line("range r").await;
    recorded.line("end").await;
    let text = recorded.ends().await;
    let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    let rev = rev.to_string();
    for of_this_cluster in [endpoint.as_str(), rev.as_str()] {
        assert!(!lines.iter().any(|line| line.contains(of_this_cluster)), "{text}");
    }
    for comment in [
        format!("#   get k --rev {rev}\n"),
        format!(
            "#   compaction {rev}\n# what it speaks of is not in this script:\n#   expect ok\n"
        ),
    ] {
        assert!(text.contains(&comment), "{text}");
    }
    assert!(text.contains("get k -w json | json .kvs[0].mod_revision -> SEEN_REV\n"), "{text}");
    assert_eq!(without_expectation(&text), ["repeat 2", "get r", "end"], "{text}");
    passes_on_a_new_cluster(&recorded.file(), &text);
}

#[tokio::test]
async fn a_recording_begins_with_how_the_session_stands() {
    let mut recorded = Recorded::start().await;
    recorded.line("cd /in/").await;
    recorded.line("put k v -> R").await;
    recorded.line("\\w json").await;
    let first = recorded.ends().await;
    passes_on_a_new_cluster(&recorded.file(), &first);
    std::fs::remove_file(recorded.file()).unwrap();
    recorded.line("del k").await;
    let line = format!("\\record {}", recorded.file().display());
    recorded.line(&line).await;
    recorded.line("put k $R").await;
    recorded.line("get k | json .count -> C").await;
    let text = recorded.ends().await;
    assert!(text.contains("\ncd /in/\nexpect ok\n\\w json\nexpect ok\nset R "), "{text}");
    passes_on_a_new_cluster(&recorded.file(), &text);
}

#[tokio::test]
async fn what_is_done_by_keys_passes_again_guarded_as_it_was() {
    let mut recorded = Recorded::start().await;
    recorded.line("cd /in/").await;
    recorded.keys().await;
    // A new key of any bytes, an edit and its undo, a delete and its undo; the tree has one row.
    recorded.press("nk \\xff\nv1\x13").await;
    recorded.press("E2\x13uEnew \x13").await;
    recorded.press("dyu").await;
    // Deleted again, and put back from its grave; and an older version over the new one.
    recorded.press("dyBR").await;
    assert_eq!(everything(&recorded.member.client(), 0).await.len(), 1);
    recorded.press("Ey\x13Hj").await;
    recorded.press("R").await;
    recorded.press("H").await;
    // Another one, that goes with the first.
    recorded.press("n\x08").await;
    for _ in 0..10 {
        recorded.driver.press(KeyCode::Backspace);
    }
    recorded.press("other\nx\x13").await;
    recorded.press("fother\nHHt1\nT").await;
    recorded.press("g j d").await;
    recorded.driver.until("asked", |state| !state.ctx.overlays.is_empty()).await;
    recorded.press("y").await;
    assert!(everything(&recorded.member.client(), 0).await.is_empty());
    recorded.pane();
    recorded.line("put k v").await;
    assert_eq!(everything(&recorded.member.client(), 0).await[0].key, "/in/k");
    let text = recorded.ends().await;
    assert!(
        text.contains("txn if version(\"k \\xff\") = \"0\" then put \"k \\xff\" v1 end\n"),
        "{text}"
    );
    assert!(
        text.contains("txn if mod(\"k \\xff\") = \"$SEEN_REV\" then put \"k \\xff\" "),
        "{text}"
    );
    assert!(text.contains("= \"$SEEN_REV\" then del \"k \\xff\" end\n"), "{text}");
    assert!(
        text.contains("txn then del \"k \\xff\" ; del other end\nexpect deleted == 2\n"),
        "{text}"
    );
    assert!(
        text.contains("get other\nexpect count == 1\n\\history other\nexpect ok\n")
            || text.contains("\\history other\n"),
        "{text}"
    );
    assert_eq!(text.matches("\ncd\n").count(), 1, "{text}");
    assert!(text.ends_with("\ncd /in/\nexpect ok\nput k v\nexpect ok\n"), "{text}");
    assert_eq!(without_expectation(&text), Vec::<&str>::new(), "{text}");
    passes_on_a_new_cluster(&recorded.file(), &text);
}

/// A line that somebody might type, on few keys, so that they meet.
fn any_line(dice: &mut Dice, newest: i64) -> String {
    let keys = ["a", "a/b", "'c d'", "\"\\xff\"", "put", "/r/$RUN"];
    let key = *dice.pick(&keys);
    let value = *dice.pick(&["1", "''", "\"x\\ny\"", "$RUN", "$V", "'it $V'", "hex:00ff", "007"]);
    let rev = newest - i64::try_from(dice.roll(4)).unwrap();
    match dice.roll(17) {
        0..=3 => format!("put {key} {value}"),
        4 => format!("put {key} {value} --prev-kv"),
        5 => format!("get {key}"),
        6 => "get '' --prefix".to_owned(),
        7 => format!("get {key} --rev={rev} --keys-only"),
        8 => format!("del {key}"),
        9 => format!("del {key} --prefix --prev-kv"),
        10 => format!("txn if mod({key}) = {rev} then put {key} {value} else get {key} end"),
        11 => format!("txn if version({key}) > 0 then del {key} get a else put {key} {value} end"),
        12 => format!("get {key} -w json | json .count -> V"),
        13 => format!("put {key} {value} -> V"),
        14 => format!("put {key} --ignore-value"),
        15 => format!("get {key} z --limit 1 --order DESCEND --sort-by KEY"),
        _ => "ls".to_owned(),
    }
}

#[tokio::test]
async fn whatever_is_typed_passes_again() {
    for seed in 1..=4 {
        let mut recorded = Recorded::start().await;
        let client = recorded.member.client();
        let mut dice = Dice(seed);
        recorded.line("set V 5").await;
        for _ in 0..60 {
            let all = everything(&client, 0).await;
            let newest = all.iter().map(|kv| kv.mod_revision).max().unwrap_or(1);
            recorded.line(&any_line(&mut dice, newest)).await;
        }
        let text = recorded.ends().await;
        assert!(text.lines().count() > 60, "seed {seed}\n{text}");
        passes_on_a_new_cluster(&recorded.file(), &text);
    }
}
