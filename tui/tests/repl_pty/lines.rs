//! Lines: history, statements of many lines, the editor.

use super::prompt::{CTRL_C, CTRL_R, Prompt, UP};

#[test]
fn history_is_kept_for_its_owner_only_without_passwords_and_is_searched() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let mut prompt = Prompt::start(dir.path());
    prompt.types("put remembered 1\r");
    prompt.sees("OK");
    prompt.types("get a --user=root:secret\r");
    prompt.is_back();
    prompt.types("put other 2\r");
    prompt.until("the second OK", |shown| shown.matches("\nOK").count() == 2);
    prompt.is_back();
    prompt.types(UP);
    prompt.until("the line before", |shown| shown.matches("> put other 2").count() == 2);
    prompt.types(CTRL_C);
    prompt.is_back();
    prompt.leaves();
    let file = dir.path().join("mini-etcd/history");
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.contains("put remembered 1") && !text.contains("secret"), "{text}");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);

    let mut prompt = Prompt::start(dir.path());
    prompt.types(CTRL_R);
    prompt.types("remem");
    prompt.sees("put remembered 1");
    prompt.types("\r");
    prompt.sees("OK");
    prompt.leaves();
}

/// Nothing of a password is shown or kept, whether or not the server has users.
#[test]
fn a_password_is_asked_for_twice_and_never_shown() {
    let dir = tempfile::tempdir().unwrap();
    let mut prompt = Prompt::start(dir.path());
    prompt.types("\\timing on\r");
    prompt.is_back();
    prompt.types("user add alice\r");
    prompt.sees("Password of alice: ");
    prompt.types("hushh\x7f\r");
    prompt.sees("Type password of alice again for confirmation: ");
    prompt.types("other\r");
    prompt.sees("given passwords are different");
    prompt.types("user passwd alice\r");
    prompt.until("the prompt", |shown| shown.matches("Password of alice: ").count() == 2);
    prompt.types(CTRL_C);
    prompt.sees("interrupted");
    // What is typed now is a line again.
    prompt.types("put k shown\r");
    prompt.sees("OK");
    let shown = prompt.shown();
    assert!(!shown.contains("hush"), "{shown}");
    prompt.leaves();
    let kept = std::fs::read_to_string(dir.path().join("mini-etcd/history")).unwrap();
    assert!(!kept.contains("hush") && !kept.contains("other"), "{kept}");
}

#[test]
fn a_statement_may_have_many_lines_and_what_is_typed_ahead_is_not_lost() {
    let dir = tempfile::tempdir().unwrap();
    let mut prompt = Prompt::start(dir.path());
    prompt.types("put k 'one\r");
    prompt.types("two'\r");
    prompt.sees("OK");
    // All at once, while the first still runs.
    prompt.types("get k\rget k --print-value-only | count\rpwd\r");
    prompt.sees("\nk\none\ntwo\n");
    prompt.until("the third", |shown| shown.contains("\n2\n") && shown.contains("\n/\n"));
    prompt.types("nonsense\r");
    prompt.sees("nonsense\n^\n1:1: unknown command");
    prompt.leaves();
}

#[test]
fn a_statement_is_edited_in_the_editor_of_the_environment() {
    let dir = tempfile::tempdir().unwrap();
    let editor = [("EDITOR", "sed -i s/one/two/")];
    let mut prompt = Prompt::start_with(dir.path(), &["--bundled", "1"], &editor);
    prompt.is_back();
    prompt.types("put k one\r");
    prompt.sees("OK");
    prompt.types("\\e\r");
    prompt.stands_at("bundled-1> put k two");
    prompt.types("\r");
    prompt.until("put again", |shown| shown.matches("\nOK").count() == 2);
    prompt.types("put k one");
    prompt.types("\x18\x05");
    prompt.until("edited", |shown| shown.matches("> put k two").count() == 2);
    prompt.types(CTRL_C);
    prompt.is_back();
    prompt.types("\\q\r");
    assert!(prompt.ends().success());
}

#[test]
fn every_kind_of_open_line_goes_on_and_ctrl_c_drops_all_of_it() {
    let dir = tempfile::tempdir().unwrap();
    let mut prompt = Prompt::start(dir.path());
    // Each line is typed only once the one before is seen to be open.
    for (lines, answer) in [
        (&["put q \"one", "two\""][..], "OK"),
        (&["put h <<END", "a 'b", "$RUN-less", "END"], "OK"),
        (&["put h <<'END'", "a 'b", "$c", "END"], "OK"),
        (&["get h \\", "--print-value-only"], "a 'b\n$c"),
        (&["txn if ver(q) = 1", "then put q three", "else get q", "end"], "SUCCESS\n\nOK"),
        (&["txn", "ver(\"q\") = \"2\"", "", "get q", "", "put q no", ""], "SUCCESS\n\nq\nthree"),
        (&["repeat 2", "pwd", "end"], "/\n/"),
        (&["if count == 7", "pwd", "else", "get q --print-value-only", "end"], "three"),
        (&["with -w jsonl", "get q --print-value-only", "end"], "{\"value\":\"three\"}"),
    ] {
        let mut stood = String::from("> ");
        for (at, line) in lines.iter().enumerate() {
            prompt.types(line);
            stood.push_str(line);
            prompt.sees(stood.trim_end());
            prompt.types("\r");
            stood.push('\n');
            let is_last = at + 1 == lines.len();
            if !is_last {
                prompt.until("an open line", |shown| {
                    shown.trim_end_matches(' ').ends_with(&stood)
                        || shown.contains(stood.trim_end())
                });
            }
        }
        let wanted = format!("{stood}{answer}");
        prompt.until(&wanted, |shown| shown.contains(wanted.trim_end()));
        prompt.is_back();
        prompt.types("\x0c");
    }
    prompt.types("txn if ver(q) = 1\rthen");
    prompt.sees("\nthen");
    prompt.types(CTRL_C);
    prompt.is_back();
    prompt.answers("pwd", "/");
    prompt.leaves();
}
