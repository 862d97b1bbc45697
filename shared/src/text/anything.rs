//! [`ANYTHING`]: stands in golden output for what is another one in every run.

/// Stands for anything.
pub const ANYTHING: &str = "<*>";

/// `line` with [`ANYTHING`] in the place of `value`. A number counts as a whole word only.
#[must_use]
pub fn replaced(line: &str, value: &str) -> String {
    let number = value.bytes().all(|byte| byte.is_ascii_digit());
    let part_of = |c: Option<char>| number && c.is_some_and(|c| c.is_alphanumeric() || c == '.');
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    while let Some((before, behind)) = rest.split_once(value).filter(|_| !value.is_empty()) {
        out.push_str(before);
        let whole = !part_of(out.chars().next_back()) && !part_of(behind.chars().next());
        out.push_str(if whole { ANYTHING } else { value });
        rest = behind;
    }
    out + rest
}

/// `line` with [`ANYTHING`] in all of its columns but those at these places.
#[must_use]
pub fn masked_columns(line: &str, kept: &[usize]) -> String {
    let columns = line.split(", ").enumerate();
    let shown = columns.map(|(at, text)| if kept.contains(&at) { text } else { ANYTHING });
    shown.collect::<Vec<_>>().join(", ")
}
