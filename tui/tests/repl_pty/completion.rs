//! Completion.

use super::prompt::{CTRL_C, Prompt, RIGHT};

#[test]
fn tab_completes_commands_flags_and_keys_and_hints_show_what_is_missing() {
    let dir = tempfile::tempdir().unwrap();
    let mut prompt = Prompt::start(dir.path());
    prompt.types("put /config/web/a 1\r");
    prompt.sees("OK");
    prompt.types("put '/config/b c' 2\r");
    prompt.until("two", |shown| shown.matches("\nOK").count() == 2);
    prompt.types("pu");
    prompt.types("\t");
    prompt.sees("> put <key> [value]");
    prompt.types(CTRL_C);
    prompt.is_back();
    prompt.types("get /con\t");
    prompt.sees("> get /config/ [range_end]");
    prompt.types("w\t");
    prompt.stands_at("bundled-1> get /config/web/ [range_end]");
    prompt.types("\t");
    prompt.stands_at("bundled-1> get /config/web/a [range_end]");
    prompt.types("--keys\t\r");
    prompt.until("the key", |shown| shown.contains("\n/config/web/a\n"));
    prompt.types("get /config/\t");
    prompt.sees("/config/b c   /config/web/");
    prompt.types(CTRL_C);
    prompt.is_back();
    prompt.types("comp");
    prompt.sees("> compaction");
    prompt.types(RIGHT);
    prompt.types(" 1");
    prompt.sees("takes away what cannot be had again");
    prompt.types(CTRL_C);
    prompt.is_back();
    prompt.leaves();
}
