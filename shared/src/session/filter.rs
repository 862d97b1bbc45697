//! Builtins of pipes: bytes in, bytes out.

use std::fmt::Write;

use serde_json::Value;
use similar::TextDiff;

use super::path::path_in;

use crate::failure::{Failure, exit};
use crate::language::{Filter, Path, Variables, Word};

/// Bytes in a line of `hex`.
const HEX_WIDTH: usize = 16;

/// Puts `bytes` through one builtin.
pub(super) fn apply(
    filter: &Filter,
    bytes: &[u8],
    variables: &Variables,
) -> Result<Vec<u8>, Failure> {
    Ok(match filter {
        Filter::Head(count) => lines(bytes).take(*count).flatten().copied().collect(),
        Filter::Count => format!("{}\n", lines(bytes).count()).into(),
        Filter::Hex => hex(bytes),
        Filter::Sort => {
            let mut all: Vec<_> = lines(bytes).collect();
            all.sort_unstable();
            all.concat()
        }
        Filter::Json(path) => json(path, bytes)?,
        Filter::Diff(file) => diff_with(file, bytes, variables)?,
    })
}

/// Lines with their ends.
fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split_inclusive(|byte| *byte == b'\n')
}

fn hex(bytes: &[u8]) -> Vec<u8> {
    let mut out = String::new();
    for (at, row) in bytes.chunks(HEX_WIDTH).enumerate() {
        let digits: Vec<_> = row.iter().map(|byte| format!("{byte:02x}")).collect();
        let shown = |byte: &u8| if byte.is_ascii_graphic() || *byte == b' ' { *byte } else { b'.' };
        let text: String = row.iter().map(|byte| char::from(shown(byte))).collect();
        let width = HEX_WIDTH * 3 - 1;
        // Writing to a string does not fail.
        let _ = writeln!(out, "{:08x}  {:width$}  {text}", at * HEX_WIDTH, digits.join(" "));
    }
    out.into_bytes()
}

/// One line for what the path leads to in each document.
fn json(path: &Path, bytes: &[u8]) -> Result<Vec<u8>, Failure> {
    let mut out = Vec::new();
    for document in serde_json::Deserializer::from_slice(bytes).into_iter::<Value>() {
        let document = document.map_err(|error| {
            Failure::new(
                exit::ERROR,
                format!("json: the output is not JSON: {error}; -w json or jsonl makes it so"),
            )
        })?;
        let found = path_in(&document, path)
            .map_err(|missing| Failure::new(exit::ERROR, format!("json: {missing}")))?;
        out.extend_from_slice(shown(&found).as_bytes());
        out.push(b'\n');
    }
    Ok(out)
}

/// A text as it is, anything else as JSON.
pub(super) fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn diff_with(file: &Word, bytes: &[u8], variables: &Variables) -> Result<Vec<u8>, Failure> {
    let path = crate::language::path_of(&file.text(variables)?);
    let theirs = std::fs::read(&path).map_err(|error| {
        let failure = Failure::of_file(&path, &error);
        Failure { text: format!("diff: {}", failure.text), ..failure }
    })?;
    Ok(diff(&theirs, bytes, (&path.display().to_string(), "output")))
}

/// What differs, in the unified form; nothing when nothing does.
pub(super) fn diff(old: &[u8], new: &[u8], names: (&str, &str)) -> Vec<u8> {
    if old == new {
        return Vec::new();
    }
    let (old, new) = (String::from_utf8_lossy(old), String::from_utf8_lossy(new));
    let diff = TextDiff::from_lines(old.as_ref(), new.as_ref());
    diff.unified_diff().header(names.0, names.1).to_string().into_bytes()
}
