//! Completion.

use std::fmt::Write;

use super::prompt::{CTRL_C, PATIENT, Prompt, RIGHT, elsewhere, signal};

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
    prompt.types("compa");
    prompt.sees("> compaction");
    prompt.types(RIGHT);
    prompt.types(" 1");
    prompt.sees("takes away what cannot be had again");
    prompt.types(CTRL_C);
    prompt.is_back();
    prompt.leaves();
}

#[test]
fn tab_completes_the_values_of_flags_and_the_names_of_members_and_watches() {
    let dir = tempfile::tempdir().unwrap();
    let mut prompt = Prompt::start(dir.path());
    prompt.answers("watch k & as name", "");
    for (typed, wanted) in [
        ("get k --order D\t", "get k --order DESCEND"),
        ("get k --sort-by=MO\t", "get k --sort-by=MODIFY"),
        ("get k --consistency \t", "l  s"),
        ("get k -w fi\t", "get k -w fields"),
        ("\\w ta\t", "\\w table"),
        ("\\timing of\t", "\\timing off"),
        ("\\kill \t", "\\kill n1"),
        ("mem l\t", "mem list"),
        ("endpoint ha\t", "endpoint hashkv"),
        ("get $ela\t", "get $elapsed_ms"),
        ("get k | so\t", "get k | sort"),
    ] {
        prompt.types(typed);
        prompt.sees(wanted);
        prompt.types(CTRL_C);
        prompt.is_back();
    }
    prompt.types("cancel n\t");
    prompt.sees("> cancel name");
    prompt.types(CTRL_C);
    prompt.leaves();
}

/// Goal: keys beyond the first page, which has 500, are offered too; those of other levels are skipped. Method: 700 keys of
/// which all but a few lie in one directory before the one that is completed, and 600 with one beginning.
#[test]
fn keys_are_completed_page_by_page() {
    let dir = tempfile::tempdir().unwrap();
    let mut prompt = Prompt::start(dir.path());
    let endpoint = prompt.endpoint();
    let mut lines = String::new();
    for number in 0..600 {
        // Writing to a string does not fail.
        let _ = writeln!(lines, "put /p/deep/{number:03} v\nput flat{number:03} v");
    }
    lines.push_str("put /p/zebra v\n");
    assert!(elsewhere(&endpoint, &lines).wait().unwrap().success());
    prompt.types("get /p/\t");
    prompt.sees("/p/deep/  /p/zebra");
    prompt.types(CTRL_C);
    prompt.is_back();
    prompt.types("get /p/deep/59\t");
    prompt.sees("/p/deep/590");
    prompt.sees("/p/deep/599");
    prompt.types(CTRL_C);
    prompt.is_back();
    // More than are offered: it asks before it lists.
    prompt.types("get flat\t");
    prompt.sees("Display all 500 possibilities? (y or n)");
    prompt.types("n");
    prompt.types(CTRL_C);
    prompt.leaves();
}

/// Goal: a member that does not answer costs the line a moment and nothing else; what was listed before is offered again.
/// Method: the member is stopped, and requests have ten minutes.
#[test]
fn a_completion_has_a_deadline_and_falls_back_to_what_it_kept() {
    let dir = tempfile::tempdir().unwrap();
    let mut prompt = Prompt::start_with(dir.path(), PATIENT, &[]);
    prompt.is_back();
    prompt.answers("put /kept/one 1", "OK");
    prompt.answers("put /other/one 1", "OK");
    prompt.types("get /kept/\t");
    prompt.stands_at("bundled-1> get /kept/one [range_end]");
    prompt.types(CTRL_C);
    prompt.is_back();
    let member = prompt.member();
    signal("-STOP", &member);
    // Unknown, and the line goes on.
    prompt.types("get /other/\t");
    prompt.types("typed");
    prompt.stands_at("bundled-1> get /other/typed [range_end]");
    prompt.types(CTRL_C);
    prompt.is_back();
    prompt.types("\\kill \tn1");
    prompt.stands_at("bundled-1> \\kill n1");
    prompt.types(CTRL_C);
    prompt.is_back();
    // Kept.
    prompt.types("get /kept/\t");
    prompt.stands_at("bundled-1> get /kept/one [range_end]");
    prompt.types(CTRL_C);
    prompt.is_back();
    signal("-CONT", &member);
    // What is kept does not outlive the revision.
    prompt.answers("put /kept/two 2", "OK");
    prompt.types("get /kept/\t");
    prompt.sees("/kept/one  /kept/two");
    prompt.types(CTRL_C);
    prompt.leaves();
}
