//! [`watched`]: the tail that a line of the palette, `watch ...`, begins, or why a tail cannot do it.

use bytes::Bytes;
use mini_etcd_shared::command::{Scope, Target, WATCH, Watch, parse_for, request_of};
use mini_etcd_shared::language::{Action, Run, Statement, StatementKind, Variables, Word};
use mini_etcd_shared::session::{given, scope_arguments};
use mini_etcd_shared::types::prefix_end;

use super::spec::{Reach, Spec};

/// Flags that a tail knows; that the server tells how far it is, it asks for anyway.
const FLAGS: [&str; 4] = ["prefix", "prev-kv", "progress-notify", "rev"];

/// What a line that watches, and waits for that, asks a tail to follow; `None` for any other line.
pub(crate) fn watched(statements: &[Statement], scope: &[u8]) -> Option<Result<Spec, String>> {
    let [Statement { kind: StatementKind::Run(run), .. }] = statements else { return None };
    let Action::Command { target: target @ Target::Command(spec), words } = &run.action else {
        return None;
    };
    // In the background it is the session's, which others of its lines await.
    (**spec == WATCH && run.background.is_none()).then(|| {
        around(run)?;
        words.iter().try_for_each(word)?;
        parsed(*target, words, scope)
    })
}

/// What stands around the command; the grammar lets no pipe stand there.
fn around(run: &Run) -> Result<(), String> {
    let refused = [
        (run.negated, "!"),
        (run.eventually.is_some(), "eventually"),
        (run.redirect.is_some(), ">"),
        (run.capture.is_some(), "->"),
    ];
    match refused.iter().find(|(there, _)| *there) {
        Some((_, what)) => Err(format!("a tail has no end, and so nothing for {what}")),
        None => Ok(()),
    }
}

fn word(word: &Word) -> Result<(), String> {
    if word.bare_start().starts_with(b"file:") {
        return Err("a tail reads no file: write the key itself".to_owned());
    }
    match word.literal() {
        Some(_) => Ok(()),
        None => Err("a tail knows no variables of the session: write what they hold".to_owned()),
    }
}

fn parsed(target: Target, words: &[Word], scope: &[u8]) -> Result<Spec, String> {
    let words = given(words, &Variables::default()).map_err(|error| error.to_string())?;
    let mut parsed = parse_for(target, words).map_err(|refusal| refusal.text)?;
    let is_known = |name: &str| FLAGS.contains(&name);
    if let Some(flag) =
        target.flags().find(|flag| parsed.flags.is_given(flag.name) && !is_known(flag.name))
    {
        return Err(format!("a tail takes no --{}; the pane's watch does", flag.name));
    }
    scope_arguments(scope, &mut parsed);
    let made = request_of(&parsed, &Scope::default()).map_err(|refusal| refusal.text)?;
    let Some(watch) = made.downcast::<Watch>() else {
        return Err("this does not watch".to_owned());
    };
    if !watch.program.is_empty() {
        let text = "a tail runs no program for what it sees: leave out -- and what follows";
        return Err(text.to_owned());
    }
    match watch.request.clone() {
        Some(request) => Ok(Spec {
            from: Some(request.start_revision).filter(|revision| *revision > 0),
            previous: request.prev_kv,
            leader: true,
            ..range(request.key, request.range_end)
        }),
        None => Err("a tail follows a key: watch KEY, or watch PREFIX --prefix".to_owned()),
    }
}

fn range(key: Bytes, end: Bytes) -> Spec {
    let open = end.as_ref() == [0];
    let (key, reach, end) = match () {
        () if end.is_empty() => (key, Reach::Key, end),
        () if open && key.as_ref() == [0] => (Bytes::new(), Reach::Prefix, Bytes::new()),
        () if open => (key, Reach::From, Bytes::new()),
        () if end == prefix_end(&key) => (key, Reach::Prefix, Bytes::new()),
        () => (key, Reach::Range, end),
    };
    Spec { key, reach, end, ..Spec::default() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mini_etcd_shared::language::parse_input;

    fn read(line: &str, scope: &[u8]) -> Option<Result<Spec, String>> {
        watched(&parse_input(line.as_bytes()).expect(line), scope)
    }

    #[test]
    fn a_tail_is_the_same_as_a_line_and_back() {
        for (key, reach, end) in [
            (&b"/a\xff"[..], Reach::Prefix, &b""[..]),
            (b"", Reach::Prefix, b""),
            (b"--prefix", Reach::Key, b""),
            (b"a", Reach::Range, b"c"),
            (b"a", Reach::From, b""),
        ] {
            let (key, end) = (Bytes::copy_from_slice(key), Bytes::copy_from_slice(end));
            let spec = Spec { key, reach, end, from: Some(7), previous: true, leader: true };
            let line = spec.command().language();
            assert_eq!(read(&line, b""), Some(Ok(spec)), "{line}");
        }
        let spec = read("watch a --prefix", b"/in/").unwrap().unwrap();
        assert_eq!((&spec.key[..], spec.from, spec.previous), (&b"/in/a"[..], None, false));
        assert_eq!(read("wat hex:6869 --progress-notify", b"").unwrap().unwrap().key, "hi");
    }

    #[test]
    fn what_a_tail_cannot_do_is_named_and_other_lines_are_left_alone() {
        for (line, named) in [
            ("watch a -w json", "--write-out"),
            ("watch a --endpoints=b:1", "--endpoints"),
            ("watch a -i", "-i"),
            ("watch a -- echo x", "program"),
            ("watch $K", "variables"),
            ("watch file:k", "file"),
            ("watch a > f", ">"),
            ("! watch a", "!"),
        ] {
            let error = match parse_input(line.as_bytes()) {
                Ok(statements) => watched(&statements, b"").expect(line).expect_err(line),
                Err(error) => error.to_string(),
            };
            assert!(error.contains(named), "{line}: {error}");
        }
        for line in ["watch a & as w1", "get a", "watch a\nget b"] {
            assert_eq!(read(line, b""), None, "{line}");
        }
    }
}
