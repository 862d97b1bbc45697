//! [`Schema`]: what Kubernetes calls the fields of what it stores, read from `assets/kubernetes/schema.txt`, whose
//! README says what a line means.

use std::collections::BTreeMap;
use std::sync::LazyLock;

/// The types that this program knows. Read when the first object is shown.
pub(super) static SCHEMA: LazyLock<Schema> = LazyLock::new(|| {
    // A test reads the file: without it objects would be shown by number.
    Schema::parse(include_str!("../../../../../assets/kubernetes/schema.txt")).unwrap_or_default()
});

/// Kinds and types.
#[derive(Default)]
pub(super) struct Schema {
    kinds: BTreeMap<(&'static str, &'static str), usize>,
    types: Vec<Vec<Known>>,
}

/// A field of a type, as it is shown.
pub(super) struct Known {
    /// Its name; `None` when the fields of its type are shown in place of it.
    pub name: Option<&'static str>,
    pub number: u64,
    pub shape: Shape,
    pub kind: Kind,
    /// It is shown also when it has no value.
    pub always: bool,
    /// It is not shown when it is a time that has no value.
    pub omit_zero: bool,
}

/// How often there is a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    One,
    Optional,
    List,
    Map,
}

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    String,
    Bool,
    Int,
    Bytes,
    Time,
    MicroTime,
    Quantity,
    IntOrString,
    Json,
    Strings,
    /// A message of the type with this index.
    Message(usize),
}

impl Schema {
    /// The type of a kind.
    pub(super) fn kind(&self, version: &str, kind: &str) -> Option<usize> {
        self.kinds.get(&(version, kind)).copied()
    }

    /// The fields of a type, by name.
    pub(super) fn fields(&self, of: usize) -> &[Known] {
        self.types.get(of).map_or(&[], Vec::as_slice)
    }

    fn parse(text: &'static str) -> Result<Self, String> {
        let lines = || text.lines().filter(|line| !line.starts_with('#'));
        let all = lines().filter_map(|line| line.strip_prefix("type "));
        let types: BTreeMap<&str, usize> = all.enumerate().map(|(at, name)| (name, at)).collect();
        let named = |name: &str| types.get(name).copied().ok_or(format!("no type is named {name}"));
        let mut schema = Self::default();
        for line in lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            match (&words[..], line.starts_with(' ')) {
                (["type", _], false) => schema.types.push(Vec::new()),
                (["kind", version, kind, of], false) => {
                    schema.kinds.insert((version, kind), named(of)?);
                }
                ([name, number, of, flags @ ..], true) => {
                    let (shape, kind) = expression(of);
                    let known = Known {
                        name: Some(*name).filter(|name| *name != "."),
                        number: number.parse().map_err(|error| format!("{line}: {error}"))?,
                        shape,
                        kind: plain(kind).map_or_else(|| named(kind).map(Kind::Message), Ok)?,
                        always: flags.contains(&"always"),
                        omit_zero: flags.contains(&"omitzero"),
                    };
                    let fields = schema.types.last_mut();
                    fields.ok_or_else(|| format!("{line}: a field of no type"))?.push(known);
                }
                _ => return Err(format!("{line}: a kind, a type or a field is expected")),
            }
        }
        Ok(schema)
    }
}

fn expression(of: &'static str) -> (Shape, &'static str) {
    let shapes = [("*", Shape::Optional), ("[]", Shape::List), ("map[string]", Shape::Map)];
    let mut shapes = shapes.into_iter();
    let found = shapes.find_map(|(sign, shape)| Some((shape, of.strip_prefix(sign)?)));
    found.unwrap_or((Shape::One, of))
}

fn plain(kind: &str) -> Option<Kind> {
    Some(match kind {
        "string" => Kind::String,
        "bool" => Kind::Bool,
        "int" => Kind::Int,
        "bytes" => Kind::Bytes,
        "time" => Kind::Time,
        "microtime" => Kind::MicroTime,
        "quantity" => Kind::Quantity,
        "intorstring" => Kind::IntOrString,
        "json" => Kind::Json,
        "strings" => Kind::Strings,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_that_is_shipped_is_read_to_its_end() {
        let text = include_str!("../../../../../assets/kubernetes/schema.txt");
        let schema = Schema::parse(text).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(schema.types.len(), text.matches("\ntype ").count());
        let pod = schema.kind("v1", "Pod").unwrap();
        let names: Vec<_> = schema.fields(pod).iter().filter_map(|field| field.name).collect();
        assert_eq!(names, ["metadata", "spec", "status"]);
        assert_eq!(schema.kind("v1", "Nothing"), None);
    }

    #[test]
    fn a_line_that_means_nothing_is_named() {
        for (text, why) in [
            ("kind v1 Pod core/v1.Pod", "no type is named core/v1.Pod"),
            ("  a 1 string", "  a 1 string: a field of no type"),
            ("type a\n  b one string", "  b one string: invalid digit found in string"),
            ("type a\n  b 1 c", "no type is named c"),
            ("type a\nb 1 string", "b 1 string: a kind, a type or a field is expected"),
        ] {
            assert_eq!(Schema::parse(text).err().as_deref(), Some(why));
        }
    }
}
