//! Goal: one language on four fronts: `mini-etcdctl`, REPL, script and palette do the same with every command and every
//! flag of the table, byte for byte; what etcdctl itself prints, `tests/tests/oracle_ctl` holds `mini-etcdctl` against.
//! Method: each row runs on each front from the same keys; revisions count from the last of these, and what takes its
//! own time is masked.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use crossterm::event::KeyCode;
use mini_etcd_proto::etcdserverpb::{
    DeleteRangeRequest, LeaseGrantRequest, LeaseLeasesRequest, LeaseRevokeRequest,
};
use mini_etcd_shared::client::Client;
use mini_etcd_shared::command::{CommandSpec, GROUPS, TABLE};
use mini_etcd_shared::language::written;
use mini_etcd_tui::console::Overlay;

use crate::driver::{Driver, Member, everything, put};

/// No revision of this test, but every hash and size that changes with what was written before.
const BIG: i64 = 20_000;

const KEYS: &[(&str, &str)] = &[("/f/a", "one"), ("/f/b", "two"), ("/f/c", "three"), ("g", "x y")];

/// A command: its words, and the lines that it reads.
type Row = (&'static [&'static str], &'static str);

/// The only lease, `1d` in hex. What is left of it is masked.
const LEASE: LeaseGrantRequest = LeaseGrantRequest { id: 0x1d, ttl: 5 * BIG };

/// `BASE` is the revision of the last key above, `DIR` a directory.
const ROWS: &[Row] = &[
    (&["get", "/f/a"], ""),
    (&["get", "nothing"], ""),
    (&["get", "/f/a", "/f/c"], ""),
    (&["get", "/f/", "--prefix"], ""),
    (&["get", "/f/b", "--from-key"], ""),
    (&["get", "/f/", "--prefix", "--keys-only"], ""),
    (&["get", "/f/", "--prefix", "--limit", "2"], ""),
    (&["get", "/f/", "--prefix", "--order", "DESCEND", "--sort-by", "KEY"], ""),
    (&["get", "/f/", "--prefix", "--sort-by=VALUE"], ""),
    (&["get", "/f/", "--prefix", "--print-value-only", "-w", "simple"], ""),
    (&["get", "/f/a", "--consistency=s"], ""),
    (&["get", "/f/", "--prefix", "--min-mod-rev=BASE"], ""),
    (&["get", "/f/", "--prefix", "--max-mod-rev=BASE"], ""),
    (&["get", "/f/", "--prefix", "--min-create-rev=BASE"], ""),
    (&["get", "/f/", "--prefix", "--max-create-rev=BASE"], ""),
    (&["get", "/f/", "--prefix", "--stream"], ""),
    (&["get", "/f/", "--prefix", "--rev=BASE"], ""),
    (&["get", "/f/", "--prefix", "--count-only", "-w", "fields"], ""),
    (&["get", "g", "--hex"], ""),
    (&["put", "k", "a value"], ""),
    (&["put", "/f/a", "new", "--prev-kv"], ""),
    (&["put", "/f/a", "--ignore-value"], ""),
    (&["put", "/f/a", "new", "--ignore-lease"], ""),
    (&["put", "/f/a", "new", "--lease=0"], ""),
    (&["put", "k", "--", "-1"], ""),
    (&["del", "/f/a"], ""),
    (&["del", "/f/a", "/f/c"], ""),
    (&["del", "/f/a", "/f/c", "--range"], ""),
    (&["del", "/f/", "--prefix", "--prev-kv"], ""),
    (&["del", "/f/b", "--from-key"], ""),
    (&["txn"], "mod(\"/f/a\") > \"0\"\n\nput /f/a t\nget /f/b\n\ndel /f/c\n\n"),
    (&["txn"], "value(\"/f/a\") = \"other\"\n\nput /f/a t\n\nget /f/a\ndel g\n\n"),
    (&["compaction", "BASE"], ""),
    (&["compaction", "BASE", "--physical"], ""),
    (&["member", "list"], ""),
    (&["member", "list", "--consistency=s"], ""),
    (&["options"], ""),
    (&["alarm", "list"], ""),
    (&["alarm", "disarm"], ""),
    (&["defrag"], ""),
    (&["defrag", "--cluster"], ""),
    (&["doctor"], ""),
    (&["doctor", "--advertised=false"], ""),
    (&["endpoint", "status"], ""),
    (&["endpoint", "status", "--cluster"], ""),
    (&["endpoint", "health"], ""),
    (&["endpoint", "hashkv"], ""),
    (&["endpoint", "hashkv", "--rev=BASE"], ""),
    (&["lease", "grant", "60"], ""),
    (&["lease", "keep-alive", "--once", "1d"], ""),
    (&["lease", "list"], ""),
    (&["lease", "revoke", "1d"], ""),
    (&["lease", "timetolive", "1d"], ""),
    (&["lease", "timetolive", "1d", "--keys"], ""),
    (&["put", "/f/a", "new", "--lease=1d"], ""),
    (&["snapshot", "save", "DIR/b.db"], ""),
    (&["snapshot", "status", "DIR/b.db"], ""),
    (&["hashkv", "DIR/b.db"], ""),
    (&["hashkv", "DIR/b.db", "--rev=0"], ""),
    (&["version"], ""),
];

/// What every front refuses, and the words that each of them says.
const REFUSED: &[(&[&str], &str)] = &[
    (&["get", "/f/a", "--rev=9000000000000000000"], "required revision is a future revision"),
    (&["put", "/f/a", "v", "--lease=77"], "requested lease not found"),
    (&["put", "nothing", "--ignore-value"], "key not found"),
    (&["lease", "revoke", "77"], "failed to revoke lease (etcdserver: requested lease not found)"),
    (&["lease", "grant", "9000000001"], "too large lease TTL"),
    (&["lease", "keep-alive", "--once", "77"], "requested lease not found"),
    (&["compaction", "9000000000000000000"], "required revision is a future revision"),
    (&["get", "/f/a", "--order=SIDEWAYS"], "SIDEWAYS"),
];

struct Bench {
    member: Member,
    client: Client,
    driver: Driver,
    dir: tempfile::TempDir,
}

impl Bench {
    async fn start() -> Self {
        let member = Member::start().await;
        let mut driver = Driver::start(&member.endpoint);
        driver.press(KeyCode::Char(':'));
        let client = member.client();
        Self { client, driver, member, dir: tempfile::tempdir().unwrap() }
    }

    /// The keys of the table, one lease, and no others; answers the revision of the last.
    async fn reset(&self) -> i64 {
        let all = DeleteRangeRequest {
            key: vec![0].into(),
            range_end: vec![0].into(),
            ..DeleteRangeRequest::default()
        };
        self.client.delete_range(all).await.into_result().unwrap();
        let leases = self.client.lease_leases(LeaseLeasesRequest {}).await.into_result().unwrap();
        for lease in leases.leases {
            let request = LeaseRevokeRequest { id: lease.id };
            self.client.lease_revoke(request).await.into_result().unwrap();
        }
        self.client.lease_grant(LEASE).await.into_result().unwrap();
        let mut base = 0;
        for (key, value) in KEYS {
            base = put(&self.client, key.as_bytes(), value.as_bytes()).await;
        }
        base
    }

    /// Every key, value and version, with revisions from the base.
    async fn keys(&self, base: i64) -> Vec<String> {
        let told = |kv: &mini_etcd_proto::mvccpb::KeyValue| {
            let (create, changed) = (kv.create_revision - base, kv.mod_revision - base);
            format!("{:?} {:?} {create} {changed} {} {}", kv.key, kv.value, kv.version, kv.lease)
        };
        everything(&self.client, 0).await.iter().map(told).collect()
    }

    fn endpoint(&self) -> String {
        format!("--endpoints={}", self.member.endpoint)
    }

    /// A process; answers whether it succeeded, what it printed, and what it said.
    fn process(&self, program: &str, arguments: &[&str], input: &str) -> (bool, Vec<u8>, String) {
        let mut child = Command::new(program)
            .args(arguments)
            .env_remove("ETCDCTL_ENDPOINTS")
            .current_dir(self.dir.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        // A program that refuses its arguments reads nothing.
        let _written = stdin.write_all(input.as_bytes());
        drop(stdin);
        let output = child.wait_with_output().unwrap();
        let said = [&output.stdout[..], &output.stderr[..]].concat();
        let said = String::from_utf8_lossy(&said).into_owned();
        (output.status.success(), output.stdout, said)
    }

    async fn run(
        &mut self,
        front: Front,
        words: &[String],
        input: &str,
    ) -> (bool, Vec<u8>, String) {
        let line = line(words);
        let (tui, out) = (env!("CARGO_BIN_EXE_mini-etcd-tui"), self.dir.path().join("out"));
        match front {
            Front::Ctl => {
                let endpoint = self.endpoint();
                let mut arguments = vec![endpoint.as_str()];
                arguments.extend(words.iter().map(String::as_str));
                self.process(env!("CARGO_BIN_EXE_mini-etcdctl"), &arguments, input)
            }
            Front::Repl => {
                let endpoint = self.endpoint();
                self.process(tui, &["repl", &endpoint], &format!("{line}\n{input}"))
            }
            Front::Script => {
                let script = self.dir.path().join("row.ers");
                std::fs::write(&script, format!("{line} > out\n{input}")).unwrap();
                let endpoint = self.endpoint();
                let (ok, _, said) = self.process(tui, &["run", &endpoint, "row.ers"], "");
                (ok, taken(&out), said)
            }
            Front::Palette => self.palette(&format!("{line} > {}\n{input}", out.display())).await,
        }
    }

    async fn palette(&mut self, text: &str) -> (bool, Vec<u8>, String) {
        let before = self.driver.state.repl.runs;
        for line in text.lines() {
            self.driver.type_text(line);
            self.driver.press(KeyCode::Enter);
        }
        if matches!(self.driver.state.ctx.overlays.last(), Some(Overlay::Confirm(_))) {
            self.driver.press(KeyCode::Char('y'));
        }
        self.driver.until(text, |state| state.repl.running.is_none()).await;
        let output = self.driver.state.repl.palette.output.clone().unwrap();
        let ran = self.driver.state.repl.runs != before;
        assert!(ran || output.note == "not run", "neither run nor refused: {text:?}");
        (!output.failed, taken(&self.dir.path().join("out")), output.text.join("\n"))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Front {
    Ctl,
    Repl,
    Script,
    Palette,
}

const FRONTS: [Front; 4] = [Front::Ctl, Front::Repl, Front::Script, Front::Palette];

/// Words as a line of the language that has the same meaning: without quotes where none are needed, for a quoted word is
/// neither a command nor a flag.
fn line(words: &[String]) -> String {
    let is_plain =
        |word: &str| word.bytes().all(|b| b.is_ascii_alphanumeric() || b"/-=".contains(&b));
    let word = |word: &String| {
        if is_plain(word) { word.clone() } else { written(word.as_bytes()) }
    };
    words.iter().map(word).collect::<Vec<_>>().join(" ")
}

/// What a file holds, which is then gone.
fn taken(file: &Path) -> Vec<u8> {
    let bytes = std::fs::read(file).unwrap_or_default();
    let _gone = std::fs::remove_file(file);
    bytes
}

/// Revisions as their distance from the base, times as `TIME`, sizes, hashes and ids as `BIG`, and the columns of a table
/// as narrow as they may be.
fn masked(printed: &[u8], base: i64) -> String {
    let text = String::from_utf8_lossy(printed).into_owned();
    let text = regex::Regex::new(r"\b[0-9a-f]{16}\b").unwrap().replace_all(&text, "ID");
    let text = regex::Regex::new("─{3,}").unwrap().replace_all(&text, "──");
    let text = regex::Regex::new(" {2,}").unwrap().replace_all(&text, " ");
    let text = regex::Regex::new(r"[0-9.]+(µs|ms|s)\b").unwrap().replace_all(&text, "TIME");
    let text = regex::Regex::new(r"[0-9.]+ [kM]?B\b").unwrap().replace_all(&text, "BIG");
    let text =
        regex::Regex::new(r#"(?i)(dbsize\w*" ?: ?)\d+"#).unwrap().replace_all(&text, "${1}BIG");
    let digits = regex::Regex::new(r"\d+").unwrap();
    let shifted =
        digits.replace_all(&text, |found: &regex::Captures<'_>| match found[0].parse::<i64>() {
            Ok(number) if (base - 4..base + 100).contains(&number) => format!("R{}", number - base),
            Ok(number) if number < BIG => found[0].to_owned(),
            _ => "BIG".to_owned(),
        });
    shifted.into_owned()
}

fn words_of(row: &[&str], base: i64, dir: &str, format: &str) -> Vec<String> {
    let stands = |word: &&str| word.replace("BASE", &base.to_string()).replace("DIR", dir);
    let mut words: Vec<String> = row.iter().map(stands).collect();
    if !row.contains(&"-w") {
        words.splice(1..1, []);
        let at = words.iter().position(|word| word == "--").unwrap_or(words.len());
        words.splice(at..at, ["-w".to_owned(), format.to_owned()]);
    }
    words
}

#[tokio::test]
async fn every_front_does_the_same_with_every_command_and_flag() {
    let mut bench = Bench::start().await;
    // So far along that no version or count is taken for a revision.
    for _ in 0..150 {
        put(&bench.client, b"far", b"").await;
    }
    for (row, input) in ROWS {
        for format in ["simple", "json", "fields", "table"] {
            let mut first = None;
            for front in FRONTS {
                let base = bench.reset().await;
                let dir = bench.dir.path().to_str().unwrap();
                let words = words_of(row, base, dir, format);
                let (ok, printed, said) = bench.run(front, &words, input).await;
                let result = (ok, masked(&printed, base), bench.keys(base).await);
                let first = first.get_or_insert_with(|| result.clone());
                assert_eq!(*first, result, "{front:?}: {words:?}\n{said}");
            }
            let (ok, printed, _) = first.unwrap();
            // etcdctl has no table for some answers; then nobody has.
            assert!(ok || ["table", "fields"].contains(&format), "{row:?} {format}: {printed}");
        }
    }
}

#[tokio::test]
async fn every_front_refuses_the_same_in_the_same_words() {
    let mut bench = Bench::start().await;
    for (row, wanted) in REFUSED {
        for front in FRONTS {
            let base = bench.reset().await;
            let before = bench.keys(base).await;
            let words: Vec<String> = row.iter().map(|word| (*word).to_owned()).collect();
            let (ok, _, said) = bench.run(front, &words, "").await;
            assert!(!ok && said.contains(wanted), "{front:?}: {row:?}\n{said}");
            assert_eq!(bench.keys(base).await, before, "{front:?}: {row:?}");
        }
    }
}

/// Groups whose commands are tested on stock etcd, beside etcdctl and in a script: `tests/tests/oracle_ctl/users.rs`.
const ON_ETCD: &[&str] = &["auth", "role", "user"];

/// What is not in the table above, and where it is tested instead.
const ELSEWHERE: &[(&str, &str)] = &[
    ("txn --interactive", "prompts belong to a terminal: tests/tests/oracle_ctl"),
    ("watch", "has no end: script/, repl_pty/ and tests/tests/oracle_ctl"),
    ("completion", "a script of a shell: shared::command::completion_scripts"),
    ("downgrade cancel", "not of a mini-etcd: tests/tests/oracle_ctl"),
    ("downgrade enable", "not of a mini-etcd: tests/tests/oracle_ctl"),
    ("downgrade validate", "not of a mini-etcd: tests/tests/oracle_ctl"),
    ("check datascale", "is of mini-etcdctl alone: tests/tests/checks.rs"),
    ("check perf", "takes a minute: tests/tests/checks.rs"),
    ("elect", "has no end: tests/tests/oracle_ctl"),
    ("lock", "has no end: tests/tests/oracle_ctl"),
    ("make-mirror", "has no end: tests/tests/oracle_ctl"),
    ("help", "each front words its own: shared::command::help"),
    ("member add", "changes the cluster: tests/tests/oracle_ctl"),
    ("member promote", "needs another member: tests/tests/oracle_ctl"),
    ("member replace", "changes the cluster in steps: tests/tests/membership"),
    ("member remove", "changes the cluster: tests/tests/oracle_ctl"),
    ("member update", "changes the cluster: tests/tests/oracle_ctl"),
    ("move-leader", "needs another member: tests/tests/oracle_ctl"),
    ("snapshot restore", "is of mini-etcdctl alone: tests/tests/oracle_backup"),
];

#[test]
fn the_rows_have_every_command_and_every_flag() {
    let rows: BTreeSet<&str> = ROWS.iter().flat_map(|(row, _)| row.iter().copied()).collect();
    let is_here = |spec: &&CommandSpec| {
        let elsewhere = ELSEWHERE.iter().any(|(what, _)| *what == spec.path());
        !elsewhere && !ON_ETCD.contains(&spec.group)
    };
    for spec in TABLE.iter().filter(is_here) {
        let path = spec.path();
        let of_command = |row: &&Row| row.0.join(" ").starts_with(&path);
        let row: Vec<&str> =
            ROWS.iter().filter(of_command).flat_map(|(row, _)| *row).copied().collect();
        assert!(!row.is_empty(), "no row for {path}");
        for flag in spec.flags {
            let name = format!("--{}", flag.name);
            let elsewhere = ELSEWHERE.iter().any(|(what, _)| *what == format!("{path} {name}"));
            let has = row.iter().any(|word| word.split('=').next() == Some(&name));
            assert!(has || elsewhere, "no row for {path} {name}");
        }
    }
    for group in GROUPS {
        for flag in group.flags {
            assert!(rows.contains(&*format!("--{}", flag.name)), "no row for {}", flag.name);
        }
    }
}
