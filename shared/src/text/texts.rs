//! [`printable`]: bytes as any terminal shows them; and sizes and durations as etcdctl prints them.

use std::fmt;
use std::fmt::Write;
use std::time::Duration;

/// Bytes as `\xNN`.
#[derive(Clone, Copy, Debug)]
pub struct Escaped<'a>(pub &'a [u8]);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "\\x{byte:02x}"))
    }
}

/// Bytes as one line that any terminal can show: what [`is_drawn`] refuses escaped, bytes that are no text as `\xNN`.
#[must_use]
pub fn printable(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '\t' => text.push_str("    "),
                character if character.is_control() => text.extend(character.escape_default()),
                character if !is_drawn(character) => text.extend(character.escape_unicode()),
                character => text.push(character),
            }
        }
        text.push_str(&chunk.invalid().escape_ascii().to_string());
    }
    text
}

/// Whether every terminal draws the character as itself and in the width that is counted for it.
///
/// Not so: controls; what turns the direction of text, or has no width and so makes one text look like another; and what
/// changes the picture and the width of its neighbour where a terminal knows of it, and not elsewhere: selectors of a
/// variation, tones of skin, the letters that flags are made of, tags.
#[must_use]
pub fn is_drawn(character: char) -> bool {
    let hidden = matches!(
        character,
        '\u{ad}'
            | '\u{34f}'
            | '\u{61c}'
            | '\u{115f}'..='\u{1160}'
            | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}'
            | '\u{ffa0}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{1d173}'..='\u{1d17a}'
            | '\u{1f1e6}'..='\u{1f1ff}'
            | '\u{1f3fb}'..='\u{1f3ff}'
            | '\u{e0000}'..='\u{e0fff}'
    );
    !hidden && !character.is_control()
}

/// A size in powers of ten, such as `20 kB` or `1.2 MB`.
#[must_use]
pub fn size(bytes: i64) -> String {
    let bytes = u64::try_from(bytes).unwrap_or(0);
    if bytes < 10 {
        return format!("{bytes} B");
    }
    let units = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];
    let (mut scale, mut unit) = (1_u64, 0);
    while bytes / scale >= 1000 && unit + 1 < units.len() {
        scale *= 1000;
        unit += 1;
    }
    let unit = units.get(unit).copied().unwrap_or("B");
    // Tenths, rounded half up, as whole numbers: a float would round some of them down.
    let tenths = (u128::from(bytes) * 20 / u128::from(scale)).div_ceil(2);
    if tenths < 100 {
        return format!("{}.{} {unit}", tenths / 10, tenths % 10);
    }
    let (whole, tenth) = (tenths / 10, tenths % 10);
    // What is exactly between two whole numbers becomes the even one.
    let up = tenth > 5 || (tenth == 5 && whole % 2 == 1);
    format!("{} {unit}", whole + u128::from(up))
}

/// An id as etcdctl prints it: 16 places of hex, a sign among them.
#[must_use]
pub fn lease_hex(id: i64) -> String {
    if id < 0 { format!("-{:015x}", id.unsigned_abs()) } else { format!("{id:016x}") }
}

/// A duration as Go prints it, such as `1.5ms` or `1m5s`.
#[must_use]
pub fn duration(duration: Duration) -> String {
    let nanos = duration.as_nanos();
    let (unit, scale) = match nanos {
        0 => return "0s".to_owned(),
        1..1_000 => ("ns", 1),
        1_000..1_000_000 => ("µs", 1_000),
        1_000_000..1_000_000_000 => ("ms", 1_000_000),
        _ => return long_duration(nanos),
    };
    format!("{}{unit}", decimal(nanos, scale))
}

fn long_duration(nanos: u128) -> String {
    const SECOND: u128 = 1_000_000_000;
    let minutes = nanos / (60 * SECOND);
    let mut out = String::new();
    // Writing to a string does not fail.
    if minutes >= 60 {
        let _ = write!(out, "{}h", minutes / 60);
    }
    if minutes > 0 {
        let _ = write!(out, "{}m", minutes % 60);
    }
    let _ = write!(out, "{}s", decimal(nanos % (60 * SECOND), SECOND));
    out
}

/// `number / scale`, without zeros at the end; `scale` is a power of ten.
fn decimal(number: u128, scale: u128) -> String {
    let whole = number / scale;
    let rest = number % scale;
    if rest == 0 {
        return whole.to_string();
    }
    let digits = scale.to_string().len() - 1;
    let fraction = format!("{rest:0digits$}");
    format!("{whole}.{}", fraction.trim_end_matches('0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_etcdctls() {
        for (bytes, shown) in [
            (0, "0 B"),
            (9, "9 B"),
            (10, "10 B"),
            (999, "999 B"),
            (1000, "1.0 kB"),
            (1049, "1.0 kB"),
            (1050, "1.1 kB"),
            (20480, "20 kB"),
            (21504, "22 kB"),
            (36864, "37 kB"),
            (999_949, "1000 kB"),
            (1_500_000, "1.5 MB"),
            (2_147_483_648, "2.1 GB"),
            (-1, "0 B"),
        ] {
            assert_eq!(size(bytes), shown, "{bytes}");
        }
    }

    #[test]
    fn durations_are_gos() {
        for (nanos, shown) in [
            (0, "0s"),
            (1, "1ns"),
            (1_500, "1.5µs"),
            (3_625_992, "3.625992ms"),
            (5_002_231_558, "5.002231558s"),
            (65_000_000_000, "1m5s"),
            (3_600_000_000_000, "1h0m0s"),
        ] {
            assert_eq!(duration(Duration::from_nanos(nanos)), shown);
        }
    }

    #[test]
    fn every_byte_is_escaped() {
        assert_eq!(Escaped(b"a\xff\n").to_string(), r"\x61\xff\x0a");
    }

    #[test]
    fn an_id_has_sixteen_places_with_its_sign() {
        for (id, shown) in [
            (0, "0000000000000000"),
            (0x1234, "0000000000001234"),
            (i64::MAX, "7fffffffffffffff"),
            (-1, "-000000000000001"),
            (i64::MIN, "-8000000000000000"),
        ] {
            assert_eq!(lease_hex(id), shown);
        }
    }
}
