//! YAML as kubectl writes it: what other readers of YAML would take for something else than text stands in quotes.

use std::fmt::Write;
use std::sync::LazyLock;

use mini_etcd_shared::text::is_drawn;
use regex::Regex;
use serde_yaml_ng::{Mapping, Value};

/// Text that is a number, a time, a truth or nothing to a reader of YAML 1.1.
static AMBIGUOUS: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let parts = [
        "|~|<<|null|Null|NULL",
        "y|Y|yes|Yes|YES|on|On|ON|true|True|TRUE|n|N|no|No|NO|off|Off|OFF|false|False|FALSE",
        r"[-+]?0b[01_]+|[-+]?0o?[0-7_]+|[-+]?0x[0-9A-Fa-f_]+|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        r"[-+]?(\.[0-9_]+|[0-9][0-9_]*(\.[0-9_]*)?)([eE][-+]?[0-9]+)?",
        r"[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?",
        r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([Tt ]+[0-9]+:[0-9]+:[0-9]+(\.[0-9]+)?(Z|[-+][0-9:]+)?)?",
    ];
    Regex::new(&format!("^({})$", parts.join("|"))).ok()
});

/// The lines of a mapping, its entries in this order.
pub(super) fn lines(mapping: &Mapping) -> Vec<String> {
    let mut lines = Vec::new();
    entries(mapping.iter().collect(), 0, "", &mut lines);
    lines
}

/// Writes the entries of a mapping; the first one behind `lead`.
fn entries(entries: Vec<(&Value, &Value)>, indent: usize, lead: &str, lines: &mut Vec<String>) {
    let blanks = " ".repeat(indent);
    for (at, (key, value)) in entries.into_iter().enumerate() {
        let lead = if at == 0 && !lead.is_empty() { lead } else { &blanks };
        let key = match key {
            Value::String(key) => scalar(key, true),
            other => plain(other),
        };
        put(value, indent, indent, &format!("{lead}{key}:"), lines);
    }
}

/// Writes a value behind `lead`. What it needs further lines for is indented deeper than `indent`, the items of a list by
/// `items`.
fn put(value: &Value, indent: usize, items: usize, lead: &str, lines: &mut Vec<String>) {
    match value {
        Value::Mapping(mapping) if !mapping.is_empty() => {
            let mut sorted: Vec<_> = mapping.iter().collect();
            sorted.sort_by_key(|(key, _)| key.as_str());
            if lead.ends_with('-') {
                entries(sorted, indent + 2, &format!("{lead} "), lines);
            } else {
                lines.push(lead.to_owned());
                entries(sorted, indent + 2, "", lines);
            }
        }
        Value::Sequence(list) if !list.is_empty() => {
            let inside = lead.ends_with('-');
            if !inside {
                lines.push(lead.to_owned());
            }
            for (at, item) in list.iter().enumerate() {
                let lead = if inside && at == 0 {
                    format!("{lead} -")
                } else {
                    format!("{}-", " ".repeat(items))
                };
                put(item, items, items + 2, &lead, lines);
            }
        }
        Value::String(text) if is_block(text) => block(text, indent + 2, lead, lines),
        Value::String(text) => lines.push(format!("{lead} {}", scalar(text, false))),
        other => lines.push(format!("{lead} {}", plain(other))),
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::Bool(is) => is.to_string(),
        Value::Number(number) => number.to_string(),
        Value::Mapping(_) => "{}".to_owned(),
        Value::Sequence(_) => "[]".to_owned(),
        _ => "null".to_owned(),
    }
}

/// Whether it can be shown line by line.
fn is_block(text: &str) -> bool {
    text.contains('\n')
        && !text.contains(" \n")
        && !text.ends_with(' ')
        && text.chars().all(|character| character == '\n' || is_printed(character))
}

fn block(text: &str, indent: usize, lead: &str, lines: &mut Vec<String>) {
    let hint = if text.starts_with([' ', '\n']) { "2" } else { "" };
    let (body, chomp) = match text.strip_suffix('\n') {
        None => (text, "-"),
        Some(body) if body.is_empty() || body.ends_with('\n') => (body, "+"),
        Some(body) => (body, ""),
    };
    lines.push(format!("{lead} |{hint}{chomp}"));
    let blanks = " ".repeat(indent);
    let line = |line: &str| if line.is_empty() { String::new() } else { format!("{blanks}{line}") };
    lines.extend(body.split('\n').map(line));
}

fn is_printed(character: char) -> bool {
    !character.is_control() && is_drawn(character)
}

/// A text on one line: as it is, or in quotes.
fn scalar(text: &str, is_key: bool) -> String {
    let ambiguous = AMBIGUOUS.as_ref().is_none_or(|ambiguous| ambiguous.is_match(text));
    if ambiguous || !text.chars().all(is_printed) || (is_key && text.contains('\n')) {
        return quoted(text);
    }
    let first = text.starts_with([
        '#', ',', '[', ']', '{', '}', '&', '*', '!', '|', '>', '\'', '"', '%', '@', '`',
    ]);
    let sign = text.starts_with(['-', '?', ':']) && text.get(1..2).is_none_or(|next| next == " ");
    let marker = text.starts_with("---") || text.starts_with("...");
    let inside = text.contains(": ") || text.contains(" #") || text.ends_with(':');
    let blanks = text.starts_with(' ') || text.ends_with(' ');
    if first || sign || marker || inside || blanks {
        format!("'{}'", text.replace('\'', "''"))
    } else {
        text.to_owned()
    }
}

fn quoted(text: &str) -> String {
    let mut made = String::from('"');
    for character in text.chars() {
        // Writing to a string cannot fail.
        let _written = match (character, u32::from(character)) {
            ('"' | '\\', _) => write!(made, "\\{character}"),
            ('\n', _) => write!(made, "\\n"),
            ('\t', _) => write!(made, "\\t"),
            ('\r', _) => write!(made, "\\r"),
            (character, _) if is_printed(character) => write!(made, "{character}"),
            (_, code @ ..=0xff) => write!(made, "\\x{code:02x}"),
            (_, code @ ..=0xffff) => write!(made, "\\u{code:04x}"),
            (_, code) => write!(made, "\\U{code:08x}"),
        };
    }
    made.push('"');
    made
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_be_taken_for_something_else_stands_in_quotes() {
        for (text, shown) in [
            ("web-0", "web-0"),
            ("a:b", "a:b"),
            ("25%", "25%"),
            ("1.2.3", "1.2.3"),
            ("-1x", "-1x"),
            ("yes", "\"yes\""),
            ("", "\"\""),
            ("0x10", "\"0x10\""),
            ("1e3", "\"1e3\""),
            ("12:30", "\"12:30\""),
            ("2026-12-01", "\"2026-12-01\""),
            ("2026-12-01T12:04:31Z", "\"2026-12-01T12:04:31Z\""),
            ("*", "'*'"),
            ("-", "'-'"),
            ("a: b", "'a: b'"),
            ("it's # 1", "'it''s # 1'"),
            (" a", "' a'"),
            ("a\tb\u{1b}\u{202e}", "\"a\\tb\\x1b\\u202e\""),
        ] {
            assert_eq!(scalar(text, false), shown);
            let read: String = serde_yaml_ng::from_str(shown).unwrap();
            assert_eq!(read, text);
        }
    }

    /// Goal: nothing is lost. Method: values inside each other, read back by another reader.
    #[test]
    fn what_is_written_is_read_back_as_it_was() {
        let texts = ["a", "", "a\nb", "a\n", "\n", "a\n\n", " a\nb", "a \nb", "x: y\n- z", "\n\na"];
        let mut values: Vec<Value> = texts.iter().map(|text| Value::from(*text)).collect();
        values.extend([Value::Null, true.into(), (-3).into(), 1.5.into()]);
        values.extend([Value::Mapping(Mapping::new()), Value::Sequence(Vec::new())]);
        let all = Value::Sequence(values.clone());
        let map: Mapping =
            values.iter().enumerate().map(|(at, v)| (format!("k{at}").into(), v.clone())).collect();
        let nested = Value::Sequence(vec![
            all.clone(),
            Value::Sequence(vec![all.clone()]),
            map.clone().into(),
        ]);
        let whole: Mapping = [("list", all), ("map", map.into()), ("nested", nested)]
            .into_iter()
            .map(|(key, value)| (key.into(), value))
            .collect();
        let text = lines(&whole).join("\n") + "\n";
        let read: Mapping =
            serde_yaml_ng::from_str(&text).unwrap_or_else(|e| panic!("{e}\n{text}"));
        assert_eq!(read, whole, "{text}");
    }
}
