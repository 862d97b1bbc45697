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
    prompt.sees("unknown method Authenticate");
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
