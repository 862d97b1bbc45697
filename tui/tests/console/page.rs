//! Goal: docs/console.md and README.md show the screens as they are. Method: each of its pictures names a snapshot of these tests, and is
//! that snapshot; `UPDATE_DOCS=1 cargo test -p mini-etcd-tui --test console page` writes the pictures anew.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use mini_etcd_tui::console::action;
use mini_etcd_tui::console::action::Scope;
use mini_etcd_tui::console::keymap::{Key, Keymap};
use mini_etcd_tui::screens::ScreenId;

/// What the page leaves out: the same screens at other sizes, without colours or in ASCII, and tables of styles.
const LEFT_OUT: &[&str] = &[
    "auth_at_200x60",
    "auth_in_ascii",
    "cluster_at_200x60",
    "cluster_in_ascii",
    "colours_at_80x24",
    "help_at_80x24",
    "keys_in_ascii",
    "keys_without_colours",
    "leases_at_200x60",
    "leases_in_ascii",
    "no_colours_at_80x24",
    "watch_in_ascii_and_the_same_without_colours",
];
/// Begins a screen's first panel; a block without it is no picture.
const CORNER: char = '┌';

fn snapshots() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/console/snapshots")
}

/// The snapshots by name, without the module they are of.
fn names() -> Vec<String> {
    let name = |entry: std::io::Result<std::fs::DirEntry>| {
        let file = entry.unwrap().file_name().into_string().unwrap();
        let name = file.strip_suffix(".snap")?;
        Some(name.rsplit_once("__").unwrap().1.to_owned())
    };
    let mut names: Vec<_> = std::fs::read_dir(snapshots()).unwrap().filter_map(name).collect();
    names.sort();
    names
}

/// What a snapshot holds; of a screen without the quotes and the blanks at the ends of its lines.
fn picture(name: &str) -> String {
    let ending = format!("__{name}.snap");
    let files = std::fs::read_dir(snapshots()).unwrap().map(|entry| entry.unwrap().path());
    let mut files = files.filter(|path| path.to_string_lossy().ends_with(&ending));
    let file = files.next().unwrap_or_else(|| panic!("no snapshot is named {name}"));
    assert_eq!(files.next(), None, "two snapshots are named {name}");
    let text = std::fs::read_to_string(file).unwrap();
    let (_, shown) = text.split_once("\n---\n").unwrap();
    let row = |line| str::strip_prefix(line, '"')?.strip_suffix('"').map(str::trim_end);
    shown.lines().flat_map(|line| [row(line).unwrap_or(line), "\n"]).collect()
}

/// The page with its pictures as they should be, and the names of the snapshots they show.
fn drawn(page: &str) -> (String, Vec<String>) {
    let (mut out, mut shown) = (String::new(), Vec::new());
    let mut rest = page;
    while let Some((before, behind)) = rest.split_once("<!-- snapshot: ") {
        let (name, behind) = behind.split_once(" -->\n```\n").expect("a picture below its name");
        let (_, behind) = behind.split_once("```\n").expect("the end of a picture");
        assert!(!before.contains(CORNER), "a picture before {name} names no snapshot");
        write!(out, "{before}<!-- snapshot: {name} -->\n```\n{}```\n", picture(name)).unwrap();
        shown.push(name.to_owned());
        rest = behind;
    }
    assert!(!rest.contains(CORNER), "the last picture names no snapshot");
    out.push_str(rest);
    (out, shown)
}

/// Compares a page with its pictures, or writes them anew. Answers which it shows.
fn compare(name: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name);
    let page = std::fs::read_to_string(&path).unwrap();
    let (wanted, shown) = drawn(&page);
    if page != wanted && std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, wanted).unwrap();
    } else {
        assert!(page == wanted, "{name} is stale: UPDATE_DOCS=1 draws its pictures anew");
    }
    shown
}

#[test]
fn docs_console_md_and_the_readme_show_every_screen_as_it_is() {
    let shown = [compare("docs/console.md"), compare("README.md")].concat();
    let names = names();
    let gone: Vec<_> = LEFT_OUT.iter().filter(|left| !names.iter().any(|n| n == *left)).collect();
    assert!(gone.is_empty(), "there are no snapshots {gone:?}");
    let left_out = |name: &&String| !shown.contains(name) && !LEFT_OUT.contains(&name.as_str());
    let missing: Vec<_> = names.iter().filter(left_out).cloned().collect();
    assert!(missing.is_empty(), "no page shows {missing:?}");
}

/// The keys that a line of the help overlay begins with.
fn help_keys(line: &str) -> impl Iterator<Item = &str> {
    let cells = line.split('│').filter_map(|cell| cell.strip_prefix("   "));
    cells.flat_map(|cell| cell.split("  ").next().unwrap_or_default().split(' '))
}

/// Goal: the page knows every key. Method: what the shipped table gives each action stands in the text, or in a picture of
/// the help; and what the page's own table of changes names is a key of that screen.
#[test]
fn docs_console_md_names_every_key_of_the_shipped_table() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/console.md");
    let page = std::fs::read_to_string(path).unwrap();
    let keymap = Keymap::load(None).unwrap();
    let is_named = |key: &str| {
        page.contains(&format!("`{key}`"))
            || page.lines().any(|line| help_keys(line).any(|named| named == key))
    };
    let mut missing = Vec::new();
    for action in action::all() {
        let keys = keymap.keys(action).iter().map(ToString::to_string);
        missing.extend(keys.filter(|key| !is_named(key)).map(|key| (action.name(), key)));
    }
    assert!(missing.is_empty(), "docs/console.md does not name {missing:?}");
    let (_, rows) = page.split_once("| key | does |\n|---|---|\n").unwrap();
    for row in rows.lines().take_while(|row| row.starts_with('|')) {
        let key = row.strip_prefix("| `").and_then(|row| row.chars().next()).unwrap();
        assert!(
            keymap.find(Scope::Screen(ScreenId::Keys), Key::plain(key)).is_some(),
            "no key {key}: {row}"
        );
    }
}
