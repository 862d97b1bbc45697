//! The grammar, line by line.

use std::fmt::Write;

use super::*;

/// Statements in a compact form.
fn shown(statements: &[Statement]) -> String {
    statements.iter().map(one).collect::<Vec<_>>().join("; ")
}

fn word(word: &Word) -> String {
    let mut out = String::new();
    for piece in &word.pieces {
        let _ = match piece {
            Piece::Bare(bytes) => write!(out, "{}", String::from_utf8_lossy(bytes)),
            Piece::Quoted(bytes) => write!(out, "'{}'", String::from_utf8_lossy(bytes)),
            Piece::Variable { name, .. } => write!(out, "${{{name}}}"),
            Piece::Heredoc(_) => write!(out, "<<"),
        };
    }
    out
}

fn words(all: &[Word]) -> String {
    all.iter().map(word).collect::<Vec<_>>().join(" ")
}

fn one(statement: &Statement) -> String {
    match &statement.kind {
        StatementKind::Run(run) => shown_run(run),
        StatementKind::Expect(expect) => format!("expect {:?}", expect.condition),
        StatementKind::Await(wait) => {
            format!("await {} {} {:?}", wait.id, wait.events, wait.within)
        }
        StatementKind::Cancel(id) => format!("cancel {id}"),
        StatementKind::Set { name, value } => format!("set {name}={}", word(value)),
        StatementKind::Test { name, body } => format!("test {} {{{}}}", word(name), shown(body)),
        StatementKind::Setup(body) => format!("setup {{{}}}", shown(body)),
        StatementKind::Teardown(body) => format!("teardown {{{}}}", shown(body)),
        StatementKind::Repeat { times, body } => format!("repeat {times} {{{}}}", shown(body)),
        StatementKind::With { flags, body } => format!("with {} {{{}}}", words(flags), shown(body)),
        StatementKind::If { then, otherwise, .. } => {
            format!("if {{{}}} else {{{}}}", shown(then), shown(otherwise))
        }
    }
}

fn shown_run(run: &Run) -> String {
    let mut out = String::new();
    if let Some(times) = run.eventually {
        let _ = write!(out, "eventually {:?}/{:?} ", times.within, times.every);
    }
    if run.negated {
        out.push_str("! ");
    }
    let _ = match &run.action {
        Action::Command { target, words: args } => {
            write!(out, "{} [{}]", target.path(), words(args))
        }
        Action::Txn(txn) => write!(
            out,
            "txn [{}] if [{}] then [{}] else [{}]",
            words(&txn.flags),
            txn.compares
                .iter()
                .map(|c| format!(
                    "{}({}) {} {}",
                    c.target,
                    word(&c.key),
                    c.operator,
                    word(&c.value)
                ))
                .collect::<Vec<_>>()
                .join(", "),
            operations(&txn.success),
            operations(&txn.failure)
        ),
        Action::Session { command, args } => write!(out, "{} [{}]", command.name, words(args)),
    };
    for filter in &run.filters {
        let _ = match filter {
            Filter::Json(path) => write!(out, " | json {}", path.text),
            Filter::Diff(file) => write!(out, " | diff {}", word(file)),
            other => write!(out, " | {other:?}"),
        };
    }
    for (sign, part) in [
        ("| sh ", run.shell.clone()),
        ("> ", run.redirect.as_ref().map(word)),
        ("& as ", run.background.clone()),
        ("-> ", run.capture.clone()),
    ] {
        let _ = part.map(|part| write!(out, " {sign}{part}"));
    }
    if let Some(golden) = &run.golden {
        let _ = write!(out, " golden{:?}", golden.lines);
    }
    if !run.expects.is_empty() {
        let _ = write!(out, " expects {}", run.expects.len());
    }
    out
}

fn operations(all: &[Operation]) -> String {
    all.iter()
        .map(|o| format!("{} {}", o.command.name, words(&o.words)))
        .collect::<Vec<_>>()
        .join(", ")
}

#[test]
fn lines_mean_what_the_grammar_says() {
    let mut wrong = String::new();
    for (text, meaning) in [
        ("get a", "get [a]"),
        ("range a b", "get [a b]"),
        ("delete a --prefix", "del [a --prefix]"),
        ("compact 5", "compaction [5]"),
        ("mem l", "member list []"),
        ("endpoint st --cluster -w table", "endpoint status [--cluster -w table]"),
        ("put k 'v w' -> R", "put [k 'v w'] -> R"),
        ("put k '->' -> R", "put [k '->'] -> R"),
        ("put k -- -1 -> R", "put [k -- -1] -> R"),
        ("put k \"-1\"", "put [k '-1']"),
        ("put k $V", "put [k ${V}]"),
        ("! put '' x", "! put ['' x]"),
        ("eventually 5s every 100ms get k", "eventually 5s/100ms get [k]"),
        ("eventually 2s get k", "eventually 2s/50ms get [k]"),
        ("get k | head 3 | sort > $TMP/f -> V", "get [k] | Head(3) | Sort > ${TMP}/f -> V"),
        ("get k -w json | json .kvs[0].key", "get [k -w json] | json .kvs[0].key"),
        ("get k | head", "get [k] | Head(10)"),
        ("get k | grep -c 'a b' | wc -l > f", "get [k] | sh grep -c 'a b' | wc -l > f"),
        ("watch k --prefix & as w1", "watch [k --prefix] & as w1"),
        ("ls", "ls []"),
        ("ls /a/", "ls [/a/]"),
        ("cd ..", "cd [..]"),
        ("pwd", "pwd []"),
        ("\\w jsonl", "\\w [jsonl]"),
        ("\\diff k @17 @now", "\\diff [k @17 @now]"),
        ("cancel w1", "cancel w1"),
        ("await w1 events 2 within 1s", "await w1 2 1s"),
        ("set P /ci/$RUN", "set P=/ci/${RUN}"),
        ("repeat 3\nput a b\nend", "repeat 3 {put [a b]}"),
        ("with -w json\nget a\nend", "with -w json {get [a]}"),
        ("if ok\nget a\nelse\nget b\nend", "if {get [a]} else {get [b]}"),
        ("get a # x\n\n# y\n\nget b", "get [a]; get [b]"),
        ("put a <<E\nx\nE\nget a", "put [a <<]; get [a]"),
        (
            "txn if mod(\"$P/a\") = \"$R\" then put $P/a x end",
            "txn [] if [mod(${P}'/a') = ${R}] then [put ${P}/a x] else []",
        ),
        (
            "txn if mod(\"a b\") > \"3\" and val(k) = x then put a 1 put b 2 ; del c else get a end -w json -> S",
            "txn [-w json] if [mod('a b') > '3', val(k) = x] then [put a 1, put b 2, del c] else [get a] -> S",
        ),
        (
            "txn if\n  ver(k) = 0\n  and c($K) != 1\nthen\n  put k 'end'\n  get a b\nelse\nend",
            "txn [] if [ver(k) = 0, c(${K}) != 1] then [put k 'end', get a b] else []",
        ),
        ("txn then put a b end", "txn [] if [] then [put a b] else []"),
        (
            "txn\nmod(\"k\") = \"5\"\n\nput k \"$V\"\nget k\n\n\nget a",
            "txn [] if [mod('k') = '5'] then [put k ${V}, get k] else []; get [a]",
        ),
        ("txn -w json\n\n\n\n", "txn [-w json] if [] then [] else []"),
    ] {
        let statements = parse_input(text.as_bytes());
        let statements = statements.unwrap_or_else(|error| panic!("{text}: {error}"));
        if shown(&statements) != meaning {
            let _ =
                writeln!(wrong, "{text}\n  found    {}\n  expected {meaning}", shown(&statements));
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn scripts_have_tests_golden_output_and_expectations() {
    let text = "setup\n  del a\nend\ntest \"x y\"\n  get a\n  ----\n  one\n    two <*>\n\n  expect count == 1\n  expect value == one\nend\n\
                eventually 1s get b\nexpect key absent\nteardown\nend\n";
    let script = parse_script(text.as_bytes()).unwrap();
    assert_eq!(
        shown(&script.statements),
        "setup {del [a]}; test 'x y' {get [a] golden[\"one\", \"  two <*>\"] expects 2}; \
         eventually 1s/50ms get [b] expects 1; teardown {}"
    );
    let StatementKind::Test { body, .. } = &script.statements[1].kind else { panic!() };
    assert_eq!((script.statements[1].line, body[0].line), (4, 5));
    assert_eq!(body[0].span.of(text.as_bytes()), b"get a");
}

#[test]
fn conditions_of_every_kind_are_read() {
    for text in [
        "ok",
        "error",
        "error InvalidArgument",
        "error ~compacted",
        "error outofrange ~ 'has been (re)?compacted'",
        "value == x",
        "value != 'a b'",
        "value ~ ^a+$",
        "value contains \"$X\"",
        "count >= 3",
        "count within 1..5",
        "rev > $R",
        "key absent",
        "lease absent",
        "deleted == 0",
        "succeeded == true",
        "elapsed < 50ms",
        "elapsed within 1s",
        "events == 2",
        "json .kvs[0].key == a",
        "json .a[\"b c\"] absent",
        "exit == 1",
    ] {
        let script = parse_script(format!("get a\nexpect {text}").as_bytes());
        script.unwrap_or_else(|error| panic!("{text}: {error}"));
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn what_is_wrong_is_said_with_its_column_before_anything_runs() {
    let mut wrong = String::new();
    for (text, error) in [
        ("gett a", "1:1: unknown command \"gett\"; expected get"),
        ("gte a", "1:1: unknown command \"gte\"; expected get"),
        (
            "make-mirror x",
            "1:1: make-mirror; expected a command that ends; mini-etcdctl makes mirrors",
        ),
        ("mem l", "1:1: unknown command \"mem\"; expected member"),
        (
            "member bogus",
            "1:8: unknown command \"bogus\"; expected add or list or promote or remove or replace or update",
        ),
        ("member", "1:7: the line ends; expected a command of `member`"),
        ("$X a", "1:1: found $X; expected a command, without quotes or variables"),
        (
            "get a --bogus",
            "1:7: unknown flag: --bogus; expected the flags of `get`; `\\h get` lists them",
        ),
        (
            "get a --limit x",
            "1:15: invalid argument \"x\" for \"--limit\" flag: strconv.ParseInt: parsing \"x\": invalid syntax; expected the flags of `get`; `\\h get` lists them",
        ),
        (
            "put a -1",
            "1:7: unknown shorthand flag: '1' in -1; expected `--` before an argument that begins with '-'",
        ),
        (
            "put a",
            "1:6: the line ends; expected a value; `put KEY <<END` takes it from the lines that follow",
        ),
        (
            "get a -w bogus",
            "1:10: found format bogus; expected simple, json, jsonl, fields, table or protobuf",
        ),
        (
            "get a >f",
            "1:7: found >f; expected a blank behind the operator, or quotes around the word",
        ),
        (
            "get a > f | count",
            "1:11: found |; expected `|`, `> FILE`, `& as ID`, `-> NAME`, each once and in this order, or the end",
        ),
        ("get a ->", "1:9: the line ends; expected the name of a variable: letters, digits and _"),
        (
            "get a |",
            "1:8: the line ends; expected count, diff, head, hex, json, sort or a shell command",
        ),
        ("get a & as w", "1:1: only a watch runs in the background; expected no `&`"),
        ("watch a", "1:1: a watch has no end; expected `& as ID`"),
        ("watch -i", "1:1: watch -i; expected one watch on each line"),
        ("eventually soon get a", "1:12: found soon; expected a time such as 500ms or 5s"),
        ("end", "1:1: found end; expected a command: no block is open here"),
        ("test", "1:5: the line ends; expected the name of the test"),
        ("repeat x\nend", "1:8: found x; expected how often, a whole number"),
        ("with json\nend", "1:6: found json; expected flags only"),
        (
            "get a\nexpect vlaue == 1",
            "2:8: found vlaue; expected ok, error, value, count, rev, key, lease, deleted, succeeded, elapsed, events, json PATH or exit",
        ),
        (
            "get a\nexpect value = 1",
            "2:14: found =; expected ==, !=, <, <=, >, >=, ~, contains, within or absent",
        ),
        ("get a\nexpect count == many", "2:17: found many; expected a whole number"),
        ("get a\nexpect value ~ (", "2:16: error: unclosed group; expected a regular expression"),
        (
            "txn if mod(\"k\")= \"3\" then end",
            "1:8: found mod(\"k\")=; expected a comparison such as mod(\"KEY\") = \"VALUE\", with blanks around the operator",
        ),
        ("txn if mod(k) = x then end", "1:17: found x; expected a whole number"),
        (
            "txn if zap(k) = 1 then end",
            "1:8: found zap; expected create, mod, version, value or lease, or c, m, ver, val",
        ),
        ("txn if ver(k) = 1 then wath x end", "1:24: found wath; expected get, put or del"),
        (
            "txn if ver(k) = 1 then put x --no end",
            "1:30: unknown flag: --no; expected the flags of `put`; `\\h put` lists them",
        ),
        (
            "txn if ver(k) = 1 then get x -w json end",
            "1:30: unknown shorthand flag: 'w' in -w; expected the own flags of `get`; those of all commands stand behind `txn`",
        ),
        ("\\diff k", "1:8: the line ends; expected \\diff KEY @REV1 [@REV2]"),
        ("\\q x", "1:1: too many words; expected \\q"),
        (
            "test a\ntest b\nend\nend",
            "2:1: a test inside of a block; expected it outside of any other block",
        ),
    ] {
        let found = parse_script(text.as_bytes()).expect_err(text);
        if found.to_string() != error || found.incomplete {
            let _ = writeln!(wrong, "{text}\n  found    {found}\n  expected {error}");
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn what_more_lines_could_mend_is_told_from_what_they_could_not() {
    for text in [
        "put a 'b",
        "put a \\",
        "put a <<E\nx",
        "txn",
        "txn\nmod(\"a\") = \"1\"\n\nput a b\n",
        "txn if",
        "txn if ver(k) = 1",
        "txn if ver(k) = 1 then put a b",
        "txn if ver(k) = 1 then put a b\nelse",
        "if ok\nget a",
        "repeat 3",
    ] {
        let error = parse_input(text.as_bytes()).unwrap_err();
        assert!(error.incomplete, "{text}: {error}");
    }
}

#[test]
fn every_name_that_help_shows_is_a_word_of_the_grammar() {
    for meta in EXTRAS.iter().chain(METAS) {
        let found = parse_script(meta.example.as_bytes());
        found.unwrap_or_else(|error| panic!("{}: {error}", meta.example));
    }
    for (alias, name) in ALIASES {
        let meaning =
            |name: &str| shown(&parse_script(format!("{name} k").as_bytes()).unwrap().statements);
        assert_eq!(meaning(alias), meaning(name));
    }
}

proptest::proptest! {
    #[test]
    fn no_bytes_make_the_parser_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..80)) {
        let _ = parse_input(&bytes);
        let _ = parse_script(&bytes);
    }

    #[test]
    fn no_words_of_its_own_make_the_parser_panic(
        text in proptest::collection::vec(
            proptest::sample::select(vec![
                "get", "put", "txn", "if", "then", "else", "end", "and", "ok", "expect", "a", "'b'", "|", ">", "->", "&",
                "as", "\n", "\n\n", "mod(k)", "=", "1", "test", "x", "----", "$A", "${A:-", "}", "<<E", "E", "!", "\\w",
                "eventually", "1s", "repeat", "with", "-w", "json", "ver(\"", "\")", "#", ";", "watch", "await", "--",
            ]),
            0..30,
        )
    ) {
        let text = text.join(" ");
        if let Err(error) = parse_script(text.as_bytes()) {
            assert!(error.span.start <= text.len() && error.span.start <= error.span.end, "{error}");
        }
        let _ = parse_input(text.as_bytes());
    }

    #[test]
    fn any_key_and_value_that_is_written_is_put(
        key in proptest::collection::vec(proptest::num::u8::ANY, 1..12),
        value in proptest::collection::vec(proptest::num::u8::ANY, 0..12),
    ) {
        let text = format!("put {} {} -> R", written(&key), written(&value));
        let statements = parse_script(text.as_bytes()).unwrap().statements;
        let StatementKind::Run(run) = &statements[0].kind else { panic!() };
        let Action::Command { words, .. } = &run.action else { panic!() };
        let bytes = |word: &Word| word.bytes(&Variables::default()).unwrap();
        assert_eq!((bytes(&words[0]), bytes(&words[1])), (key, value));
    }
}

/// The Enter that leaves a line empty ends the last part of a transaction; it takes no second one.
#[test]
fn an_empty_last_line_ends_a_transaction() {
    let parts = b"txn\nmod(\"a\") > \"0\"\n\nput a b\n\nget a";
    assert!(parse_input(parts).unwrap_err().incomplete);
    assert_eq!(parse_input(&[&parts[..], b"\n"].concat()).unwrap().len(), 1);
}

#[test]
fn every_syntax_error_of_a_script_is_told_and_none_follows_from_another() {
    for (script, places) in [
        ("gett a\nput k\nget a --bogus\n", &["1:1", "2:6", "3:7"][..]),
        ("test\n  gett a\nend\nput b\n", &["1:5", "2:3", "4:6"]),
        (
            "test a\n  gett a\n  repeat x\n    put b\n  end\nend\ngett\n",
            &["2:3", "3:10", "4:10", "7:1"],
        ),
        ("get 'a\nget b\ngett c\n", &["1:5", "3:1"]),
        ("gett a\n----\nx y\nz\n\ngett b\n", &["1:1", "6:1"]),
        ("txn if mod(k) = x then\n  put k v\nend\ngett b\n", &["1:17", "4:1"]),
        ("txn\nmod(\"k\") = \"x\"\n\nput k v\n\n\ngett b\n", &["2:12", "7:1"]),
        ("gett a\ntest b\n", &["1:1", "2:1"]),
    ] {
        let errors = check_script(script.as_bytes()).unwrap_err();
        let found: Vec<_> = errors.iter().map(|error| error.position.to_string()).collect();
        assert_eq!(found, places, "{script}\n{errors:?}");
        let first = parse_script(script.as_bytes()).unwrap_err();
        assert!(errors.contains(&first), "{script}\n{first}");
    }
    let many = "gett\n".repeat(ERRORS_MAX + 5);
    assert_eq!(check_script(many.as_bytes()).unwrap_err().len(), ERRORS_MAX);
}

#[test]
fn a_byte_order_mark_is_no_part_of_a_script() {
    let script = parse_script("\u{feff}get a\n".as_bytes()).unwrap();
    assert_eq!(script.statements.len(), 1);
    let error = parse_script("\u{feff}gett a\n".as_bytes()).unwrap_err();
    assert_eq!(error.position.to_string(), "1:1");
    assert!(error.shown("\u{feff}gett a\n".as_bytes()).starts_with("gett a\n^"));
}

#[test]
fn eventually_takes_what_it_waits_for_on_its_own_line() {
    for parse in [
        |text: &str| parse_input(text.as_bytes()).unwrap(),
        |text: &str| parse_script(text.as_bytes()).unwrap().statements,
    ] {
        for text in [
            "eventually 5s get k expect value == v",
            "eventually 5s every 10ms get k | count expect count == 1 expect value == v",
            "eventually 5s get k\nexpect value == v",
            "eventually 5s txn if ver(k) > 0 then get k end expect succeeded == true",
        ] {
            let statements = parse(text);
            let StatementKind::Run(run) = &statements[0].kind else { panic!("{text}") };
            assert!(statements.len() == 1 && !run.expects.is_empty(), "{text}");
        }
        let statements = parse("get k expect");
        let StatementKind::Run(run) = &statements[0].kind else { panic!() };
        assert!(run.expects.is_empty());
    }
}
