//! [`complete`]: what may be inserted at the cursor.

#![expect(missing_docs, reason = "names that say all have no comment")]

use std::path::{Path, PathBuf};

use super::{Context, KEYS_MAX, Place, Source, WITHIN, Wants, place};
use crate::language::{Span, written};
use crate::text::printable;

/// Files of one directory that are looked at.
const FILES_MAX: usize = 10_000;

/// Something that may be inserted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// What takes the place of the word, as it is typed.
    pub text: String,
    pub shown: String,
    /// What it is, in a line.
    pub note: String,
    /// Whether the word ends with it, so that a blank may follow.
    pub ends: bool,
}

impl Candidate {
    /// A word that stands for itself.
    #[must_use]
    pub fn word(text: &str, note: &str) -> Self {
        Self { text: text.to_owned(), shown: text.to_owned(), note: note.to_owned(), ends: true }
    }

    /// Bytes. I2
    #[must_use]
    pub fn bytes(bytes: &[u8], ends: bool) -> Self {
        Self { text: written(bytes), shown: printable(bytes), note: String::new(), ends }
    }
}

/// What may take the place of the word at the cursor.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Completion {
    pub span: Span,
    pub candidates: Vec<Candidate>,
    /// There are more than these.
    pub more: bool,
}

/// What may stand at byte `at` of `source`.
pub async fn complete(
    source: &[u8],
    at: usize,
    context: &Context,
    cluster: &dyn Source,
) -> Completion {
    let place = place(source, at, context);
    let mut completion = Completion { span: place.span, ..Completion::default() };
    match &place.wants {
        Wants::Nothing => {}
        Wants::Names(names) => {
            completion.candidates = names
                .iter()
                .filter(|candidate| candidate.text.as_bytes().starts_with(&place.typed))
                .cloned()
                .collect();
        }
        Wants::Key => keys(&mut completion, &place, context, cluster).await,
        Wants::Member => named(&mut completion, &place, &cluster.members().await),
        Wants::User => named(&mut completion, &place, &cluster.users().await),
        Wants::Role => named(&mut completion, &place, &cluster.roles().await),
        Wants::Lease => {
            completion.candidates = cluster.leases(&place.typed).await;
            completion.more = completion.candidates.len() >= KEYS_MAX;
        }
        Wants::File => {
            let typed = place.typed.clone();
            let read = tokio::task::spawn_blocking(move || files(&typed));
            if let Ok(Ok(candidates)) = tokio::time::timeout(WITHIN, read).await {
                completion.candidates = candidates;
            }
        }
    }
    completion
}

/// Those names that begin as what is typed does.
fn named(completion: &mut Completion, place: &Place, names: &[String]) {
    let fitting = || names.iter().filter(|name| name.as_bytes().starts_with(&place.typed));
    completion.candidates =
        fitting().take(KEYS_MAX).map(|name| Candidate::bytes(name.as_bytes(), true)).collect();
    completion.more = fitting().nth(KEYS_MAX).is_some();
}

async fn keys(completion: &mut Completion, place: &Place, context: &Context, cluster: &dyn Source) {
    let relative = place.typed.first() != Some(&b'/');
    let scope: &[u8] = if relative { &context.scope } else { &[] };
    let prefix = [scope, &place.typed].concat();
    let listed = cluster.keys(&prefix).await;
    completion.more = listed.more;
    completion.candidates = listed
        .names
        .iter()
        .filter_map(|name| {
            let inner = name.strip_prefix(scope)?;
            Some(Candidate::bytes(inner, inner.last() != Some(&b'/')))
        })
        .collect();
}

/// Files that begin with what is typed; directories end in `/`.
fn files(typed: &[u8]) -> Vec<Candidate> {
    use std::os::unix::ffi::{OsStrExt, OsStringExt};
    let cut = typed.iter().rposition(|byte| *byte == b'/').map_or(0, |at| at + 1);
    let (dir, begin) = typed.split_at(cut);
    let place = if dir.is_empty() {
        PathBuf::from(".")
    } else {
        PathBuf::from(std::ffi::OsStr::from_bytes(dir))
    };
    let Ok(entries) = std::fs::read_dir(&place) else { return Vec::new() };
    let mut found: Vec<_> = entries
        .take(FILES_MAX)
        .filter_map(|entry| {
            let mut name = entry.ok()?.file_name().into_vec();
            let hidden = name.first() == Some(&b'.') && begin.is_empty();
            if hidden || !name.starts_with(begin) {
                return None;
            }
            let is_dir = Path::new(&place).join(std::ffi::OsStr::from_bytes(&name)).is_dir();
            if is_dir {
                name.push(b'/');
            }
            Some(Candidate::bytes(&[dir, &name].concat(), !is_dir))
        })
        .collect();
    found.sort_by(|a, b| a.text.cmp(&b.text));
    found
}
