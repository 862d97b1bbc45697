//! Rules of the tree that no compiler checks.

#![expect(clippy::expect_used, reason = "a test may say what it expects")]

use std::path::{Path, PathBuf};

/// The modules of the server in the order of a write's path. A module may import itself and what stands below it;
/// modules not named here serve all, and import none of these.
const ORDER: &[&str] = &[
    "server", "http", "api", "node", "raft", "watch", "backup", "apply", "auth", "mvcc", "lease",
    "log", "storage",
];

/// The modules of `shared` in the same way: what looks at lines, then what runs them, down to the client.
const SHARED_ORDER: &[&str] =
    &["complete", "session", "language", "command", "format", "failure", "client"];

/// Words that must not stay in the code.
const LEFTOVERS: &[&str] =
    &["todo!(", "unimplemented!(", "dbg!(", "#[ignore", "allow(dead_code", "FIXME"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").to_path_buf()
}

fn sources(dir: &Path) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).expect("a source file");
            found.push((path, text));
        }
    }
    found
}

/// The code of a file without its unit tests.
fn without_tests(text: &str) -> &str {
    text.split("#[cfg(test)]").next().unwrap_or(text)
}

/// Goal: the tree reads top to bottom. Method: every `crate::MODULE` of the code of server and shared against their orders.
#[test]
fn modules_import_only_what_stands_below_them() {
    let mut wrong = Vec::new();
    for (src, order) in [("server/src", ORDER), ("shared/src", SHARED_ORDER)] {
        let src = root().join(src);
        for (path, text) in sources(&src) {
            let inner = path.strip_prefix(&src).expect("below src");
            let module = inner.iter().next().expect("a name").to_string_lossy().replace(".rs", "");
            let place = order.iter().position(|name| *name == module).unwrap_or(order.len());
            // The errors of the client stand beside it.
            if inner.ends_with("tests.rs") || (order == SHARED_ORDER && inner.ends_with("error.rs"))
            {
                continue;
            }
            let code = without_tests(&text);
            for line in code.lines().filter(|line| !line.trim_start().starts_with("//")) {
                for (start, _) in line.match_indices("crate::") {
                    let rest = &line[start + "crate::".len()..];
                    let target: String =
                        rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                    let above =
                        order.iter().position(|name| *name == target).is_some_and(|at| at < place);
                    if above {
                        wrong.push(format!("{}: {}", path.display(), line.trim()));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "imports that reach upward:\n{}", wrong.join("\n"));
}

/// Goal: a screen of the console has one home, and what is below the screens knows none. Method: what each part of the
/// console's code may not name.
#[test]
fn no_screen_knows_another_and_nothing_below_knows_a_screen() {
    let src = root().join("tui/src");
    let entries = std::fs::read_dir(src.join("screens")).expect("the screens");
    let folders = entries.map(|entry| entry.expect("an entry").path()).filter(|path| path.is_dir());
    let screens: Vec<String> = folders
        .map(|path| path.file_name().expect("a name").to_string_lossy().into_owned())
        .collect();
    let is_screen = |word: &str| screens.iter().any(|screen| screen == word);
    let mut wrong = Vec::new();
    for (path, text) in sources(&src) {
        let inner = path.strip_prefix(&src).expect("below src").to_string_lossy().into_owned();
        let of = |part: &str| inner.starts_with(part);
        let own = inner.strip_prefix("screens/").and_then(|rest| rest.split('/').next());
        let code = without_tests(&text);
        for line in code.lines().filter(|line| !line.trim_start().starts_with("//")) {
            let names = |part: &str| line.contains(&format!("crate::{part}"));
            let mut words = line.split(|c: char| !c.is_alphanumeric());
            let aside = own.is_some_and(|own| {
                let other = |word: &str| is_screen(word) && is_screen(own) && word != own;
                names("screens") && words.any(other)
            });
            let upward = ((of("widget/") || of("engine/"))
                && (names("console") || names("screens")))
                || (of("widget/") && names("engine"));
            if aside || upward {
                wrong.push(format!("{inner}: {}", line.trim()));
            }
        }
    }
    assert!(wrong.is_empty(), "imports that reach upward or aside:\n{}", wrong.join("\n"));
}

/// Goal: a public name of `shared` or of the server means one thing in its crate. Method: the names of all public items, tests
/// left out.
#[test]
fn public_names_are_unique() {
    let mut wrong = Vec::new();
    for part in ["shared/src", "server/src"] {
        let mut seen = std::collections::BTreeMap::<String, PathBuf>::new();
        for (path, text) in sources(&root().join(part)) {
            for line in without_tests(&text).lines() {
                let Some(item) = line.strip_prefix("pub ") else { continue };
                let item = item.trim_start_matches("const ").trim_start_matches("async ");
                let mut words = item.split(|c: char| !c.is_alphanumeric() && c != '_');
                let kinds = ["struct", "enum", "trait", "type", "fn"];
                let is_one = words.next().is_some_and(|kind| kinds.contains(&kind));
                let Some(name) = words.next().filter(|_| is_one) else { continue };
                if let Some(other) = seen.insert(name.to_owned(), path.clone()) {
                    wrong.push(format!("{name}: {} and {}", other.display(), path.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "names that mean two things:\n{}", wrong.join("\n"));
}

/// Goal: only `storage` names fjall, only `raft` names raft-rs, and nothing parses bytes with rust-protobuf.
#[test]
fn foreign_crates_stay_behind_their_module() {
    let src = root().join("server/src");
    let mut wrong = Vec::new();
    for (path, text) in sources(&src) {
        let inner = path.strip_prefix(&src).expect("below src").to_string_lossy().into_owned();
        let code = without_tests(&text);
        for (word, home) in
            [("fjall::", "storage"), ("use raft::", "raft"), ("raft::prelude", "raft")]
        {
            let used = code
                .lines()
                .any(|line| !line.trim_start().starts_with("//") && line.contains(word));
            if used && !inner.starts_with(home) {
                wrong.push(format!("{inner} names {word}"));
            }
        }
        for word in ["merge_from_bytes", "parse_from_bytes", "merge_from("] {
            if code.contains(word) {
                wrong.push(format!("{inner} parses with rust-protobuf: {word}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Goal: a reader has what is cited. Method: a page that a source names is there, and no section of one is cited by its
/// sign, which no page of ours has.
#[test]
fn what_is_cited_is_in_the_repository() {
    let mut wrong = Vec::new();
    for dir in ["proto/src", "shared/src", "server", "tui", "tests/src"] {
        for (path, text) in sources(&root().join(dir)) {
            for line in text.lines().filter(|line| line.trim_start().starts_with("//")) {
                let words = line.split(|c: char| !(c.is_alphanumeric() || "/._-".contains(c)));
                let is_page = |word: &&str| Path::new(word).extension().is_some_and(|e| e == "md");
                let is_there = |page: &str| {
                    ["", "docs"].iter().any(|dir| root().join(dir).join(page).is_file())
                };
                let lost = words.filter(is_page).any(|page| !is_there(page));
                if lost || line.contains('\u{a7}') {
                    wrong.push(format!("{}: {}", path.display(), line.trim()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "cited and not in the repository:\n{}", wrong.join("\n"));
}

/// Goal: nothing is left half done.
#[test]
fn no_leftovers() {
    let mut wrong = Vec::new();
    for dir in ["proto/src", "shared/src", "server", "tui", "tests/src"] {
        for (path, text) in sources(&root().join(dir)) {
            for word in LEFTOVERS.iter().filter(|word| text.contains(**word)) {
                wrong.push(format!("{}: {word}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Goal: what is on disk is documented. Method: every space's name stands in docs/format.md.
#[test]
fn every_space_is_in_the_format_page() {
    let page = std::fs::read_to_string(root().join("docs/format.md")).expect("docs/format.md");
    for space in ["log", "log_meta", "rows", "system", "meta"] {
        assert!(
            page.contains(&format!("`{space}`")),
            "docs/format.md does not describe the space {space}"
        );
    }
}

/// Goal: a file holds one idea. Method: no source file, its tests left out, is longer than this.
#[test]
fn no_file_is_longer_than_one_idea() {
    const LINES_MAX: usize = 600;
    let mut wrong = Vec::new();
    for dir in ["shared/src", "server/src", "tui/src", "tests/src"] {
        for (path, text) in sources(&root().join(dir)) {
            let lines = without_tests(&text).lines().count();
            if lines > LINES_MAX {
                wrong.push(format!("{}: {lines} lines", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "files over {LINES_MAX} lines:\n{}", wrong.join("\n"));
}
