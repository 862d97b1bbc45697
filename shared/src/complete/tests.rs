//! Goal: what is offered at a cursor. Method: a source with a few keys, and texts with the cursor at their end.

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use proptest::prelude::*;

use super::MarkKind::{Command, Comment, Danger, Flag, Operator, Quoted, Unknown, Variable};
use super::*;
use crate::language::parse_input;

struct Few;

impl Source for Few {
    fn keys<'a>(&'a self, prefix: &'a [u8]) -> BoxFuture<'a, Listed> {
        let all: [&[u8]; 5] = [b"/a b", b"/config/", b"/\xff", b"plain", b"/config/web"];
        let names = all.iter().filter(|key| key.starts_with(prefix));
        let names = names.map(|key| Bytes::from_static(key)).collect();
        Box::pin(async { Listed { names, more: false } })
    }

    fn members(&self) -> BoxFuture<'_, Vec<String>> {
        Box::pin(async { vec!["n1".to_owned(), "n2".to_owned()] })
    }

    fn users(&self) -> BoxFuture<'_, Vec<String>> {
        Box::pin(async { vec!["alice".to_owned(), "bob o".to_owned()] })
    }

    fn roles(&self) -> BoxFuture<'_, Vec<String>> {
        Box::pin(async { vec!["readers".to_owned(), "root".to_owned()] })
    }

    fn leases<'a>(&'a self, typed: &'a [u8]) -> BoxFuture<'a, Vec<Candidate>> {
        let all = ["694d5765fc71500b", "694d5765fc715010", "7f3a00000000000c"];
        let begins = all.iter().filter(|id| id.as_bytes().starts_with(typed));
        let found = begins.map(|id| Candidate::word(id, "41s left, 12 keys")).collect();
        Box::pin(async { found })
    }
}

fn context() -> Context {
    Context {
        profiles: Vec::new(),
        variables: vec!["RUN".to_owned(), "P".to_owned()],
        watches: vec!["w1".to_owned()],
        scope: Vec::new(),
    }
}

fn offered(text: &str) -> Vec<String> {
    let context = context();
    let completion = complete(text.as_bytes(), text.len(), &context, &Few).now_or_never().unwrap();
    completion.candidates.into_iter().map(|candidate| candidate.text).collect()
}

/// The line after the only candidate was taken.
fn taken(text: &str) -> String {
    let context = context();
    let completion = complete(text.as_bytes(), text.len(), &context, &Few).now_or_never().unwrap();
    let [only] = completion.candidates.as_slice() else {
        panic!("{text}: {:?}", completion.candidates);
    };
    let (start, end) = (completion.span.start, completion.span.end);
    format!("{}{}{}", &text[..start], only.text, &text[end..])
}

#[test]
fn commands_groups_and_their_commands_are_offered() {
    assert!(offered("").contains(&"put".to_owned()));
    assert_eq!(taken("comp"), "compaction");
    assert_eq!(taken("\\ti"), "\\timing");
    assert_eq!(taken("! eventually 5s every 1s comp"), "! eventually 5s every 1s compaction");
    assert_eq!(offered("endpoint "), ["hashkv", "health", "status"]);
    assert_eq!(taken("help al"), "help alarm");
}

#[test]
fn leases_are_offered_wherever_an_id_stands() {
    assert_eq!(taken("lease revoke 7"), "lease revoke 7f3a00000000000c");
    assert_eq!(offered("lease timetolive 694").len(), 2);
    assert_eq!(taken("lease keep-alive --once 7f"), "lease keep-alive --once 7f3a00000000000c");
    assert_eq!(taken("put k v --lease=7"), "put k v --lease=7f3a00000000000c");
    assert_eq!(offered("put k v --lease ").len(), 3);
    assert!(offered("lease grant ").is_empty());
}

#[test]
fn users_roles_and_kinds_of_permission_are_offered() {
    assert_eq!(taken("user get a"), "user get alice");
    assert_eq!(offered("user passwd "), ["alice", "'bob o'"]);
    assert!(offered("user add ").is_empty());
    assert_eq!(taken("user grant-role alice ro"), "user grant-role alice root");
    assert_eq!(offered("role grant-permission readers "), ["read", "write", "readwrite"]);
    assert_eq!(taken("role revoke-permission readers pl"), "role revoke-permission readers plain");
    assert_eq!(offered("auth "), ["disable", "enable", "status"]);
}

#[test]
fn flags_are_offered_once_and_their_values_behind_them() {
    assert_eq!(taken("get k --keys"), "get k --keys-only");
    assert!(!offered("get k --prefix --pre").contains(&"--prefix".to_owned()));
    assert_eq!(taken("get k --order=D"), "get k --order=DESCEND");
    assert_eq!(taken("get k -w jsonl"), "get k -w jsonl");
    assert!(offered("get -- --").is_empty());
}

#[test]
fn keys_read_back_as_their_bytes() {
    assert_eq!(offered("get /"), ["'/a b'", "/config/", "\"/\\xff\"", "/config/web"]);
    assert_eq!(taken("get '/a "), "get '/a b'");
    assert_eq!(taken("get \"/a "), "get '/a b'");
    assert_eq!(taken("del pl"), "del plain");
    assert!(offered("put plain ").is_empty());
}

#[test]
fn a_scope_stands_before_what_does_not_begin_with_the_separator() {
    let context = Context { scope: b"/config/".to_vec(), ..context() };
    let names = |text: &str| {
        let completion = complete(text.as_bytes(), text.len(), &context, &Few);
        let candidates = completion.now_or_never().unwrap().candidates;
        candidates.into_iter().map(|candidate| candidate.text).collect::<Vec<_>>()
    };
    assert_eq!(names("get w"), ["web"]);
    assert_eq!(names("get /config/w"), ["/config/web"]);
}

#[test]
fn variables_watches_members_filters_and_conditions_are_offered() {
    assert_eq!(taken("get $R"), "get $RUN");
    assert_eq!(taken("put \"x${R"), "put \"x${RUN}");
    assert!(offered("get 'x$R").is_empty());
    assert_eq!(taken("await "), "await w1");
    assert_eq!(taken("cancel w"), "cancel w1");
    assert_eq!(offered("\\kill "), ["n1", "n2"]);
    assert_eq!(taken("get k | so"), "get k | sort");
    assert_eq!(taken("expect succ"), "expect succeeded");
    assert_eq!(offered("\\timing "), ["on", "off"]);
}

#[test]
fn inside_a_transaction_its_words_and_its_operations_are_offered() {
    assert_eq!(offered("txn "), ["if", "then"]);
    assert_eq!(taken("txn if mod(k) = 1 th"), "txn if mod(k) = 1 then");
    assert_eq!(offered("txn if mod(k) = 1 then "), ["put", "get", "del", "end"]);
    assert_eq!(taken("txn then put pl"), "txn then put plain");
    assert_eq!(taken("txn then put k v en"), "txn then put k v end");
}

#[test]
fn hints_show_what_is_missing() {
    let shown = |text: &str| hint(text.as_bytes(), &context()).map(|hint| hint.shown);
    assert_eq!(shown("put").as_deref(), Some(" <key> [value]"));
    assert_eq!(shown("put ").as_deref(), Some("<key> [value]"));
    assert_eq!(shown("put k").as_deref(), Some(" [value]"));
    assert_eq!(shown("put k v"), None);
    assert_eq!(shown("\\diff k ").as_deref(), Some("@REV1 [@REV2]"));
    assert_eq!(shown("compa").as_deref(), Some("ction"));
    assert_eq!(hint(b"compa", &context()).unwrap().insert.as_deref(), Some("ction"));
    assert_eq!(shown("cancel ").as_deref(), Some("ID"));
}

#[test]
fn what_takes_away_is_marked_while_it_is_typed() {
    let kind = |text: &str| marks(text.as_bytes())[0].kind;
    assert_eq!(kind("get k"), Command);
    assert_eq!(kind("nonsense"), Unknown);
    assert_eq!(kind("del k"), Command);
    assert_eq!(kind("del k --prefix"), Danger);
    assert_eq!(kind("compa 7"), Danger);
    assert!(danger(b"del '/a --prefix").is_none(), "it is inside a quote");
    assert!(danger(b"delete / --prefix").is_some());
    let kinds: Vec<_> =
        marks(b"put 'k k' $v -w json | sort # all").iter().map(|m| m.kind).collect();
    assert_eq!(kinds, [Command, Quoted, Variable, Flag, Operator, Comment]);
}

#[tokio::test]
async fn files_are_offered_where_a_file_is_due() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("sub")).unwrap();
    std::fs::write(dir.path().join("script.ers"), "").unwrap();
    let text = format!("\\source {}/s", dir.path().display());
    let completion = complete(text.as_bytes(), text.len(), &context(), &NoSource).await;
    let names: Vec<_> = completion.candidates.iter().map(|c| (&*c.text, c.ends)).collect();
    let (script, sub) = (dir.path().join("script.ers"), format!("{}/sub/", dir.path().display()));
    assert_eq!(names, [(script.to_str().unwrap(), true), (sub.as_str(), false)]);
}

proptest! {
    /// I4
    #[test]
    fn nothing_that_is_typed_makes_it_panic(
        text in "[a-z \\\\\"'$|<>&#={}\u{e9}\n-]{0,40}", at in 0_usize..60
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let _ = runtime.block_on(complete(text.as_bytes(), at, &context(), &NoSource));
        let _ = (hint(text.as_bytes(), &context()), marks(text.as_bytes()), danger(text.as_bytes()));
    }

    /// I2
    #[test]
    fn any_key_reads_back(key in proptest::collection::vec(any::<u8>(), 1..20)) {
        let line = format!("get {}", Candidate::bytes(&key, true).text);
        let statements = parse_input(line.as_bytes()).unwrap();
        let crate::language::StatementKind::Run(run) = &statements[0].kind else { panic!() };
        let crate::language::Action::Command { words, .. } = &run.action else { panic!() };
        prop_assert_eq!(words[0].literal().unwrap(), key);
    }
}
