//! [`Spec`]: what a tail follows, and how it reads as a command line.

use bytes::Bytes;
use mini_etcd_proto::etcdserverpb::WatchCreateRequest;
use mini_etcd_shared::types::prefix_end;

use super::command_line::CommandLine;
use crate::widget::escape_name;

/// Which keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reach {
    /// All that begin with the key.
    #[default]
    Prefix,
    /// The key alone.
    Key,
    /// From the key up to another one, which is not in it.
    Range,
    /// From the key on.
    From,
}

impl Reach {
    /// As the screen says it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Prefix => "prefix",
            Self::Key => "key",
            Self::Range => "range",
            Self::From => "from",
        }
    }

    /// The next one, round about.
    #[must_use]
    pub fn turned(self, forward: bool) -> Self {
        match (self, forward) {
            (Self::Prefix, true) | (Self::Range, false) => Self::Key,
            (Self::Key, true) | (Self::From, false) => Self::Range,
            (Self::Range, true) | (Self::Prefix, false) => Self::From,
            (Self::From, true) | (Self::Key, false) => Self::Prefix,
        }
    }
}

/// What a tail follows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spec {
    /// The key, or where the range begins.
    pub key: Bytes,
    /// Which keys.
    pub reach: Reach,
    /// Where a range ends.
    pub end: Bytes,
    /// First revision wanted; `None` for what comes from now on.
    pub from: Option<i64>,
    /// Whether the server is asked for previous values.
    pub previous: bool,
    /// Whether a member without a leader should say so rather than be silent.
    pub leader: bool,
}

impl Spec {
    /// The range as the screen names it.
    #[must_use]
    pub fn range(&self) -> String {
        let key = escape_name(&self.key);
        match self.reach {
            Reach::Prefix if self.key.is_empty() => "all keys".to_owned(),
            Reach::Prefix => format!("{key} prefix"),
            Reach::Key => key,
            Reach::Range => format!("{key} .. {}", escape_name(&self.end)),
            Reach::From => format!("{key} .."),
        }
    }

    /// The command that it is.
    #[must_use]
    pub fn command(&self) -> CommandLine {
        let zero = Bytes::from_static(&[0]);
        let key = if self.key.is_empty() && self.reach == Reach::From { &zero } else { &self.key };
        let mut command = CommandLine::new("watch").arg(key);
        command = match self.reach {
            Reach::Key => command,
            Reach::Prefix => command.flag("--prefix"),
            Reach::Range => command.arg(&self.end),
            Reach::From => command.arg(&zero),
        };
        if let Some(from) = self.from {
            command = command.flag(format!("--rev={from}"));
        }
        if self.previous { command.flag("--prev-kv") } else { command }
    }

    /// The request that it is, from revision `from` on.
    #[must_use]
    pub fn request(&self, from: i64) -> WatchCreateRequest {
        // A zero byte stands for "no end", and as a key for "from the first key".
        let zero = || Bytes::from_static(&[0]);
        let key = if self.key.is_empty() { zero() } else { self.key.clone() };
        let range_end = match self.reach {
            Reach::Key => Bytes::new(),
            Reach::Range => self.end.clone(),
            Reach::From => zero(),
            Reach::Prefix if self.key.is_empty() => zero(),
            Reach::Prefix => prefix_end(&self.key),
        };
        WatchCreateRequest {
            key,
            range_end,
            start_revision: from,
            prev_kv: self.previous,
            fragment: true,
            ..WatchCreateRequest::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_asked_for_as_etcd_writes_them() {
        let spec = |key: &'static str, reach, end: &'static str| Spec {
            key: Bytes::from_static(key.as_bytes()),
            reach,
            end: Bytes::from_static(end.as_bytes()),
            ..Spec::default()
        };
        let asked = |spec: Spec| {
            let request = spec.request(7);
            assert_eq!(request.start_revision, 7);
            (request.key.to_vec(), request.range_end.to_vec())
        };
        assert_eq!(asked(spec("/a/", Reach::Prefix, "")), (b"/a/".to_vec(), b"/a0".to_vec()));
        assert_eq!(asked(spec("", Reach::Prefix, "")), (vec![0], vec![0]));
        assert_eq!(asked(spec("a", Reach::Key, "z")), (b"a".to_vec(), Vec::new()));
        assert_eq!(asked(spec("a", Reach::Range, "z")), (b"a".to_vec(), b"z".to_vec()));
        assert_eq!(asked(spec("a", Reach::From, "z")), (b"a".to_vec(), vec![0]));
    }

    #[test]
    fn reaches_go_round_both_ways() {
        let mut reach = Reach::Prefix;
        for _ in 0..4 {
            assert_eq!(reach.turned(true).turned(false), reach);
            reach = reach.turned(true);
        }
        assert_eq!(reach, Reach::Prefix);
    }
}
