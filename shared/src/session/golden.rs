//! Golden output: how printed lines are compared with a block, and what `--update` writes into one.

use std::sync::LazyLock;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use regex::{Captures, Regex};

use super::{CommandOutcome, Volatile, is_of_cluster};
use crate::format::Format;
use crate::language::{Action, Filter, HISTORY, Run};
use crate::text::{ANYTHING, printable, replaced};

/// Stands for an empty line in golden output, which ends at one.
const BLANK: &str = "<blank>";

/// Names, in JSON, of numbers and texts that only this cluster has at this time.
const JSON_NAMES: &str = "cluster_id|member_id|revision|raft_term|create_revision|mod_revision|lease|ID|id|raftIndex|\
    raftTerm|raftAppliedIndex|raft_index|raft_applied_index|leader|dbSize|dbSizeInUse|db_size|db_size_in_use|hash|\
    compact_revision|CompactRevision|hash_revision|compacted|memberID|member|took|Endpoint|endpoint|peerURLs|clientURLs|clientURLS|\
    peer_urls|client_urls";
/// The same in the format `fields`.
const FIELD_NAMES: &str = "ClusterID|MemberID|Revision|RaftTerm|(?:Prev)?CreateRevision|(?:Prev)?ModRevision|ID|\
    PeerURL|ClientURL|DBSize|DBSizeInUse|Leader|RaftIndex|RaftAppliedIndex|Endpoint|Took|Hash|HashRevision";

#[expect(clippy::expect_used, reason = "the pattern is written out here, and tested")]
static JSON: LazyLock<Regex> = LazyLock::new(|| {
    let pattern = format!(r#""({JSON_NAMES})":("[^"]*"|-?[0-9]+|\[[^\]]*\])"#);
    Regex::new(&pattern).expect("a pattern")
});
#[expect(clippy::expect_used, reason = "the pattern is written out here, and tested")]
static JSON_BYTES: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r#""(key|value|version)":"([^"]*)""#).expect("a pattern"));
#[expect(clippy::expect_used, reason = "the pattern is written out here, and tested")]
static FIELDS: LazyLock<Regex> = LazyLock::new(|| {
    let pattern = format!(r#"^"({FIELD_NAMES}|Lease|Version)" : (.*)$"#);
    Regex::new(&pattern).expect("a pattern")
});

/// Output as the lines of a golden block.
pub(super) fn lines_of(out: &[u8]) -> Vec<String> {
    let out = out.strip_suffix(b"\n").unwrap_or(out);
    if out.is_empty() {
        return Vec::new();
    }
    let line = |line: &[u8]| {
        if line.trim_ascii().is_empty() { BLANK.to_owned() } else { printable(line) }
    };
    out.split(|byte| *byte == b'\n').map(line).collect()
}

/// Whether a line is the wanted one; `<*>` stands for anything.
pub(super) fn matches(wanted: &str, line: &str) -> bool {
    let mut parts = wanted.split(ANYTHING);
    let Some(mut rest) = parts.next().and_then(|first| line.strip_prefix(first)) else {
        return false;
    };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else { return rest.is_empty() };
    for part in middle {
        let Some((_, behind)) = rest.split_once(part) else { return false };
        rest = behind;
    }
    rest.ends_with(last)
}

/// New lines for a golden block: those that still match stay as they are written, the others are the masked ones.
pub(super) fn merged(old: &[String], printed: &[String], masked: &[String]) -> Vec<String> {
    let kept = |(at, line): (usize, &String)| match old.get(at) {
        Some(wanted) if matches(wanted, line) => wanted.clone(),
        _ => masked.get(at).unwrap_or(line).clone(),
    };
    printed.iter().enumerate().map(kept).collect()
}

/// What a command has printed, with what tells which of it is another one in every run.
pub(super) struct Printed<'a> {
    /// The command; none for what a watch has seen.
    pub run: Option<&'a Run>,
    pub outcome: &'a CommandOutcome,
    pub volatile: &'a Volatile,
    pub endpoints: Vec<&'a str>,
}

impl Printed<'_> {
    /// The lines with `<*>` for ids, addresses, revisions, terms, times and what else only this run has.
    pub(super) fn masked(&self, lines: &[String]) -> Vec<String> {
        lines.iter().map(|line| self.line(line)).collect()
    }

    fn line(&self, line: &str) -> String {
        let line = if self.is_shaped() { self.by_shape(line) } else { line.to_owned() };
        let mut line = self.volatile.masked(&line);
        for endpoint in &self.endpoints {
            let address = endpoint.rsplit_once("://").map_or(*endpoint, |(_, address)| address);
            line = replaced(&line, address);
        }
        line
    }

    /// Whether what was printed has the shape that the format gives it: it went through no pipe that makes another one.
    fn is_shaped(&self) -> bool {
        self.run.is_none_or(|run| {
            let keeps = |filter: &Filter| {
                matches!(filter, Filter::Head(_) | Filter::Sort | Filter::Json(_))
            };
            run.shell.is_none() && run.filters.iter().all(keeps)
        })
    }

    fn by_shape(&self, line: &str) -> String {
        let filters = self.run.map_or(&[][..], |run| run.filters.as_slice());
        let path = filters.iter().find_map(|filter| match filter {
            Filter::Json(path) => Some(path),
            _ => None,
        });
        if let Some(path) = path {
            let own = is_of_cluster(&path.text);
            return if own { ANYTHING.to_owned() } else { self.json(line) };
        }
        if let Some(Action::Session { command, .. }) = self.run.map(|run| &run.action) {
            return match (**command, line.split_once("  ")) {
                (HISTORY, Some((_, rest))) => format!("{ANYTHING}  {rest}"),
                _ => line.to_owned(),
            };
        }
        match self.outcome.format {
            Format::Json | Format::JsonLines => self.json(line),
            Format::Fields => fields(line),
            Format::Table => table(line),
            Format::Simple => {
                let answer = self.outcome.answer.as_ref();
                answer.map_or_else(|| line.to_owned(), |answer| answer.masked(line))
            }
            Format::Protobuf => line.to_owned(),
        }
    }

    /// By names; bytes are in base64, so that what they hold is looked for behind that.
    fn json(&self, line: &str) -> String {
        let line = JSON.replace_all(line, format!("\"$1\":{ANYTHING}"));
        let of_this_run = |found: &Captures<'_>| {
            let text = found.get(2).map_or("", |text| text.as_str());
            let decoded = STANDARD.decode(text).unwrap_or_default();
            let own = &found[1] == "version" || self.volatile.is_in(&decoded);
            if own { format!("\"{}\":{ANYTHING}", &found[1]) } else { found[0].to_owned() }
        };
        JSON_BYTES.replace_all(&line, of_this_run).into_owned()
    }
}

fn fields(line: &str) -> String {
    let of_this_run = |found: &Captures<'_>| {
        let (name, value) = (&found[1], &found[2]);
        // The version of a key is its own, that of a member is text; no lease is the same everywhere.
        let same = match name {
            "Version" => !value.starts_with('"'),
            "Lease" => value == "0",
            _ => false,
        };
        if same { found[0].to_owned() } else { format!("\"{name}\" : {ANYTHING}") }
    };
    FIELDS.replace(line, of_this_run).into_owned()
}

/// Columns are as wide as what stands in them: of a table only its words stay.
fn table(line: &str) -> String {
    let mut chars = line.chars();
    if let (Some(first @ ('┌' | '├' | '└')), Some(last)) = (chars.next(), chars.next_back()) {
        return format!("{first}{ANYTHING}{last}");
    }
    let cells = line.trim_matches('│').split('│').map(str::trim);
    let kept = cells.map(|cell| {
        let word = cell.chars().all(|c| c.is_ascii_alphabetic() || c == ' ') && !cell.is_empty();
        if word { format!("{ANYTHING}{cell}{ANYTHING}") } else { ANYTHING.to_owned() }
    });
    format!("│{}│", kept.collect::<Vec<_>>().join("│"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden_lines_match_with_anything_between() {
        for (wanted, line, same) in [
            ("a", "a", true),
            ("a", "ab", false),
            ("<*>", "", true),
            ("a<*>c", "abc", true),
            ("a<*>c", "ac", true),
            ("a<*>c", "acd", false),
            ("<*>b<*>", "abc", true),
            ("<*>b<*>", "ac", false),
            ("a<*>b<*>c", "a1b2c", true),
            ("ab<*>bc", "abc", false),
        ] {
            assert_eq!(matches(wanted, line), same, "{wanted} {line}");
        }
        assert_eq!(lines_of(b"SUCCESS\n\nOK\n"), ["SUCCESS", "<blank>", "OK"]);
        assert_eq!(lines_of(b"\xff\x1b\n"), ["\\xff\\u{1b}"]);
        let (old, new) = (["x<*>".to_owned(), "y".to_owned()], ["x1".to_owned(), "z".to_owned()]);
        let masked = ["m".to_owned(), "<*>".to_owned()];
        assert_eq!(merged(&old, &new, &masked), ["x<*>", "<*>"]);
    }
}
