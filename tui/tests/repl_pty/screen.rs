//! What is shown while a line is typed, and what never is.

use super::prompt::Prompt;

#[test]
fn what_a_value_holds_never_reaches_the_terminal_raw() {
    let dir = tempfile::tempdir().unwrap();
    let mut prompt = Prompt::start(dir.path());
    prompt.types("put k \"\\x1b[2J\\x07\\xff\"\r");
    prompt.sees("OK");
    prompt.types("get k\r");
    prompt.sees("\\u{1b}[2J\\u{7}\\xff");
    prompt.leaves();
}

#[test]
fn read_only_and_a_prefix_are_shown_and_heeded_and_without_colours_none_are_sent() {
    let dir = tempfile::tempdir().unwrap();
    let args = ["--bundled", "1", "--read-only"];
    let mut prompt = Prompt::start_with(dir.path(), &args, &[("NO_COLOR", "1")]);
    prompt.stands_at("bundled-1 (ro)>");
    prompt.types("cd /config\r");
    prompt.stands_at("bundled-1 /config/ (ro)>");
    prompt.types("del k --prefix\r");
    prompt.sees("read-only");
    prompt.types("txn then put k v end\r");
    prompt.until("refused", |shown| shown.matches("the session is read-only").count() == 2);
    let raw = String::from_utf8_lossy(&prompt.raw).into_owned();
    for sequence in raw.split("\x1b[").skip(1) {
        let Some((codes, _)) = sequence.split_once('m') else { continue };
        let is_style = codes.chars().all(|c| c.is_ascii_digit() || c == ';');
        assert!(!is_style || codes == "0" || codes.is_empty(), "{codes}");
    }
    prompt.leaves();
}
