//! [`Word`], and [`written`]: how bytes are written as one.

#![expect(missing_docs, reason = "names that say all have no comment")]

use super::Span;
use crate::text::quote;

/// One word of a line. It is never split again, whatever its variables hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Word {
    /// What it is made of, in order.
    pub pieces: Vec<Piece>,
    pub span: Span,
}

/// A part of a word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    Bare(Vec<u8>),
    Quoted(Vec<u8>),
    Variable {
        name: String,
        /// What it stands for when it is not set.
        fallback: Option<Vec<Piece>>,
        span: Span,
    },
    /// The lines behind `<<TAG`.
    Heredoc(Vec<Piece>),
}

impl Word {
    /// Its text when it is one bare piece: only then can it be a keyword or an operator.
    #[must_use]
    pub fn bare(&self) -> Option<&str> {
        match self.pieces.as_slice() {
            [Piece::Bare(bytes)] => str::from_utf8(bytes).ok(),
            _ => None,
        }
    }

    /// What it begins with without quotes.
    #[must_use]
    pub fn bare_start(&self) -> &[u8] {
        match self.pieces.first() {
            Some(Piece::Bare(bytes)) => bytes,
            _ => &[],
        }
    }

    /// Whether it is exactly this keyword or operator.
    #[must_use]
    pub fn is(&self, keyword: &str) -> bool {
        self.bare() == Some(keyword)
    }

    /// Whether it is a flag, or the `--` that ends them.
    #[must_use]
    pub fn is_flag(&self) -> bool {
        let start = self.bare_start();
        start.starts_with(b"-") && (start.len() > 1 || self.pieces.len() > 1)
    }

    /// Whether it is the text behind `<<TAG`.
    #[must_use]
    pub fn is_heredoc(&self) -> bool {
        matches!(self.pieces.as_slice(), [Piece::Heredoc(_)])
    }

    /// Its bytes when they do not depend on a variable.
    #[must_use]
    pub fn literal(&self) -> Option<Vec<u8>> {
        literal(&self.pieces)
    }

    #[must_use]
    pub fn names(&self) -> Vec<&str> {
        let mut found = Vec::new();
        names(&self.pieces, &mut found);
        found
    }

    /// The variables it needs: those without a fallback.
    #[must_use]
    pub fn needs(&self) -> Vec<(&str, Span)> {
        let mut found = Vec::new();
        needs(&self.pieces, &mut found);
        found
    }
}

fn literal(pieces: &[Piece]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    for piece in pieces {
        match piece {
            Piece::Bare(bytes) | Piece::Quoted(bytes) => out.extend_from_slice(bytes),
            Piece::Heredoc(inner) => out.extend(literal(inner)?),
            Piece::Variable { .. } => return None,
        }
    }
    Some(out)
}

fn names<'a>(pieces: &'a [Piece], found: &mut Vec<&'a str>) {
    for piece in pieces {
        match piece {
            Piece::Variable { name, fallback, .. } => {
                found.push(name);
                names(fallback.as_deref().unwrap_or_default(), found);
            }
            Piece::Heredoc(inner) => names(inner, found),
            Piece::Bare(_) | Piece::Quoted(_) => {}
        }
    }
}

fn needs<'a>(pieces: &'a [Piece], found: &mut Vec<(&'a str, Span)>) {
    for piece in pieces {
        match piece {
            Piece::Variable { name, fallback: None, span } => found.push((name, *span)),
            Piece::Variable { fallback: Some(inner), .. } | Piece::Heredoc(inner) => {
                needs(inner, found);
            }
            Piece::Bare(_) | Piece::Quoted(_) => {}
        }
    }
}

/// Words that mean something when they stand alone without quotes.
const RESERVED: &[&str] = &[
    "|", ">", "&", "->", "!", ";", "#", "as", "and", "then", "else", "end", "if", "put", "get",
    "del", "range", "delete", "----",
];

/// `bytes` as a word that reads back as them and is never taken for a flag, a keyword or an operator.
#[must_use]
pub fn written(bytes: &[u8]) -> String {
    let text = str::from_utf8(bytes).ok();
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"/._-+=@%,:".contains(byte);
    let prefixed = ["hex:", "b64:", "file:"].iter().any(|p| bytes.starts_with(p.as_bytes()));
    match text {
        Some(text)
            if !text.is_empty()
                && bytes.iter().all(plain)
                && !text.starts_with(['-', '='])
                && !prefixed
                && !RESERVED.contains(&text) =>
        {
            text.to_owned()
        }
        Some(text) if !text.chars().any(|c| c.is_control() || c == '\'') && is_shown(text) => {
            format!("'{text}'")
        }
        _ => quote(bytes).replace('$', "\\$"),
    }
}

/// Whether a terminal shows every character as itself.
fn is_shown(text: &str) -> bool {
    quote(text.as_bytes()).chars().filter(|c| *c != '\\').count()
        == text.chars().filter(|c| *c != '\\').count() + 2
}
