//! Ranges of keys, as several commands take them.

use bytes::Bytes;

use super::refusal::Refusal;
use super::request::CommandLine;
use super::spec::{Arg, ArgKind, Flag, ValueKind};
use crate::failure::exit;
use crate::text::quote;
use crate::types::prefix_end;

/// Every key: what a prefix or a lower bound of no bytes means.
const LOWEST: &[u8] = &[0];

pub(super) const PREFIX: Flag = Flag::switch("prefix", "take every key that begins with the key");
pub(super) const FROM_KEY: Flag =
    Flag::switch("from-key", "take the key and every key above it, in byte order");
pub(super) const PREV_KV: Flag = Flag::switch("prev-kv", "also show what was there before");

/// Whether an answer may come from the state of the member that is asked.
pub(super) const CONSISTENCY: Flag = Flag::new(
    "consistency",
    ValueKind::Choice(&["l", "s"]),
    "l",
    "l: linearizable; s: serializable, from the member's own state",
);

/// What [`CONSISTENCY`] says.
pub(super) fn is_serializable(line: &CommandLine<'_>) -> Result<bool, Refusal> {
    match line.text(CONSISTENCY.name).as_str() {
        "l" => Ok(false),
        "s" => Ok(true),
        other => {
            let text = format!("unknown consistency flag {}", quote(other.as_bytes()));
            Err(Refusal::new(exit::BAD_FEATURE, text))
        }
    }
}

/// A key, or two that bound a range.
pub(super) const KEY_OR_RANGE: &[Arg] =
    &[Arg::needed("key", ArgKind::Key), Arg::optional("range_end", ArgKind::RangeEnd)];

/// What a command without a key is told.
pub(super) fn needs_key(line: &CommandLine<'_>) -> Refusal {
    Refusal::bad_args(format!(
        "{} command needs one argument as key and an optional argument as range_end",
        line.parsed.target.path()
    ))
}

/// The range of a line with [`KEY_OR_RANGE`], [`PREFIX`] and [`FROM_KEY`].
pub(super) fn range(line: &CommandLine<'_>) -> Result<(Bytes, Bytes), Refusal> {
    let key = line.arg(0).unwrap_or_default();
    let (prefix, from_key) = (line.switch("prefix"), line.switch("from-key"));
    if (prefix || from_key) && line.args().len() > 1 {
        return Err(Refusal::bad_args(
            "too many arguments, only accept one argument when `--prefix` or `--from-key` is set",
        ));
    }
    Ok(match (prefix, from_key) {
        (true, _) => prefix_range(key),
        (_, true) if key.is_empty() => (LOWEST.into(), LOWEST.into()),
        (_, true) => (key, LOWEST.into()),
        _ => (key, line.arg(1).unwrap_or_default()),
    })
}

/// Refuses a line that says in two ways how far its range goes.
pub(super) fn one_way_to_range(line: &CommandLine<'_>) -> Result<(), Refusal> {
    if line.switch("prefix") && line.switch("from-key") {
        return Err(Refusal::bad_args(
            "`--prefix` and `--from-key` cannot be set at the same time, choose one",
        ));
    }
    Ok(())
}

/// The keys that begin with `key`.
pub(crate) fn prefix_range(key: Bytes) -> (Bytes, Bytes) {
    if key.is_empty() {
        return (LOWEST.into(), LOWEST.into());
    }
    let end = prefix_end(&key);
    (key, end)
}
