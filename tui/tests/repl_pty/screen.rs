//! What is shown while a line is typed, and what never is.

use super::prompt::{CTRL_C, Prompt, RIGHT};

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

#[test]
fn a_line_is_coloured_while_it_is_typed_and_what_is_dangerous_is_red() {
    use vt100::Color::{Default, Idx};
    const RED: u8 = 1;
    let dir = tempfile::tempdir().unwrap();
    let mut prompt = Prompt::start(dir.path());
    prompt.types("get 'quoted' $rev --limit 1 | head 3 # why");
    prompt.sees("# why");
    for (text, color, bold) in [
        ("get", Default, true),
        ("'quoted'", Idx(2), false),
        ("$rev", Idx(3), false),
        ("--limit", Idx(6), false),
        ("| head", Idx(5), false),
        ("head 3", Default, false),
    ] {
        assert_eq!(prompt.color_of(text), (color, bold), "{text}");
    }
    prompt.types(CTRL_C);
    prompt.is_back();
    prompt.types("nonsense");
    prompt.sees("> nonsense");
    assert_eq!(prompt.color_of("nonsense"), (Idx(RED), false));
    prompt.types(CTRL_C);
    prompt.is_back();
    prompt.types("del /jobs/");
    prompt.sees("> del /jobs/ [range_end]");
    assert_eq!(prompt.color_of("del"), (Default, true));
    // It is the flag that makes it dangerous, and taking it away makes it harmless.
    prompt.types(" --prefix");
    prompt.sees("--prefix   ! ");
    assert_eq!(prompt.color_of("del /jobs/"), (Idx(RED), true));
    assert_eq!(prompt.color_of("! "), (Idx(RED), false));
    prompt.types("\x17");
    prompt.until("harmless", |shown| !shown.contains('!'));
    assert_eq!(prompt.color_of("del"), (Default, true));
    prompt.types(CTRL_C);
    prompt.leaves();
}

#[test]
fn hints_name_what_is_missing_and_the_right_arrow_takes_the_rest_of_a_word() {
    let dir = tempfile::tempdir().unwrap();
    let mut prompt = Prompt::start(dir.path());
    for (typed, wanted) in [
        ("put", "put <key> [value]"),
        ("put k", "put k [value]"),
        ("put k v", "put k v"),
        ("compaction ", "compaction <revision>   ! takes away what cannot be had again"),
        ("\\diff k", "\\diff k @REV1 [@REV2]"),
        ("\\reco", "\\record"),
    ] {
        prompt.types(typed);
        prompt.stands_at(&format!("bundled-1> {wanted}"));
        prompt.types(CTRL_C);
        prompt.is_back();
    }
    prompt.types(&format!("endpoint hea{RIGHT}\r"));
    prompt.sees(" is healthy");
    prompt.leaves();
}

/// Goal: it is seen where one is, and production is changed by nobody in passing. Method: profiles of servers that nobody
/// has, so that what would be sent does not matter.
#[test]
fn a_profile_is_turned_to_by_name_and_production_is_asked_before_it_is_changed() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("mini-etcd")).unwrap();
    let profiles = "[profile.dev]\nread_only = true\n[profile.shop]\nendpoints = [\"127.0.0.1:1\"]\n\
                    production = true\n";
    std::fs::write(dir.path().join("mini-etcd/config.toml"), profiles).unwrap();
    let home = dir.path().to_str().unwrap();
    let args = ["--bundled", "1"];
    let mut prompt = Prompt::start_with(dir.path(), &args, &[("XDG_CONFIG_HOME", home)]);
    prompt.types("\\profile d\t\r");
    prompt.stands_at("dev (ro)>");
    prompt.types("\\profile ship\r");
    prompt.sees("there is no profile ship");
    prompt.types("\\profile shop\r");
    prompt.stands_at("PRODUCTION shop>");
    prompt.types("put k v\r");
    prompt.sees("type shop to do it>");
    prompt.types("no\r");
    prompt.sees("nothing was done");
    prompt.leaves();
}
